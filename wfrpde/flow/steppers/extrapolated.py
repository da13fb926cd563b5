"""Strang splitting, extrapolated: order 4."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.steppers.stepper import Step
from wfrpde.flow.steppers.strang import Splitting
from wfrpde.flow.steppers.transport import FIFTH_ORDER, RationalStep


class Extrapolated(Splitting):
    """The linear combination ``(4 S(Δt/2)² − S(Δt))/3`` of the masses, S Strang's step.

    The measure of a step is the L1 distance between S(Δt/2)² and S(Δt).
    """

    order: ClassVar[int] = 4
    estimates_error: ClassVar[bool] = True
    rational: ClassVar[RationalStep] = FIFTH_ORDER

    def step(self, state: Array, t: float, dt: float) -> Step:
        """Return the state after `dt`, normalised if mass is conserved (collective)."""
        once, growth, _ = self.strang(state, t, dt)
        if self.transport is None:
            return Step(once, 0.0, growth)
        half, first, _ = self.strang(state, t, dt / 2)
        twice, second, _ = self.strang(half, t + dt / 2, dt / 2)
        with np.errstate(over="ignore", invalid="ignore"):
            factor = (4 - np.exp(once - twice)) / 3
        # where the coarse step overshoots the tail the finer step is kept: positive, order 2
        good = factor > 0
        mixed = np.where(good, twice + np.log(np.where(good, factor, 1.0)), twice)
        distance = self.semi.nodes.sum(np.abs(np.exp(once) - np.exp(twice)))
        return Step(self.normalised(mixed)[0], distance, (4 * (first + second) - growth) / 3)
