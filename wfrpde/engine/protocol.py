"""What an engine of linear algebra gives: matrices, factors of I + cS, and eigenvectors.

Vectors are arrays ``(n_owned,)`` over the unknowns that a rank owns. Whatever belongs to the
library underneath is freed by ``destroy``, on all ranks at once, and never by garbage collection,
which each rank would do at its own time. All methods are collective. They raise `SolverError` where
there is no solution, and `InputError` where an option is wished for that the engine does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from wfrpde.arrays import Array
from wfrpde.engine.layout import Layout

if TYPE_CHECKING:
    from wfrpde.case.numerics import NumericsSpec


@dataclass(frozen=True)
class Wish:
    """What a case asks of the linear solvers.

    Attributes
    ----------
    method
        ``"auto"``, ``"direct"`` or ``"iterative"``.
    options
        Further options of the engine, which go before everything that it chooses by itself.
    engine
        ``"auto"``, ``"scipy"`` or ``"petsc"``.
    """

    method: str = "auto"
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    engine: str = "auto"

    @staticmethod
    def of(numerics: NumericsSpec) -> Wish:
        """Return what ``[numerics]`` asks for."""
        return Wish(numerics.solver, numerics.petsc_options, numerics.engine)


@dataclass(frozen=True)
class Traits:
    """What solvers are chosen by, besides the size.

    Attributes
    ----------
    monotone
        Whether no entry off the diagonal is positive (a few small ones of obtuse cells do no
        harm): incomplete factors are then regular splittings, and multigrid works.
    dim
        Dimension of the mesh: factors fill the more the higher it is.
    symmetric
        Whether the matrix is.
    """

    monotone: bool
    dim: int
    symmetric: bool = True


class Factor(Protocol):
    """What solves ``(I + c S) x = b`` for one c."""

    def solve(self, rhs: Array) -> tuple[Array, int]:
        """Return x and the number of iterations."""
        ...

    def destroy(self) -> None:
        """Free what the library holds."""
        ...


class ShiftInvert(Protocol):
    """The lowest eigenvectors of a symmetric positive definite S, and solves with it: a context.

    Attributes
    ----------
    facts
        JSON-ready: eigensolver, iterations and linear solver, once there are eigenvectors.
    """

    facts: dict[str, Any]

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def lowest(self, count: int, *, deflated: bool) -> Array:
        """Return eigenvectors ``(count, n_owned)``, with `deflated` those across `smooth`."""
        ...

    def solve(self, rhs: Array) -> Array:
        """Return S^{-1} b."""
        ...


class Matrix(Protocol):
    """A square matrix S over the unknowns of a layout."""

    @property
    def layout(self) -> Layout:
        """Who owns which unknown."""
        ...

    def product(self, x: Array, out: Array) -> None:
        """Put S x into `out`."""
        ...

    def diagonal(self) -> Array:
        """Return the diagonal ``(n_owned,)``."""
        ...

    def magnitudes(self) -> Matrix:
        """Return another matrix, of the absolute values of the entries."""
        ...

    def change(self, scale: float, shift: float) -> None:
        """Make this matrix ``scale S + shift I``."""
        ...

    def factor(self, c: float, old: Factor | None = None) -> Factor:
        """Prepare solves with ``I + c S``; `old` is of another c, and used up."""
        ...

    def shift_invert(self, smooth: Array) -> ShiftInvert:
        """Prepare the eigensolver, of a symmetric positive definite S.

        `smooth` ``(n_owned,)`` is close to the lowest eigenvector; a multigrid is told of it.
        """
        ...

    def destroy(self) -> None:
        """Free what the library holds."""
        ...
