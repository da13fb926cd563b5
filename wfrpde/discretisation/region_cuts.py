"""Cells that the boundary of a region cuts: which they are, and rules that are split along it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.gauss import gauss_points, gauss_rule, tensor
from wfrpde.discretisation.region_corners import (
    PROBES,
    RegionFunction,
    cells_with_corners,
    corners_within,
    is_cut,
    split_corners,
)
from wfrpde.domain.grid import TensorGrid
from wfrpde.fields.regions import Region

OnCells = Callable[[Integers, Array], Flags]
"""Which points ``(n, d)`` of cells ``(n,)`` are inside."""

LINE_PIECES = 8
"""Pieces of a line in which a region's boundary is looked for."""

SEARCHES = ((64, 256, 6), (np.inf, 16, 12))
"""A boundary on up to so many lines is looked for in so many sections at once, as often: to 2^−48
of a piece. Where lines are few, a call costs more than its points."""


def corners_of(grid: TensorGrid, flat: Integers) -> tuple[Array, Array]:
    """Lowest corners and sizes ``(m, d)`` of cells."""
    index = np.unravel_index(flat, grid.active.shape)
    low = np.stack([b[i] for b, i in zip(grid.breaks, index, strict=True)], axis=1)
    high = np.stack([b[i + 1] for b, i in zip(grid.breaks, index, strict=True)], axis=1)
    return low, high - low


def along_planes(grid: TensorGrid, regions: list[RegionFunction]) -> TensorGrid:
    """Divide cells along the planes across an axis that are known to bound regions."""
    for region in regions:
        for plane in region.planes if isinstance(region, Region) else ():
            grid = grid.split(*plane)
    return grid


def _along_faces(grid: TensorGrid, region: RegionFunction) -> bool:
    """Whether a region is known to end at faces of cells alone."""
    known = isinstance(region, Region) and region.straight
    return known and along_planes(grid, [region]) is grid


