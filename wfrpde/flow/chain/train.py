"""`Train`: a function on a grid of many dimensions as a product of small matrices.

f(x_1, …, x_d) = G_1[x_1] ⋯ G_d[x_d], kept by its values at pivots: for each bond k a few points of
the sites before it and a few of those behind. A sweep looks at two neighbouring sites at a time,
all their nodes with the pivots on either side; singular values say how many pivots the bond
between them needs, and a column-pivoted QR which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.linalg import qr

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Cores = tuple[Array, ...]

GROWTH, SWAPS = 1.05, 200
"""An interpolation matrix has no entry beyond this; exchanges of pivots at most, to get there."""


class Change(Protocol):
    """What is done to a function, site by site, while a sweep passes."""

    def __call__(self, train: Train, bond: int, block: Array, site: int) -> Array:
        """Return the block ``(a, n, n, b)`` of sites bond and bond + 1 with one of them changed."""


class Train:
    """A function at ``(n,) * d`` nodes, to be swept over.

    Parameters
    ----------
    length
        Number d ≥ 2 of sites.
    count
        Number n of nodes of each.
    tolerance
        Root mean square of what a bond may leave out, absolute.
    most
        Pivots of a bond at most.
    """

    def __init__(self, length: int, count: int, tolerance: float, most: int = 200) -> None:
        self.length, self.count, self.tolerance, self.most = length, count, tolerance, most
        none: Integers = np.zeros((1, 0), dtype=np.int64)
        self.left = [none for _ in range(length + 1)]
        self.right = [none for _ in range(length + 1)]
        self._cores: list[Array] = [np.zeros((1, count, 1)) for _ in range(length)]
        self._block: Array = np.zeros((1, count, count, 1))
        self._rest: Array = self._block
        self.widest = 1

    # --- sweeps -----------------------------------------------------------------------------

    def fill(
        self, function: Callable[[Train, int], Array], sweeps: int, rng: np.random.Generator
    ) -> None:
        """Become the function whose blocks ``(a, n, n, b)`` at a bond are given."""
        if self.right[1].size == 0:
            for k in range(1, self.length):
                self.right[k] = rng.integers(0, self.count, (4, self.length - k))
        for _ in range(sweeps):
            self._forward(lambda bond: function(self, bond), None)
            self._backward(lambda bond: function(self, bond), None)

    def sweep(self, change: Change) -> None:
        """Change all sites from the first to the last, and then from the last to the first."""
        self._forward(self._ahead, change)
        self._backward(self._behind, change)

    def scale(self, factor: float) -> None:
        """Multiply the function by a number."""
        self._block = self._block * factor

    def _ahead(self, bond: int) -> Array:
        if bond == 0:
            return self._block
        return _joined(self._rest, self._cores[bond + 1])

    def _behind(self, bond: int) -> Array:
        if bond == self.length - 2:
            return self._block
        return _joined(self._cores[bond], self._rest)

    def _forward(self, block_at: Callable[[int], Array], change: Change | None) -> None:
        n = self.count
        for bond in range(self.length - 1):
            block = block_at(bond)
            if change is not None:
                block = change(self, bond, block, bond)
                if bond == self.length - 2:
                    block = change(self, bond, block, bond + 1)
            if bond == self.length - 2:
                self._block = block
                return
            a, _, _, b = block.shape
            matrix = block.reshape(a * n, n * b)
            # what the next change will add must lie in the span, too
            more = None if change is None else (change(self, bond, block, bond + 1) - block)
            pivots, weights = self._pivots(
                matrix, None if more is None else more.reshape(a * n, -1)
            )
            self.left[bond + 1] = np.concatenate(
                [self.left[bond][pivots // n], (pivots % n)[:, None]], axis=1
            )
            self._cores[bond] = weights.reshape(a, n, -1)
            self._rest = matrix[pivots].reshape(-1, n, b)

    def _backward(self, block_at: Callable[[int], Array], change: Change | None) -> None:
        n = self.count
        for bond in range(self.length - 2, -1, -1):
            block = block_at(bond)
            if change is not None:
                block = change(self, bond, block, bond + 1)
                if bond == 0:
                    block = change(self, 0, block, 0)
            if bond == 0:
                self._block = block
                return
            a, _, _, b = block.shape
            matrix = block.reshape(a * n, n * b)
            more = None
            if change is not None:
                more = (change(self, bond, block, bond) - block).reshape(a * n, n * b).T
            pivots, weights = self._pivots(matrix.T, more)
            self.right[bond + 1] = np.concatenate(
                [(pivots // b)[:, None], self.right[bond + 2][pivots % b]], axis=1
            )
            self._cores[bond + 1] = weights.T.reshape(-1, n, b)
            self._rest = matrix[:, pivots].reshape(a, n, -1)

    def _pivots(self, matrix: Array, more: Array | None) -> tuple[Integers, Array]:
        """Return rows that all others are combinations of, and the combinations.

        The span is that of the columns of the matrix and of ``more``.
        """
        wide = matrix if more is None else np.concatenate([matrix, more], axis=1)
        if wide.shape[1] > wide.shape[0]:
            wide = np.asarray(np.linalg.qr(wide.T, mode="r")).T
        basis, sizes, _ = np.linalg.svd(wide, full_matrices=False)
        tail = np.sqrt(np.cumsum(sizes[::-1] ** 2)[::-1] / matrix.size)
        rank = min(max(1, int((tail > self.tolerance).sum())), self.most)
        self.widest = max(self.widest, rank)
        return interpolating_rows(basis[:, :rank])

    # --- what it is -------------------------------------------------------------------------

    def cores(self) -> Cores:
        """Return G_1, …, G_d, each ``(r, n, r')``, after a sweep back."""
        matrix = self._block.reshape(self.count, -1)
        pivots, weights = self._pivots(matrix, None)
        first = weights.reshape(1, self.count, -1)
        second = matrix[pivots].reshape(len(pivots), self.count, -1)
        return (first, second, *self._cores[2:])


def _joined(left: Array, right: Array) -> Array:
    """Return the values ``(a, n, n, c)`` of two cores."""
    return np.asarray(np.tensordot(left, right, axes=1))


def interpolating_rows(basis: Array) -> tuple[Integers, Array]:
    """Return r rows of a basis ``(m, r)``, and the matrix that makes all of it from these."""
    _, _, order = qr(basis.T, pivoting=True, mode="economic")
    rows = np.array(order[: basis.shape[1]], dtype=np.int64)
    weights = np.linalg.solve(basis[rows].T, basis.T).T
    for _ in range(SWAPS):
        i, j = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
        if abs(weights[i, j]) < GROWTH:
            break
        rows[j] = i
        row = weights[i].copy()
        row[j] -= 1
        weights = weights - np.outer(weights[:, j], row) / weights[i, j]
    return rows, np.asarray(weights)


def values(cores: Cores, rows: list[Array]) -> Array:
    """Return a train at m points ``(m,)``, by the rows ``(m, n)`` that interpolate at each site."""
    found = np.einsum("mx,axb->mb", rows[0], cores[0])
    for core, row in zip(cores[1:], rows[1:], strict=True):
        found = np.einsum("ma,mab->mb", found, np.tensordot(row, core, axes=(1, 1)))
    return np.asarray(found[:, 0])


def on_grid(cores: Cores, matrix: Array) -> Cores:
    """Return a train on other nodes of all sites, ``matrix (m, n)`` interpolating there."""
    return tuple(np.einsum("gx,axb->agb", matrix, core, optimize=True) for core in cores)


def whole(cores: Cores) -> Array:
    """Return all values ``(n,) * d``."""
    found = cores[0][0]
    for core in cores[1:]:
        found = np.tensordot(found, core, axes=1)
    return np.asarray(found[..., 0])
