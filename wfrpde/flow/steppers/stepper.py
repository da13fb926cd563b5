"""What a step in time is, for `wfrpde.flow.march` and for those who add one."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from wfrpde.arrays import Array
from wfrpde.discretisation.nodes import Nodes
from wfrpde.equation import Equation

NOTHING: Array = np.zeros(0)


class Step(NamedTuple):
    """The outcome of a step.

    Attributes
    ----------
    state
        ``(n_owned,)`` the unknown after it.
    measure
        What the step control keeps small; not finite where the arithmetic broke down.
    growth
        ∫⟨r⟩ over the step: log of what a reaction multiplied the mass by before it was normalised.
    drift
        Log of what transport made of the mass where the unknown does not keep it.
    left
        Log of the share of the mass that was not absorbed.
    tallied
        What the step adds to each of `Stepper.tallies`.
    """

    state: Array
    measure: float
    growth: float = 0.0
    drift: float = 0.0
    left: float = 0.0
    tallied: Array = NOTHING

    def then(self, other: Step) -> Step:
        """Return this step and another one after it as one."""
        return Step(
            other.state,
            self.measure + other.measure,
            self.growth + other.growth,
            self.drift + other.drift,
            self.left + other.left,
            self.tallied + other.tallied,
        )


class OnNodes(Protocol):
    """What a march needs of a semi-discrete equation."""

    equation: Equation
    nodes: Nodes
    log_target: Array
    killing: Array | None


class Stepper(Protocol):
    """Steps one unknown of an equation on nodes from t to t + Δt.

    Attributes
    ----------
    order
        Order in Δt.
    unknown
        What a state is: ``log mass`` of the nodes, or ``log density`` relative to π.
    estimates_error
        Whether the measure of a step is an estimate of its own error.
    by_axes
        Whether transport is split into its parts along the axes.
    kl_slack
        Increase of KL by round-off that is allowed in a step, relative to KL plus one.
    tallies
        Names of numbers that are summed over the steps.

    absorbs, alternates
        See `wfrpde.flow.steppers.strang.Splitting`; asked only where masses are stepped.

    A state is ``(n_owned,)``, or has rows of that length. One of log masses is made by
    ``(semi, *, measured, cure_limit)``, as `wfrpde.flow.steppers.strang.Splitting` is; one of log
    densities by ``(form, *, t_end)``, and the measure of its steps has to be an estimate of the
    error of u, whatever `estimates_error` says.
    """

    order: ClassVar[int]
    unknown: ClassVar[str]
    estimates_error: ClassVar[bool]
    by_axes: ClassVar[bool]

    @property
    def tallies(self) -> tuple[str, ...]:
        """Return the names of what is summed."""
        ...

    @property
    def kl_slack(self) -> float:
        """Return the relative increase of KL that is allowed in a step."""
        ...

    @property
    def semi(self) -> OnNodes:
        """Return the equation on its nodes."""
        ...

    def step(self, state: Array, t: float, dt: float) -> Step:
        """Return the state at t + dt (collective).

        Raises
        ------
        SolverError
            If the step is refused: it is repeated in halves.
        """
        ...

    def log_mass(self, state: Array) -> Array:
        """Nodal log mass ``(n_owned,)`` of a state (collective)."""
        ...

    def nodal_mass(self, state: Array) -> Array:
        """Nodal mass ``(n_owned,)`` of a state, not to be changed (collective)."""
        ...

    def mass(self, state: Array) -> float:
        """Return the total mass of a state (collective); what `Step.drift` tells is aside."""
        ...

    def log_relative(self, state: Array) -> Array:
        """``u = log(ρ/π)`` ``(n_owned,)`` of a state."""
        ...
