"""SLEPc's eigensolver of a positive definite matrix, and the linear solver inside it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
from petsc4py import PETSc
from slepc4py import SLEPc

from wfrpde.arrays import Array
from wfrpde.engine.petsc.options import (
    DAVIDSON,
    FAILURES,
    database_of,
    option_errors,
    solver_errors,
)
from wfrpde.errors import SolverError


class SlepcShiftInvert:
    """The lowest eigenvectors of a matrix, as `wfrpde.engine.protocol.ShiftInvert` says.

    The matrix is shifted already: that of SLEPc's own transformation would be a copy of it.
    """

    def __init__(self, matrix: PETSc.Mat, smooth: Array, options: Mapping[str, str]) -> None:
        self._matrix, self._options = matrix, options
        self._davidson = options.get("eps_type", "krylovschur") in DAVIDSON
        self._in, self._out = matrix.createVecs()
        self._smooth = self._in.duplicate()
        self._smooth.array[:] = smooth
        self._smooth.normalize()
        self._owned = ExitStack()
        self._linear: PETSc.KSP | None = None
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> SlepcShiftInvert:
        self._matrix.setOption(PETSc.Mat.Option.SPD, True)
        kernel = PETSc.NullSpace().create(vectors=[self._smooth], comm=self._matrix.comm)
        self._matrix.setNearNullSpace(kernel)
        kernel.destroy()
        prefix = self._owned.enter_context(database_of(self._options))
        for vector in (self._in, self._out, self._smooth):
            self._owned.callback(_destroyed, vector)
        self._eps = SLEPc.EPS().create(self._matrix.comm)
        self._owned.callback(_destroyed, self._eps)
        self._eps.setOptionsPrefix(prefix)
        self._eps.setOperators(self._matrix)
        self._eps.setProblemType(SLEPc.EPS.ProblemType.HEP)
        transformation = self._eps.getST()
        if self._davidson:  # these precondition with the linear solver, and find the smallest
            transformation.setType(SLEPc.ST.Type.PRECOND)
            self._eps.setWhichEigenpairs(SLEPc.EPS.Which.SMALLEST_REAL)
            # relative to a gap of 1e-8 no residual would be small
            self._eps.setConvergenceTest(SLEPc.EPS.Conv.ABS)
        else:
            transformation.setType(SLEPc.ST.Type.SINVERT)
            self._eps.setWhichEigenpairs(SLEPc.EPS.Which.TARGET_MAGNITUDE)
            self._eps.setTarget(0.0)
        try:
            with option_errors(self._options):
                self._eps.setFromOptions()
        except BaseException:
            self._owned.close()
            raise
        if self._davidson:
            self._linear = PETSc.KSP().create(self._matrix.comm)
            self._owned.callback(_destroyed, self._linear)
            self._linear.setOptionsPrefix(f"{prefix}st_")  # the preconditioner of its ST
            self._linear.setOperators(self._matrix)
            self._linear.setFromOptions()
            self._linear.setType(PETSc.KSP.Type.CG)
            self._linear.setTolerances(rtol=1e-10, max_it=2000)
            self._linear.setErrorIfNotConverged(True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._owned.close()

    def lowest(self, count: int, *, deflated: bool) -> Array:
        """Return eigenvectors ``(count, n_owned)``; raise `SolverError` if fewer converge."""
        if deflated:
            self._eps.setDeflationSpace([self._smooth])
        if self._davidson:
            self._eps.setDimensions(count)
            self._eps.setTolerances(1e-8, 2000)  # absolute residual
        else:
            self._eps.setDimensions(count, max(2 * count, count + 20))
            self._eps.setTolerances(1e-12, 500)  # 1e-12: relative residual of the eigenpairs
        self._eps.setFromOptions()  # once more: the user's own go before these
        with solver_errors("the eigensolver"):
            self._eps.solve()
        found, iterations = self._eps.getConverged(), int(self._eps.getIterationNumber())
        ksp = self._eps.getST().getKSP()
        if not self._davidson:  # which does with whatever its inner solves have reached
            _check_converged(ksp)
        self.facts = {
            "eigensolver": self._eps.getType(),
            "iterations": iterations,
            "linear_solver": f"{ksp.getType()}/{ksp.getPC().getType()}",
        }
        if found < count:
            raise SolverError(
                f"SLEPc ({self._eps.getType()}) found {found} of {count} eigenpairs in "
                f"{iterations} iterations (reason {self._eps.getConvergedReason()})"
            )
        rows = []
        for k in range(count):
            self._eps.getEigenvector(k, self._in)
            rows.append(np.array(self._in.array))
        return np.array(rows)

    def solve(self, rhs: Array) -> Array:
        """Return S^{-1} b ``(n_owned,)``; raise `SolverError` if there is none."""
        self._in.array[:] = rhs
        with solver_errors("the linear solver"):
            if self._linear is None:
                self._eps.getST().apply(self._in, self._out)
            else:
                self._linear.solve(self._in, self._out)
        _check_converged(self._eps.getST().getKSP() if self._linear is None else self._linear)
        return np.array(self._out.array)


def _check_converged(ksp: PETSc.KSP) -> None:
    """Raise `SolverError` if a linear solver stopped before its end.

    PETSc's own error is not enough: it counts nested solves, and a solve that ends in an error
    stays counted, so that later ones, taken for inner solves, only set their reason.
    """
    reason = ksp.getConvergedReason()
    if reason < 0:
        raise SolverError(
            f"the linear solver ({ksp.getType()}/{ksp.getPC().getType()}) did not converge: "
            f"PETSc's reason {reason} after {ksp.getIterationNumber()} iterations"
        )


def _destroyed(item: PETSc.Object) -> None:
    with suppress(*FAILURES):  # after a failed solve SLEPc refuses to be taken apart
        item.destroy()
