"""Cells along the axes of a box: small where V or −log ρ₀ bends, in so far as mass needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.domain.landscape import BULK, Landscape, sample_along

NEAR = 1.0
"""Levels (kT) within which the curvature sets the largest cells: most mass is there."""

RELAXED = 24.0
"""Levels (kT) over which the number of cells to a length falls by 1/e: less mass is there."""

SLOPE = 0.3
"""Largest change of a cell's size per length."""

CLOSEST, PER_SIDE = 1e-6, 250
"""Least distance from seeds and ends of a line at which its functions are looked at, in units of
the line, and how many points there are on each side."""


@dataclass(frozen=True)
class Grading:
    """How many cells an axis takes where, in units of one to the local length ℓ(x).

    ``positions``, ``counts``: for each axis, places along it and ∫dx/ℓ up to there; ``narrowest``,
    of a line, the shortest ℓ within 1 kT.
    """

    positions: tuple[Array, ...]
    counts: tuple[Array, ...]
    narrowest: float = 0.0

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

    @staticmethod
    def of_line(landscape: Landscape, box: Array) -> Grading:
        """Return what a line, a box ``(1, 2)``, asks for: ℓ grows away from what is narrow.

        ℓ is 1/√(largest curvature there), at level L e^{L/24} times as much, but the same all over
        a start, of whose moments sums over equal cells are exact. It changes by 0.3 per length, and
        at a distance s from a start it is at most √(2s/G), the width of what has drifted so far
        down a slope G.
        """
        (low, high), seeds = box[0], landscape.seeds_in(box)[:, 0]
        width, special = high - low, np.append(seeds, box[0])
        away = width * np.geomspace(CLOSEST, 1.0, PER_SIDE)
        near = (special[:, None] + np.concatenate([-away, away])).ravel()
        near = near[(near > low) & (near < high)]
        x = np.unique(np.concatenate([sample_along(box, 0), seeds, near]))
        x = x[np.append(np.diff(x) > CLOSEST / 100 * width, True)]
        nearest = np.abs(np.subtract.outer(x, special)).min(axis=1)
        step = np.clip(nearest / 100, CLOSEST / 100 * width, width / 8000)
        inside = (x - step > low) & (x + step < high)

        def bends(function: Callable[[Array], Array]) -> tuple[Array, Array, Array]:
            """Return levels, slopes and curvatures at the points; 0 where they are not known."""
            with np.errstate(all="ignore"):
                before, value, after = (function((x + k * step)[:, None]) for k in (-1, 0, 1))
                known = inside & np.isfinite(before + after)
                slope = np.where(known, np.abs(after - before) / (2 * step), 0.0)
                second = np.where(known, (before - 2 * value + after) / step**2, 0.0)
                return value - np.nanmin(value), slope, np.maximum(second, 0.0)

        level, slope, second = bends(landscape.potential)
        bend = np.where(level < BULK, np.sqrt(second) * np.exp(-level / RELAXED), 0.0)
        surprise, _, second = bends(landscape.surprise)
        start = np.sqrt(second[surprise < NEAR].max(initial=0.0))
        bend = np.maximum(bend, np.where(surprise < 2 * BULK, start, 0.0))
        length = 1 / np.maximum(bend, 2 / width)

        for one in seeds[np.interp(seeds, x, surprise) < BULK]:
            at, top = (float(np.interp(one, x, of)) for of in (length, level))
            steep = np.where(level < top + BULK, slope, 0.0)
            for way in (x <= one, x >= one):
                far = np.abs(x[way] - one)
                order = np.argsort(far)
                far, on_way = far[order], steep[way][order]
                half = np.searchsorted(far, far / 2)
                steepest = np.array([on_way[i : k + 1].max() for k, i in enumerate(half)])
                drifted = 2 * np.maximum(far - 2 * np.sqrt(BULK) * at, 0.0)
                most = np.sqrt(at**2 + drifted / np.maximum(steepest, 1 / width))
                place = np.flatnonzero(way)[order]
                length[place] = np.minimum(length[place], most)
        gap = SLOPE * np.diff(x)
        for k in range(len(gap)):
            length[k + 1] = min(length[k + 1], length[k] + gap[k])
        for k in reversed(range(len(gap))):
            length[k] = min(length[k], length[k + 1] + gap[k])
        between = (1 / length[1:] + 1 / length[:-1]) / 2 * np.diff(x)
        core = np.minimum(level, surprise - np.nanmin(surprise)) < NEAR
        return Grading((x,), (np.append(0.0, np.cumsum(between)),), float(length[core].min()))

    @property
    def shortest(self) -> Array:
        """Shortest ℓ along each axis ``(d,)``."""
        every = zip(self.positions, self.counts, strict=True)
        return np.array([(np.diff(x) / np.diff(count)).min() for x, count in every])

    def within(self, low: float, high: float) -> Grading:
        """Return the same for a part of a line."""
        (x,), (count,) = self.positions, self.counts
        part = np.concatenate([[low], x[(x > low) & (x < high)], [high]])
        known = np.interp(part, x, count)
        return Grading((part,), (known - known[0],))

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
