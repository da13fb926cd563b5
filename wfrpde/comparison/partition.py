"""Bins of equal Eulerian mass, for distances between densities.

The mesh is halved again and again along the axis on which a part is widest, at a line of the mesh
near the part's median, until every part holds about the same mass. Histograms on such bins treat
modes and tails alike, and the mass of each bin is known from the mesh.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.comparison.density import MeshedDensity
from wfrpde.domain.frame import Frame


@dataclass(frozen=True)
class Partition:
    """A binary tree of cuts, level by level in the order of a heap.

    Attributes
    ----------
    axis, cut
        ``(2^levels − 1,)``: each inner node sends points with ``x[axis] >= cut`` to the right.
    masses
        ``(2^levels,)`` Eulerian masses of the bins.
    frame
        Axes that are cut; None for x, y and z.
    """

    axis: Integers
    cut: Array
    masses: Array
    frame: Frame | None = None

    @property
    def count(self) -> int:
        """Number of bins."""
        return len(self.masses)

    def bins(self, x: Array) -> Integers:
        """Bin ``(n,)`` of each point ``(n, d)``."""
        x = x if self.frame is None else self.frame.along(x)
        node = np.zeros(len(x), dtype=np.int64)
        row = np.arange(len(x))
        inner = len(self.axis)
        while inner and node.size and node[0] < inner:
            node = 2 * node + 1 + (x[row, self.axis[node]] >= self.cut[node])
        return node - inner

    def histogram(self, x: Array, weights: Array) -> Array:
        """Share ``(bins,)`` of the weights in each bin."""
        total = np.bincount(self.bins(x), weights, minlength=self.count)
        return np.asarray(total / weights.sum())


def equal_masses(density: MeshedDensity, levels: int) -> Partition:
    """Cut a density into 2^levels bins of about equal mass."""
    points, mass = density.plain_atoms
    frame = density.cells.frame
    points = points if frame is None else frame.along(points)
    lines = _lines(density)
    inner = 2**levels - 1
    axis, cut = np.zeros(inner, dtype=np.int64), np.full(inner, np.inf)
    parts: list[Integers] = [np.flatnonzero(mass > 0)]
    node = 0
    for _ in range(levels):
        following: list[Integers] = []
        for part in parts:
            axis[node], cut[node] = _best_cut(points[part], mass[part], lines)
            right = points[part, axis[node]] >= cut[node]
            following += [part[~right], part[right]]
            node += 1
        parts = following
    masses = np.array([mass[part].sum() for part in parts])
    return Partition(axis, cut, masses / masses.sum(), frame)


def _lines(density: MeshedDensity) -> list[Array] | None:
    """Coordinates of the faces of box cells along each axis."""
    cells = density.cells
    if not cells.box:
        return None
    return [np.unique(cells.corners[:, :, k]) for k in range(density.dim)]


def _best_cut(points: Array, mass: Array, lines: list[Array] | None) -> tuple[int, float]:
    if len(points) < 2:
        return 0, np.inf
    total = mass.sum()
    mean = mass @ points / total
    spread = mass @ (points - mean) ** 2
    for axis in np.argsort(-spread):
        order = np.argsort(points[:, axis], kind="stable")
        cumulative = np.cumsum(mass[order])
        middle = points[order[np.searchsorted(cumulative, total / 2)], axis]
        if lines is None:
            low, high = points[:, axis].min(), points[:, axis].max()
            if low < middle <= high:
                return int(axis), float(middle)
            continue
        line = lines[axis]
        low, high = points[:, axis].min(), points[:, axis].max()
        inside = line[(line > low) & (line <= high)]
        if inside.size:
            below = np.searchsorted(points[order, axis], inside, side="left")
            share = np.where(below > 0, cumulative[np.maximum(below - 1, 0)], 0.0)
            return int(axis), float(inside[np.argmin(np.abs(share - total / 2))])
    return 0, np.inf
