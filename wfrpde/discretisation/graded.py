"""Interpolation on uniform nodes by centred stencils, as sparse matrices.

The degree falls 7, 5, 3, 1 towards a wall: one-sided stencils of high degree amplify what they
interpolate, and a step that is repeated blows up. Weights sum to 1, so that constants stay what
they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from wfrpde.arrays import Array, Integers


@dataclass(frozen=True)
class UniformAxis:
    """Equally spaced nodes.

    Attributes
    ----------
    low, high
        Ends of the axis; a closed axis has one node for both.
    count
        Number of nodes.
    closed
        Whether the axis closes upon itself.
    """

    low: float
    high: float
    count: int
    closed: bool = False

    @property
    def spacing(self) -> float:
        """Distance of neighbouring nodes."""
        return (self.high - self.low) / (self.count - (not self.closed))

    @property
    def nodes(self) -> Array:
        """Coordinates ``(count,)``."""
        return self.low + self.spacing * np.arange(self.count)

    def stencils(self, x: Array, degree: int) -> tuple[Integers, Array]:
        """Node numbers and weights ``(n, degree + 1)`` that interpolate at ``x (n,)``.

        Odd degrees. Beyond the ends the value there is taken.
        """
        place = (x - self.low) / self.spacing
        if not self.closed:
            place = np.clip(place, 0, self.count - 1)
        cell = np.floor(place).astype(np.int64)
        room = np.full(len(x), degree)
        if not self.closed:
            cell = np.minimum(cell, self.count - 2)
            room = np.minimum(2 * np.minimum(cell, self.count - 2 - cell) + 1, degree)
        number = np.zeros((len(x), degree + 1), dtype=np.int64)
        weight = np.zeros((len(x), degree + 1))
        for p in np.unique(room):
            rows = np.flatnonzero(room == p)
            first = cell[rows] - p // 2
            number[rows, : p + 1] = first[:, None] + np.arange(p + 1)
            weight[rows, : p + 1] = _lagrange(place[rows] - first, int(p))
        return (number % self.count if self.closed else number), weight

    def matrix(self, x: Array, degree: int) -> sparse.csr_matrix:
        """Return the matrix ``(n, count)`` that interpolates at ``x (n,)``."""
        return _matrix(*self.stencils(x, degree), self.count)


def tensor_matrix(axes: Sequence[UniformAxis], x: Array, degree: int) -> sparse.csr_matrix:
    """Return the matrix that interpolates at points ``(n, d)``, from values in C order."""
    number, weight = axes[0].stencils(x[:, 0], degree)
    for k, axis in enumerate(axes[1:], start=1):
        more, factor = axis.stencils(x[:, k], degree)
        number = (number[:, :, None] * axis.count + more[:, None, :]).reshape(len(x), -1)
        weight = (weight[:, :, None] * factor[:, None, :]).reshape(len(x), -1)
    return _matrix(number, weight, int(np.prod([axis.count for axis in axes])))


def _matrix(number: Integers, weight: Array, size: int) -> sparse.csr_matrix:
    start = np.arange(len(number) + 1) * number.shape[1]
    shape = (len(number), size)
    return sparse.csr_matrix((weight.ravel(), number.ravel(), start), shape=shape)


def _lagrange(t: Array, degree: int) -> Array:
    """Weights ``(n, degree + 1)`` of the nodes 0 … degree at ``t (n,)``."""
    gap = t[:, None] - np.arange(degree + 1)
    weight = np.ones_like(gap)
    for j in range(degree + 1):
        for k in range(degree + 1):
            if k != j:
                weight[:, j] *= gap[:, k] / (j - k)
    return weight
