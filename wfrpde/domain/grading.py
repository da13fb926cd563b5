"""Cells along the axes of a box: small where V or −log ρ₀ bends, in so far as mass needs them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.domain.landscape import Landscape, sample_along

NEAR = 1.0
"""Levels (kT) within which the curvature sets the largest cells: most mass is there."""

RELAXED = 24.0
"""Levels (kT) over which the number of cells to a length falls by 1/e: less mass is there."""

SLOPE = 0.3
"""Largest change of a cell's size per length."""


@dataclass(frozen=True)
class Grading:
    """How many cells an axis takes where, in units of one to the local length ℓ(x).

    ``positions``, ``counts``: for each axis, places along it and ∫dx/ℓ up to there.
    """

    positions: tuple[Array, ...]
    counts: tuple[Array, ...]

    @staticmethod
    def of(landscape: Landscape, box: Array) -> Grading:
        """Return what the curvatures of V and −log ρ₀ ask for.

        ℓ is 1/√(largest curvature along the axis) of all points with that coordinate, at level L
        e^{L/24} times as much, but not above that of all points within 1 kT of a minimum; it
        changes by 0.3 per length.
        """
        positions, counts = [], []
        for axis, (low, high) in enumerate(box):
            x = sample_along(box, axis)
            density, largest = np.zeros(len(x)), 2 / (high - low)
            for place, level, second in landscape.bends(box, axis):
                bend = np.sqrt(np.maximum(second, 0.0))
                nearest = np.rint((place[:, axis] - low) / (x[1] - x[0])).astype(int)
                np.maximum.at(density, nearest, bend * np.exp(-level / RELAXED))
                largest = max(largest, float(bend[level < NEAR].max(initial=0.0)))
            length = 1 / np.maximum(density, largest)
            away = np.abs(np.subtract.outer(x, x))
            density = 1 / (length + SLOPE * away).min(axis=1)
            between = (density[1:] + density[:-1]) / 2 * np.diff(x)
            positions.append(x)
            counts.append(np.append(0.0, np.cumsum(between)))
        return Grading(tuple(positions), tuple(counts))

    @property
    def lengths(self) -> Array:
        """How many lengths ℓ there are along each axis ``(d,)``."""
        return np.array([count[-1] for count in self.counts])

    def breaks(self, cells: tuple[int, ...]) -> tuple[Array, ...]:
        """Return the ends of so many cells along each axis."""
        return tuple(
            np.interp(np.linspace(0.0, count[-1], n + 1), count, x)
            for n, count, x in zip(cells, self.counts, self.positions, strict=True)
        )
