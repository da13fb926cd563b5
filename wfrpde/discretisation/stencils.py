"""Nodes around points, and the weights that turn their values into values and slopes there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Stencil(Protocol):
    """Nodes around points and what interpolation does with the values there."""

    @property
    def number(self) -> Index:
        """Node numbers ``(n, k)``."""
        ...

    def values(self, local: Array) -> tuple[Array, Array]:
        """Value (NaN outside) and linear interpolant ``(n,)`` from nodal values ``(n, k)``."""
        ...

    def gradient(self, local: Array) -> Array:
        """∇u ``(n, d)``, NaN outside the mesh, from nodal values ``(n, k)``."""
        ...

    def squared_slope(self, local: Array, steep: Flags) -> Array:
        """``|∇u|²`` ``(n,)``, NaN outside the mesh, from nodal values ``(n, k)``.

        At the points flagged as `steep` it is that of the linear interpolant.
        """
        ...


@dataclass(frozen=True)
class TensorStencil:
    """A block of nodes for each point, with weights ``(n, s)`` along each axis."""

    number: Index
    value: tuple[Array, ...]
    slope: tuple[Array, ...]
    linear: tuple[Array, ...]
    linear_slope: tuple[Array, ...]
    outside: Flags

    def values(self, local: Array) -> tuple[Array, Array]:
        """See `Stencil`."""
        value = self._contracted(local, self.value)
        value[self.outside] = np.nan
        return value, self._contracted(local, self.linear)

    def gradient(self, local: Array) -> Array:
        """See `Stencil`."""
        parts = [
            self._contracted(local, (*self.value[:axis], slope, *self.value[axis + 1 :]))
            for axis, slope in enumerate(self.slope)
        ]
        result = np.stack(parts, axis=1)
        result[self.outside] = np.nan
        return result

    def squared_slope(self, local: Array, steep: Flags) -> Array:
        """See `Stencil`."""
        squared = self._squared(local, self.value, self.slope)
        if steep.any():
            linear, slope = ([w[steep] for w in ws] for ws in (self.linear, self.linear_slope))
            squared[steep] = self._squared(local[steep], tuple(linear), tuple(slope))
        squared[self.outside] = np.nan
        return squared

    def _squared(self, local: Array, value: tuple[Array, ...], slopes: tuple[Array, ...]) -> Array:
        squared = np.zeros(len(local))
        for axis, slope in enumerate(slopes):
            weights = (*value[:axis], slope, *value[axis + 1 :])
            squared += self._contracted(local, weights) ** 2
        return squared

    def _contracted(self, local: Array, weights: tuple[Array, ...]) -> Array:
        block = local.T  # points last: the sums run over contiguous memory
        for weight in reversed(weights):  # the last axis varies fastest
            size = weight.shape[1]
            block = np.einsum("isn,sn->in", block.reshape(-1, size, len(local)), weight.T)
        return np.array(block[0])


@dataclass(frozen=True)
class CellStencil:
    """The nodes of the simplex around each point, with weights ``(n, k)``; slopes by axis."""

    number: Index
    value: Array
    slope: tuple[Array, ...]
    linear: Array
    linear_slope: tuple[Array, ...]
    outside: Flags

    def values(self, local: Array) -> tuple[Array, Array]:
        """See `Stencil`."""
        value = np.einsum("nk,nk->n", local, self.value)
        value[self.outside] = np.nan
        return value, np.einsum("nk,nk->n", local, self.linear)

    def gradient(self, local: Array) -> Array:
        """See `Stencil`."""
        result = np.stack([np.einsum("nk,nk->n", local, w) for w in self.slope], axis=1)
        result[self.outside] = np.nan
        return result

    def squared_slope(self, local: Array, steep: Flags) -> Array:
        """See `Stencil`."""
        squared = np.where(self.outside, np.nan, 0.0)
        for high, low in zip(self.slope, self.linear_slope, strict=True):
            weight = np.where(steep[:, None], low, high)
            squared += np.einsum("nk,nk->n", local, weight) ** 2
        return squared
