"""Linear algebra behind one protocol: matrices, shifted solves, exponentials and eigenvectors.

On several ranks PETSc and SLEPc do the work, which nothing outside this room imports; on one they
do where they are installed, and else SciPy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wfrpde.engine.choice import engine_for, missing
from wfrpde.engine.layout import Layout, RowBlocks, Triplets
from wfrpde.engine.protocol import Matrix, ShiftInvert, Traits, Wish

if TYPE_CHECKING:
    from wfrpde.engine.exponential import Exponential
    from wfrpde.engine.shifted import ShiftedSolver

__all__ = [
    "Layout",
    "Matrix",
    "RowBlocks",
    "ShiftInvert",
    "Traits",
    "Triplets",
    "Wish",
    "assemble",
    "decay",
    "engine_for",
    "is_polynomial",
]


def assemble(layout: Layout, entries: Triplets | RowBlocks, traits: Traits, wish: Wish) -> Matrix:
    """Sum entries into a matrix (collective). The caller destroys it."""
    if engine_for(wish, layout.comm.size) == "scipy":
        from wfrpde.engine.scipy.matrix import ScipyMatrix

        return ScipyMatrix(layout, entries, traits, wish)
    from wfrpde.engine.petsc.matrix import PetscMatrix  # loads PETSc

    return PetscMatrix(layout, entries, traits, wish)


def is_polynomial(dim: int, wish: Wish) -> bool:
    """Whether e^{−τS} is applied by polynomials in S: in three dimensions, where factors fill.

    Not if the case or PETSC_OPTIONS ask for a linear solver.
    """
    return dim == 3 and wish.method == "auto" and not _asks(wish)


def decay(
    layout: Layout, entries: Triplets | RowBlocks, traits: Traits, wish: Wish
) -> ShiftedSolver | Exponential:
    """Make what applies e^{−τS}, or what solves with I + cS, for S of these entries (collective).

    Raises
    ------
    InputError
        If the case or PETSC_OPTIONS wish for what is not known.
    """
    from wfrpde.engine.exponential import Exponential
    from wfrpde.engine.shifted import Band, ShiftedSolver

    if is_polynomial(traits.dim, wish):
        return Exponential(assemble(layout, entries, traits, wish), monotone=traits.monotone)
    plain = wish.method != "iterative" and not _asks(wish)
    if isinstance(entries, Triplets) and layout.comm.size == 1 and traits.symmetric and plain:
        width = int((entries.row - entries.column).max(initial=0))
        # half-width up to which a symmetric matrix on one rank goes to LAPACK's banded solver
        if width <= 8:
            return ShiftedSolver(Band(layout.n_owned, width, entries).factor)
    matrix = assemble(layout, entries, traits, wish)
    return ShiftedSolver(matrix.factor, matrix)


def _asks(wish: Wish) -> bool:
    if wish.engine == "scipy" or missing():
        return False
    return bool(wish.options) or "-wfrpde_" in os.environ.get("PETSC_OPTIONS", "")
