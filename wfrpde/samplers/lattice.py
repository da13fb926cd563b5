"""`Lattice`: a regular grid on which particles are gathered, and from which they read fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from wfrpde.arrays import Array, Integers


@dataclass(frozen=True, eq=False)
class Lattice:
    """Nodes x_j = low + j·spacing, j = 0 … n_k − 1 along axis k, and their hat functions φ_j.

    Parameters
    ----------
    low
        ``(d,)`` first corner.
    spacing
        ``(d,)``.
    shape
        Number n_k ≥ 2 of nodes along each axis.
    closed
        Which axes close upon themselves, so that their first and last nodes are one; none by
        default.
    """

    low: Array
    spacing: Array
    shape: tuple[int, ...]
    closed: tuple[bool, ...] = ()

    @classmethod
    def over(cls, box: Array, spacing: Array, most: int, closed: tuple[bool, ...] = ()) -> Lattice:
        """Return the lattice of a box ``(d, 2)`` with about this spacing, at most ``most`` cells
        along an axis.
        """  # noqa: D205
        width = box[:, 1] - box[:, 0]
        cells = np.clip(np.ceil(width / spacing), 1, most).astype(int)
        return cls(box[:, 0], width / cells, tuple(int(c) + 1 for c in cells), closed)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return len(self.shape)

    @property
    def axes(self) -> list[Array]:
        """Coordinates of the nodes along each axis."""
        return [
            low + step * np.arange(n)
            for low, step, n in zip(self.low, self.spacing, self.shape, strict=True)
        ]

    @property
    def points(self) -> Array:
        """All nodes ``(n, d)``, the last axis fastest."""
        mesh = np.meshgrid(*self.axes, indexing="ij")
        return np.stack(mesh, axis=-1).reshape(-1, self.dim)

    @cached_property
    def _strides(self) -> tuple[int, ...]:
        strides = np.cumprod([1, *self.shape[:0:-1]])[::-1]
        return tuple(int(s) for s in strides)

    @property
    def closed_axes(self) -> list[int]:
        """Numbers of the axes that close upon themselves."""
        return [axis for axis, closed in enumerate(self.closed) if closed]

    def joined(self, field: Array) -> Array:
        """Add up what was gathered at the two ends of axes that close; changes `field`."""
        for axis in self.closed_axes:
            ends = np.moveaxis(field, axis, 0)
            ends[0] += ends[-1]
            ends[-1] = ends[0]
        return field

    def smoothed(self, field: Array, deviation: float) -> Array:
        """Return a field on the nodes after a Gaussian filter, of a width in units of spacings."""
        from scipy.ndimage import gaussian_filter1d

        for axis in range(self.dim):
            along = np.moveaxis(field, axis, -1)
            if axis in self.closed_axes:
                inner = gaussian_filter1d(along[..., :-1], deviation, mode="wrap")
                along = np.concatenate([inner, inner[..., :1]], axis=-1)
            else:
                along = gaussian_filter1d(along, deviation, mode="reflect")
            field = np.moveaxis(along, -1, axis)
        return np.asarray(field)

    def coordinates(self, positions: Array) -> list[Array]:
        """Positions ``(N, d)`` in units of the spacing, moved to the nearest wall if outside."""
        scaled = []
        for axis, n in enumerate(self.shape):
            s = positions[:, axis] - self.low[axis]
            s *= 1.0 / self.spacing[axis]
            scaled.append(np.clip(s, 0.0, n - 1, out=s))
        return scaled

    def stencil(self, positions: Array) -> Stencil:
        """Find the nodes around each of the positions ``(N, d)``."""
        base = np.zeros(len(positions), dtype=np.int64)
        parts = []
        for s, n, stride in zip(
            self.coordinates(positions), self.shape, self._strides, strict=True
        ):
            lower = s.astype(np.int64)
            np.minimum(lower, n - 2, out=lower)
            s -= lower
            parts.append(s)
            base += stride * lower
        return Stencil(self, base, tuple(parts))


@dataclass(frozen=True, eq=False)
class Stencil:
    """The 2^d nodes around every position: cell and place within it."""

    lattice: Lattice
    base: Integers
    fractions: tuple[Array, ...]

    @cached_property
    def _corners(self) -> list[tuple[int, Array]]:
        """Give the offset of each corner's node and its hat function φ_j(x) ``(N,)``."""
        sides = [(1.0 - f, f) for f in self.fractions]
        corners = []
        for corner in product((0, 1), repeat=self.lattice.dim):
            offset = sum(c * s for c, s in zip(corner, self.lattice._strides, strict=True))
            weight = sides[0][corner[0]]
            for axis in range(1, self.lattice.dim):
                weight = weight * sides[axis][corner[axis]]
            corners.append((offset, weight))
        return corners

    def gathered(self, weights: Array | None) -> Array:
        """Return b_j = Σ_i W_i φ_j(x_i) on the nodes; W_i = 1 where ``weights`` is None."""
        size = int(np.prod(self.lattice.shape))
        total = np.zeros(size)
        for offset, hat in self._corners:
            values = hat if weights is None else hat * weights
            total[offset:] += np.bincount(self.base, values, size - offset)[: size - offset]
        return self.lattice.joined(total.reshape(self.lattice.shape))

    def read(self, field: Array) -> Array:
        """Interpolate a field on the nodes linearly: Σ_j φ_j(x_i) f_j ``(N,)``."""
        flat, result = field.ravel(), np.zeros(len(self.base))
        for offset, hat in self._corners:
            result += hat * flat[offset:][self.base]
        return result
