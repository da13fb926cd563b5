"""Distributed PETSc matrices from triplets, and the factorisations that time steps reuse."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.fluxes import Triplets
from wfrpde.discretisation.nodes import Nodes
from wfrpde.errors import SolverError

if TYPE_CHECKING:
    from petsc4py import PETSc

Array = npt.NDArray[np.float64]

DIRECT_LIMIT_3D = 60_000
"""Unknowns in 3-D beyond which a factorisation costs more than iterating (fill grows like n^{4/3})."""


def assemble(nodes: Nodes, triplets: Triplets) -> PETSc.Mat:
    """Sum triplets into a distributed AIJ matrix (collective). The caller destroys it."""
    import scipy.sparse as sparse
    from petsc4py import PETSc

    n, n_owned = len(nodes.points), nodes.n_owned
    local = sparse.coo_matrix((triplets.value, (triplets.row, triplets.column)), shape=(n, n)).tocsr()
    local.sum_duplicates()
    size = ((n_owned, nodes.n_global), (n_owned, nodes.n_global))
    index = PETSc.IntType
    if nodes.comm.size == 1:
        csr = (local.indptr.astype(index), local.indices.astype(index), local.data)
        return PETSc.Mat().createAIJ(size, csr=csr, comm=nodes.comm)
    numbers = nodes.global_numbers.astype(index)
    matrix = PETSc.Mat().create(comm=nodes.comm)
    matrix.setSizes(size)
    matrix.setType("aij")
    matrix.setUp()  # without preallocation PETSc collects the entries in a hash table
    matrix.setValuesIJV(
        local.indptr.astype(index),
        numbers[local.indices],
        local.data,
        addv=PETSc.InsertMode.ADD_VALUES,
        rowmap=numbers,
    )
    matrix.assemble()
    return matrix


def solver_options(dim: int, n: int, ranks: int, choice: str = "auto") -> dict[str, str | float | int]:
    """PETSc options of the default linear solver for an SPD matrix of `n` unknowns.

    1-D and 2-D: PETSc's own Cholesky, ten times faster a solve than MUMPS at these sizes; on several ranks
    every rank factorises the whole matrix, since the exchange of one vector costs less than a distributed
    triangular solve. 3-D: MUMPS, or conjugate gradients beyond `DIRECT_LIMIT_3D`.
    """
    iterative = choice == "iterative" or (choice == "auto" and dim == 3 and n > DIRECT_LIMIT_3D)
    if iterative:
        incomplete: dict[str, str | float | int] = (
            {"pc_type": "icc"} if ranks == 1 else {"pc_type": "bjacobi", "sub_pc_type": "icc"}
        )
        return {
            "ksp_type": "cg",
            "ksp_rtol": 1e-13,
            "ksp_atol": 1e-300,
            "ksp_max_it": 5000,
            **incomplete,
        }
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


def set_options(prefix: str, options: Mapping[str, str | float | int | bool]) -> None:
    """Put options into PETSc's database, unless the user's own are there already."""
    from petsc4py import PETSc

    database = PETSc.Options()
    for key, value in options.items():
        if not database.hasName(prefix + key):
            text = str(value).lower() if isinstance(value, bool) else value
            database.setValue(prefix + key, text)


class ShiftedSolver:
    """Solves ``(I + c S) x = b`` for a symmetric positive semidefinite S and a few values of c.

    Factorisations are kept for the last `keep` values of c. The linear solver is that of the PETSc
    options with the given prefix.
    """

    def __init__(self, stiffness: PETSc.Mat, *, prefix: str, keep: int = 3) -> None:
        self._stiffness, self._prefix, self._keep = stiffness, prefix, keep
        self._solvers: OrderedDict[float, tuple[PETSc.KSP, PETSc.Mat]] = OrderedDict()
        self._rhs, self._solution = stiffness.createVecs()
        self.factorisations = 0
        self.solves = 0
        self.iterations = 0

    def solve(self, c: float, rhs: Array) -> Array:
        """Return x ``(n_owned,)`` (collective); raises `SolverError` when PETSc did not converge."""
        ksp = self._solver(c)
        self._rhs.array[:] = rhs
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

    def _solver(self, c: float) -> PETSc.KSP:
        from petsc4py import PETSc

        for known, (ksp, _) in self._solvers.items():
            if abs(known - c) <= 1e-12 * abs(c):
                self._solvers.move_to_end(known)
                return ksp
        while len(self._solvers) >= self._keep:
            _, (old, old_matrix) = self._solvers.popitem(last=False)
            old.destroy()
            old_matrix.destroy()
        matrix = self._stiffness.copy()
        matrix.scale(c)
        matrix.shift(1.0)
        matrix.setOption(PETSc.Mat.Option.SPD, True)
        ksp = PETSc.KSP().create(matrix.comm)
        ksp.setOptionsPrefix(self._prefix)
        ksp.setOperators(matrix)
        ksp.setFromOptions()
        ksp.setUp()
        self.factorisations += 1
        self._solvers[c] = (ksp, matrix)
        return ksp

    def destroy(self) -> None:
        """Free PETSc's objects (collective)."""
        for ksp, matrix in self._solvers.values():
            ksp.destroy()
            matrix.destroy()
        self._solvers.clear()
        self._rhs.destroy()
        self._solution.destroy()
