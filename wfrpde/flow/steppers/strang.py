"""Strang splitting of transport and reaction: order 2, positive, mass and equilibrium kept."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from wfrpde.arrays import Array
from wfrpde.discretisation.semi_discrete import SemiDiscrete
from wfrpde.equation import Reaction
from wfrpde.equation.alternation import Alternation
from wfrpde.fields.schedules import value_at
from wfrpde.flow.steppers.stepper import Step
from wfrpde.flow.steppers.transport import SECOND_ORDER, RationalStep, Transport

RELEVANT = 45.0
"""A node counts for the step control while log ρ or log π is within this of its maximum."""


class Splitting:
    """What both splittings have in common; the unknown is the nodal log mass.

    Without transport the exact reaction alone is left.

    Parameters
    ----------
    measured
        Whether somebody looks at the measures of steps.
    rational, cure_limit
        The transport step; see `Transport`.
    by_axes
        Whether transport is split further, into its parts along the axes.
    absorbs
        Whether `Step.left` counts what is absorbed, as `strang` and `moved` return it.
    solves
        Whether transport takes the matrix of a semi-discrete equation.
    alternates
        Whether reactions have their turns as `wfrpde.equation.Equation.alternation` says.
    """

    order: ClassVar[int]
    unknown: ClassVar[str] = "log mass"
    estimates_error: ClassVar[bool]
    kl_slack: ClassVar[float] = 1e-12
    tallies: ClassVar[tuple[str, ...]] = ()
    rational: ClassVar[RationalStep] = SECOND_ORDER
    by_axes: ClassVar[bool] = False
    absorbs: ClassVar[bool] = False
    alternates: ClassVar[bool] = False
    solves: ClassVar[bool] = True

    def __init__(
        self, semi: SemiDiscrete, *, measured: bool = True, cure_limit: float = 1e-9
    ) -> None:
        self.semi, self._measured = semi, measured
        self._reaction = semi.equation.reaction or Reaction()
        self.transport: Any = None
        if semi.equation.dynamics is not None:
            self.transport = self._made(semi, cure_limit)

    def _made(self, semi: SemiDiscrete, cure_limit: float) -> Any:
        """Return what steps transport."""
        return Transport(semi, self.rational, cure_limit)

    def step(self, state: Array, t: float, dt: float) -> Step:
        """Return the state after `dt`, normalised if mass is conserved (collective)."""
        raise NotImplementedError

    def begun(self, log_mass: Array) -> Array:
        """Return the state to begin with, of a nodal log mass."""
        return log_mass

    def log_mass(self, state: Array) -> Array:
        """Return the state, which is that."""
        return state

    def nodal_mass(self, state: Array) -> Array:
        """Return the mass at the nodes, of the state alone: what goes on gives the same."""
        return np.exp(self.log_mass(state))

    def mass(self, state: Array) -> float:
        """Return the total mass (collective)."""
        return self.semi.nodes.sum(self.nodal_mass(state))

    def log_relative(self, state: Array) -> Array:
        """``u = log(ρ/π)`` at the owned nodes."""
        return state - self.semi.log_target

    def strang(self, log_mass: Array, t: float, dt: float) -> tuple[Array, float, float]:
        """``R(Δt/2) W(Δt) R(Δt/2)`` from time t (collective).

        Returns
        -------
        state, growth, left
            The state, ∫⟨r⟩, and the log of the share that was not absorbed.
        """
        equation = self.semi.equation
        if self.transport is None:
            return *self.reacted(log_mass, t, dt), 0.0
        if equation.reaction is None:
            moved, left = self.moved(log_mass, t, dt)
            return moved, 0.0, left
        before = 0.0
        if equation.weighs:
            half, before = self.reacted(log_mass, t, dt / 2)
        else:
            half = self._unnormalised(log_mass, t, dt / 2)
        moved, left = self.moved(half, t, dt)
        state, after = self.reacted(moved, t + dt / 2, dt / 2)
        return state, before + after, left

    def moved(self, log_mass: Array, t: float, dt: float) -> tuple[Array, float]:
        """Return the state after transport, of the same mass, and log of the share that is left."""
        assert self.transport is not None
        moved = self.transport.step(log_mass, dt, t)
        if self.semi.killing is None:
            return moved, 0.0
        left = self.semi.nodes.logsumexp(moved) - self.semi.nodes.logsumexp(log_mass)
        return np.where(self.semi.absorbed, moved, moved - left), left

    def reacted(self, log_mass: Array, t: float, dt: float) -> tuple[Array, float]:
        """Return the state after the reaction alone from time t, and ∫⟨r⟩ of a linear one.

        With c the log of the mass of the state that is not normalised, ⟨r⟩ = c' + β c; Simpson's
        rule gives the integral of β c.
        """
        equation = self.semi.equation
        state, total = self.normalised(self._unnormalised(log_mass, t, dt))
        if not equation.weighs:
            return state, 0.0
        if equation.beta == 0.0:
            return state, total
        middle = self.semi.nodes.logsumexp(self._unnormalised(log_mass, t, dt / 2))
        beta = [value_at(equation.beta, t + share * dt) for share in (0.5, 1.0)]
        return state, total + dt / 6 * (4 * beta[0] * middle + beta[1] * total)

    def normalised(self, log_mass: Array) -> tuple[Array, float]:
        """Return the state of mass 1, if mass is kept, and the log of the mass that it had."""
        if not self.semi.equation.conserve:
            return log_mass, 0.0
        total = self.semi.nodes.logsumexp(log_mass)
        return log_mass - total, total

    def _unnormalised(self, log_mass: Array, t: float, dt: float) -> Array:
        return self._reaction.step(log_mass, self.semi.log_target, self.semi.rate, t, dt)


class Strang(Splitting):
    """``R(Δt/2) W(Δt) R(Δt/2)``, the reaction exact, transport rational.

    The measure of a step is the largest change of log ρ that transport makes at a node that
    matters.
    """

    order: ClassVar[int] = 2
    estimates_error: ClassVar[bool] = False
    absorbs: ClassVar[bool] = True
    alternates: ClassVar[bool] = True

    def step(self, state: Array, t: float, dt: float) -> Step:
        """Return the state after `dt`, normalised if mass is conserved (collective)."""
        turns = self.semi.equation.alternation
        if turns is not None:
            return self._in_turn(turns, state, t, dt)
        new, growth, left = self.strang(state, t, dt)
        if self.transport is None or not self._measured:
            return Step(new, 0.0, growth, left=left)
        change = max(self._largest(new, part) for part in self._changes(state, new, t, dt))
        return Step(new, change, growth, left=left)

    def _changes(self, state: Array, new: Array, t: float, dt: float) -> list[Array]:
        """Return by how much transport changed log ρ in a step."""
        return [new - self.reacted(state, t, dt)[0]]

    def _in_turn(self, turns: Alternation, state: Array, t: float, dt: float) -> Step:
        """Return the state after transport for `dt`, with the reaction where it has its turn."""
        before, after = turns.before(t), turns.after(t + dt)
        start = self.reacted(state, t, before)[0] if before else state
        moved, left = self.moved(start, t, dt)
        change = self._largest(moved, moved - start) if self._measured else 0.0
        new = self.reacted(moved, t + dt - after, after)[0] if after else moved
        return Step(new, change, left=left)

    def _largest(self, state: Array, change: Array) -> float:
        """Return the largest change at a node that matters, and was not too low to be seen."""
        assert self.transport is not None
        nodes, target = self.semi.nodes, self.semi.log_target
        near = (state - nodes.max(state) > -RELEVANT) | (target - nodes.max(target) > -RELEVANT)
        return max(0.0, nodes.max(np.abs(change)[near & ~self.transport.low]))


class AxisByAxis(Strang):
    """The same with transport split into its parts along the axes of a box: order 2 as well.

    ``R(Δt/2) W_y(Δt/2) W_x(Δt) W_y(Δt/2) R(Δt/2)``. Along an axis nodes are coupled in lines, whose
    tridiagonal matrices cost a hundredth of what factors of all of S do. Each part is an M-matrix
    with the equilibrium π, so that mass, sign and equilibrium are kept as before.
    """

    by_axes: ClassVar[bool] = True

    def _changes(self, state: Array, new: Array, t: float, dt: float) -> list[Array]:
        """Return what each part changes: where they nearly cancel the sum would tell too little."""
        assert self.transport is not None
        logs = [np.log(stage) for stage in self.transport.stages]
        return [after - before for before, after in pairwise(logs)]
