"""What a scheme is: whether it suits a problem, and the runs that answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from wfrpde.domain.sides import DEFAULT
from wfrpde.errors import InputError
from wfrpde.flow.steppers import STEPPERS

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.flow.certificate import Ladder
    from wfrpde.flow.outcome import Context


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
    steppers
        Names in `STEPPERS` of what its unknown is stepped by, the default first.
    keeps_mass
        Whether transport keeps the mass up to round-off.
    fallback
        Name of the scheme that is tried where this one, chosen automatically, fails.
    """

    name: ClassVar[str]
    steppers: ClassVar[tuple[str, ...]] = ()
    keeps_mass: ClassVar[bool] = True
    fallback: ClassVar[str | None] = "edge-averaged"

    def suits(self, problem: Problem) -> Fit:
        """Whether the automatic choice may fall on this scheme."""
        ...

    def runs(self, context: Context) -> Ladder:
        """Solve, from coarse to fine (collective)."""
        ...

    def finer(self, context: Context, ladder: Ladder) -> Ladder | None:
        """Add a run to a ladder (collective); None where nothing finer is to be had."""
        return None

    def objection(self, problem: Problem) -> InputError | None:
        """Return what forbids the scheme, or what it would not heed if the case asks for it."""
        numerics, sides = problem.numerics, problem.sides
        for side, closed in zip(sides.names, sides.closed, strict=True):
            if side != DEFAULT and not closed:
                needed = "reflecting, or one that closes an axis"
                return InputError("domain.sides", f"'{side}', which no scheme can do", needed)
        orders = [stepper.order for stepper in self._steppers()]
        if numerics.formulation == self.name and numerics.time_order not in (None, *orders):
            return InputError(
                "numerics.time_order",
                f"{numerics.time_order} with formulation = '{self.name}'",
                f"{orders[0]} there, or formulation = 'spectral'",
            )
        return None

    def stepper(self, time_order: int | None = None) -> Any:
        """Return the `wfrpde.flow.steppers.stepper.Stepper` of that order, or else the default."""
        every = self._steppers()
        return next((stepper for stepper in every if stepper.order == time_order), every[0])

    def _steppers(self) -> list[Any]:
        return [STEPPERS[name] for name in self.steppers]
