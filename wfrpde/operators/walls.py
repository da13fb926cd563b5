"""Which nodes lie on the boundary of the mesh."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Flags
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.nodes import Nodes
from wfrpde.domain.grid import SimplexGrid, TensorGrid


def wall_nodes(nodes: Nodes) -> Flags:
    """Return ``(n,)``: the nodes of this rank, ghosts included, on the boundary of the mesh."""
    if isinstance(nodes.grid, SimplexGrid):
        return _simplex_walls(nodes.grid)[nodes.canonical]
    return _tensor_walls(nodes, nodes.grid)


def _tensor_walls(nodes: Nodes, grid: TensorGrid) -> Flags:
    """Inside the mesh a node has the whole weight that the cells of the full box would give it."""
    rule = gll_rule(nodes.degree)
    shape = tuple(len(axis) for axis in nodes.axes)
    index = np.unravel_index(nodes.canonical, shape)
    whole = np.ones(len(nodes.points))
    end = np.zeros(len(nodes.points), dtype=bool)
    for axis, (breaks, i, size) in enumerate(zip(grid.breaks, index, shape, strict=True)):
        along = np.zeros(size)
        widths = np.diff(breaks)[:, None] * rule.weights[None, :] / 2
        position = np.arange(len(breaks) - 1)[:, None] * nodes.degree + np.arange(nodes.degree + 1)
        np.add.at(along, position, widths)
        if axis in nodes.closed_axes:
            along[0] += along[-1]
        else:
            end |= (i == 0) | (i == size - 1)
        whole *= along[i]
    return end | (nodes.weights < (1 - 1e-9) * whole)


def _simplex_walls(grid: SimplexGrid) -> Flags:
    """Return the vertices of facets that belong to one cell only."""
    corners = grid.cells
    facets = np.concatenate([np.delete(corners, k, axis=1) for k in range(grid.dim + 1)])
    unique, count = np.unique(np.sort(facets, axis=1), axis=0, return_counts=True)
    walls = np.zeros(len(grid.points), dtype=bool)
    walls[unique[count == 1].ravel()] = True
    return walls
