"""Strang splitting of u = log(ρ/π) along characteristics: transport and reaction, noise, and back.

Transport without noise and the Fisher–Rao reaction commute where π is kept: u ∘ Φ, times θ.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from wfrpde.arrays import Array
from wfrpde.discretisation.characteristics import CharacteristicForm
from wfrpde.flow.steppers.stepper import Step


class AlongCharacteristics:
    """Half a step of reaction and transport, a step of noise, half a one of both again.

    The unknown is u = log(ρ/π), normalised if mass is conserved. Its mass is that of the splitting
    and of the interpolation: `Step.drift` tells, before it is normalised, what transport and noise
    made of it. The measure is s² times the largest curvature of −u along an axis with noise, s² the
    variance of the noise in the step, before and after it: the Gauss–Hermite rule needs it below 1.
    """

    order: ClassVar[int] = 2
    unknown: ClassVar[str] = "log density along characteristics"
    estimates_error: ClassVar[bool] = False
    by_axes: ClassVar[bool] = False
    kl_slack: ClassVar[float] = 1e-4
    tallies: ClassVar[tuple[str, ...]] = ()

    def __init__(self, semi: CharacteristicForm, *, measured: bool = True) -> None:
        self.semi, self._measured = semi, measured

    def log_mass(self, state: Array) -> Array:
        """Return the nodal log mass."""
        return state + self.semi.log_target

    def nodal_mass(self, state: Array) -> Array:
        """Return the mass at the nodes."""
        return np.exp(self.log_mass(state))

    def mass(self, state: Array) -> float:
        """Return the mass at the nodes, but 1 where every step normalises it."""
        if self.semi.equation.conserve:
            return 1.0
        return math.exp(self._total(state))

    def log_relative(self, state: Array) -> Array:
        """Return u."""
        return state

    def step(self, state: Array, t: float, dt: float) -> Step:
        """Return the state after `dt`, with an infinite measure if the arithmetic breaks down."""
        semi = self.semi
        measure = self._bend(state, dt) if self._measured else 0.0
        with np.errstate(all="ignore"):
            u = self._reacted(state, t, dt / 2)
            before = self._total(u)
            u = semi.transported(u, dt / 2)
            u = semi.diffused(u, dt)
            u = semi.transported(u, dt / 2)
            drift = self._total(u) - before
            u = self._reacted(u - drift, t + dt / 2, dt / 2)
        if not math.isfinite(drift):
            return Step(state, math.inf)
        if self._measured:
            measure = max(measure, self._bend(u, dt))
        return Step(u, measure, drift=drift)

    def _total(self, u: Array) -> float:
        return self.semi.nodes.logsumexp(u + self.semi.log_target)

    def _reacted(self, u: Array, t: float, dt: float) -> Array:
        """Return u after the reaction alone from time t."""
        equation = self.semi.equation
        if equation.reaction is not None:
            u = equation.reaction.step(u, np.zeros_like(u), lambda _: 0.0, t, dt)
        return u - self._total(u) if equation.conserve else u

    def _bend(self, u: Array, dt: float) -> float:
        log_density = u - self.semi.potential
        # levels (nats below the largest density) within which the bend of u limits a step
        return dt * self.semi.bend(u, log_density > log_density.max() - 15.0)
