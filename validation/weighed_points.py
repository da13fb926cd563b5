"""How often right weighted points are accused, and those that were resampled.

N(0, 1) is drawn exactly, weighed to N(m, 1), and judged by its mean and variance, as
`ProductJudge` and its relatives judge: the larger m, the heavier the tail of the weights. Points
are resampled in every way that there is; copies count as one point.

    tools/env python validation/weighed_points.py --trials 800
"""

from __future__ import annotations

import argparse
import sys
from typing import get_args

import numpy as np

from wfrpde.comparison.dimensions import compared
from wfrpde.comparison.weighed import Means, Weighed, normalised
from wfrpde.errors import InputError
from wfrpde.samplers.resampling import Scheme, offspring

LEVELS = (0.05, 0.01)
SHIFTS = (0.5, 0.8, 1.0, 1.2, 1.45)


def verdicts(
    m: float, scheme: Scheme | None, trials: int, n: int = 120, replicates: int = 16, seed: int = 0
) -> tuple[list[int], int]:
    """Count right samples that are accused, at each level, and those that something is said of."""
    rng, accused, decided = np.random.default_rng(seed), np.zeros(len(LEVELS), dtype=int), 0
    for _ in range(trials):
        found = []
        for x in rng.standard_normal((replicates, n)):
            logs = m * x
            if scheme is not None:
                x, logs = np.repeat(x, offspring(scheme, normalised(logs), rng)), np.zeros(n)
            found.append(Weighed.of(x[:, None], np.array([x, (x - m) ** 2]), logs))
        means, truths = Means.of(found), np.array([(m, 0.0), (1.0, 0.0)])
        try:
            judged = [compared(["mean", "variance"], truths, means, level) for level in LEVELS]
        except InputError:
            continue  # too few effective points
        decided += not means.doubt
        accused += [any(average.found for average in one.averages) for one in judged]
    return accused.tolist(), decided


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=800)
    parser.add_argument("--shifts", type=float, nargs="+", default=SHIFTS)
    chosen = parser.parse_args()
    print("| m | resampled | accused at 5 % | accused at 1 % | decided |")
    print("| ---: | --- | ---: | ---: | ---: |")
    for m in chosen.shifts:
        for scheme in (None, *get_args(Scheme)):
            accused, decided = verdicts(m, scheme, chosen.trials)
            print(
                f"| {m} | {scheme or 'no'} | {accused[0]} | {accused[1]} | {decided} |", flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
