"""Strang splitting of transport and reaction, plain (order 2) or extrapolated (order 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.nodes import Nodes
from wfrpde.equation.reaction import feynman_kac, fisher_rao
from wfrpde.flow.steppers.transport import Transport

Array = npt.NDArray[np.float64]

RELEVANT = 45.0
"""A node counts for the step control while log ρ or log π is within this of its maximum."""


class Step(NamedTuple):
    """The outcome of a step.

    ``log_mass (n_owned,)``; ``measure``: what the step control looks at (see `Splitting`);
    ``growth``: ∫⟨r⟩ over the step, the log of what a linear reaction multiplied the mass by before
    it was normalised.
    """

    log_mass: Array
    measure: float
    growth: float = 0.0


@dataclass(frozen=True)
class Splitting:
    """One step of the flow on the nodal log mass.

    ``FR(Δt/2) W(Δt) FR(Δt/2)``; with ``order = 4`` the linear combination (4 S(Δt/2)² − S(Δt))/3
    of the masses. ``transport = None`` (α = 0) leaves the exact reaction alone. With `rate`, U at
    the nodes ``(n_owned,)``, FR is the reaction U − β log(ρ/π).

    The measure of a step is, at order 2, the largest change of log ρ that transport makes at a
    node that matters (left out unless `measured`); at order 4, the L1 distance between S(Δt/2)²
    and S(Δt).
    """

    nodes: Nodes
    log_target: Array
    transport: Transport | None
    beta: float
    conserve_mass: bool = True
    order: int = 2
    measured: bool = True
    rate: Array | None = None

    @property
    def descends(self) -> bool:
        """Whether KL cannot increase: not with a linear reaction, which leads away from π."""
        return self.rate is None

    def step(self, log_mass: Array, dt: float) -> Step:
        """Return the state after `dt`, normalised if mass is conserved (collective)."""
        if self.transport is None:
            state, growth = self._reacted(log_mass, dt)
            return Step(state, 0.0, growth)
        once, growth = self._strang(log_mass, dt)
        if self.order == 2:
            change = self._transport_change(log_mass, once, dt) if self.measured else 0.0
            return Step(once, change, growth)
        half, first = self._strang(log_mass, dt / 2)
        twice, second = self._strang(half, dt / 2)
        with np.errstate(over="ignore", invalid="ignore"):
            factor = (4 - np.exp(once - twice)) / 3
        # where the coarse step overshoots the tail the finer step is kept: positive, order 2
        good = factor > 0
        mixed = np.where(good, twice + np.log(np.where(good, factor, 1.0)), twice)
        distance = self.nodes.sum(np.abs(np.exp(once) - np.exp(twice)))
        return Step(self._normalised(mixed)[0], distance, (4 * (first + second) - growth) / 3)

    def _strang(self, log_mass: Array, dt: float) -> tuple[Array, float]:
        assert self.transport is not None
        if self.beta == 0.0 and self.rate is None:
            return self.transport.step(log_mass, dt), 0.0
        before = 0.0
        if self.rate is None:
            half = fisher_rao(log_mass, self.log_target, self.beta, dt / 2)
        else:
            half, before = self._reacted(log_mass, dt / 2)
        state, after = self._reacted(self.transport.step(half, dt), dt / 2)
        return state, before + after

    def _reacted(self, log_mass: Array, dt: float) -> tuple[Array, float]:
        """Return the state after the reaction alone, and ∫⟨r⟩ of a linear one.

        With c the log of the mass of the state that is not normalised, ⟨r⟩ = c' + β c; Simpson's
        rule gives the integral of c.
        """
        if self.rate is None:
            return self._normalised(fisher_rao(log_mass, self.log_target, self.beta, dt))[0], 0.0
        state, growth = self._normalised(self._unnormalised(log_mass, dt))
        if self.beta > 0.0 and self.conserve_mass:
            middle = self.nodes.logsumexp(self._unnormalised(log_mass, dt / 2))
            growth += self.beta * dt / 6 * (4 * middle + growth)
        return state, growth

    def _unnormalised(self, log_mass: Array, dt: float) -> Array:
        assert self.rate is not None
        return feynman_kac(log_mass, self.log_target, self.rate, self.beta, dt)

    def _normalised(self, log_mass: Array) -> tuple[Array, float]:
        if not self.conserve_mass:
            return log_mass, 0.0
        total = self.nodes.logsumexp(log_mass)
        return log_mass - total, total

    def _transport_change(self, old: Array, new: Array, dt: float) -> float:
        nodes, target = self.nodes, self.log_target
        gap = np.abs(new - self._reacted(old, dt)[0])
        near = (new - nodes.max(new) > -RELEVANT) | (target - nodes.max(target) > -RELEVANT)
        return max(0.0, nodes.max(gap[near]))
