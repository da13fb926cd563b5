"""Simplices, and cells with corners of a region, split along boundaries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import permutations

import numpy as np

from wfrpde import _compat
from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.gauss import gauss_rule, tensor
from wfrpde.domain.grid import SimplexGrid
from wfrpde.fields.regions import Region
from wfrpde.fields.rendering import Field

RegionFunction = Callable[[Array], Flags]

CUT_LEVELS_SIMPLEX = {1: 0, 2: 3, 3: 1}
"""How often a simplex that a region's boundary cuts is divided before it is split along it."""

PROBES = {1: 17, 2: 6, 3: 4}
"""Points along each axis of a cell at which regions are probed, by dimension."""


def cells_with_corners(
    low: Array, size: Array, regions: list[RegionFunction]
) -> tuple[Flags, list[RegionFunction]]:
    """Return in which cells flat parts of a region's boundary cross, and half-spaces they end.

    What is integrated along lines bends there, where no rule across them sees it: masses of corners
    were off by up to 3e-3, which two rules may share.
    """
    corner: Flags = np.zeros(len(low), dtype=bool)
    planes: list[RegionFunction] = []
    for region in regions:
        if isinstance(region, Region) and len(region.comparisons) > 1:
            # all cells: the tip of a corner may lie between probes, beside another's boundary
            own, sides = corners_within(region, low, size)
            corner |= own
            planes += [partial(_positive, side) for side in sides]
    return corner, planes


def corners_within(region: Region, low: Array, size: Array) -> tuple[Flags, list[Field]]:
    """Return in which cells flat parts of its boundary cross, and levels that are 0 on them."""
    dim = low.shape[1]
    ends = tensor(np.array([0.0, 1.0]), dim)
    points = (low[:, None] + ends[None] * size[:, None]).reshape(-1, dim)
    crossings, flat = np.zeros(len(low), dtype=np.int64), np.ones(len(low), dtype=bool)
    through = []
    for side in region.comparisons if len(low) else ():
        value = np.broadcast_to(side(points), len(points)).reshape(len(low), -1)
        least, most = value.min(axis=1), value.max(axis=1)
        crosses = (least < 0) & (most > 0)
        if crosses.any():
            # opposite ends of a cell, and its centre, tell a plane from what bends
            centre = np.broadcast_to(side(low + size / 2), len(low))[:, None]
            off = np.abs(value + value[:, ::-1] - 2 * centre).max(axis=1)
            flat &= ~crosses | (off <= 1e-9 * (most - least))
            crossings += crosses
            through.append((side, crosses))
    corner = (crossings > 1) & flat
    return corner, [side for side, crosses in through if (crosses & corner).any()]


def _positive(side: Callable[[Array], Array], x: Array) -> Flags:
    """Whether points are in the half-space in which a level is positive."""
    return np.asarray(side(x) > 0)


def split_corners(
    low: Array, size: Array, regions: list[RegionFunction], per_axis: int
) -> tuple[Array, Array]:
    """Rules on the simplices of cells, split along all boundaries: exact if these are flat."""
    dim = low.shape[1]
    ways = [np.cumsum(np.eye(dim)[list(way)], axis=0) for way in permutations(range(dim))]
    ends = np.concatenate([np.zeros((len(ways), 1, dim)), np.array(ways)], axis=1)
    simplices = low[:, None, None] + ends[None] * size[:, None, None]
    corners: Array = simplices.reshape(-1, dim + 1, dim)
    for region in regions:
        corners = _split_simplices(corners, region)
    # Gauss points of a cube that is folded: x = v₀ + a (v₁ − v₀) + a b (v₂ − v₁) + …
    node, weight = gauss_rule(per_axis)
    share = np.cumprod(tensor(node, dim), axis=1)
    factor = np.prod(tensor(weight, dim), axis=1) * np.prod(share[:, :-1], axis=1)
    edges: Array = np.diff(corners, axis=1)
    points: Array = corners[:, :1] + np.einsum("qk,mkd->mqd", share, edges)
    volume = np.abs(np.linalg.det(edges))
    held = volume > 1e-14 * size.prod(axis=1).min()  # what is cut off may have no volume
    return points[held].reshape(-1, dim), (volume[held, None] * factor).ravel()


