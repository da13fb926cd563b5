"""Which engine does the linear algebra: PETSc and SLEPc, or SciPy."""

from __future__ import annotations

import importlib.util
from functools import cache

from wfrpde._compat import HOW
from wfrpde.engine.protocol import Wish
from wfrpde.errors import DependencyMissingError, InputError

PETSC = ("petsc4py", "slepc4py", "mpi4py")
"""What the engine of that name is made of."""


@cache
def missing() -> tuple[str, ...]:
    """Which of `PETSC` are not installed."""
    return tuple(name for name in PETSC if importlib.util.find_spec(name) is None)


def engine_for(wish: Wish, ranks: int) -> str:
    """Name of the engine for matrices that are shared by so many ranks.

    ``"auto"`` is PETSc where it is installed, on one rank as well, and else SciPy.

    Raises
    ------
    DependencyMissingError
        If PETSc is wished for, or several ranks need it, and it is not installed.
    InputError
        If SciPy is wished for on several ranks, or with what it does not have.
    """
    absent = ", ".join(missing())
    if wish.engine == "petsc" or (wish.engine == "auto" and not absent):
        if absent:
            raise DependencyMissingError(
                f"numerics.engine: found 'petsc', and {absent} not installed; needed 'scipy', or "
                f"'auto', or PETSc and SLEPc, {HOW}"
            )
        return "petsc"
    if ranks > 1 and wish.engine == "scipy":
        raise InputError(
            "numerics.engine", f"'scipy' on {ranks} MPI ranks", "'petsc', or one process"
        )
    if ranks > 1:
        raise DependencyMissingError(
            f"{ranks} MPI ranks share one flow or spectrum only by PETSc; {absent}: not installed. "
            f"Run it on one process, or get PETSc and SLEPc, {HOW}"
        )
    why = "as asked" if wish.engine == "scipy" else f"since there is no {absent}"
    if wish.options:
        raise InputError(
            "numerics.petsc_options",
            f"{dict(wish.options)} for the SciPy engine ({why})",
            "none there",
            f"Leave them out, or take PETSc and SLEPc, {HOW}.",
        )
    if wish.method == "iterative":
        raise InputError(
            "numerics.solver",
            f"'iterative' for the SciPy engine ({why})",
            "'auto' or 'direct' there",
        )
    return "scipy"
