"""Unsymmetric matrices that every rank holds whole: LAPACK on a line or if small, else SuperLU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from wfrpde.arrays import Array, Integers

Solve = Callable[[Array], Array]


class Pattern(Protocol):
    """Where the entries of a matrix are stored; those given for one place are added up."""

    def stored(self, values: Array) -> Array:
        """Return the stored entries of `values`, which come in the order of rows and columns."""
        ...

    def factored(self, stored: Array, shift: float) -> Solve | None:
        """Factorise ``shift I + A`` and return what solves with it; None if it is singular.

        What is `stored` may be overwritten.
        """
        ...


def pattern_of(rows: Integers, columns: Integers, size: int, bandwidth: int | None) -> Pattern:
    """Return a band of half the width `bandwidth`; where there is none what costs least."""
    if bandwidth is not None:
        return Band(rows, columns, size, bandwidth)
    # unknowns up to which LAPACK is done before SuperLU has set out
    return Dense(rows, columns, size) if size <= 170 else Sparse(rows, columns, size)


class Band:
    """Entries within `half` of the diagonal, stored as LAPACK's ``gbtrf`` wants them.

    Entry (i, j) is in row 2 half + i − j of column j; the first rows are room to factorise in.
    """

    def __init__(self, rows: Integers, columns: Integers, size: int, half: int) -> None:
        self._half, self._size = half, size
        self._place = columns * (3 * half + 1) + 2 * half + rows - columns

    def stored(self, values: Array) -> Array:
        """Return ``(3 half + 1, n)`` entries."""
        height = 3 * self._half + 1
        flat = np.bincount(self._place, values, minlength=height * self._size)
        return np.asarray(flat.reshape(self._size, height).T)

    def factored(self, stored: Array, shift: float) -> Solve | None:
        """Factorise ``shift I + A``."""
        from scipy.linalg import lapack

        half, solve = self._half, lapack.dgbtrs
        stored[2 * half] += shift
        factors, pivots, info = lapack.dgbtrf(stored, half, half, overwrite_ab=1)
        if info != 0:
            return None
        return lambda b: solve(factors, half, half, b, pivots)[0]


class Dense:
    """Entries that are not zero, column by column, in a matrix of all of them."""

    def __init__(self, rows: Integers, columns: Integers, size: int) -> None:
        place = columns * size + rows
        there = np.zeros(size**2, dtype=bool)
        there[place] = True
        self._size, self._places = size, np.flatnonzero(there)
        self._index = (np.cumsum(there) - 1)[place]

    def stored(self, values: Array) -> Array:
        """Return ``(nnz,)`` entries, column by column."""
        return np.bincount(self._index, values, len(self._places)).astype(np.float64, copy=False)

    def factored(self, stored: Array, shift: float) -> Solve | None:
        """Factorise ``shift I + A``."""
        from scipy.linalg import lapack

        solve = lapack.dgetrs
        flat = np.zeros(self._size**2)
        flat[self._places] = stored
        flat[:: self._size + 1] += shift
        matrix = flat.reshape(self._size, self._size).T
        factors, pivots, info = lapack.dgetrf(matrix, overwrite_a=1)
        if info != 0:
            return None
        return lambda b: solve(factors, pivots, b)[0]


class Sparse:
    """Compressed columns, in the order of the minimum degree of A + Aᵀ, which is told once."""

    def __init__(self, rows: Integers, columns: Integers, size: int) -> None:
        from scipy.sparse import csc_array

        every = np.arange(size)
        rows, columns = np.append(rows, every), np.append(columns, every)
        ones = np.where(rows == columns, float(size), -1.0)
        full = csc_array((ones, (rows, columns)), shape=(size, size))
        self._position: Integers = _factors(full, "MMD_AT_PLUS_A").perm_c
        self._order = np.argsort(self._position)
        key = self._position[columns].astype(np.int64) * size + self._position[rows]
        places, index = np.unique(key, return_inverse=True)
        self._count = len(places)
        self._place, self._diagonal = index[:-size], index[-size:]
        rows_of = (places % size).astype(np.int32)
        first = np.searchsorted(places // size, np.arange(size + 1)).astype(np.int32)
        # made once: SciPy looks at the places of a matrix each time that it is made
        self._matrix = csc_array((np.zeros(len(places)), rows_of, first), shape=(size, size))
        assert self._matrix.has_canonical_format

    def stored(self, values: Array) -> Array:
        """Return ``(nnz,)`` entries, column by column."""
        return np.bincount(self._place, values, self._count).astype(np.float64, copy=False)

    def factored(self, stored: Array, shift: float) -> Solve | None:
        """Factorise ``shift I + A``; pivots leave the diagonal only where it is tiny."""
        stored[self._diagonal] += shift
        if not np.isfinite(stored).all():
            return None
        self._matrix.data = stored
        try:
            factors = _factors(self._matrix, "NATURAL")
        except RuntimeError:  # exactly singular
            return None
        order, position = self._order, self._position
        return lambda b: np.asarray(factors.solve(b[order])[position])


def _factors(matrix: Any, order: str) -> Any:
    from scipy.sparse.linalg import splu

    return splu(
        matrix,
        permc_spec=order,
        diag_pivot_thresh=0.01,
        # no columns of small subtrees made alike, few at a time: a tenth less, of some hundred
        # unknowns up to a half
        relax=1,
        panel_size=2,
        options={"SymmetricMode": True},
    )
