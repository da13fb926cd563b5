"""How often `validate` calls right weighted samplers biased, and wrong ones.

Flows of N(-1, 0.5) towards N(0, 1) are Gaussian at all times: by W, FR, WFR, and by Feynman-Kac
weights e^{∫x/2}. Points of a proposal are drawn exactly and weighed to the flow's law: one that is
`shift` standard deviations below it, one that is wider, the start of the flow itself. The farther
the proposal, the fewer points the weights leave. Wrong samplers are off by some standard errors of
a mean, or dropped the reaction. Verdicts are counted as they are, and with nothing granted to
weights.

    tools/env python validation/weighed_samplers.py --trials 400
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from calibration import LEVELS, START, TIMES

import wfrpde
from wfrpde.comparison.assembly import compare
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.replicates import Judge
from wfrpde.comparison.verdicts import Rules, judge
from wfrpde.comparison.weighed import normalised
from wfrpde.samplers import Ensemble, Trajectory
from wfrpde.samplers.resampling import Scheme, offspring

CASE = {
    "target": {"potential": "x**2/2", "modes": {"left": "x < -0.5"}},
    "initial": {"mean": [START[0]], "covariance": [[START[1]]]},
    "flow": {"save": TIMES},
    "validation": {"metrics": False},
}
FLOWS = {
    "W": {"beta": 0.0},
    "FR": {"alpha": 0.0},
    "WFR": {},
    "FK": {"beta": 0.0, "reaction": "0.5*x"},
}


@dataclass(frozen=True)
class Setting:
    """A sampler of so many points a replicate, and how many replicates."""

    claims: str
    proposal: Literal["below", "wide", "start"]
    shift: float
    points: int
    replicates: int
    scheme: Scheme | None = None
    tolerance: float = 0.0
    off: float = 0.0
    reacts: bool = True

    @property
    def words(self) -> str:
        """As a row of the table begins."""
        how = {"below": f"{self.shift:g} below", "wide": f"{self.shift:g} wide", "start": "start"}
        also = [self.scheme] if self.scheme else []
        also += [f"tolerance {self.tolerance:g}"] if self.tolerance else []
        also += [f"off by {self.off:g}"] if self.off else []
        also += [] if self.reacts else ["no reaction"]
        proposal = how[self.proposal]
        return (
            f"| {self.claims} | {proposal} | {self.points} | {self.replicates} | "
            f"{', '.join(also)} |"
        )


RIGHT = (
    Setting("WFR", "below", 0.8, 120, 16),
    Setting("WFR", "below", 1.0, 120, 16),
    Setting("WFR", "below", 0.8, 60, 16),
    Setting("FR", "start", 0.0, 120, 16),
    Setting("FK", "wide", 2.0, 60, 32),
    Setting("WFR", "below", 1.0, 120, 4),
    Setting("WFR", "below", 1.0, 120, 16, "systematic"),
    Setting("WFR", "below", 0.8, 120, 16, "multinomial"),
    Setting("WFR", "below", 1.0, 120, 16, None, 0.05),
    Setting("WFR", "below", 1.0, 120, 32),
    Setting("FK", "below", 0.5, 500, 16),
    Setting("FK", "below", 1.4, 1000, 8),
    Setting("WFR", "below", 1.0, 2000, 4),
    Setting("W", "wide", 3.0, 60, 8),
    Setting("WFR", "below", 0.5, 2000, 8),
    Setting("WFR", "below", 0.8, 15, 64),
    Setting("WFR", "below", 1.0, 15, 64),
    Setting("FR", "start", 0.0, 30, 64, "systematic"),
)
WRONG = (
    *(Setting("WFR", "below", 0.5, 500, 16, off=off) for off in (3.0, 5.0)),
    Setting("WFR", "below", 0.5, 120, 16, reacts=False),
    *(Setting("FK", "wide", 2.0, 500, 16, off=off) for off in (3.0, 5.0)),
    *(Setting("WFR", "below", 0.8, 500, 16, off=off) for off in (3.0, 5.0)),
    Setting("WFR", "below", 0.8, 120, 16, reacts=False),
    *(Setting("WFR", "below", 1.0, 500, 16, off=off) for off in (3.0, 5.0)),
    Setting("WFR", "below", 1.0, 120, 16, reacts=False),
    *(Setting("WFR", "below", 0.8, 15, 64, off=off) for off in (3.0, 5.0)),
)


def judges() -> dict[str, Judge]:
    """Make what compares samplers of each flow."""
    found = {}
    for name, keys in FLOWS.items():
        flows = Flows(
            wfrpde.Case.model_validate({**CASE, "flow": {"beta": 1.0, "save": TIMES, **keys}})
        )
        found[name] = flows.judge(flows.case.equation)
    return found


def sampler(
    every: dict[str, Judge], own: Setting
) -> Callable[[np.random.Generator, float], Trajectory]:
    """Return what draws a replicate, off by so much."""

    def moments(judged: Judge) -> list[tuple[float, float]]:
        laws = [density.moments for density in judged.densities.values()]
        return [(float(mean[0]), float(np.sqrt(variance[0, 0]))) for mean, variance in laws]

    laws, plain = moments(every[own.claims]), moments(every["W"])
    n = own.points

    def draw(rng: np.random.Generator, off: float) -> Trajectory:
        ensembles = []
        for (m, s), (m_w, s_w) in zip(laws, plain, strict=True):
            centre, width = {
                "below": (m - own.shift * s, s),
                "wide": (m, own.shift * s),
                "start": (START[0], np.sqrt(START[1])),
            }[own.proposal]
            x = centre + width * rng.standard_normal(n)
            logs = ((x - centre) / width) ** 2 / 2 - ((x - m) / s) ** 2 / 2
            if own.scheme is not None:
                x, logs = np.repeat(x, offspring(own.scheme, normalised(logs), rng)), np.zeros(n)
            if not own.reacts:
                x = m_w + s_w / s * (x - m)
            ensembles.append(Ensemble(x[:, None] + off * s, logs))
        return Trajectory(np.array(TIMES), tuple(ensembles))

    return draw


def verdicts(every: dict[str, Judge], own: Setting, trials: int) -> tuple[list[int], list[int]]:
    """Count trials with a biased row, at each level: as they are, and with nothing granted."""
    draw, off = sampler(every, own), 0.0
    rng = np.random.default_rng([0, own.points, own.replicates, int(100 * own.shift)])
    if own.off:  # standard errors of the mean, of points that are worth so many
        weights = [draw(rng, 0.0).ensembles[1].weights for _ in range(50)]
        off = own.off * np.sqrt(np.mean([w @ w for w in weights]) / own.replicates)
    counts = np.zeros((2, len(LEVELS)), dtype=int)
    judged = every[own.claims]
    for _ in range(trials):
        found = [judged.assess("s", draw(rng, off), 0.0) for _ in range(own.replicates)]
        rows = compare("s", judged, found)
        for kind, some in enumerate(
            (rows, [replace(row, granted=(0.0, 0.0), bent=(0.0, 0.0)) for row in rows])
        ):
            for k, level in enumerate(LEVELS):
                ends = judge(some, Rules(level=level, tolerance=own.tolerance))
                counts[kind, k] += any(row.verdict == "biased" for row in ends)
    return counts[0].tolist(), counts[1].tolist()


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    trials, every = parser.parse_args().trials, judges()
    for title, settings, count in (("right", RIGHT, trials), ("wrong", WRONG, trials // 4)):
        print(f"\n{title}: of {count}, at {LEVELS}\n")
        print("| claims | proposal | points | replicates | | biased | nothing granted |")
        print("| --- | --- | ---: | ---: | --- | --- | --- |")
        for own in settings:
            new, old = (", ".join(f"{k}" for k in counts) for counts in verdicts(every, own, count))
            print(f"{own.words} {new} | {old} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
