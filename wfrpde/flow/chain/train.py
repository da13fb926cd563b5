"""`Train`: a function on a grid of many dimensions as a product of small matrices.

f(x_1, …, x_d) = G_1[x_1] ⋯ G_d[x_d], kept by its values at pivots: for each bond k a few points of
the sites before it and a few of those behind. A sweep looks at two neighbouring sites at a time,
all their nodes with the pivots on either side; singular values say how many pivots the bond
between them needs, and a column-pivoted QR which. The values may have weights, site by site: what
is far from where a density is may be known less well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from scipy.linalg import qr

from wfrpde.arrays import Array, Integers

Cores = tuple[Array, ...]

AHEAD = 6
"""Pivots of the far side with which a sweep looks at the change that comes next, chosen anew each
time: that change needs directions of the near side alone, of which each pivot shows as many as a
site has nodes."""

GROWTH, SWAPS = 1.05, 200
"""An interpolation matrix has no entry beyond this; exchanges of pivots at most, to get there."""


class Change(Protocol):
    """What is done to a function, site by site, while a sweep passes."""

    def __call__(
        self, train: Train, bond: int, block: Array, site: int, far: Integers | None = None
    ) -> Array:
        """Return the block ``(a, n, n, b)`` of sites bond and bond + 1 with one of them changed.

        The block has all pivots, or of those beyond the site only some, by their numbers.
        """


class Train:
    """A function at ``(n,) * d`` nodes, to be swept over.

    Parameters
    ----------
    length
        Number d ≥ 2 of sites.
    count
        Number n of nodes of each.
    tolerance
        Root mean square of what a bond may leave out.
    weight
        Of a value in that mean, its square root, by the node of each site ``(n,)``.
    most
        Pivots of a bond at most.
    relative
        Whether `tolerance` is in units of the root mean square of the values at a bond.
    """

    def __init__(
        self,
        length: int,
        count: int,
        tolerance: float,
        weight: Array | None = None,
        most: int = 200,
        relative: bool = False,
    ) -> None:
        self.length, self.count, self.tolerance, self.most = length, count, tolerance, most
        self.relative = relative
        weight = np.ones(count) if weight is None else weight
        self.weight: Array = weight / np.sqrt(np.mean(weight**2))
        none: Integers = np.zeros((1, 0), dtype=np.int64)
        self.left = [none for _ in range(length + 1)]
        self.right = [none for _ in range(length + 1)]
        self._cores: list[Array] = [np.zeros((1, count, 1)) for _ in range(length)]
        self._block: Array = np.zeros((1, count, count, 1))
        self._rest: Array = self._block
        self.widest = 1
        self._weights = self.weight[:, None, None] * self.weight[:, None]
        self._ranks = [4] * length
        self._rng = np.random.default_rng(0)

    # --- sweeps -----------------------------------------------------------------------------

    def fill(
        self,
        function: Callable[[Train, int], Array],
        sweeps: int,
        rng: np.random.Generator,
        right: Sequence[Integers] = (),
    ) -> None:
        """Become the function whose blocks ``(a, n, n, b)`` at a bond are given.

        The first sweep has pivots by chance, or those `right` of a function that is alike.
        """
        if right:
            self.right = list(right)
        elif self.right[1].size == 0:
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
            # what the next change will add must lie in the span, too
            both = [block]
            if change is not None:
                far, scale = self._few(b)
                some = block[..., far]
                both.append((change(self, bond, some, bond + 1, far) - some) * scale)
            wide = np.concatenate([(own * self._weights).reshape(a * n, -1) for own in both], 1)
            pivots, combinations = self._pivots(wide, bond, np.tile(self.weight, a), block.size)
            self.left[bond + 1] = np.concatenate(
                [self.left[bond][pivots // n], (pivots % n)[:, None]], axis=1
            )
            self._cores[bond] = combinations.reshape(a, n, -1)
            self._rest = block.reshape(a * n, -1)[pivots].reshape(-1, n, b)

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
            both = [block]
            if change is not None:
                far, scale = self._few(a)
                some = block[far]
                both.append((change(self, bond, some, bond, far) - some) * scale)
            wide = np.concatenate([(own * self._weights).reshape(-1, n * b) for own in both], 0)
            pivots, combinations = self._pivots(wide.T, bond, np.repeat(self.weight, b), block.size)
            self.right[bond + 1] = np.concatenate(
                [(pivots // b)[:, None], self.right[bond + 2][pivots % b]], axis=1
            )
            self._cores[bond + 1] = combinations.T.reshape(-1, n, b)
            self._rest = block.reshape(-1, n * b)[:, pivots].reshape(a, n, -1)

    def _few(self, count: int) -> tuple[Integers, float]:
        """Return some numbers of pivots, and by what their values stand for those of all."""
        if count <= 2 * AHEAD:
            return np.arange(count), 1.0
        return np.sort(self._rng.choice(count, AHEAD, replace=False)), float(np.sqrt(count / AHEAD))

    def _pivots(self, matrix: Array, bond: int, weight: Array, size: int) -> tuple[Integers, Array]:
        """Return rows of which all others are combinations, and the combinations.

        Parameters
        ----------
        matrix
            With weights, those of its rows being `weight`.
        size
            Number of values that the mean square is over.
        """
        limit = self.tolerance
        if self.relative:
            limit *= float(np.linalg.norm(matrix)) / np.sqrt(size)
        basis, sizes = self._leading(matrix, bond, limit * np.sqrt(size))
        tail = np.sqrt(np.cumsum(sizes[::-1] ** 2)[::-1] / size)
        rank = min(max(1, int((tail > limit).sum())), self.most)
        self.widest = max(self.widest, rank)
        self._ranks[bond] = rank
        rows, combinations = interpolating_rows(basis[:, :rank])
        return rows, combinations * (weight[rows] / weight[:, None])

    def _leading(self, matrix: Array, bond: int, limit: float) -> tuple[Array, Array]:
        """Return the leading left singular vectors, and singular values, the last of them the rest.

        By the images of random vectors, a few more than the rank that the bond had before; of twice
        as many if what these leave out has more than half a norm that is the limit.
        """
        # directions in which a matrix is looked at beyond the rank that it had when it was last
        # seen
        least, count = min(matrix.shape), self._ranks[bond] + 8
        while 2 * count < least:
            image = np.linalg.qr(matrix @ self._rng.standard_normal((matrix.shape[1], count)))[0]
            image = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ image)[0])[0]
            found = image.T @ matrix
            rest = float(np.linalg.norm(matrix - image @ found))
            if rest <= limit / 2:
                basis, sizes, _ = np.linalg.svd(found, full_matrices=False)
                return image @ basis, np.append(sizes, rest)
            count *= 2
        if matrix.shape[1] > matrix.shape[0]:
            matrix = np.asarray(np.linalg.qr(matrix.T, mode="r")).T
        basis, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
        return basis, sizes

    # --- what it is -------------------------------------------------------------------------

    def cores(self) -> Cores:
        """Return G_1, …, G_d, each ``(r, n, r')``, after a sweep back."""
        block = self._block
        wide = (block * self._weights).reshape(self.count, -1)
        pivots, combinations = self._pivots(wide, 0, self.weight, block.size)
        first = combinations.reshape(1, self.count, -1)
        second = block.reshape(self.count, -1)[pivots].reshape(len(pivots), self.count, -1)
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
