"""PETSc's linear solvers for one matrix I + cS."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from petsc4py import PETSc

from wfrpde.arrays import Array, Integers
from wfrpde.engine.petsc.options import database_of, option_errors, solver_errors
from wfrpde.errors import SolverError, WfrpdeError

SWEEP_TOLERANCE = 1e-12
"""Change of every component, relative to itself, at which sweeps end."""

MAX_SWEEPS = 500


class KspFactor:
    """Solves ``(I + c S) x = b`` by the linear solver of the options.

    `stiffness`, which stays the caller's, is S, with its unknowns in the `order` of their numbers
    where there is one.
    """

    def __init__(
        self,
        stiffness: PETSc.Mat,
        c: float,
        options: Mapping[str, str],
        *,
        symmetric: bool,
        order: Integers | None = None,
    ) -> None:
        self._stiffness, self._order = stiffness, order
        self.matrix = stiffness.copy()
        self.matrix.scale(c)
        self.matrix.shift(1.0)
        if symmetric:
            self.matrix.setOption(PETSc.Mat.Option.SPD, True)
        self._rhs, self._solution = stiffness.createVecs()
        self.ksp = PETSc.KSP().create(self.matrix.comm)
        self.ksp.setOperators(self.matrix)
        try:
            with database_of(options) as prefix:
                self.ksp.setOptionsPrefix(prefix)
                with option_errors(options):
                    self.ksp.setFromOptions()
                self._set_up()
        except WfrpdeError:
            self.destroy()
            raise

    def renew(self, c: float) -> None:
        """Take another c: the ordering and the pattern of the factor still hold (collective)."""
        self._stiffness.copy(self.matrix, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        self.matrix.scale(c)
        self.matrix.shift(1.0)
        self.ksp.setOperators(self.matrix)
        self._set_up()

    def _set_up(self) -> None:
        with solver_errors("the factorisation"):
            self.ksp.setUp()

    def solve(self, rhs: Array) -> tuple[Array, int]:
        """Return x ``(n_owned,)`` and the number of iterations (collective).

        Raises
        ------
        SolverError
            If PETSc did not converge.
        """
        order = self._order
        if order is None:
            self._rhs.array[:] = rhs
        else:
            np.take(rhs, order, out=self._rhs.array, mode="clip")
        if self.ksp.getType() == "richardson":
            return self._swept()
        self.ksp.solve(self._rhs, self._solution)
        reason = self.ksp.getConvergedReason()
        count = int(self.ksp.getIterationNumber())
        if reason < 0:
            raise SolverError(
                f"the linear solver ({self.ksp.getType()}/{self.ksp.getPC().getType()}) stopped "
                f"with PETSc's reason {reason} after {count} iterations"
            )
        if order is None:
            return np.array(self._solution.array), count
        result = np.empty_like(rhs)
        result[order] = self._solution.array_r
        return result, count

    def _swept(self) -> tuple[Array, int]:
        """Sweep ``x += B (b − A x)`` until no component changes by more than `SWEEP_TOLERANCE`.

        The change is relative to the component itself: a norm would be that of the largest
        components of √π h alone, which may be far from the mass.
        """
        from mpi4py import MPI

        comm = self.matrix.comm.tompi4py()
        residual, update = self.matrix.createVecs()
        self._solution.set(0.0)
        self._rhs.copy(residual)
        change = np.inf
        try:
            for sweep in range(1, MAX_SWEEPS + 1):
                self.ksp.getPC().apply(residual, update)
                self._solution.axpy(1.0, update)
                x, dx = self._solution.array_r, update.array_r
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                    local = np.where(dx == 0.0, 0.0, np.abs(dx) / np.abs(x))
                local[np.isnan(local)] = np.inf  # diverged: the maximum must see it
                change = comm.allreduce(float(local.max(initial=0.0)), op=MPI.MAX)
                if change < SWEEP_TOLERANCE:
                    return np.array(self._solution.array), sweep
                self.matrix.mult(self._solution, residual)
                residual.aypx(-1.0, self._rhs)
        finally:
            residual.destroy()
            update.destroy()
        raise SolverError(
            f"{MAX_SWEEPS} sweeps with an incomplete factor left changes of {change:.1e}"
        )

    def destroy(self) -> None:
        """Free PETSc's objects, but for the stiffness (collective)."""
        for item in (self.ksp, self.matrix, self._rhs, self._solution):
            item.destroy()
