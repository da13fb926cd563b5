"""Calibration of ``wfrpde validate``: how often it cries wolf, and what it catches.

A Gaussian flow, N(−1, 0.5) towards N(0, 1), is known at all times, and so are the laws of samplers
with a planted mistake, which are drawn from exactly: no time step and no finite number of particles
adds to the mistake. Two rates are measured over many trials, each a whole validation:

* false alarms, with independent samples of the Eulerian density itself;
* detections, beside the power that the t test of the clearest row alone states beforehand.

Exact Markov chains of N(0, 1), one to 32 of them, in every layout and as if the layout were not
known, and those of a bent law, are counted likewise (weighted points: ``weighed_points.py``).

    tools/env python validation/calibration.py --trials 1000 --store alarms.jsonl

Trials come in blocks with seeds of their own; those that a store has are not counted again, so that
a run that was ended goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, nct, norm
from scipy.stats import t as student

import wfrpde
from wfrpde.comparison.assembly import compare
from wfrpde.comparison.autocorrelation import chains_error
from wfrpde.comparison.exact_samples import exact_sampler
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.observables import ReferenceValue
from wfrpde.comparison.replicates import Judge
from wfrpde.comparison.results import Row
from wfrpde.comparison.statistics import Average
from wfrpde.comparison.verdicts import Comparison, Rules, judge
from wfrpde.flow.exact import gaussian_flow
from wfrpde.samplers import Ensemble, Trajectory

TIMES = [0.5, 1.0]
LEVEL = 0.05
LEVELS = (LEVEL, 0.01)
BLOCK = 50
"""Trials that are counted, and kept, together."""

START, TARGET = (-1.0, 0.5), (0.0, 1.0)
CASE = {
    "target": {
        "kind": "gaussian",
        "mean": TARGET[0],
        "covariance": TARGET[1],
        "modes": {"left": "x < -0.5"},
    },
    "initial": {"mean": [START[0]], "covariance": [[START[1]]]},
    "flow": {"save": TIMES},
    "validation": {"metrics": False},
}

Draws = NDArray[np.float64]
Draw = Callable[[int, np.random.Generator], list[np.ndarray]]
Alarms = list[int]
"""At each level, in how many trials any row was called biased, or what else is counted."""


@dataclass(frozen=True)
class Plant:
    """A sampler with a mistake.

    ``law`` gives mean and variance at a time; ``replicates`` and ``particles`` are those with which
    it is to be caught.
    """

    name: str
    claims: str
    law: Callable[[float], tuple[float, float]]
    particles: int
    replicates: int


def wfr(t: float, alpha: float = 1.0, beta: float = 1.0) -> tuple[float, float]:
    """Mean and variance of the flow."""
    mean, covariance = gaussian_flow(
        START[0], START[1], TARGET[0], TARGET[1], t, alpha=alpha, beta=beta
    )
    return float(mean[0]), float(covariance[0, 0])


def langevin(t: float, drift: float = 1.0, noise: float = 1.0) -> tuple[float, float]:
    """Mean and variance of dX = −drift·X dt + √(2·noise) dW, started from N(−1, 0.5)."""
    decay = np.exp(-drift * t)
    variance = decay**2 * START[1] + noise / drift * (1 - decay**2)
    return START[0] * decay, float(variance)


def shifted(t: float) -> tuple[float, float]:
    """Give the WFR flow, its mean shifted by 0.02 standard deviations."""
    mean, variance = wfr(t)
    return mean + 0.02 * float(np.sqrt(variance)), variance


PLANTS = (
    Plant("drift wrong by 2 %", "W", lambda t: langevin(t, drift=1.02), 4_600, 32),
    Plant("noise variance wrong by 2 %", "W", lambda t: langevin(t, noise=1.02), 3_300, 32),
    Plant("beta wrong by 10 %", "WFR", lambda t: wfr(t, beta=1.1), 1_700, 32),
    Plant("weights dropped", "WFR", langevin, 25, 16),
    Plant("mean shifted by 0.02 sd", "WFR", shifted, 1_250, 32),
)


def judges() -> dict[str, Judge]:
    """Make what compares samplers that claim W, and those that claim WFR."""
    flows = Flows(wfrpde.Case.model_validate(CASE))
    equation = flows.case.equation
    return {word: flows.judge(equation.claimed(word)) for word in ("W", "WFR")}


def gaussian_draws(law: Callable[[float], tuple[float, float]]) -> Draw:
    """Independent draws of Gaussian laws at both times."""
    moments = [law(t) for t in TIMES]

    def draw(n: int, rng: np.random.Generator) -> list[np.ndarray]:
        return [m + np.sqrt(c) * rng.standard_normal((n, 1)) for m, c in moments]

    return draw


def exact_draws(judged: Judge) -> Draw:
    """Independent draws of the Eulerian densities."""
    samplers = [exact_sampler(density) for density in judged.densities.values()]
    return lambda n, rng: [sampler.draw(n, rng) for sampler in samplers]


def trial(
    judged: Judge, draw: Draw, n: int, replicates: int, rng: np.random.Generator
) -> list[list[Row]]:
    """One validation of one sampler, at each level."""
    found = [
        judged.assess(
            "sampler",
            Trajectory(np.array(TIMES), tuple(Ensemble.equal(x) for x in draw(n, rng))),
            0.0,
        )
        for _ in range(replicates)
    ]
    rows = compare("sampler", judged, found)
    return [judge(rows, Rules(level=level)) for level in LEVELS]


def biased(judged: list[list[Row]]) -> NDArray[np.int64]:
    """Whether any row is called biased, at each level."""
    return np.array([any(row.verdict == "biased" for row in rows) for rows in judged], dtype=int)


def stated_power(judged: Judge, plant: Plant) -> tuple[float, float]:
    """Power of the clearest row's t test at Holm's first level, and its bias in σ."""
    rows, best, bias = 0, 0.0, 0.0
    rng = np.random.default_rng(0)
    law = gaussian_draws(plant.law)
    x = law(2_000_000, rng)
    for points, references, density in zip(
        x, judged.references.values(), judged.densities.values(), strict=True
    ):
        for observable, reference in zip(judged.observables, references, strict=True):
            rows += 1
            phi = observable.evaluate(points, density)
            gap = abs(phi.mean() - reference.value) - reference.error
            scaled = gap / (phi.std() / np.sqrt(plant.particles * plant.replicates))
            if scaled > best:
                best, bias = scaled, gap / reference.spread
    freedom = plant.replicates - 1
    bar = student.ppf(1 - LEVEL / (2 * rows), freedom)
    return float(nct.sf(bar, freedom, best)), float(bias)


def false_alarms(
    judged: Judge, trials: int, n: int = 500, replicates: int = 16, seed: object = 1
) -> Alarms:
    """Trials with any biased row at each level, then those whose first row alone has p below it."""
    rng, draw = np.random.default_rng(seed), exact_draws(judged)
    family = alone = np.zeros(len(LEVELS), dtype=int)
    for _ in range(trials):
        found = trial(judged, draw, n, replicates, rng)
        family = family + biased(found)
        alone = alone + (found[0][0].p_value < np.array(LEVELS))
    return [*family.tolist(), *alone.tolist()]


def detections(judged: Judge, plant: Plant, trials: int, seed: object = 2) -> Alarms:
    """Trials in which the mistake is found, at each level."""
    rng, draw = np.random.default_rng(seed), gaussian_draws(plant.law)
    found = np.zeros(len(LEVELS), dtype=int)
    for _ in range(trials):
        found += biased(trial(judged, draw, plant.particles, plant.replicates, rng))
    return found.tolist()


@dataclass
class Store:
    """Counts of blocks of trials by what they are of, kept in a file of JSON lines."""

    path: Path | None = None

    def __post_init__(self) -> None:
        lines = self.path.read_text().splitlines() if self.path and self.path.exists() else []
        self.known = {(*row["key"],): row["counts"] for row in map(json.loads, lines)}

    def total(
        self, key: Sequence[object], trials: int, count: Callable[[int, int], Alarms]
    ) -> Alarms:
        """Add up the blocks ``count(size, number)`` of so many trials."""
        total = np.zeros(0)
        for number, first in enumerate(range(0, trials, BLOCK)):
            size = min(BLOCK, trials - first)
            own = (*key, number, size)
            if own not in self.known:
                self.known[own] = count(size, number)
                if self.path is not None:
                    with self.path.open("a") as file:
                        file.write(json.dumps({"key": own, "counts": self.known[own]}) + "\n")
            total = np.array(self.known[own]) + (total if total.size else 0)
        return total.tolist()


def autoregression(rng: np.random.Generator, chains: int, n: int, phi: float) -> Draws:
    """Exact chains ``(n, C)`` of N(0, 1) with autocorrelations φ^k."""
    x = np.empty((n, chains))
    x[0] = rng.standard_normal(chains)
    noise = np.sqrt(1 - phi**2) * rng.standard_normal((n, chains))
    for k in range(1, n):
        x[k] = phi * x[k - 1] + noise[k]
    return x


def as_it_is(x: Draws) -> Draws:
    """Mean 0 and variance 1, and the mass of a half line: observables ``(…, 3)``."""
    return np.stack([x, x**2, x > 0.5], axis=-1).astype(float)


def bent(x: Draws) -> Draws:
    """Give the same of y = x² less its mean, whose tail few points decide."""
    y = x**2 - 1
    return np.stack([y, y**2, y > 0.5], axis=-1).astype(float)


KNOWN = {
    "N(0, 1)": (as_it_is, [0.0, 1.0, norm.sf(0.5)], [1.0, np.sqrt(2.0)]),
    "bent": (bent, [0.0, 2.0, 2 * norm.sf(np.sqrt(1.5))], [np.sqrt(2.0), np.sqrt(56.0)]),
}
"""Observables of chains, their values, and the standard deviations of the first two."""

LAYOUTS = {
    "right": lambda x: (x.T.reshape(-1), x.shape[1]),
    "steps first": lambda x: (x.reshape(-1), x.shape[0]),
    "interleaved": lambda x: (x.reshape(-1), 1),
}
"""Orders in which chains ``(n, C)`` are handed over, and how many chains are said to be there."""


def chain_alarms(
    law: str, layout: str, chains: int, n: int, trials: int, tau: float = 19.0, seed: object = 4
) -> Alarms:
    """Trials in which any row of exact chains is called biased, at each level."""
    rng, phi = np.random.default_rng(seed), (tau - 1) / (tau + 1)
    function, values, spreads = KNOWN[law]
    p = values[2]
    every = [*spreads, np.sqrt(p * (1 - p))]
    references = [ReferenceValue(v, 1e-12, s) for v, s in zip(values, every, strict=True)]
    wrong = np.zeros(len(LEVELS), dtype=int)
    for _ in range(trials):
        x, count = LAYOUTS[layout](autoregression(rng, chains, n, phi))
        series, weights = function(x), np.full(len(x), 1 / len(x))
        found = chains_error(series, weights, count, np.array([r.spread for r in references]))
        rows = [
            Comparison("chains", str(k), np.inf, 1, Average(mean, error, freedom), reference,
                       ess=ess, r_hat=ratio)
            for k, (mean, error, freedom, ess, ratio, reference) in enumerate(
                zip(weights @ series, found.error, found.freedom, found.ess, found.r_hat,
                    references, strict=True)
            )
        ]  # fmt: skip
        wrong += biased([judge(rows, Rules(level=level)) for level in LEVELS])
    return wrong.tolist()


def chain_table(trials: int, store: Store) -> bool:
    """Print the alarms of all kinds of chains; return whether one has too many."""
    most = [interval(trials, level)[1] for level in LEVELS]
    print(f"exact chains, τ = 19, {trials} trials each, at levels of {LEVELS}; at most {most}")
    print("| law | chains | steps | right | steps first | interleaved |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    off = False
    for n, chains, law in itertools.product((500, 2000), (1, 2, 4, 8, 32), KNOWN):
        cells = []
        # which axis is which shows only where there are chains, long ones
        for layout in LAYOUTS if chains > 1 else ["right"]:
            found = store.total(
                ("chains", law, layout, chains, n), trials,
                partial(_chain_block, law, layout, chains, n),
            )  # fmt: skip
            cells.append(", ".join(f"{count / trials:.4f}" for count in found))
            off |= bool(np.greater(found, most).any())
        print(f"| {law} | {chains} | {n} | {' | '.join(cells)} |", flush=True)
    return off


def _chain_block(law: str, layout: str, chains: int, n: int, size: int, number: int) -> Alarms:
    return chain_alarms(law, layout, chains, n, size, seed=[4, number])


def interval(trials: int, rate: float) -> tuple[int, int]:
    """Give the central 95 % of a binomial count."""
    low, high = binom.interval(0.95, trials, rate)
    return int(low), int(high)


def main() -> int:
    """Measure both rates, print them, and return 1 if one of them is off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--store", type=Path, help="file of the counts of what was done before")
    parser.add_argument("--only", choices=("chains", "flow"), help="count those alone")
    arguments = parser.parse_args()
    store, wrong = Store(arguments.store), False
    if arguments.only != "chains":
        wrong |= flow_table(arguments.trials, store)
    if arguments.only != "flow":
        wrong |= chain_table(arguments.trials, store)
    print("off" if wrong else "as stated")
    return int(wrong)


