"""Polynomials between nodal values on simplices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.stencils import CellStencil, Stencil
from wfrpde.domain.grid import SimplexGrid
from wfrpde.domain.locate import CellSearch


@dataclass(frozen=True)
class SimplexInterpolation:
    """Interpolation on simplices.

    With `coarse` given, ``grid = coarse.refined()`` and its nodes are the vertices and edge
    midpoints of `coarse`: quadratic on each coarse cell. Otherwise linear on the cells of `grid`.
    """

    grid: SimplexGrid
    coarse: SimplexGrid | None = None

    @property
    def n_nodes(self) -> int:
        """How many nodes there are."""
        return len(self.grid.points)

    @property
    def nodes(self) -> Array:
        """Coordinates ``(n, d)`` of the vertices."""
        return self.grid.points

    def nodes_at(self, some: slice | Integers) -> Array:
        """Coordinates of some of them."""
        return self.grid.points[some]

    @property
    def cells(self) -> Integers:
        """Vertices ``(m, d+1)`` of the cells."""
        cells = np.array(self.grid.cells)
        corners = self.grid.points[cells]
        inverted = np.linalg.det(corners[:, 1:] - corners[:, :1]) < 0
        # VTK wants positive volumes: exchange the last two corners of the others
        cells[inverted] = cells[inverted][:, [*range(self.grid.dim - 1), -1, -2]]
        return cells

    @property
    def cell_type(self) -> str:
        """Shape of the cells, by DOLFINx's name."""
        return self.grid.cell

    @property
    def macro(self) -> SimplexGrid:
        """The cells on which the interpolant is one polynomial."""
        return self.grid if self.coarse is None else self.coarse

    @cached_property
    def macro_nodes(self) -> Integers:
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

    def wrapped(self, x: Array) -> Array:
        """Return points as they are: no axis closes upon itself."""
        return x

    @cached_property
    def _search(self) -> CellSearch:
        return CellSearch(self.macro)

    def covers(self, x: Array) -> Flags:
        """Which of the points ``(n, d)`` lie in a cell, its boundary included."""
        return self._search.cells_of(x)[1]

    def locate(self, x: Array) -> Stencil:
        """Return the stencils of the points ``(n, d)``."""
        cell, found = self._search.cells_of(x)
        corners = self.macro.points[self.macro.cells[cell]]
        barycentric, gradients = barycentric_coordinates(corners, x)
        value = self.shape_functions(barycentric)
        slopes = tuple(
            self.shape_functions(barycentric, gradients[:, :, k]) for k in range(self.grid.dim)
        )
        corner = slice(0, self.grid.dim + 1)
        linear = np.zeros_like(value)
        linear[:, corner] = barycentric
        linear_slopes = []
        for axis in range(self.grid.dim):
            weight = np.zeros_like(value)
            weight[:, corner] = gradients[:, :, axis]
            linear_slopes.append(weight)
        return CellStencil(
            self.macro_nodes[cell], value, slopes, linear, tuple(linear_slopes), ~found
        )


def barycentric_coordinates(corners: Array, x: Array) -> tuple[Array, Array]:
    """Barycentric coordinates ``(n, d+1)`` of points, and their gradients ``(n, d+1, d)``."""
    inverse = np.linalg.inv(np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2))
    inner = np.einsum("nij,nj->ni", inverse, x - corners[:, 0])
    coordinates = np.concatenate([1 - inner.sum(axis=1, keepdims=True), inner], axis=1)
    gradients = np.concatenate([-inverse.sum(axis=1, keepdims=True), inverse], axis=1)
    return coordinates, gradients
