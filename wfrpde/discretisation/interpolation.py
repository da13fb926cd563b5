"""Interpolation of nodal logarithms between the nodes, without communication.

A solution is kept as nodal values of ``u = log(ρ/π)`` on a canonical set of nodes, the same on every rank.
Between the nodes u is a piecewise polynomial; the density is π e^u with the exact π.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from wfrpde import _compat
from wfrpde.discretisation.nodes import node_axes
from wfrpde.domain.grid import SimplexGrid, TensorGrid

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

STENCIL = {1: 6, 2: 6, 3: 4}
"""Nodes per axis of the local interpolation between edge-averaged nodes, by dimension."""


class Interpolation(Protocol):
    """Nodes ``(n, d)``, (sub)cells for display, and polynomials between them."""

    @property
    def nodes(self) -> Array: ...

    @property
    def cells(self) -> Index: ...

    @property
    def cell_type(self) -> str: ...

    def locate(self, x: Array, derivative: int | None = None) -> tuple[Index, Array]:
        """Node numbers ``(n, k)`` and weights ``(n, k)`` of points; weights are NaN outside.

        With `derivative` the weights give the derivative along that axis.
        """
        ...


@dataclass(frozen=True)
class TensorInterpolation:
    """Lagrange interpolation on the GLL nodes of a tensor grid.

    For degree 1 the stencil is the `STENCIL` nearest nodes along each axis; beyond, the nodes of the cell.
    """

    grid: TensorGrid
    degree: int

    @cached_property
    def axes(self) -> tuple[Array, ...]:
        return node_axes(self.grid, self.degree)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(a) for a in self.axes)

    @cached_property
    def active_nodes(self) -> Index:
        """Flat tensor indices of the nodes of active cells, ascending: the canonical order."""
        mask = np.zeros(self.shape, dtype=bool)
        p = self.degree
        for cell in np.ndindex(*([p + 1] * self.grid.dim)):
            target = tuple(
                slice(c, c + (n - 1) * p + 1, p)
                for c, n in zip(cell, self.grid.active.shape, strict=True)
            )
            mask[target] |= self.grid.active
        return np.flatnonzero(mask).astype(np.int64)

    @cached_property
    def _substitute(self) -> Index:
        """For each node of the box the canonical number of the nearest active one."""
        flat = self.active_nodes
        if len(flat) == int(np.prod(self.shape)):
            return np.arange(len(flat), dtype=np.int64)
        from scipy.ndimage import distance_transform_edt

        missing = np.ones(self.shape, dtype=bool)
        missing.ravel()[flat] = False
        nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
        index = np.ravel_multi_index(tuple(nearest), self.shape).ravel()
        return np.searchsorted(flat, index).astype(np.int64)

    @property
    def nodes(self) -> Array:
        index = np.unravel_index(self.active_nodes, self.shape)
        return np.stack([a[i] for a, i in zip(self.axes, index, strict=True)], axis=1)

    @property
    def cells(self) -> Index:
        """Linear sub-cells between neighbouring nodes, in VTK's vertex order."""
        p = self.degree
        active = self.grid.active
        for axis in range(self.grid.dim):
            active = np.repeat(active, p, axis=axis)
        corner = np.array(np.nonzero(active))
        ring = {1: [(0,), (1,)], 2: [(0, 0), (1, 0), (1, 1), (0, 1)]}
        vtk = ring.get(self.grid.dim) or [(*q, k) for k in (0, 1) for q in ring[2]]
        flat = [
            np.ravel_multi_index(tuple(corner + np.array(o)[:, None]), self.shape) for o in vtk
        ]
        return np.searchsorted(self.active_nodes, np.stack(flat, axis=1)).astype(np.int64)

    @property
    def cell_type(self) -> str:
        return self.grid.cell

    def axis_stencil(self, axis: int, x: Array, derivative: bool) -> tuple[Index, Array]:
        """First node and weights ``(n, s)`` of values or derivatives for coordinates along one axis."""
        nodes = self.axes[axis]
        if self.degree > 1:
            breaks = self.grid.breaks[axis]
            cell = np.clip(np.searchsorted(breaks, x, side="right") - 1, 0, len(breaks) - 2)
            start, size = cell * self.degree, self.degree + 1
        else:
            size = min(STENCIL[self.grid.dim], len(nodes))
            cell = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
            start = np.clip(cell - size // 2 + 1, 0, len(nodes) - size)
        local = nodes[start[:, None] + np.arange(size)]
        weights = np.ones_like(local)
        slopes = np.zeros_like(local)
        for j in range(size):
            for k in range(size):
                if k != j:
                    factor = (x - local[:, k]) / (local[:, j] - local[:, k])
                    # product rule, one factor at a time: finite at the nodes themselves
                    slopes[:, j] = slopes[:, j] * factor + weights[:, j] / (
                        local[:, j] - local[:, k]
                    )
                    weights[:, j] *= factor
        if derivative:
            weights = slopes
        return start.astype(np.int64), weights

    def locate(self, x: Array, derivative: int | None = None) -> tuple[Index, Array]:
        number = np.zeros((len(x), 1), dtype=np.int64)
        weight = np.ones((len(x), 1))
        for axis, length in enumerate(self.shape):
            start, w = self.axis_stencil(axis, x[:, axis], axis == derivative)
            here = start[:, None] + np.arange(w.shape[1])
            number = (number[:, :, None] * length + here[:, None, :]).reshape(len(x), -1)
            weight = (weight[:, :, None] * w[:, None, :]).reshape(len(x), -1)
        box = self.grid.box
        slack = 1e-12 * (box[:, 1] - box[:, 0])
        outside = ((x < box[:, 0] - slack) | (x > box[:, 1] + slack)).any(axis=1)
        weight[outside] = np.nan
        return self._substitute[number], weight


@dataclass(frozen=True)
class SimplexInterpolation:
    """Interpolation on simplices.

    With `coarse` given, ``grid = coarse.refined()`` and its nodes are the vertices and edge midpoints of
    `coarse`: quadratic on each coarse cell. Otherwise linear on the cells of `grid`.
    """

    grid: SimplexGrid
    coarse: SimplexGrid | None = None

    @property
    def nodes(self) -> Array:
        return self.grid.points

    @property
    def cells(self) -> Index:
        return self.grid.cells

    @property
    def cell_type(self) -> str:
        return self.grid.cell

    @property
    def macro(self) -> SimplexGrid:
        """The cells on which the interpolant is one polynomial."""
        return self.grid if self.coarse is None else self.coarse

    @cached_property
    def macro_nodes(self) -> Index:
        """Node numbers ``(m, k)`` of each macro cell: vertices, then midpoints."""
        if self.coarse is None:
            return self.grid.cells
        _, edges = self.coarse.edges()
        return np.concatenate([self.coarse.cells, edges + len(self.coarse.points)], axis=1)

    def shape_functions(self, barycentric: Array, slope: Array | None = None) -> Array:
        """Values ``(n, k)`` of the basis at barycentric coordinates ``(n, d+1)``.

        With `slope` ``(n, d+1)``, the derivative of the coordinates, its derivative instead.
        """
        lam = barycentric
        if self.coarse is None:
            return lam if slope is None else slope
        first, second = np.triu_indices(self.grid.dim + 1, 1)
        if slope is None:
            vertex, edge = lam * (2 * lam - 1), 4 * lam[:, first] * lam[:, second]
        else:
            vertex = slope * (4 * lam - 1)
            edge = 4 * (slope[:, first] * lam[:, second] + lam[:, first] * slope[:, second])
        return np.concatenate([vertex, edge], axis=1)

    @cached_property
    def _search(self) -> tuple[Any, Any]:
        from dolfinx import geometry
        from mpi4py import MPI

        grid = self.macro
        mesh = _compat.create_mesh(MPI.COMM_SELF, grid.cells, grid.points, grid.cell)
        return mesh, geometry.bb_tree(mesh, grid.dim, padding=1e-12)

    def locate(self, x: Array, derivative: int | None = None) -> tuple[Index, Array]:
        from dolfinx import geometry

        mesh, tree = self._search
        points = np.zeros((len(x), 3))
        points[:, : self.grid.dim] = x
        candidates = geometry.compute_collisions_points(tree, points)
        hits = geometry.compute_colliding_cells(mesh, candidates, points)
        offsets = np.asarray(hits.offsets)
        found = offsets[1:] > offsets[:-1]
        cell = np.zeros(len(x), dtype=np.int64)
        cell[found] = mesh.topology.original_cell_index[
            np.asarray(hits.array)[offsets[:-1][found]]
        ]
        corners = self.macro.points[self.macro.cells[cell]]
        barycentric, gradients = barycentric_coordinates(corners, x)
        slope = None if derivative is None else gradients[:, :, derivative]
        weight = self.shape_functions(barycentric, slope)
        weight[~found] = np.nan
        return self.macro_nodes[cell], weight


def barycentric_coordinates(corners: Array, x: Array) -> tuple[Array, Array]:
    """Barycentric coordinates ``(n, d+1)`` of points in simplices, and their gradients ``(n, d+1, d)``."""
    inverse = np.linalg.inv(np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2))
    inner = np.einsum("nij,nj->ni", inverse, x - corners[:, 0])
    coordinates = np.concatenate([1 - inner.sum(axis=1, keepdims=True), inner], axis=1)
    gradients = np.concatenate([-inverse.sum(axis=1, keepdims=True), inverse], axis=1)
    return coordinates, gradients


def evaluate(
    interpolation: Interpolation,
    values: Array,
    x: Array,
    *,
    derivative: int | None = None,
    chunk: int = 20_000,
) -> Array:
    """Interpolate canonical nodal values ``(m, n_nodes)`` at points ``(n, d)``: ``(m, n)``.

    NaN outside the mesh. `derivative` names an axis along which to differentiate.
    """
    result = np.empty((len(values), len(x)))
    for a, b in pairwise([*range(0, len(x), chunk), len(x)]):
        number, weight = interpolation.locate(x[a:b], derivative)
        for row, field in zip(result, values, strict=True):
            row[a:b] = np.einsum("nk,nk->n", field[number], weight)
    return result
