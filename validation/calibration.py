"""Calibration of ``wfrpde validate``: how often it cries wolf, and what it catches.

A Gaussian flow, N(−1, 0.5) towards N(0, 1), is known at all times, and so are the laws of samplers
with a planted mistake, which are drawn from exactly: no time step and no finite number of particles
adds to the mistake. Two rates are measured over many trials, each a whole validation:

* false alarms, with independent samples of the Eulerian density itself;
* detections, beside the power that the t test of the clearest row alone states beforehand.

    tools/env python validation/calibration.py [trials]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, nct
from scipy.stats import t as student

import wfrpde
from wfrpde.comparison.assembly import compare
from wfrpde.comparison.exact_samples import exact_sampler
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.replicates import Judge
from wfrpde.comparison.results import Row
from wfrpde.comparison.verdicts import Rules, judge
from wfrpde.flow.exact import gaussian_flow
from wfrpde.samplers import Ensemble, Trajectory

TIMES = [0.5, 1.0]
LEVEL = 0.05
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

Draw = Callable[[int, np.random.Generator], list[np.ndarray]]


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
) -> list[Row]:
    """One validation of one sampler."""
    found = [
        judged.assess(
            "sampler",
            Trajectory(np.array(TIMES), tuple(Ensemble.equal(x) for x in draw(n, rng))),
            0.0,
        )
        for _ in range(replicates)
    ]
    return judge(compare("sampler", judged, found), Rules(level=LEVEL))


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
            phi = observable.evaluate(points, density.moments[0])
            gap = abs(phi.mean() - reference.value) - reference.error
            scaled = gap / (phi.std() / np.sqrt(plant.particles * plant.replicates))
            if scaled > best:
                best, bias = scaled, gap / reference.spread
    freedom = plant.replicates - 1
    bar = student.ppf(1 - LEVEL / (2 * rows), freedom)
    return float(nct.sf(bar, freedom, best)), float(bias)


def false_alarms(
    judged: Judge, trials: int, n: int = 500, replicates: int = 16, seed: int = 1
) -> tuple[int, int]:
    """Trials with any biased row, and trials whose first row has p < LEVEL (alone)."""
    rng, draw = np.random.default_rng(seed), exact_draws(judged)
    family = alone = 0
    for _ in range(trials):
        rows = trial(judged, draw, n, replicates, rng)
        family += any(row.verdict == "biased" for row in rows)
        alone += rows[0].p_value < LEVEL
    return family, alone


def detections(judged: Judge, plant: Plant, trials: int, seed: int = 2) -> int:
    """Trials in which the mistake is found."""
    rng, draw = np.random.default_rng(seed), gaussian_draws(plant.law)
    return sum(
        any(
            row.verdict == "biased"
            for row in trial(judged, draw, plant.particles, plant.replicates, rng)
        )
        for _ in range(trials)
    )


def interval(trials: int, rate: float) -> tuple[int, int]:
    """Give the central 95 % of a binomial count."""
    low, high = binom.interval(0.95, trials, rate)
    return int(low), int(high)


def main(trials: int = 400) -> int:
    """Measure both rates, print them, and return 1 if one of them is off."""
    judged, wrong = judges(), False
    print(f"exact samples of the Eulerian density, {trials} trials, level {LEVEL:.0%}")
    for claims, one in judged.items():
        family, alone = false_alarms(one, trials)
        low, high = interval(trials, LEVEL)
        rows = len(one.observables) * len(TIMES)
        print(
            f"  {claims:3s}  any of {rows} rows biased: {family / trials:.3f}   one row alone: "
            f"{alone / trials:.3f}   (95 % of counts at the level: {low / trials:.3f} to "
            f"{high / trials:.3f})"
        )
        wrong |= family > high or not low <= alone <= high
    count = max(trials // 4, 50)
    print(f"planted mistakes, {count} trials")
    for plant in PLANTS:
        power, bias = stated_power(judged[plant.claims], plant)
        found = detections(judged[plant.claims], plant, count)
        least = interval(count, power)[0]
        print(
            f"  {plant.name:28s} bias {bias:.4f} σ   N = {plant.particles:6d}, R = "
            f"{plant.replicates}   stated power {power:.2f}   found {found / count:.2f}"
        )
        wrong |= found < least
    print("off" if wrong else "as stated")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
