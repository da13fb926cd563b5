"""Solves with I + cS for a few values of c, whose factors are kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.engine.layout import Triplets
from wfrpde.engine.protocol import Factor, Matrix
from wfrpde.errors import SolverError

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

KEEP = 2
"""Values of c whose factors are kept."""


class ShiftedSolver:
    """Solves ``(I + c S) x = b`` for a symmetric positive semidefinite S and a few values of c.

    Parameters
    ----------
    factor
        Makes a factor for a c, perhaps from the oldest one, which is no longer needed.
    matrix
        What the factors are made of, and destroyed with them; None if nothing has to be.
    keep
        For how many c factors are kept.
    """

    def __init__(
        self,
        factor: Callable[[float, Factor | None], Factor],
        matrix: Matrix | None = None,
        *,
        keep: int = KEEP,
    ) -> None:
        self._factor, self._matrix, self._keep = factor, matrix, keep
        self.factors: OrderedDict[float, Factor] = OrderedDict()
        self.factorisations = 0
        self.solves = 0
        self.iterations = 0

    def solve(self, c: float, rhs: Array) -> Array:
        """Return x ``(n_owned,)`` (collective); raise `SolverError` if there is none."""
        known = next((k for k in self.factors if abs(k - c) <= 1e-12 * abs(c)), c)
        if known not in self.factors:
            full = len(self.factors) >= self._keep
            oldest = self.factors.popitem(last=False)[1] if full else None
            try:
                self.factors[c] = self._factor(c, oldest)
            except SolverError:
                if oldest is not None:
                    oldest.destroy()
                raise
            self.factorisations += 1
        self.factors.move_to_end(known)
        x, iterations = self.factors[known].solve(rhs)
        self.solves += 1
        self.iterations += iterations
        return x

    def recall(self, values: Sequence[float]) -> None:
        """Factorise for values of c that an earlier solver had factors for (collective).

        A c that is theirs up to round-off then means theirs again: the same digits.
        """
        for c in values:
            self.factors[c] = self._factor(c, None)

    def destroy(self) -> None:
        """Free the factors and the matrix (collective)."""
        for factor in self.factors.values():
            factor.destroy()
        self.factors.clear()
        if self._matrix is not None:
            self._matrix.destroy()


class Band:
    """A matrix of half-width p on one rank: LAPACK's banded Cholesky factors of I + cS.

    Nodes of a line in the order of their coordinates make such an S, and at these sizes a call of
    LAPACK costs less than the bookkeeping of a sparse library.
    """

    def __init__(self, n: int, width: int, entries: Triplets) -> None:
        lower = entries.row >= entries.column
        row, column = entries.row[lower], entries.column[lower]
        self._band = np.bincount(
            (row - column) * n + column, entries.value[lower], minlength=(width + 1) * n
        ).reshape(width + 1, n)

    def add_up(self, comm: Comm) -> None:
        """Sum what the ranks contribute (collective)."""
        total = np.empty_like(self._band)
        comm.Allreduce(self._band, total)
        self._band = total

    def factor(self, c: float, old: Factor | None = None) -> Factor:
        """Factorise I + cS; raise `SolverError` if it is not positive definite."""
        from scipy.linalg import lapack

        band = c * self._band
        band[0] += 1.0
        if len(band) == 2:
            *factors, info = lapack.dpttrf(band[0], band[1, :-1])
        else:
            *factors, info = lapack.dpbtrf(band, lower=1)
        if info != 0:
            raise SolverError(f"the banded Cholesky factorisation failed (LAPACK's info {info})")
        return _BandFactor(tuple(factors))


class _BandFactor:
    def __init__(self, factors: tuple[Array, ...]) -> None:
        self._factors = factors

    def solve(self, rhs: Array) -> tuple[Array, int]:
        from scipy.linalg import lapack

        if len(self._factors) == 2:
            return np.asarray(lapack.dpttrs(*self._factors, rhs)[0]), 1
        return np.asarray(lapack.dpbtrs(*self._factors, rhs, lower=1)[0]), 1

    def destroy(self) -> None:
        """Arrays need none."""