def divide_simplices(
    corners: Array, regions: list[RegionFunction], fewer: int = 0
) -> tuple[Array, Array]:
    """Rule on simplices of corners ``(m, d+1, d)``, split along the boundaries of regions."""
    from wfrpde.discretisation.nodes import simplex_volumes

    dim = corners.shape[2]
    pieces = []
    for level in range(CUT_LEVELS_SIMPLEX[dim] + 1):
        cut = is_cut(_probes(corners), regions)
        pieces.append(corners[~cut])
        corners = corners[cut]
        if level < CUT_LEVELS_SIMPLEX[dim] and len(corners):
            number = np.arange(len(corners) * (dim + 1)).reshape(-1, dim + 1)
            fine = SimplexGrid(corners.reshape(-1, dim), number.astype(np.int64)).refined()
            corners = fine.points[fine.cells]
    for region in regions:
        corners = _split_simplices(corners, region)
    corners = np.concatenate([*pieces, corners])
    # positive weights, and no point on a face, where it would be in two regions at once
    # degrees of the rules on simplices, by dimension: the rule, and that with fewer points
    reference, factors = _compat.simplex_rule(
        dim, {1: (5, 3), 2: (5, 3), 3: (6, 2)}[dim][min(fewer, 1)]
    )
    barycentric = np.concatenate([1 - reference.sum(axis=1, keepdims=True), reference], axis=1)
    points = np.einsum("qi,mid->mqd", barycentric, corners).reshape(-1, dim)
    weights = (simplex_volumes(corners)[:, None] * (factors / factors.sum())).ravel()
    held = weights > 0  # what is cut off at a corner may have no volume
    return points[held], weights[held]


def _probes(corners: Array) -> Array:
    """Points just inside the corners of simplices ``(m, d+1, d)``, and the centre."""
    centre = corners.mean(axis=1, keepdims=True)
    return np.concatenate([corners + 1e-9 * (centre - corners), centre], axis=1)


def _split_simplices(corners: Array, region: RegionFunction) -> Array:
    """Split simplices where the boundary of `region` crosses their edges: exact if it is flat.

    An edge from inside to outside is cut at the crossing, which makes two simplices of one, until
    no piece has such an edge.
    """
    dim = corners.shape[2]
    first, second = np.triu_indices(dim + 1, 1)
    probes = _probes(corners)[:, :-1]
    # 1 inside, −1 outside, 0 on the boundary
    side = np.where(np.asarray(region(probes.reshape(-1, dim))).reshape(probes.shape[:2]), 1, -1)
    done = []
    while len(corners):
        crossing = side[:, first] * side[:, second] < 0
        crossed = crossing.any(axis=1)
        done.append(corners[~crossed])
        corners, side, crossing = corners[crossed], side[crossed], crossing[crossed]
        row, edge = np.arange(len(corners)), crossing.argmax(axis=1)
        i, j = first[edge], second[edge]
        a, b = corners[row, i], corners[row, j]
        start = side[row, i] > 0
        for _ in range(48):
            middle = (a + b) / 2
            same = (np.asarray(region(middle)) == start)[:, None]
            a, b = np.where(same, middle, a), np.where(same, b, middle)
        corners, side = np.tile(corners, (2, 1, 1)), np.tile(side, (2, 1))
        row, end = np.arange(len(corners)), np.concatenate([j, i])
        corners[row, end], side[row, end] = np.tile((a + b) / 2, (2, 1)), 0
    return np.concatenate(done) if done else corners


def is_cut(probes: Array, regions: list[RegionFunction]) -> Flags:
    """Return which cells of probes ``(m, k, d)`` the boundary of a region is seen to cut."""
    cells, count, dim = probes.shape
    cut = np.zeros(cells, dtype=bool)
    for region in regions:
        inside = np.asarray(region(probes.reshape(-1, dim))).reshape(cells, count)
        cut |= inside.any(axis=1) & ~inside.all(axis=1)
    return cut
