"""Which simplex a point lies in, by DOLFINx's bounding boxes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde import _compat
from wfrpde.domain.grid import SimplexGrid


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
        return mesh, geometry.bb_tree(mesh, grid.dim, padding=1e-12)

    def cells_of(
        self, x: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return a cell ``(n,)`` for each of the points ``(n, d)``, and whether there is one."""
        from dolfinx import geometry

        mesh, tree = self._tree
        points = np.zeros((len(x), 3))
        points[:, : self._grid.dim] = x
        candidates = geometry.compute_collisions_points(tree, points)
        hits = geometry.compute_colliding_cells(mesh, candidates, points)
        offsets = np.asarray(hits.offsets)
        found = offsets[1:] > offsets[:-1]
        cell = np.zeros(len(x), dtype=np.int64)
        cell[found] = mesh.topology.original_cell_index[np.asarray(hits.array)[offsets[:-1][found]]]
        return cell, found
