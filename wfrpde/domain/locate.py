"""Which simplex a point lies in: DOLFINx's bounding boxes, then barycentric coordinates."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from wfrpde import _compat
from wfrpde.arrays import Array, Flags, Integers
from wfrpde.domain.grid import SimplexGrid

WITHIN = 1e-12
"""How far outside a cell, in units of it (of the mesh, for its bounding box), a point is in it."""


class CellSearch:
    """Finds the cells of a simplex grid that points lie in, on this process alone."""

    def __init__(self, grid: SimplexGrid) -> None:
        self._grid = grid

    def __reduce__(self) -> tuple[type[CellSearch], tuple[SimplexGrid]]:
        return CellSearch, (self._grid,)  # what DOLFINx made is made again

    @cached_property
    def _tree(self) -> tuple[Any, Any]:
        from dolfinx import geometry

        from wfrpde.parallel.mpi import MPI

        grid = self._grid
        mesh = _compat.create_mesh(MPI.COMM_SELF, grid.cells, grid.points, grid.cell)
        size = max(1.0, float(np.abs(grid.points).max()))
        return mesh, geometry.bb_tree(mesh, grid.dim, padding=WITHIN * size)

    @cached_property
    def _affine(self) -> tuple[Array, Array]:
        """First corner ``(m, d)`` of each cell, and the inverse ``(m, d, d)`` of its edges."""
        corners = self._grid.points[self._grid.cells]
        edges = corners[:, 1:] - corners[:, :1]
        return corners[:, 0], np.asarray(np.linalg.inv(edges), dtype=np.float64)

    def cells_of(self, x: Array) -> tuple[Integers, Flags]:
        """Return a cell ``(n,)`` for each of the points ``(n, d)``, and whether there is one."""
        _compat.require_dolfinx()
        from dolfinx import geometry

        mesh, tree = self._tree
        points = np.zeros((len(x), 3))
        points[:, : self._grid.dim] = x
        candidates = geometry.compute_collisions_points(tree, points)
        offsets = np.asarray(candidates.offsets)
        cells = mesh.topology.original_cell_index[np.asarray(candidates.array)]
        point = np.repeat(np.arange(len(x)), np.diff(offsets))
        # by barycentric coordinates, which no size or shape of a cell troubles
        first, inverse = self._affine
        inner = np.einsum("ni,nij->nj", x[point] - first[cells], inverse[cells])
        inside = (inner >= -WITHIN).all(axis=1) & (inner.sum(axis=1) <= 1 + WITHIN)
        found = np.zeros(len(x), dtype=bool)
        found[point[inside]] = True
        cell = np.zeros(len(x), dtype=np.int64)
        cell[point[inside][::-1]] = cells[inside][::-1]
        return cell, found
