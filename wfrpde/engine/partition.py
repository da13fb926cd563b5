"""Simplices shared out over the ranks by DOLFINx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde import _compat
from wfrpde.arrays import Array, Integers
from wfrpde.engine.layout import Layout

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


def partition(
    comm: Comm, cells: Integers, points: Array, cell: str
) -> tuple[Layout, Integers, Integers]:
    """Share out a mesh of simplices, by DOLFINx's name of their shape (collective).

    Every rank has the whole mesh.

    Returns
    -------
    layout, vertices, own_cells
        Who owns which vertex; the numbers ``(n,)`` of this rank's vertices in the mesh, ghosts
        included; and the vertices ``(m, d+1)``, as this rank numbers them, of its own cells.
    """
    _compat.require_dolfinx()
    import wfrpde.engine.petsc  # noqa: F401  PETSc starts without options files

    mine, share = (
        slice(*(len(whole) * r // comm.size for r in (comm.rank, comm.rank + 1)))
        for whole in (cells, points)
    )
    mesh = _compat.create_mesh(comm, cells[mine], np.ascontiguousarray(points[share]), cell)
    dofmap = _compat.lagrange_space(mesh, 1).dofmap
    dofs, index_map = np.asarray(dofmap.list), dofmap.index_map
    ghosts = np.array(index_map.ghosts, dtype=np.int64)
    layout = Layout(comm, tuple(comm.allgather(int(index_map.size_local))), ghosts)
    vertex = np.empty(layout.n_owned + len(ghosts), dtype=np.int64)
    vertex[dofs] = _compat.geometry_dofmap(mesh)[: len(dofs)]
    vertices = np.asarray(mesh.geometry.input_global_indices, dtype=np.int64)[vertex]
    n_cells = int(mesh.topology.index_map(points.shape[1]).size_local)
    return layout, vertices, np.array(dofs[:n_cells], dtype=np.int64)
