"""Distributed PETSc matrices from triplets, and the factorisations that time steps reuse."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.case.petsc_options import checked_options
from wfrpde.discretisation.fluxes import Triplets
from wfrpde.discretisation.nodes import Nodes
from wfrpde.errors import SolverError

if TYPE_CHECKING:
    from petsc4py import PETSc

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

DIRECT_LIMIT_3D = {False: 5_000, True: 5_000}
"""Unknowns in 3-D beyond which iterating costs less than a factorisation (True: degree above 1)."""


def assemble(nodes: Nodes, triplets: Triplets) -> PETSc.Mat:
    """Sum triplets into a distributed AIJ matrix (collective). The caller destroys it."""
    import scipy.sparse as sparse
    from petsc4py import PETSc

    row, column, value = triplets.row, triplets.column, triplets.value
    n_owned, n_global = nodes.n_owned, nodes.n_global
    numbers = nodes.global_numbers
    if nodes.index_map is not None:
        rows, columns, values = _received(nodes, row, column, value)
        elsewhere, columns = _local_numbers(nodes, columns)
        numbers = np.concatenate([numbers, elsewhere])
        row, column = np.concatenate([row, rows]), np.concatenate([column, columns])
        value = np.concatenate([value, values])
    shape = (len(nodes.points), len(numbers))
    local = sparse.coo_matrix((value, (row, column)), shape=shape).tocsr()
    local.sum_duplicates()
    index = PETSc.IntType
    indptr = local.indptr[: n_owned + 1].astype(index)  # the rows of ghosts belong to others
    indices, data = local.indices[: indptr[-1]], local.data[: indptr[-1]]
    size = ((n_owned, n_global), (n_owned, n_global))
    csr = (indptr, numbers.astype(index)[indices], data)
    return PETSc.Mat().createAIJ(size, csr=csr, comm=nodes.comm)


def _received(nodes: Nodes, row: Index, column: Index, value: Array) -> tuple[Index, Index, Array]:
    """Hand the entries of ghost rows to the ranks that own them (collective).

    Returns what other ranks have for this one: local rows, global columns, values. They are few,
    and PETSc needs no hash table to collect entries in.
    """
    assert nodes.index_map is not None
    ghost = np.flatnonzero(row >= nodes.n_owned)
    owners = np.asarray(nodes.index_map.owners)[row[ghost] - nodes.n_owned]
    numbers = nodes.global_numbers
    sent = (numbers[row[ghost]], numbers[column[ghost]], value[ghost])
    parts = [tuple(a[owners == rank] for a in sent) for rank in range(nodes.comm.size)]
    rows, columns, values = zip(*nodes.comm.alltoall(parts), strict=True)
    first = nodes.index_map.local_range[0]
    return np.concatenate(rows) - first, np.concatenate(columns), np.concatenate(values)


def _local_numbers(nodes: Nodes, columns: Index) -> tuple[Index, Index]:
    """Return global numbers that this rank does not have, and local ones, those appended."""
    assert nodes.index_map is not None
    first, n_owned = nodes.index_map.local_range[0], nodes.n_owned
    ghosts = nodes.global_numbers[n_owned:]
    own = (columns >= first) & (columns < first + n_owned)
    new = np.setdiff1d(columns[~own], ghosts)
    others = np.concatenate([ghosts, new])
    order = np.argsort(others)
    local = columns - first
    local[~own] = n_owned + order[np.searchsorted(others, columns[~own], sorter=order)]
    return new, local


def solver_options(
    dim: int, degree: int, n: int, ranks: int, choice: str = "auto"
) -> dict[str, str | float | int]:
    """PETSc options of the default linear solver for ``I + c S`` with `n` unknowns.

    1-D and 2-D: PETSc's own Cholesky, ten times faster a solve than MUMPS at these sizes; on
    several ranks each factorises the whole matrix, since the exchange of one vector costs less than
    a distributed triangular solve. 3-D: MUMPS for small systems. Beyond, at degree 1, Richardson
    sweeps with an incomplete Cholesky factor: a regular splitting of an M-matrix, which converges
    in every component relative to itself, where conjugate gradients lose the tails. At higher
    degrees, where S is no M-matrix, conjugate gradients.
    """
    limit = DIRECT_LIMIT_3D[degree > 1]
    iterative = choice == "iterative" or (choice == "auto" and dim == 3 and n > limit)
    if iterative:
        incomplete: dict[str, str | float | int] = (
            {"pc_type": "icc"} if ranks == 1 else {"pc_type": "bjacobi", "sub_pc_type": "icc"}
        )
        method = "richardson" if degree == 1 else "cg"
        return {"ksp_type": method, "ksp_rtol": 1e-14, "ksp_max_it": 2000, **incomplete}
    if dim == 3:
        return {
            "ksp_type": "preonly",
            "pc_type": "cholesky",
            "pc_factor_mat_solver_type": "mumps",
        }
    own = {"pc_type": "cholesky", "pc_factor_mat_ordering_type": "nd" if dim > 1 else "rcm"}
    if ranks == 1:
        return {"ksp_type": "preonly", **own}
    return {
        "ksp_type": "preonly",
        "pc_type": "redundant",
        "redundant_ksp_type": "preonly",
        **{f"redundant_{key}": value for key, value in own.items()},
    }


KEEP = 3
"""Values of c whose factorisations are kept."""

SWEEP_TOLERANCE = 1e-12
MAX_SWEEPS = 500

PREFIX = "wfrpde_"
"""Prefix of the PETSc options that a user may set, on the command line or in PETSC_OPTIONS."""

_counter = itertools.count()


def merged_options(
    defaults: Mapping[str, str | float | int], case: Mapping[str, str | float | int | bool]
) -> dict[str, str]:
    """Defaults, overridden by the case's options, overridden by those of PETSc's own database.

    Raises
    ------
    InputError
        If there are others than `checked_options` knows.
    """
    from petsc4py import PETSc

    chosen = {key: str(value) for key, value in defaults.items()} | checked_options(case)
    return chosen | checked_options(PETSc.Options(PREFIX).getAll(), "PETSC_OPTIONS")


def _known(c: float, kept: Mapping[float, object]) -> float:
    """Return the value of c that is kept, up to round-off, or c itself."""
    return next((known for known in kept if abs(known - c) <= 1e-12 * abs(c)), c)


class ShiftedSolver:
    """Solves ``(I + c S) x = b`` for a symmetric positive semidefinite S and a few values of c.

    Factorisations are kept for the last `keep` values of c; beyond, the symbolic part of the oldest
    is used again. The linear solver is that of the given PETSc options.
    """

    def __init__(
        self, stiffness: PETSc.Mat, options: Mapping[str, str], *, keep: int = KEEP
    ) -> None:
        self._stiffness, self._options, self._keep = stiffness, dict(options), keep
        self._solvers: OrderedDict[float, tuple[PETSc.KSP, PETSc.Mat]] = OrderedDict()
        self._rhs, self._solution = stiffness.createVecs()
        self.factorisations = 0
        self.solves = 0
        self.iterations = 0

    def solve(self, c: float, rhs: Array) -> Array:
        """Return x ``(n_owned,)`` (collective); raise `SolverError` if PETSc did not converge."""
        ksp = self._solver(c)
        self._rhs.array[:] = rhs
        if ksp.getType() == "richardson":
            return self._swept(ksp)
        ksp.solve(self._rhs, self._solution)
        reason = ksp.getConvergedReason()
        if reason < 0:
            raise SolverError(
                f"the linear solver ({ksp.getType()}/{ksp.getPC().getType()}) stopped with PETSc's "
                f"reason {reason} after {ksp.getIterationNumber()} iterations"
            )
        self.solves += 1
        self.iterations += int(ksp.getIterationNumber())
        return np.array(self._solution.array)

    def _swept(self, ksp: PETSc.KSP) -> Array:
        """Sweep ``x += B (b − A x)`` until no component changes by more than `SWEEP_TOLERANCE`.

        The change is relative to the component itself: a norm would be that of the largest
        components of √π h alone, which may be far from the mass.
        """
        from mpi4py import MPI

        matrix, _ = ksp.getOperators()
        comm = matrix.comm.tompi4py()
        residual, update = matrix.createVecs()
        self._solution.set(0.0)
        self._rhs.copy(residual)
        change = np.inf
        try:
            for _ in range(MAX_SWEEPS):
                ksp.getPC().apply(residual, update)
                self._solution.axpy(1.0, update)
                self.iterations += 1
                x, dx = self._solution.array_r, update.array_r
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                    local = np.where(dx == 0.0, 0.0, np.abs(dx) / np.abs(x))
                local[np.isnan(local)] = np.inf  # diverged: the maximum must see it
                change = comm.allreduce(float(local.max(initial=0.0)), op=MPI.MAX)
                if change < SWEEP_TOLERANCE:
                    self.solves += 1
                    return np.array(self._solution.array)
                matrix.mult(self._solution, residual)
                residual.aypx(-1.0, self._rhs)
        finally:
            residual.destroy()
            update.destroy()
        raise SolverError(
            f"{MAX_SWEEPS} sweeps with an incomplete factor left changes of {change:.1e}"
        )

    def _solver(self, c: float) -> PETSc.KSP:
        from petsc4py import PETSc

        known = _known(c, self._solvers)
        if known in self._solvers:
            self._solvers.move_to_end(known)
            return self._solvers[known][0]
        self.factorisations += 1
        if len(self._solvers) >= self._keep:
            # the oldest with new entries: its ordering and the pattern of its factor still hold
            _, (ksp, matrix) = self._solvers.popitem(last=False)
            self._stiffness.copy(matrix, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
            matrix.scale(c)
            matrix.shift(1.0)
            ksp.setOperators(matrix)
            ksp.setUp()
            self._solvers[c] = (ksp, matrix)
            return ksp
        matrix = self._stiffness.copy()
        matrix.scale(c)
        matrix.shift(1.0)
        matrix.setOption(PETSc.Mat.Option.SPD, True)
        ksp = PETSc.KSP().create(matrix.comm)
        # a prefix of its own: options of one solver must not reach the next one
        prefix = f"wfrpde{next(_counter)}_"
        database = PETSc.Options()
        for key, value in self._options.items():
            database.setValue(prefix + key, value)
        ksp.setOptionsPrefix(prefix)
        ksp.setOperators(matrix)
        ksp.setFromOptions()
        ksp.setUp()
        for key in self._options:
            database.delValue(prefix + key)
        self._solvers[c] = (ksp, matrix)
        return ksp

    def destroy(self) -> None:
        """Free PETSc's objects, but for the stiffness (collective)."""
        for ksp, matrix in self._solvers.values():
            ksp.destroy()
            matrix.destroy()
        self._solvers.clear()
        self._rhs.destroy()
        self._solution.destroy()


