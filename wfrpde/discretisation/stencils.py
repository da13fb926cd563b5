"""Nodes around points, and the weights that turn their values into values and slopes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.domain.frame import Frame, combined


class Stencil(Protocol):
    """Nodes around points and what interpolation does with the values there."""

    @property
    def number(self) -> Integers:
        """Node numbers ``(n, k)``."""
        ...

    def values(self, local: Array) -> tuple[Array, Array]:
        """Value (NaN outside) and linear interpolant ``(n,)`` from nodal values ``(n, k)``."""
        ...

    def gradient(self, local: Array) -> Array:
        """∇u ``(n, d)``, NaN outside the mesh, from nodal values ``(n, k)``."""
        ...

    def squared_slope(self, local: Array, steep: Flags, spread: Array | None = None) -> Array:
        """``∇u·D∇u`` ``(n,)``, NaN outside the mesh, from nodal values ``(n, k)``.

        At the points flagged as `steep` it is that of the linear interpolant. `spread` is D
        ``(n, d, d)``; None for the unit matrix.
        """
        ...


def squared_norm(slopes: Sequence[Array], spread: Array | None) -> Array:
    """``s·Ds`` of vectors given by their components, D ``(…, d, d)`` (None: the unit matrix)."""
    total = np.zeros(np.shape(slopes[0]))
    for a, along in enumerate(slopes):
        if spread is None:
            total += along**2
            continue
        for b in range(a, len(slopes)):
            factor = spread[..., a, b]
            if factor.any():
                total += (1 if a == b else 2) * factor * along * slopes[b]
    return total


@dataclass(frozen=True)
class TensorStencil:
    """A block of nodes for each point, with weights ``(n, s)`` along each axis of a frame."""

    number: Integers
    value: tuple[Array, ...]
    slope: tuple[Array, ...]
    linear: tuple[Array, ...]
    linear_slope: tuple[Array, ...]
    outside: Flags
    frame: Frame | None = None

    def values(self, local: Array) -> tuple[Array, Array]:
        """See `Stencil`."""
        value = self._contracted(local, self.value)
        value[self.outside] = np.nan
        return value, self._contracted(local, self.linear)

    def gradient(self, local: Array) -> Array:
        """See `Stencil`."""
        result = np.stack(self._slopes(local, self.value, self.slope), axis=1)
        result[self.outside] = np.nan
        return result

    def squared_slope(self, local: Array, steep: Flags, spread: Array | None = None) -> Array:
        """See `Stencil`."""
        squared = squared_norm(self._slopes(local, self.value, self.slope), spread)
        if steep.any():
            linear, slope = ([w[steep] for w in ws] for ws in (self.linear, self.linear_slope))
            slopes = self._slopes(local[steep], tuple(linear), tuple(slope))
            squared[steep] = squared_norm(slopes, None if spread is None else spread[steep])
        squared[self.outside] = np.nan
        return squared

    def _slopes(
        self, local: Array, value: tuple[Array, ...], slopes: tuple[Array, ...]
    ) -> list[Array]:
        along = [
            self._contracted(local, (*value[:axis], slope, *value[axis + 1 :]))
            for axis, slope in enumerate(slopes)
        ]
        return along if self.frame is None else combined(self.frame.matrix.T, along)

    def _contracted(self, local: Array, weights: tuple[Array, ...]) -> Array:
        block = local.T  # points last: the sums run over contiguous memory
        for weight in reversed(weights):  # the last axis varies fastest
            size = weight.shape[1]
            block = np.einsum("isn,sn->in", block.reshape(-1, size, len(local)), weight.T)
        return np.array(block[0])


@dataclass(frozen=True)
class CellStencil:
    """The nodes of the simplex around each point, with weights ``(n, k)``; slopes by axis."""

    number: Integers
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

    def squared_slope(self, local: Array, steep: Flags, spread: Array | None = None) -> Array:
        """See `Stencil`."""
        slopes = [
            np.einsum("nk,nk->n", local, np.where(steep[:, None], low, high))
            for high, low in zip(self.slope, self.linear_slope, strict=True)
        ]
        return np.where(self.outside, np.nan, squared_norm(slopes, spread))
