"""Edges between neighbouring nodes, and lines of them through elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.lattice import cell_extents, summed_at_ends
from wfrpde.discretisation.nodes import Nodes, simplex_volumes
from wfrpde.domain.grid import TensorGrid


@dataclass(frozen=True)
class Edges:
    """Pairs of neighbouring nodes of the cells that this rank owns.

    ``conductance`` is the off-diagonal entry of the unweighted stiffness, ∫ ∇φ_i·∇φ_j = −κ_ij.
    """

    i: Integers
    j: Integers
    conductance: Array


@dataclass(frozen=True)
class Lines:
    """Lines of p + 1 nodes of tensor cells along one axis.

    ``nodes (L, p+1)``; ``length (L,)`` of each line, and ``transverse (L,)``, the quadrature weight
    across it of the ``cells (L,)`` that share it.
    """

    nodes: Integers
    length: Array
    transverse: Array
    cells: Integers

    def where(self, chosen: Flags) -> Lines:
        """Return some of the lines."""
        return Lines(
            self.nodes[chosen], self.length[chosen], self.transverse[chosen], self.cells[chosen]
        )


def cell_lines(nodes: Nodes) -> list[Lines]:
    """Lines along each axis of the tensor cells that this rank owns, shared ones once.

    Along an axis a line is known by its first node.
    """
    dim, p = nodes.dim, nodes.degree
    assert isinstance(nodes.grid, TensorGrid)
    extents = cell_extents(nodes.grid, nodes.cell_nodes, nodes.points)
    block = nodes.cell_nodes.reshape(-1, *([p + 1] * dim))
    weights = gll_rule(p).weights / 2
    lines = []
    for axis in range(dim):
        across = np.ones(1)
        for other in range(dim):
            if other != axis:
                across = np.multiply.outer(across, weights).ravel()
        others = np.prod(np.delete(extents, axis, axis=1), axis=1)
        along = np.moveaxis(block, axis + 1, -1)
        first = along[..., 0].ravel()
        one = np.empty(len(nodes.points), dtype=np.int64)
        one[first] = np.arange(len(first))  # any of those that are the same line
        count = np.bincount(first, minlength=len(nodes.points)).astype(np.int64)
        weight = (others[:, None] * across[None, :]).ravel()
        transverse = np.bincount(first, weight, len(count)).astype(np.float64)
        used = np.flatnonzero(count)
        chosen = one[used]
        lines.append(
            Lines(
                along.reshape(-1, p + 1)[chosen],
                extents[chosen // len(across), axis],
                transverse[used],
                count[used],
            )
        )
    return lines


def line_edges(lines: Lines, degree: int) -> Edges:
    """Couplings between neighbouring nodes of the lines."""
    gap = np.diff(gll_rule(degree).nodes) / 2
    conductance = lines.transverse[:, None] / (lines.length[:, None] * gap[None, :])
    return Edges(lines.nodes[:, :-1].ravel(), lines.nodes[:, 1:].ravel(), conductance.ravel())


def simplex_edges(points: Array, cells: Integers) -> Edges:
    """Edges of the simplices with the conductances of the P1 Laplacian."""
    corners = points[cells]
    dim = points.shape[1]
    jacobian = corners[:, 1:] - corners[:, :1]
    inverse = np.linalg.inv(jacobian)  # columns are the gradients of barycentric coordinates 1 … d
    gradients = np.concatenate([-inverse.sum(axis=2, keepdims=True), inverse], axis=2)
    stiffness = np.einsum("mai,maj->mij", gradients, gradients)
    stiffness *= simplex_volumes(corners)[:, None, None]
    first, second = np.triu_indices(dim + 1, 1)
    return Edges(
        cells[:, first].ravel(),
        cells[:, second].ravel(),
        -stiffness[:, first, second].ravel(),
    )


def conductances(grid: TensorGrid, axis: int, start: int, end: int) -> tuple[Array, int]:
    """Conductances of the edges along an axis at some layers of nodes, and before them.

    An array over the edges, and the layer of its first ones.
    """
    cells = slice(max(start - 1, 0), end)
    value = grid.active[cells].astype(np.float64)
    for other, breaks in enumerate(grid.breaks):
        size = np.diff(breaks)[cells if other == 0 else slice(None)]
        shape = [-1 if k == other else 1 for k in range(grid.dim)]
        value *= (1 / size if other == axis else size / 2).reshape(shape)
    for other in range(grid.dim):
        if other != axis:
            value = summed_at_ends(value, other)
    return value, cells.start


@lru_cache(maxsize=2)
def edges_along_axes(nodes: Nodes) -> list[Edges]:
    """Return the edges of nodes of degree 1, by axis: a V that moves asks for them often."""
    return [line_edges(lines, 1) for lines in cell_lines(nodes)]


def merge_edges(edges: Edges) -> Edges:
    """Sum the conductances of the edges that several cells share."""
    low, high = np.minimum(edges.i, edges.j), np.maximum(edges.i, edges.j)
    base = high.max(initial=0) + 1
    key, inverse = np.unique(low * base + high, return_inverse=True)
    conductance = np.bincount(inverse, edges.conductance).astype(np.float64)
    return Edges(key // base, key % base, conductance)