class BandedSolver:
    """What `ShiftedSolver` does, for one dimension on one rank: LAPACK's banded Cholesky.

    Nodes in the order of their coordinates make S banded, of half-width p, and at these sizes a
    call of LAPACK costs less than PETSc's bookkeeping.
    """

    def __init__(self, n: int, width: int, triplets: Triplets, *, keep: int = KEEP) -> None:
        lower = triplets.row >= triplets.column
        row, column = triplets.row[lower], triplets.column[lower]
        self._band = np.bincount(
            (row - column) * n + column, triplets.value[lower], minlength=(width + 1) * n
        ).reshape(width + 1, n)
        self._keep = keep
        self._factors: OrderedDict[float, tuple[Array, ...]] = OrderedDict()
        self.factorisations = 0
        self.solves = 0
        self.iterations = 0

    def solve(self, c: float, rhs: Array) -> Array:
        """Return x ``(n,)``; raise `SolverError` if the matrix is not positive definite."""
        from scipy.linalg import lapack

        known = _known(c, self._factors)
        factor = self._factors.pop(known, None) or self._factor(c)
        self._factors[known] = factor
        self.solves += 1
        self.iterations += 1
        if len(factor) == 2:
            return np.asarray(lapack.dpttrs(*factor, rhs)[0])
        return np.asarray(lapack.dpbtrs(factor[0], rhs, lower=1)[0])

    def _factor(self, c: float) -> tuple[Array, ...]:
        from scipy.linalg import lapack

        band = c * self._band
        band[0] += 1.0
        factor: tuple[Array, ...]
        if len(band) == 2:
            diagonal, off, info = lapack.dpttrf(band[0], band[1, :-1])
            factor = (diagonal, off)
        else:
            lower, info = lapack.dpbtrf(band, lower=1)
            factor = (lower,)
        if info != 0:
            raise SolverError(f"the banded Cholesky factorisation failed (LAPACK's info {info})")
        while len(self._factors) >= self._keep:
            self._factors.popitem(last=False)
        self.factorisations += 1
        return factor

    def destroy(self) -> None:
        """Forget the factors."""
        self._factors.clear()


def is_banded(nodes: Nodes, choice: str, case: Mapping[str, str | float | int | bool]) -> bool:
    """Whether `BandedSolver` fits: one dimension, one rank, and nothing asks PETSc for more."""
    ordered = nodes.dim == 1 and nodes.index_map is None
    return ordered and choice != "iterative" and not _asks_petsc(case)


def is_polynomial(dim: int, choice: str, case: Mapping[str, str | float | int | bool]) -> bool:
    """Whether `Exponential` fits: three dimensions, and nothing asks for a linear solver."""
    return dim == 3 and choice == "auto" and not _asks_petsc(case)


def _asks_petsc(case: Mapping[str, str | float | int | bool]) -> bool:
    from petsc4py import PETSc

    return bool(case) or bool(PETSc.Options(PREFIX).getAll())