def boundaries(
    grid: TensorGrid, first: int, end: int, regions: list[RegionFunction]
) -> tuple[Flags, Flags]:
    """Which cells a region's boundary cuts, and which have one within two cells (one in 3-D).

    Both ``(end − first, n_2, …)``, for layers of cells across the first axis.
    """
    dim = grid.dim
    # just inside the cell, so that a boundary along its faces does not count as a cut
    corners = tensor(np.linspace(1e-9, 1 - 1e-9, PROBES[dim], dtype=np.float64), dim)
    active = grid.active[first:end]
    flat = np.flatnonzero(active)
    offset = first * (grid.active.size // len(grid.active))
    sources, cut = (np.zeros(active.shape, dtype=bool) for _ in range(2))
    for region in regions:
        probes = np.full((1, dim), 0.5) if _along_faces(grid, region) else corners
        chunk = max(1, 400_000 // len(probes))  # points at which regions are probed at once
        # a boundary along faces lies between a cell that is inside and one that is not
        side = np.zeros(active.shape, dtype=np.int8)
        for start in range(0, len(flat), chunk):
            some = flat[start : start + chunk]
            low, size = corners_of(grid, some + offset)
            points = (low[:, None] + probes[None] * size[:, None]).reshape(-1, dim)
            inside = np.asarray(region(points)).reshape(len(low), -1)
            part, every = inside.any(axis=1), inside.all(axis=1)
            cut.ravel()[some] |= part & ~every
            side.ravel()[some] = np.where(every, 1, np.where(part, 0, -1))
        if dim > 1 and isinstance(region, Region) and len(region.comparisons) > 1:
            # the tip of a corner may lie between the probes of a cell beside one that is cut
            beside = np.flatnonzero(_grown((side == 0) & active, 1) & (side != 0))
            tip, _ = corners_within(region, *corners_of(grid, beside + offset))
            cut.ravel()[beside[tip]] = True
            side.ravel()[beside[tip]] = 0
        for axis in range(dim):
            one, other = np.moveaxis(side, axis, 0)[:-1], np.moveaxis(side, axis, 0)[1:]
            differ = one * other < 0
            view = np.moveaxis(sources, axis, 0)
            view[:-1] |= differ
            view[1:] |= differ
    return cut, _grown(sources | cut, 1 if dim == 3 else 2)


def _grown(marked: Flags, layers: int) -> Flags:
    """Return which cells are marked, or lie so many layers beside one that is."""
    result = marked.copy()
    for axis in range(marked.ndim):
        view = np.moveaxis(result, axis, 0)
        for _ in range(layers):
            grown = view.copy()
            grown[1:] |= view[:-1]
            grown[:-1] |= view[1:]
            view[...] = grown
    return result


def divide_boxes(
    low: Array, size: Array, regions: list[RegionFunction], per_axis: int
) -> tuple[Array, Array]:
    """Gauss rules on cells that are cut: they are halved, and at last split line by line."""
    dim = low.shape[1]
    corners = tensor(np.linspace(1e-9, 1 - 1e-9, PROBES[dim], dtype=np.float64), dim)
    child = tensor(np.array([0.0, 0.5]), dim)
    parts = [gauss_points(low[:0], size[:0], per_axis)]
    if dim > 1:
        corner, planes = cells_with_corners(low, size, regions)
        if corner.any():
            some = [*planes, *regions]
            parts.append(split_corners(low[corner], size[corner], some, per_axis + 1))
            low, size = low[~corner], size[~corner]
    # how often a tensor cell that a region's boundary cuts is halved before its lines are split
    for _ in range({1: 3, 2: 2, 3: 0}[dim]):
        low = (low[:, None] + child[None] * size[:, None]).reshape(-1, dim)
        size = np.repeat(size / 2, len(child), axis=0)
        cut = is_cut(low[:, None] + corners[None] * size[:, None], regions)
        parts.append(gauss_points(low[~cut], size[~cut], per_axis))
        low, size = low[cut], size[cut]
    if len(low):
        tests = [partial(_anywhere, region) for region in regions]
        parts.append(_split_lines(low, size, tests, per_axis)[1:])
    return np.concatenate([p for p, _ in parts]), np.concatenate([w for _, w in parts])


def _split_lines(
    low: Array, size: Array, tests: Sequence[OnCells], per_axis: int
) -> tuple[Integers, Array, Array]:
    """Gauss rules on the lines of cells, split where any region begins or ends.

    Where a boundary leaves a cell through the ends of its lines, what is integrated along them
    bends, and no Gauss rule across them follows it: the lines themselves are those of a rule on
    one axis less, which is split where a region begins or ends at either end.

    Returns
    -------
    cell, points, weights
        ``(n,)``, ``(n, d)`` and ``(n,)``.
    """
    cells, dim = low.shape
    if dim == 0:
        return np.arange(cells), low, np.ones(cells)
    node, weight = gauss_rule(per_axis)
    steepest, parts = _steepest_axis(low, size, tests), []
    for axis in range(dim):
        own = np.flatnonzero(steepest == axis)
        if len(own) == 0:
            continue
        others = [k for k in range(dim) if k != axis]
        # of the cells `own`: regions, and these at the ends of lines
        here = [partial(_among, test, own) for test in tests]
        ends = [
            partial(_at, test, axis, low[own, axis] + share * size[own, axis])
            for test in here
            for share in (1e-9, 1 - 1e-9)
        ]
        lines = _split_lines(low[own][:, others], size[own][:, others], ends, per_axis)
        cell, across, area = lines
        base, length = np.insert(across, axis, low[own[cell], axis], axis=1), size[own[cell], axis]
        cuts = _ends_on_lines(axis, cell, base, length, here)
        start, width = cuts[:, :-1], np.diff(cuts, axis=1)
        line, piece = np.nonzero(width > 0)
        start, width = start[line, piece], width[line, piece]
        t = start[:, None] + node * width[:, None]
        points = np.repeat(base[line], per_axis, axis=0)
        points[:, axis] += (t * length[line][:, None]).ravel()
        weights = weight[None, :] * (width * length[line] * area[line])[:, None]
        parts.append((np.repeat(own[cell[line]], per_axis), points, weights.ravel()))
    number, points, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    return number, points, weights


def _anywhere(region: RegionFunction, cell: Integers, x: Array) -> Flags:
    """Whether points are inside, whichever their cells."""
    return region(x)


def _among(test: OnCells, own: Integers, cell: Integers, x: Array) -> Flags:
    """Whether points of the cells `own` are inside."""
    return test(own[cell], x)


def _at(test: OnCells, axis: int, value: Array, cell: Integers, x: Array) -> Flags:
    """Whether points on faces of cells, which have a `value` ``(m,)`` on an axis, are inside."""
    return test(cell, np.insert(x, axis, value[cell], axis=1))


def _steepest_axis(low: Array, size: Array, tests: Sequence[OnCells]) -> Integers:
    """Return the axis along which most of the neighbouring probes of a cell differ."""
    cells, dim = low.shape
    lattice = tensor(np.linspace(1e-9, 1 - 1e-9, LINE_PIECES + 1, dtype=np.float64), dim)
    probes = (low[:, None] + lattice[None] * size[:, None]).reshape(-1, dim)
    number = np.repeat(np.arange(cells), len(lattice))
    changes = np.zeros((dim, cells), dtype=np.int64)
    for test in tests if dim > 1 else []:
        inside = np.asarray(test(number, probes)).reshape(cells, *([LINE_PIECES + 1] * dim))
        for axis in range(dim):
            changes[axis] += np.diff(inside, axis=axis + 1).reshape(cells, -1).sum(axis=1)
    return np.asarray(changes.argmax(axis=0))


def _ends_on_lines(
    axis: int, cell: Integers, base: Array, length: Array, tests: Sequence[OnCells]
) -> Array:
    """Where on lines from `base` ``(m, d)`` along an axis any region begins or ends.

    ``(m, k)`` in units of their `length`, ascending from 0 to 1, in parts of which some are empty.
    """

    def inside(test: OnCells, line: Integers, t: Array) -> Flags:
        points = np.repeat(base[line], t.shape[1], axis=0)
        points[:, axis] += (t * length[line][:, None]).ravel()
        return np.asarray(test(np.repeat(cell[line], t.shape[1]), points)).reshape(t.shape)

    every = np.arange(len(base))
    ends = np.tile(np.linspace(0.0, 1.0, LINE_PIECES + 1), (len(base), 1))
    probes = np.clip(ends, 1e-9, 1 - 1e-9)
    breaks = [ends[:, [0, -1]]]
    for test in tests:
        found = inside(test, every, probes)
        line, piece = np.nonzero(found[:, :-1] != found[:, 1:])
        if len(line) == 0:
            continue
        a = ends[line, piece]
        width: Array = np.full(len(line), 1 / LINE_PIECES)
        count, rounds = next(search for most, *search in SEARCHES if len(line) <= most)
        sections = np.arange(1, count) / count
        at_a = found[line, piece, None]
        for _ in range(rounds):
            same = inside(test, line, a[:, None] + sections * width[:, None]) == at_a
            width /= count
            # the first section in which the region begins or ends
            a += width * np.where(same.all(axis=1), count - 1, same.argmin(axis=1))
        where = np.zeros((len(base), LINE_PIECES))
        where[line, piece] = a + width / 2
        breaks.append(where)
    return np.sort(np.concatenate(breaks, axis=1), axis=1)
