"""ARPACK's eigensolver of a positive definite matrix, and the linear solver inside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.engine.protocol import Traits, Wish
from wfrpde.engine.scipy.matrix import SuperLu
from wfrpde.errors import SolverError


class ArpackShiftInvert:
    """The lowest eigenvectors of a matrix, as `wfrpde.engine.protocol.ShiftInvert` says."""

    def __init__(self, matrix: Any, smooth: Array, traits: Traits, wish: Wish) -> None:
        self._matrix, self._smooth = matrix, smooth / np.linalg.norm(smooth)
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> ArpackShiftInvert:
        self._linear = SuperLu(self._matrix, symmetric=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self._linear.destroy()

    def lowest(self, count: int, *, deflated: bool) -> Array:
        """Return eigenvectors ``(count, n)``; raise `SolverError` if fewer converge."""
        from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

        n, solves = len(self._smooth), 0

        def across(x: Array) -> Array:
            return x - self._smooth * (self._smooth @ x) if deflated else x

        def inverse(x: Array) -> Array:
            nonlocal solves
            solves += 1
            return across(self.solve(across(x.ravel())))

        # more than ARPACK's Krylov space must hold
        # unknowns up to which S^{-1} is diagonalised as a dense matrix
        if n <= max(300, 2 * count + 2):
            dense = np.array([inverse(row) for row in np.eye(n)])
            vectors, name = np.linalg.eigh((dense + dense.T) / 2)[1][:, -count:], "lapack"
        else:
            start = across(np.random.default_rng(0).standard_normal(n))
            try:
                vectors = eigsh(
                    LinearOperator((n, n), matvec=inverse, dtype=np.float64),
                    k=count,
                    which="LA",
                    ncv=min(n, max(2 * count, count + 20)),
                    # relative residual of the eigenpairs of S^{-1}
                    tol=1e-12,
                    v0=start,
                    maxiter=500,
                )[1]
            except ArpackError as error:
                raise SolverError(f"ARPACK found fewer than {count} eigenpairs: {error}") from None
            name = "arpack"
        self.facts = {
            "eigensolver": name,
            "iterations": solves,
            "linear_solver": self._linear.name,
        }
        return np.ascontiguousarray(vectors.T[::-1])  # the largest of S^{-1} first

    def solve(self, rhs: Array) -> Array:
        """Return S^{-1} b ``(n,)``; raise `SolverError` if there is none."""
        return self._linear.solve(rhs)[0]
