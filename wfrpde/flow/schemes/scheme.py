"""What a scheme is: whether it suits a problem, and the runs that answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import numpy as np

from wfrpde.errors import InputError
from wfrpde.fields.complaints import choose
from wfrpde.flow.steppers import STEPPERS

if TYPE_CHECKING:
    from wfrpde.case.numerics import NumericsSpec
    from wfrpde.case.problem import Problem
    from wfrpde.flow.ladder import Ladder
    from wfrpde.flow.outcome import Context
    from wfrpde.flow.solution import Solution


class Fit(NamedTuple):
    """Whether the automatic choice may fall on a scheme, and why, in words."""

    good: bool
    reason: str = ""


class Scheme(Protocol):
    """An unknown, its discretisation, and the runs that tell its error.

    Attributes
    ----------
    name
        As in ``numerics.formulation``.
    default
        Name in `STEPPERS` of the stepper that is taken where the case names none.
    order
        The only order in time that it can do, if there is one.
    keeps_mass
        Whether transport keeps the mass up to round-off.
    absorbs
        Whether it can do absorbing sides and regions.
    fallback
        Name of the scheme that is tried where this one, chosen automatically, fails.
    outdoes_cells
        Whether no edge-averaged cells are tried where it misses a tolerance: they would do worse.
    alternates
        Whether it solves transport and reaction in turns: `wfrpde.equation.alternation`.
    follows
        Whether π may move, and it can tell what weights are worth.
    full_diffusion
        Whether a diffusion may be a full matrix.
    by_axes
        Whether transport may be split into its parts along the axes.
    takes
        What dynamics may have: names in `wfrpde.equation.dynamics.TERMS`.
    """

    name: ClassVar[str]
    default: ClassVar[str] = "strang"
    order: ClassVar[int | None] = None
    keeps_mass: ClassVar[bool] = True
    absorbs: ClassVar[bool] = False
    fallback: ClassVar[str | None] = "edge-averaged"
    outdoes_cells: ClassVar[bool] = False
    takes: ClassVar[frozenset[str]] = frozenset()
    alternates: ClassVar[bool] = False
    full_diffusion: ClassVar[bool] = False
    follows: ClassVar[bool] = False
    by_axes: ClassVar[bool] = False

    def suits(self, problem: Problem) -> Fit:
        """Whether the automatic choice may fall on this scheme."""
        ...

    def answer(self, context: Context, reason: str, began: float) -> Solution | None:
        """Return what is known without any run (collective); None where it takes runs."""
        return None

    def runs(self, context: Context) -> Ladder:
        """Solve, from coarse to fine (collective)."""
        ...

    def finer(self, context: Context, ladder: Ladder, excess: float) -> Ladder | None:
        """Add a run to a ladder, or replace it (collective); None where nothing finer is to be had.

        `excess`: the estimated error in units of the tolerance.
        """
        return None

    def objection(self, problem: Problem) -> InputError | None:
        """Return what forbids the scheme, or what it would not heed if the case asks for it."""
        numerics, sides = problem.numerics, problem.sides
        dynamics = problem.equation.dynamics
        if problem.absorption is not None and dynamics is not None and dynamics.kinetic:
            found = "'kinetic' where sides or regions absorb"
            return InputError("dynamics.kind", found, "overdamped dynamics there")
        beyond = problem.equation.objection(self.takes, f"formulation = '{self.name}'")
        if beyond is not None:
            return beyond
        if problem.equation.path is not None and not self.follows:
            found = f"one with formulation = '{self.name}'"
            return InputError("path", found, "formulation = 'edge-averaged' or 'auto' there")
        if problem.tells_weights and not self.follows:
            found = f"it, with formulation = '{self.name}'"
            return InputError(
                "flow.weights", found, "formulation = 'edge-averaged' or 'auto' there"
            )
        if problem.equation.alternation is not None and not self.alternates:
            found = f"'{problem.case.flow.splitting}' with formulation = '{self.name}'"
            return InputError("flow.splitting", found, "formulation = 'edge-averaged' or 'auto'")
        lacks = _what_edges_cannot_do(problem, full=self.full_diffusion)
        if lacks is not None:
            needed = "one along each axis of a box of tensor cells"
            return InputError("dynamics.diffusion", lacks, needed)
        unknown = ~(sides.reflecting | sides.absorbing | np.array(sides.closed)[:, None])
        for axis, end in np.argwhere(unknown):
            found = f"'{sides.names[axis][end]}', which no scheme can do"
            needed = "reflecting, absorbing, or one that closes an axis"
            return InputError("domain.sides", found, needed)
        if problem.absorption is not None and not self.absorbs:
            where = "domain.sides" if sides.absorbing.any() else "domain.absorbing"
            found = f"what absorbs, with formulation = '{self.name}'"
            return InputError(where, found, "formulation = 'edge-averaged' or 'auto' there")
        steppers, name = self._steppers(), numerics.stepper
        if name is not None:
            choose(name, STEPPERS, "numerics.stepper")
            order = STEPPERS[name].order
            if numerics.time_order not in (None, order):
                found = f"{numerics.time_order} with stepper = '{name}', which is of order {order}"
                return InputError("numerics.time_order", found, "one of the two")
            if name not in steppers:
                found = f"'{name}' with formulation = '{self.name}'"
                return InputError("numerics.stepper", found, f"one of {', '.join(steppers)} there")
            if problem.absorption is not None and not STEPPERS[name].absorbs:
                found = f"'{name}', which counts no mass that is absorbed"
                return InputError("numerics.stepper", found, "'strang' there")
            if problem.equation.alternation is not None and not STEPPERS[name].alternates:
                found = f"'{name}', with flow.splitting = '{problem.case.flow.splitting}'"
                return InputError("numerics.stepper", found, "'strang' there")
        orders = [stepper.order for stepper in steppers.values()]
        if numerics.formulation == self.name and numerics.time_order not in (None, *orders):
            return InputError(
                "numerics.time_order",
                f"{numerics.time_order} with formulation = '{self.name}'",
                f"{self.stepper(problem.numerics).order} there, or formulation = 'spectral'",
            )
        return None

    def stepper(self, numerics: NumericsSpec) -> Any:
        """Return the `wfrpde.flow.steppers.stepper.Stepper` that the case asks for."""
        name, order = numerics.stepper, numerics.time_order
        default = STEPPERS[self.default]
        if name is not None:
            return STEPPERS[name]
        every = (default, *self._steppers().values())
        return next((stepper for stepper in every if stepper.order == order), default)

    def _steppers(self) -> dict[str, Any]:
        """Those of the same unknown as the default one."""
        unknown = STEPPERS[self.default].unknown
        return {
            name: stepper
            for name, stepper in STEPPERS.items()
            if stepper.unknown == unknown
            and self.order in (None, stepper.order)
            and (self.by_axes or not stepper.by_axes)
        }


def unheeded(numerics: NumericsSpec, name: str) -> InputError | None:
    """Return what a case says of a mesh that a formulation without one would not heed."""
    for key in ("cells", "degree", "dt", "time_order", "stepper"):
        if getattr(numerics, key) is not None:
            found = f"{getattr(numerics, key)} with formulation = '{name}'"
            return InputError(f"numerics.{key}", found, "nothing there, or a mesh")
    for key in ("solver", "petsc_options"):
        if getattr(numerics, key) not in ("auto", {}):
            found = f"it, with formulation = '{name}'"
            return InputError(f"numerics.{key}", found, "nothing there, or a mesh")
    return None


def _what_edges_cannot_do(problem: Problem, *, full: bool) -> str | None:
    """Say what of a diffusion no flux along the edges of a grid can represent."""
    dynamics = problem.equation.dynamics
    if dynamics is None or dynamics.diffusion is None:
        return None
    if not (full or dynamics.diffusion.is_diagonal):
        return "a full matrix, which takes formulation = 'spectral'"
    if problem.mesh is not None or problem.domain.cell == "simplex":
        return "one in a flow on simplices"
    return None
