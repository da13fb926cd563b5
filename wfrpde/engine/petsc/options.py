"""Which solvers PETSc and SLEPc use: the defaults, and what goes before them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from petsc4py import PETSc

from wfrpde.case.petsc_options import checked_options
from wfrpde.engine.protocol import Traits, Wish
from wfrpde.errors import InputError, SolverError

DAVIDSON = ("gd", "jd", "lobpcg")
"""Eigensolvers that precondition instead of inverting; ``eps_type`` among the options."""

ORDERING = "pc_factor_mat_ordering_type"

PREFIX = "wfrpde_"
"""Prefix of the options that a user may set in PETSC_OPTIONS."""

FAILURES = (PETSc.Error, SystemError)
"""What petsc4py raises; newer slepc4py wraps it in a `SystemError`."""

LITTLE = 20_000
"""Unknowns in 3-D up to which every rank factorises the whole matrix."""

FILLED = 50_000
"""Unknowns of high degree in the plane from which factors in dense blocks cost less: a third less
at 100,000."""

_counter = itertools.count()


def asked(wish: Wish) -> dict[str, str]:
    """Options of the case, overridden by those of PETSc's own database.

    Raises
    ------
    InputError
        If there are others than `checked_options` knows.
    """
    database = PETSc.Options(PREFIX).getAll()
    return checked_options(wish.options) | checked_options(database, "PETSC_OPTIONS")


def factor_options(traits: Traits, n: int, ranks: int, method: str = "auto") -> dict[str, str]:
    """Options of the default linear solver for ``I + c S`` with `n` unknowns.

    1-D and 2-D: PETSc's own factorisation, ten times faster a solve than MUMPS at these sizes; on
    several ranks each factorises the whole matrix, since the exchange of one vector costs less than
    a distributed triangular solve. 3-D: MUMPS for small systems. Beyond, where S is monotone,
    Richardson sweeps with an incomplete factor: a regular splitting, which converges in every
    component relative to itself, where conjugate gradients lose the tails. Otherwise those.
    """
    dim, complete, incomplete = traits.dim, "cholesky", "icc"
    if not traits.symmetric:
        complete, incomplete = "lu", "ilu"
    # 5_000: unknowns in 3-D beyond which iterating costs less than a factorisation
    if method == "iterative" or (method == "auto" and dim == 3 and n > 5_000):
        krylov = "cg" if traits.symmetric else "gmres"
        return {
            "ksp_type": "richardson" if traits.monotone else krylov,
            "ksp_rtol": "1e-14",
            "ksp_max_it": "2000",
            **_per_rank(incomplete, ranks),
        }
    direct = {"ksp_type": "preonly", "pc_type": complete}
    if dim == 3:
        # twice the workspace that the analysis foresees: in space it is short by more than a fifth
        direct |= {"pc_factor_mat_solver_type": "mumps", "mat_mumps_icntl_14": "100"}
    else:
        direct[ORDERING] = "nd" if dim > 1 else "rcm"
    if ranks == 1 or (dim == 3 and n > LITTLE):
        return direct
    redundant = {f"redundant_{key}": value for key, value in direct.items()}
    return {"ksp_type": "preonly", "pc_type": "redundant", **redundant}


def eigen_options(traits: Traits, n: int, ranks: int, wish: Wish) -> dict[str, str]:
    """Options of the eigensolver and of the linear solver inside it.

    Factorisations as for the flow, but in the plane those of many unknowns of high degree by MUMPS,
    in dense blocks: here there are few solves for each. For large monotone matrices conjugate
    gradients with smoothed aggregation (GAMG) that is told of √π: six to ten iterations at any
    size. Spectral elements are not equivalent to their edge-averaged neighbours where π falls
    steeply, so that an incomplete factorisation must do for them.
    """
    given = asked(wish)
    davidson = given.get("eps_type") in DAVIDSON
    # unknowns from which multigrid pays in the eigensolver, by dimension
    large = (
        wish.method == "auto"
        and traits.monotone
        and n > {1: 10_000_000, 2: 400_000, 3: 20_000}[traits.dim]
    )
    if davidson:
        inner = "bcgsl" if given["eps_type"] == "jd" else "preonly"
        options = {"ksp_type": inner, "ksp_rtol": "1e-2", "ksp_max_it": "2000"}
    elif large or wish.method == "iterative":
        options = {"ksp_type": "cg", "ksp_rtol": "1e-10", "ksp_max_it": "2000"}
    else:
        options = factor_options(traits, n, ranks, "direct")
        if traits.dim == 2 and not traits.monotone and n > FILLED:
            options[f"{'redundant_' * (ranks > 1)}pc_factor_mat_solver_type"] = "mumps"
    if davidson or large or wish.method == "iterative":
        multigrid = {"pc_type": "gamg", "pc_gamg_threshold": "0.0"}
        options |= multigrid if traits.monotone else _per_rank("icc", ranks)
    return {f"st_{key}": value for key, value in options.items()} | given


def _per_rank(kind: str, ranks: int) -> dict[str, str]:
    return {"pc_type": kind} if ranks == 1 else {"pc_type": "bjacobi", "sub_pc_type": kind}


@contextmanager
def database_of(options: Mapping[str, str]) -> Iterator[str]:
    """Put options into PETSc's database for a while, under a prefix of their own, and give that.

    Those of one solver must not reach the next one.
    """
    prefix = f"wfrpde{next(_counter)}_"
    database = PETSc.Options()
    for key, value in options.items():
        database.setValue(prefix + key, value or None)
    try:
        yield prefix
    finally:
        for key in options:
            database.delValue(prefix + key)


@contextmanager
def option_errors(options: Mapping[str, str]) -> Iterator[None]:
    """Turn PETSc's error about an option that it does not know into an `InputError`."""
    try:
        yield
    except FAILURES as error:
        raise InputError(
            "numerics.petsc_options",
            " ".join(f"{key}={value}" for key, value in options.items()),
            "options that this PETSc and SLEPc know",
            reason(error),
        ) from None


@contextmanager
def solver_errors(what: str) -> Iterator[None]:
    """Turn PETSc's error codes, which the ranks share, into a `SolverError`."""
    try:
        yield
    except FAILURES as error:
        raise SolverError(f"{what} failed: {reason(error)}") from None


def reason(error: BaseException) -> str:
    """Last line of one of PETSc's errors."""
    return str(error.__cause__ or error).strip().splitlines()[-1]
