"""The part of space that pictures of modes show, and a regular grid over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array

if TYPE_CHECKING:
    from wfrpde.operators.spectra import FromModes
    from wfrpde.studies.spectral.study import SpectralStudy

POINTS = {1: 1201, 2: 260, 3: 40}
"""Grid points along the longest axis, by dimension."""


@dataclass(frozen=True)
class Window:
    """A tensor grid; fields have the shape of the grid, and are NaN outside the mesh.

    Attributes
    ----------
    axes
        d coordinate arrays.
    points
        ``(n, d)``.
    level
        V − min V (kT) on the grid.
    density
        π per unit volume on the grid.
    """

    axes: tuple[Array, ...]
    points: Array
    level: Array
    density: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid."""
        return tuple(len(axis) for axis in self.axes)


def window_of(study: SpectralStudy) -> Window:
    """Choose the window of a study."""
    return window_over(study.spectrum)


def window_over(found: FromModes) -> Window:
    """Choose the window of what follows from modes: where V is within 9 kT of its minimum."""
    nodes = found.nodes
    dim = nodes.shape[1]
    value = np.asarray(found.target.potential(nodes), dtype=float)
    lowest = float(value.min())
    inside = nodes[value - lowest < 9.0]
    low, high = inside.min(axis=0), inside.max(axis=0)
    length = high - low
    counts = np.maximum(np.ceil(POINTS[dim] * length / length.max()), 24).astype(int)
    axes = tuple(np.linspace(a, b, n) for a, b, n in zip(low, high, counts, strict=True))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)
    potential = np.asarray(found.target.potential(points), dtype=float)
    shape = tuple(map(len, axes))
    density = np.exp(-potential - found.log_normalisation)
    return Window(axes, points, (potential - lowest).reshape(shape), density.reshape(shape))


def shown_part(study: SpectralStudy, window: Window, i: int) -> tuple[Array, str]:
    """Return π u of a mode on the grid, and "Re ", "Im " or "" for which part of it that is.

    The two modes of a pair that rotates are conjugate: between them they show both parts.
    """
    values = study.spectrum.density(i, window.points).reshape(window.shape)
    turn = float(study.spectrum.eigenvalues[i].imag)
    part = "Im " if turn < 0 else "Re " if turn > 0 else ""
    return np.asarray(values.imag if turn < 0 else values.real), part