def flow_table(trials: int, store: Store) -> bool:
    """Print alarms and detections along a flow; return whether one is off."""
    judged, wrong = judges(), False
    print(f"exact samples of the Eulerian density, {trials} trials")
    for claims, one in judged.items():
        counts = store.total(
            ("alarms", claims), trials,
            lambda size, number, one=one: false_alarms(one, size, seed=[1, number]),
        )  # fmt: skip
        rows = len(one.observables) * len(TIMES)
        for level, family, alone in zip(LEVELS, counts[:2], counts[2:], strict=True):
            low, high = interval(trials, level)
            print(
                f"  {claims:3s} {level:.0%}  any of {rows} rows: {family / trials:.4f}   one row "
                f"alone: {alone / trials:.4f}   (95 % of counts at the level: {low / trials:.4f} "
                f"to {high / trials:.4f})", flush=True,
            )  # fmt: skip
            wrong |= family > high or not low <= alone <= high
    count = max(trials // 4, 50)
    print(f"planted mistakes, {count} trials")
    for plant in PLANTS:
        own = judged[plant.claims]
        power, bias = stated_power(own, plant)
        found = store.total(
            ("plant", plant.name), count,
            lambda size, number, own=own, plant=plant: detections(
                own, plant, size, seed=[2, number]
            ),
        )[0]  # fmt: skip
        least = interval(count, power)[0]
        print(
            f"  {plant.name:28s} bias {bias:.4f} σ   N = {plant.particles:6d}, R = "
            f"{plant.replicates}   stated power {power:.2f}   found {found / count:.2f}",
            flush=True,
        )
        wrong |= found < least
    return wrong


if __name__ == "__main__":
    sys.exit(main())
