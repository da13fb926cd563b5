"""Quadrature of π e^u over the mesh and over named regions, shared among the ranks.

Every reported integral is taken with Gauss points inside the cells, where u is interpolated and π is exact.
Cells that the boundary of a region cuts are divided until the cut is thin, so that a mode's mass has the
accuracy of the field and not that of a staircase.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.polynomial.legendre import leggauss

from wfrpde.discretisation.interpolation import (
    Interpolation,
    SimplexInterpolation,
    TensorInterpolation,
)
from wfrpde.domain.grid import SimplexGrid

Array = npt.NDArray[np.float64]
RegionFunction = Callable[[Array], npt.NDArray[np.bool_]]

CUT_LEVELS = {1: 40, 2: 6, 3: 3}
"""How often a cell that a region's boundary cuts is halved, by dimension."""


@dataclass(frozen=True)
class Quadrature:
    """This rank's share of the points of a rule over the whole mesh.

    Attributes
    ----------
    points, weights
        ``(n, d)`` and ``(n,)``; the weights of all ranks together sum to the volume of the mesh.
    """

    points: Array
    weights: Array


def make_quadrature(
    interpolation: Interpolation,
    regions: list[RegionFunction],
    *,
    rank: int = 0,
    size: int = 1,
    points_per_axis: int | None = None,
) -> Quadrature:
    """Build the rule on this rank's share of the cells, fine enough for all `regions`."""
    if isinstance(interpolation, TensorInterpolation):
        per_axis = points_per_axis or (2 if interpolation.degree == 1 else interpolation.degree + 2)
        low, high = _tensor_cells(interpolation, rank, size)
        points, weights = _divide_boxes(low, high, regions, per_axis)
    elif isinstance(interpolation, SimplexInterpolation):
        grid = interpolation.macro
        share = slice(*(len(grid.cells) * r // size for r in (rank, rank + 1)))
        points, weights = _divide_simplices(grid.points[grid.cells[share]], regions)
    else:
        raise TypeError(type(interpolation))
    return Quadrature(points, weights)


def _tensor_cells(interpolation: TensorInterpolation, rank: int, size: int) -> tuple[Array, Array]:
    index = np.array(np.nonzero(interpolation.grid.active))
    n = index.shape[1]
    index = index[:, n * rank // size : n * (rank + 1) // size]
    breaks = interpolation.grid.breaks
    low = np.stack([b[i] for b, i in zip(breaks, index, strict=True)], axis=1)
    high = np.stack([b[i + 1] for b, i in zip(breaks, index, strict=True)], axis=1)
    return low, high


def _divide_boxes(
    low: Array, high: Array, regions: list[RegionFunction], per_axis: int
) -> tuple[Array, Array]:
    dim = low.shape[1]
    node, weight = leggauss(per_axis)
    offsets = _tensor((node + 1) / 2, dim)
    factors = np.prod(_tensor(weight / 2, dim), axis=1)
    # just inside the cell, so that a boundary along its faces does not count as a cut
    corners = _tensor(np.array([1e-9, 0.5, 1 - 1e-9]), dim)
    all_points, all_weights = [], []
    for level in range(CUT_LEVELS[dim] + 1):
        size = high - low
        cut = _is_cut(low[:, None] + corners[None] * size[:, None], regions)
        if level == CUT_LEVELS[dim]:
            cut[:] = False
        keep = ~cut
        points = low[keep, None] + offsets[None] * size[keep, None]
        all_points.append(points.reshape(-1, dim))
        all_weights.append((size[keep].prod(axis=1)[:, None] * factors).ravel())
        if not cut.any():
            break
        child = _tensor(np.array([0.0, 0.5]), dim)
        half = np.repeat(size[cut] / 2, len(child), axis=0)
        low = (low[cut, None] + child[None] * size[cut, None]).reshape(-1, dim)
        high = low + half
    return np.concatenate(all_points), np.concatenate(all_weights)


def _divide_simplices(corners: Array, regions: list[RegionFunction]) -> tuple[Array, Array]:
    import basix

    dim = corners.shape[2]
    cell = {1: "interval", 2: "triangle", 3: "tetrahedron"}[dim]
    reference, factors = basix.make_quadrature(basix.CellType[cell], 5)
    barycentric = np.concatenate([1 - reference.sum(axis=1, keepdims=True), reference], axis=1)
    factors = factors / factors.sum()
    all_points, all_weights = [], []
    from wfrpde.discretisation.nodes import simplex_volumes

    for level in range(CUT_LEVELS[dim] + 1):
        centre = corners.mean(axis=1, keepdims=True)
        probes = np.concatenate([corners + 1e-9 * (centre - corners), centre], axis=1)
        cut = _is_cut(probes, regions)
        if level == CUT_LEVELS[dim]:
            cut[:] = False
        keep = ~cut
        points = np.einsum("qi,mid->mqd", barycentric, corners[keep])
        all_points.append(points.reshape(-1, dim))
        all_weights.append((simplex_volumes(corners[keep])[:, None] * factors).ravel())
        if not cut.any():
            break
        pieces = corners[cut]
        number = np.arange(pieces.shape[0] * (dim + 1)).reshape(-1, dim + 1)
        fine = SimplexGrid(pieces.reshape(-1, dim), number.astype(np.int64)).refined()
        corners = fine.points[fine.cells]
    return np.concatenate(all_points), np.concatenate(all_weights)


def _is_cut(probes: Array, regions: list[RegionFunction]) -> npt.NDArray[np.bool_]:
    cells, count, dim = probes.shape
    cut = np.zeros(cells, dtype=bool)
    for region in regions:
        inside = np.asarray(region(probes.reshape(-1, dim))).reshape(cells, count)
        cut |= inside.any(axis=1) & ~inside.all(axis=1)
    return cut


def _tensor(values: Array, dim: int) -> Array:
    return np.stack(np.meshgrid(*([values] * dim), indexing="ij"), axis=-1).reshape(-1, dim)
