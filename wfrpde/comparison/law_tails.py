r"""Tails of the law that samplers are compared with: what few of their points decide of averages.

Where |φ − ⟨φ⟩| exceeds y(u) with probability u, an average of n points knows its error only if
y does not grow as fast as :math:`u^{-1/2}` where the farthest of the points are, at u = 1/n:
with k the local slope of −log y in log u, k ≥ ½ for ever is an infinite variance. The law is
known, so that k is, and no noise makes a tail look heavy. Student's t of n draws calls 5 % of right
averages biased up to k = .4, 8 % at k = .55, and 20 % at k = .7, where the tail is on one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.comparison.statistics import expectation
from wfrpde.comparison.weighed import unseen
from wfrpde.numbers import number

if TYPE_CHECKING:
    from wfrpde.comparison.observables import Observable
    from wfrpde.comparison.replicates import AnyDensity

LEVELS: Array = np.asarray(10.0 ** np.linspace(-9, 0, 181))
"""Masses of tails that are tabulated."""

STEEPEST = 0.5
"""The k from which on no error of an average is known."""

ENOUGH = 5
"""Points beyond, of those that stand for the law, from which on these tell a tail."""

DEEP, DECADE = 3e-4, 10.0
"""Where the slope is taken: at this u at most, and so many times as much. Few points see more of a
law than of its tail there, and say nothing of the tail."""


@dataclass(frozen=True)
class LawTails:
    """Tails of m functions under a law, by the mass of the tails.

    Attributes
    ----------
    missed
        ``(2, m, L)``: see `unseen`.
    far
        ``(m, L)``: what |φ − ⟨φ⟩| exceeds with that probability.
    told
        ``(m,)``: mass from which on there are points enough to tell what is exceeded.
    shares
        ``(m,)``: which are indicators; few points decide these as well, but counts test them.
    """

    missed: Array
    far: Array
    told: Array
    shares: Flags

    @classmethod
    def of_all(cls, observables: Sequence[Observable], density: AnyDensity) -> LawTails:
        """Those of observables under a density."""
        x, masses = density.plain_atoms
        held = masses > 0  # where there is nothing φ may overflow
        found = np.array([o.evaluate(x[held], density) for o in observables], dtype=float)
        tails = cls.of(found, masses[held], np.array([o.share for o in observables]))
        for k, observable in enumerate(observables):
            if observable.along is not None:
                tails.far[k], tails.told[k] = _tail(*observable.along(density))
        return tails

    @classmethod
    def of(cls, values: Array, masses: Array, shares: Flags | None = None) -> LawTails:
        """From values ``(m, n)`` at points that stand for the law, and the masses of these."""
        gaps = values - expectation(values, masses)[:, None]
        tails = [_tail(row, masses) for row in gaps]
        far, told = (np.array(part) for part in zip(*tails, strict=True))
        shares = np.zeros(len(values), dtype=bool) if shares is None else shares
        return cls(unseen(values, masses, LEVELS), far, told, shares)

    def beyond(self, share: float) -> Array:
        """Return what tails of that mass hold of averages ``(2, m)``, as `unseen` does."""
        if share <= 0:
            return np.zeros(self.missed.shape[:2])
        flat = self.missed.reshape(-1, len(LEVELS))
        return np.array([np.interp(share, LEVELS, row) for row in flat]).reshape(2, -1)

    def doubts(self, points: float) -> list[str]:
        """Say of each function why so many points do not know the error of its average, or ""."""
        deep = min(1 / max(points, 1.0), DEEP)
        found = []
        for row, told, share in zip(self.far, self.told, self.shares, strict=True):
            near, far = np.interp(np.log([DECADE * deep, deep]), np.log(LEVELS), row)
            grows = far / near if near > 0 else 1.0
            heavy = grows >= DECADE**STEEPEST and told <= deep and not share
            found.append(
                f"few points decide it: of {1 / deep:.0f} of the law the farthest is "
                f"{number(grows, 2)} times as far out as the tenth farthest, and from "
                f"{DECADE**STEEPEST:.2g} on no error bar holds (its variance is infinite, or "
                "looks so)"
                if heavy
                else ""
            )
        return found


def _tail(gaps: Array, masses: Array) -> tuple[Array, float]:
    """Return what gaps ``(n,)`` exceed with the `LEVELS`, and the mass that is told."""
    far = np.abs(gaps)
    order = np.argsort(-far)
    beyond = np.cumsum(masses[order])
    told = float(beyond[min(ENOUGH, len(beyond)) - 1])
    return np.interp(LEVELS, beyond, far[order]), told
