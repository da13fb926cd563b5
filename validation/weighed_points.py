"""How often right weighted points are accused, and those that were resampled.

N(0, 1) is drawn exactly, weighed to N(m, 1), and judged by its mean and variance, as
`ProductJudge` and its relatives judge: the larger m, the heavier the tail of the weights. Points
are resampled in every way that there is; copies count as one point.

    tools/env python validation/weighed_points.py --trials 800
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import get_args

import numpy as np
from calibration import Alarms, Store
from scipy.special import ndtri

from wfrpde.comparison.dimensions import compared
from wfrpde.comparison.weighed import Means, Weighed, normalised, unseen
from wfrpde.errors import InputError
from wfrpde.samplers.resampling import Scheme, offspring

LEVELS = (0.05, 0.01)
SHIFTS = (0.5, 0.8, 1.0, 1.2, 1.45)


def verdicts(
    m: float,
    scheme: Scheme | None,
    trials: int,
    n: int = 120,
    replicates: int = 16,
    seed: object = 0,
    noise: float = 1.0,
) -> list[int]:
    """Count samples that are accused, at each level, and those that something is said of at 1 %.

    The samples are right where their distances from m are not multiplied by a `noise`.
    """
    rng, accused, decided = np.random.default_rng(seed), np.zeros(len(LEVELS), dtype=int), 0
    law = ndtri((np.arange(4000) + 0.5) / 4000)
    law, shares = np.array([m + law, law**2]), np.full(4000, 1 / 4000)
    for _ in range(trials):
        found = []
        for x in rng.standard_normal((replicates, n)):
            logs = m * x
            if scheme is not None:
                x, logs = np.repeat(x, offspring(scheme, normalised(logs), rng)), np.zeros(n)
            x = m + noise * (x - m)
            found.append(Weighed.of(x[:, None], np.array([x, (x - m) ** 2]), logs))
        means, truths = Means.of(found), np.array([(m, 0.0), (1.0, 0.0)])
        missed = unseen(law, shares, means.beyond)
        try:
            judged = [
                compared(["mean", "variance"], truths, means, level, missed=missed)
                for level in LEVELS
            ]
        except InputError:
            continue  # too few effective points
        decided += not judged[-1].doubt
        accused += [any(average.found for average in one.averages) for one in judged]
    return [*accused.tolist(), decided]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=800)
    parser.add_argument("--shifts", type=float, nargs="+", default=SHIFTS)
    parser.add_argument("--noise", type=float, default=1.0, help="of wrong samples: below 1")
    parser.add_argument("--store", type=Path, help="file of the counts of what was done before")
    chosen = parser.parse_args()
    store = Store(chosen.store)
    print("| m | resampled | accused at 5 % | accused at 1 % | decided |")
    print("| ---: | --- | ---: | ---: | ---: |")
    for m, scheme in itertools.product(chosen.shifts, (None, *get_args(Scheme))):

        def block(size: int, number: int, m: float = m, scheme: Scheme | None = scheme) -> Alarms:
            return verdicts(m, scheme, size, seed=[8, number], noise=chosen.noise)

        key = (m, scheme, chosen.noise)
        *accused, decided = store.total(key, chosen.trials, block)
        print(f"| {m} | {scheme or 'no'} | {accused[0]} | {accused[1]} | {decided} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
