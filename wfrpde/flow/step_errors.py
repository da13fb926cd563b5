"""What the steps of the log-density form leave, and the distance of two runs does not tell of it.

Beyond a line both runs choose their steps by the estimated error m of each, below e and below a
larger limit; on a line the finer one halves those of the other. With local errors of order 5 the
errors of the two at a time are as q, the ratio of Σ Δt⁵, to 1 (1/16 on a line), so that q/(1 − q)
of their distance is the error of the finer one. Where both take the same steps, as between saved
times that are near to each other, q is near 1, and what the estimates say of each step tells more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.flow.ladder import Run

OF_STEPS = 0.3
"""Norm of δu under ρ, in units of e (m/e)^{5/4} with the largest m so far, that steps leave (m is
of the order 4 in Δt). Of 30 Gaussians and 20 pairs of wells on a line 95 % left less than .37, half
of them less than .07, with limits e of 2e-3 to 2e-6."""

CAUTION = 2.5
"""Factor on what the distance of runs tells of steps."""

MOST = 2.0
"""Largest multiple of that which a distance of runs, which elements make as well, may tell."""


@dataclass(frozen=True)
class StepErrors:
    """Errors of the steps of two runs, at the times ``(T,)``.

    Attributes
    ----------
    ratio
        q/(1 − q).
    estimate
        Norm of δu under ρ, by what was estimated of each step.
    least
        Share of that which counts should the two agree by chance.
    most
        Largest multiple of the largest share of a distance at any time that this may be.
    """

    ratio: Array
    estimate: Array
    least: float
    most: float

    @property
    def share(self) -> Array:
        """Share ``(T,)`` of the distance of the two that covers what steps leave."""
        return np.asarray(CAUTION * self.ratio)

    def untold(self, distance: Array, share: Array, by_chance: Flags) -> Array:
        """Return the error ``(T,)`` that a share of the distance in L2 does not tell.

        `by_chance`: when the two runs agree better than before and after; their numbers do as well.
        What counts should they agree on all numbers is no more than `most` times the largest such
        share at any time: where far tails decide the estimates, they are a hundred times too large.
        """
        by_distance = np.maximum(self.share - share, 2.0 * share * by_chance) * distance
        with np.errstate(divide="ignore"):
            untold = np.clip(1.0 - share / self.ratio, 0.0, 1.0)
        told = np.minimum(by_distance, MOST * self.estimate)
        should_they = np.minimum(self.least * self.estimate, self.most * np.max(share * distance))
        return np.asarray(np.maximum.reduce([told, untold * self.estimate, should_they]))


def step_errors(runs: tuple[Run, ...], least: float, most: float) -> StepErrors | None:
    """Return those of the last two runs; None where there is one, or one that was stopped."""
    if len(runs) == 1 or not all(run.march.complete for run in runs):
        return None
    before, finest = (run.march.schedule for run in runs[-2:])
    others, own = (np.cumsum(each.dt**5)[list(each.save)] for each in (before, finest))
    limit = float(runs[-1].facts["local_error"])
    worst = np.maximum.accumulate(finest.measures / limit)[list(finest.save)]
    ratio = own / np.maximum(others - own, 1e-9 * others)
    estimate = np.append(0.0, OF_STEPS * limit * worst**1.25)
    return StepErrors(np.append(0.0, ratio), estimate, least, most)
