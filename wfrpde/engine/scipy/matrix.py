"""Sparse matrices of SciPy from triplets, and SuperLU's factors of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.engine.layout import Layout, RowBlocks, Triplets
from wfrpde.engine.protocol import Factor, ShiftInvert, Traits, Wish
from wfrpde.errors import SolverError


class ScipyMatrix:
    """A sparse matrix on one process, as `wfrpde.engine.protocol.Matrix` says."""

    def __init__(self, layout: Layout, entries: Triplets | Any, traits: Traits, wish: Wish) -> None:
        self.layout, self.traits, self._wish = layout, traits, wish
        given = isinstance(entries, Triplets | RowBlocks)
        self._csr: Any = _assembled(layout, entries) if given else entries
        self._fastest: Any = None
        self._eliminated: tuple[Any, Integers | None] | None = None

    def product(self, x: Array, out: Array) -> None:
        """Put S x into `out`."""
        if self._fastest is None:
            self._fastest = _fastest(self._csr)
        out[:] = self._fastest @ x

    def diagonal(self) -> Array:
        """Return the diagonal ``(n,)``."""
        return np.asarray(self._csr.diagonal())

    def magnitudes(self) -> ScipyMatrix:
        """Return another matrix, of the absolute values of the entries."""
        return ScipyMatrix(self.layout, abs(self._csr), self.traits, self._wish)

    def change(self, scale: float, shift: float) -> None:
        """Make this matrix ``scale S + shift I``."""
        self._csr, self._fastest = _shifted(self._csr, scale, shift), None
        self._eliminated = None

    def factor(self, c: float, old: Factor | None = None) -> SuperLu:
        """Prepare solves with ``I + c S``."""
        if self._eliminated is None:
            symmetric = self.traits.symmetric
            order = self.layout.elimination(self._csr.nnz) if symmetric else None
            csr = self._csr if order is None else self._csr[order][:, order]
            self._eliminated = csr, order
        csr, order = self._eliminated
        return SuperLu(_shifted(csr, c, 1.0), symmetric=self.traits.symmetric, order=order)

    def shift_invert(self, smooth: Array) -> ShiftInvert:
        """Prepare the eigensolver of a symmetric positive definite matrix."""
        from wfrpde.engine.scipy.eigen import ArpackShiftInvert  # flows need no ARPACK

        return ArpackShiftInvert(self._csr, smooth, self.traits, self._wish)

    def destroy(self) -> None:
        """Arrays need none."""


class SuperLu:
    """Solves ``A x = b`` by triangular factors.

    A symmetric A is positive definite: its pivots are those of the diagonal, as in a factorisation
    of Cholesky. Its unknowns are in the `order` of their numbers, or ordered by minimum degrees on
    A + Aᵀ where there is none.
    """

    name = "superlu"

    def __init__(self, matrix: Any, *, symmetric: bool, order: Integers | None = None) -> None:
        from scipy.sparse.linalg import splu

        options: dict[str, Any] = {}
        if symmetric:
            options = {
                "permc_spec": "MMD_AT_PLUS_A" if order is None else "NATURAL",
                "diag_pivot_thresh": 0.0,
                "options": {"SymmetricMode": True},
            }
        self._order = order
        self._transposed = "T" if symmetric else "N"  # of both the faster one
        try:
            # a symmetric matrix is the same by rows and by columns
            self._lu = splu(matrix.T if symmetric else matrix.tocsc(), **options)
        except (RuntimeError, MemoryError) as error:
            raise SolverError(f"SuperLU's factorisation failed: {error}") from None

    def solve(self, rhs: Array) -> tuple[Array, int]:
        """Return x ``(n,)`` and 1; raise `SolverError` if a component is not finite."""
        order = self._order
        x = np.asarray(self._lu.solve(rhs if order is None else rhs[order], self._transposed))
        if order is not None:
            ordered, x = x, np.empty_like(x)
            x[order] = ordered
        if not np.isfinite(x).all():
            raise SolverError("a solve with SuperLU's factors gave values that are not finite")
        return x, 1

    def destroy(self) -> None:
        """Arrays need none."""


def _assembled(layout: Layout, entries: Triplets | RowBlocks) -> Any:
    import scipy.sparse as sparse

    n = layout.n_owned
    if isinstance(entries, RowBlocks):
        (indptr, indices, data), _ = entries.compressed(layout)
        return sparse.csr_array((data, indices, indptr), shape=(n, n))
    coordinates = (entries.value, (entries.row, entries.column))
    return sparse.coo_array(coordinates, shape=(n, n)).tocsr()  # sums the duplicates


def _shifted(matrix: Any, scale: float, shift: float) -> Any:
    import scipy.sparse as sparse

    identity = sparse.identity(matrix.shape[0], format="csr")
    return sparse.csr_array(scale * matrix + shift * identity)


def _fastest(csr: Any) -> Any:
    """Those of CSR and diagonals that is read sooner: nodes of a box lie on few diagonals."""
    import scipy.sparse as sparse

    n = csr.shape[0]
    coordinates = csr.tocoo()
    offsets = np.unique(coordinates.col.astype(np.int64) - coordinates.row)
    # A matrix is multiplied diagonal by diagonal if these hold at most so many values an entry
    return sparse.dia_array(csr) if len(offsets) * n <= 1.3 * csr.nnz else csr
