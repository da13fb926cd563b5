"""Quadrature of π e^u over the mesh and over named regions, shared among the ranks.

Every reported integral is taken with Gauss points inside the cells, where u is interpolated and π
is exact. Where the boundary of a region cuts a tensor cell, its lines of Gauss points along the
steepest axis are split at the boundary, and so are the lines of the rule across them where the
boundary leaves the cell. A mode's mass has the accuracy of the field then, and not that of a
staircase; simplices are split where the boundary crosses their edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.gauss import gauss_points, gauss_rule
from wfrpde.discretisation.interpolation import Interpolation
from wfrpde.discretisation.region_corners import RegionFunction, divide_simplices
from wfrpde.discretisation.region_cuts import boundaries, corners_of, divide_boxes
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation

MARGIN = 4
"""Layers of cells beyond a share in which boundaries are looked for."""


@dataclass(frozen=True)
class Quadrature:
    """A rank's share of the points of a rule over the whole mesh.

    Attributes
    ----------
    points, weights
        ``(n, d)`` and ``(n,)``; the weights of all ranks together sum to the volume of the mesh.
    lattices
        The first points lie in whole tensor cells. Each entry holds the index ``(d, m)`` of some
        and the offsets ``(q,)`` in (0, 1) of the points along every axis: in all ``m q^d``, the
        last axis varying fastest.
    """

    points: Array
    weights: Array
    lattices: tuple[tuple[Integers, Array], ...] = ()


@dataclass(frozen=True)
class CellShare:
    """Some of the tensor cells, and how the boundaries of regions lie to them.

    ``flat (m,)``: numbers among all cells of the box, ascending; ``cut (m,)``: a boundary cuts the
    cell, ``near (m,)``: it passes within two cells.
    """

    flat: Integers
    cut: Flags
    near: Flags

    def part(self, some: slice) -> CellShare:
        """Return some of them."""
        return CellShare(self.flat[some], self.cut[some], self.near[some])


def usual_points(degree: int) -> int:
    """Gauss points along each axis of a tensor cell."""
    return 2 if degree == 1 else degree + 2


def share_of_cells(
    interpolation: TensorInterpolation, regions: list[RegionFunction], rank: int = 0, size: int = 1
) -> CellShare:
    """Return a rank's share of the active cells, which looks no further than its own layers."""
    grid = interpolation.grid
    depth, cells_of_layer = len(grid.active), grid.active.size // len(grid.active)
    held = np.count_nonzero(grid.active.reshape(depth, -1), axis=1).cumsum()
    ends = np.array([int(held[-1]) * r // size for r in (rank, rank + 1)])
    # layers that have some of them
    first, last = np.searchsorted(held, ends + np.array([1, 0]))
    before = held[first - 1] if first else 0
    own = np.flatnonzero(grid.active[first : last + 1])[slice(*(ends - before))]
    own += first * cells_of_layer
    if not regions or len(own) == 0:
        nothing = np.zeros(len(own), dtype=bool)
        return CellShare(own, nothing, nothing)
    # what lies behind the share's ends is near, too
    low, high = max(first - MARGIN, 0), min(last + 1 + MARGIN, depth)
    cut, near = boundaries(grid, low, high, regions)
    here = own - low * cells_of_layer
    return CellShare(own, cut.ravel()[here], near.ravel()[here])


def make_quadrature(
    interpolation: Interpolation,
    regions: list[RegionFunction],
    *,
    rank: int = 0,
    size: int = 1,
    points_per_axis: int | None = None,
    fewer: int = 0,
    share: CellShare | slice | None = None,
) -> Quadrature:
    """Build the rule on this rank's share of the cells, fine enough for all `regions`.

    `fewer` Gauss points on each axis (more, if it is negative; simplices have only less) make a
    second rule, whose distance tells the error of the first. `share` is which cells those are,
    where it is known already: of `share_of_cells`, or a slice of simplices.
    """
    if isinstance(interpolation, TensorInterpolation):
        per_axis = (points_per_axis or usual_points(interpolation.degree)) - fewer
        cells = share
        if not isinstance(cells, CellShare):
            cells = share_of_cells(interpolation, regions, rank, size)
        dim = interpolation.grid.dim
        # Gauss points per axis within a cell or two of a region's boundary, by dimension. Elsewhere
        # the errors of the cells cancel, as those of the trapezoidal rule on a line do; there the
        # sum ends, and each cell must be accurate itself.
        near = max(per_axis, {1: 5, 2: 4, 3: 3}[dim] - fewer)
        parts, lattices = [], []
        chosen_with = [(~cells.near, per_axis), (cells.near & ~cells.cut, near)]
        for chosen, count in chosen_with if near > per_axis else [(~cells.cut, near)]:
            if not chosen.any():
                continue
            some = cells.flat[chosen]
            parts.append(gauss_points(*corners_of(interpolation.grid, some), count))
            index = np.array(np.unravel_index(some, interpolation.grid.active.shape))
            lattices.append((index, gauss_rule(count)[0]))
        if cells.cut.any() or not parts:
            corners = corners_of(interpolation.grid, cells.flat[cells.cut])
            # a point more would share most of the error where a boundary in space is round
            more = near // 2 if dim == 3 and fewer < 0 else 0
            parts.append(divide_boxes(*corners, regions, near + more))
        points, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Quadrature(points, weights, tuple(lattices))
    if isinstance(interpolation, SimplexInterpolation):
        grid = interpolation.macro
        mine = share if isinstance(share, slice) else slice_of(len(grid.cells), rank, size)
        return Quadrature(*divide_simplices(grid.points[grid.cells[mine]], regions, fewer))
    raise TypeError(type(interpolation))


def slice_of(count: int, rank: int, size: int) -> slice:
    """Return a rank's share of so many things in a row."""
    return slice(*(count * r // size for r in (rank, rank + 1)))
