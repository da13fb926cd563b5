"""Exact flows of the two parts in turns, with steps of a fixed size: splitting as a model."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

SHARES = {"strang": (0.5, 0.5), "W-FR": (0.0, 1.0), "FR-W": (1.0, 0.0)}
"""Parts of the reaction's step before and after that of transport."""


@dataclass(frozen=True)
class Alternation:
    """Transport for a time Δ, and the reaction for Δ, each solved exactly, in a given order.

    Attributes
    ----------
    order
        ``W-FR`` (transport first), ``FR-W``, or ``strang`` (half of the reaction at either end).
    step
        Δ, in model time.
    """

    order: str
    step: float

    def before(self, t: float) -> float:
        """Return how long the reaction acts at time t, before transport goes on."""
        return SHARES[self.order][0] * self.step if self.at_end(t) else 0.0

    def after(self, t: float) -> float:
        """Return how long the reaction acts at time t, after transport has come there."""
        return SHARES[self.order][1] * self.step if self.at_end(t) else 0.0

    def at_end(self, t: float) -> bool:
        """Whether t is a multiple of Δ."""
        return isclose(t / self.step, round(t / self.step), rel_tol=1e-9, abs_tol=1e-9)
