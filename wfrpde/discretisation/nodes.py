"""The nodes that every formulation shares: one mesh, one set of GLL nodes, one diagonal mass.

A field is an array over the nodes of this rank, owned nodes first, ghosts after them. Each node
also has a *canonical* number that depends on the grid alone, so that fields gathered from any
number of ranks agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde import _compat
from wfrpde.discretisation.gll import gll_rule
from wfrpde.domain.grid import SimplexGrid, TensorGrid

if TYPE_CHECKING:
    from dolfinx.common import IndexMap
    from mpi4py.MPI import Comm

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Nodes:
    """GLL nodes of a distributed mesh.

    Attributes
    ----------
    grid, degree
        What the nodes were made from; simplices have degree 1.
    points
        ``(n, d)`` coordinates, ghosts included.
    n_owned
        How many of them this rank owns; these come first.
    cell_nodes
        ``(cells, (p+1)^d)`` nodes of the cells that this rank owns. On tensor cells the last axis
        varies fastest; on simplices the order is that of the vertices.
    weights
        ``(n,)`` quadrature weights: the unweighted diagonal mass matrix.
    canonical
        ``(n,)`` number of each node in the canonical order: on a tensor grid the flat index into
        the full grid of nodes (`axes`), on simplices the vertex of ``grid.points``.
    index_map
        DOLFINx's distribution of the nodes; None for a tensor grid on one rank.
    """

    comm: Comm
    grid: TensorGrid | SimplexGrid
    degree: int
    points: Array
    n_owned: int
    cell_nodes: Index
    weights: Array
    canonical: Index
    index_map: IndexMap | None = None

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.points.shape[1])

    @property
    def n_global(self) -> int:
        """Number of nodes on all ranks."""
        return self.n_owned if self.index_map is None else int(self.index_map.size_global)

    @property
    def global_numbers(self) -> Index:
        """``(n,)`` row of each node in a distributed matrix."""
        if self.index_map is None:
            return np.arange(self.n_owned, dtype=np.int64)
        first = self.index_map.local_range[0]
        owned = np.arange(first, first + self.n_owned, dtype=np.int64)
        return np.concatenate([owned, np.asarray(self.index_map.ghosts, dtype=np.int64)])

    @property
    def axes(self) -> tuple[Array, ...]:
        """Node coordinates along each axis of a tensor grid."""
        assert isinstance(self.grid, TensorGrid)
        return node_axes(self.grid, self.degree)

    def cell_weights(self) -> Array:
        """Quadrature weights ``(cells, k)`` of the owned cells at their own nodes."""
        if isinstance(self.grid, TensorGrid):
            return _tensor_weights(self.grid, self.degree, self.cell_nodes, self.points)
        corners = self.dim + 1
        share = simplex_volumes(self.points[self.cell_nodes]) / corners
        return np.repeat(share[:, None], corners, axis=1)

    def with_ghosts(self, owned: Array) -> Array:
        """Append the values of the ghost nodes (collective)."""
        if self.index_map is None or self.comm.size == 1:
            return owned
        from dolfinx import la

        vector = la.vector(self.index_map, dtype=np.float64)
        vector.array[: self.n_owned] = owned
        vector.scatter_forward()
        return np.array(vector.array)

    def added_up(self, local: Array) -> Array:
        """Add what the ranks contribute to shared nodes; complete at ghosts, too (collective)."""
        return local if self.index_map is None else _added_up(self.index_map, local)

    def sum(self, owned: Array) -> float:
        """Sum over all nodes (collective)."""
        total = float(owned.sum())
        return total if self.comm.size == 1 else float(self.comm.allreduce(total))

    def max(self, owned: Array) -> float:
        """Maximum over all nodes (collective)."""
        largest = float(owned.max(initial=-np.inf))
        if self.comm.size == 1:
            return largest
        from mpi4py import MPI

        return float(self.comm.allreduce(largest, op=MPI.MAX))

    def least(self, local: Array) -> float:
        """Minimum of numbers on all ranks, NaN aside (collective)."""
        smallest = float(np.fmin.reduce(local, initial=np.inf))
        if self.comm.size == 1:
            return smallest
        from mpi4py import MPI

        return float(self.comm.allreduce(smallest, op=MPI.MIN))

    def logsumexp(self, owned: Array) -> float:
        """``log Σ exp`` over all nodes (collective)."""
        shift = self.max(owned)
        return shift + float(np.log(self.sum(np.exp(owned - shift))))

    def gather(self, owned: Array) -> tuple[Index, Array]:
        """Canonical numbers, ascending, and the values there, on every rank (collective)."""
        if self.index_map is None:
            return self.canonical, owned[: self.n_owned].copy()
        numbers, order, counts = self._order
        values = np.empty(len(order))
        self.comm.Allgatherv(np.ascontiguousarray(owned[: self.n_owned]), (values, counts))
        return numbers, values[order]

    @cached_property
    def _order(self) -> tuple[Index, Index, list[int]]:
        """Canonical numbers, ascending, where they stand rank by rank, and how many each has."""
        counts = self.comm.allgather(self.n_owned)
        number = np.empty(sum(counts), dtype=np.int64)
        self.comm.Allgatherv(np.ascontiguousarray(self.canonical[: self.n_owned]), (number, counts))
        order = np.argsort(number, kind="stable")  # runs that are sorted already
        return number[order], order, counts


def node_axes(grid: TensorGrid, degree: int) -> tuple[Array, ...]:
    """Coordinates ``(n_k p + 1,)`` of the GLL nodes along each axis."""
    reference = gll_rule(degree).nodes
    axes = []
    for breaks in grid.breaks:
        inner = breaks[:-1, None] + (reference[None, :-1] + 1) / 2 * np.diff(breaks)[:, None]
        axes.append(np.append(inner.ravel(), breaks[-1]))
    return tuple(axes)


def make_nodes(comm: Comm, grid: TensorGrid | SimplexGrid, degree: int = 1) -> Nodes:
    """Distribute `grid` over the ranks and number its nodes (collective)."""
    if isinstance(grid, SimplexGrid) and degree != 1:
        raise ValueError("simplex grids carry nodes of degree 1 only")
    if isinstance(grid, TensorGrid) and comm.size == 1:
        return _on_one_rank(comm, grid, degree)
    if isinstance(grid, TensorGrid):
        return _in_slabs(comm, grid, degree)
    cells, points = grid.cells, grid.points
    mine = slice(*(len(cells) * r // comm.size for r in (comm.rank, comm.rank + 1)))
    share = slice(*(len(points) * r // comm.size for r in (comm.rank, comm.rank + 1)))
    mesh = _compat.create_mesh(comm, cells[mine], np.ascontiguousarray(points[share]), grid.cell)
    space = _compat.lagrange_space(mesh, degree)
    index_map = space.dofmap.index_map
    n_owned = int(index_map.size_local)
    dofs = np.asarray(space.dofmap.list)
    n_cells = int(mesh.topology.index_map(grid.dim).size_local)
    cell_nodes = np.array(dofs[:n_cells], dtype=np.int64)
    vertex = np.empty(n_owned + int(index_map.num_ghosts), dtype=np.int64)
    vertex[dofs] = _compat.geometry_dofmap(mesh)[: len(dofs)]
    canonical = np.asarray(mesh.geometry.input_global_indices, dtype=np.int64)[vertex]
    x = points[canonical]
    volume = simplex_volumes(x[cell_nodes])
    local = np.repeat(volume[:, None] / (grid.dim + 1), grid.dim + 1, axis=1)
    weights = _accumulate(index_map, len(x), cell_nodes, local)
    return Nodes(comm, grid, degree, x, n_owned, cell_nodes, weights, canonical, index_map)


def _on_one_rank(comm: Comm, grid: TensorGrid, degree: int) -> Nodes:
    """Return the nodes of a tensor grid in the canonical order itself.

    In one dimension that makes banded matrices.
    """
    shape = tuple(len(a) for a in node_axes(grid, degree))
    flat = _nodes_of_cells(np.array(np.nonzero(grid.active)), shape, degree)
    used = np.zeros(int(np.prod(shape)), dtype=bool)
    used[flat] = True
    canonical = np.flatnonzero(used).astype(np.int64)
    number = np.cumsum(used) - 1
    cell_nodes = number[flat].astype(np.int64)
    x = _points_of(grid, degree, canonical)
    local = _tensor_weights(grid, degree, cell_nodes, x)
    weights = np.bincount(cell_nodes.ravel(), local.ravel(), minlength=len(x)).astype(np.float64)
    return Nodes(comm, grid, degree, x, len(x), cell_nodes, weights, canonical)


def _in_slabs(comm: Comm, grid: TensorGrid, degree: int) -> Nodes:
    """Divide the cells of a tensor grid in their order, and so into slabs across the first axis.

    A node belongs to the first rank that has a cell of it. Which that is follows from the grid
    alone: no rank has to ask another.
    """
    shape = tuple(len(a) for a in node_axes(grid, degree))
    cells = np.array(np.nonzero(grid.active))
    count = cells.shape[1]
    bounds = [count * r // comm.size for r in range(comm.size + 1)]
    mine = cells[:, bounds[comm.rank] : bounds[comm.rank + 1]]
    owner = _owners(grid, degree, bounds).ravel()
    owned = np.flatnonzero(owner == comm.rank)
    number: npt.NDArray[Any] = np.full(
        len(owner), -1, dtype=np.int32 if len(owner) < 2**31 else np.int64
    )
    number[owned] = np.arange(len(owned))
    flat = _nodes_of_cells(mine, shape, degree)
    ghosts = np.unique(flat[number[flat] < 0])
    number[ghosts] = len(owned) + np.arange(len(ghosts))
    sizes = np.bincount(owner, minlength=comm.size + 1)
    first = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.empty(len(ghosts), dtype=np.int64)
    for rank in np.unique(owner[ghosts]):
        here = owner[ghosts] == rank
        rows[here] = first[rank] + np.searchsorted(np.flatnonzero(owner == rank), ghosts[here])
    index_map = _compat.index_map(comm, len(owned), rows, owner[ghosts].astype(np.int32))
    canonical = np.concatenate([owned, ghosts]).astype(np.int64)
    x = _points_of(grid, degree, canonical)
    cell_nodes = number[flat].astype(np.int64)
    local = _tensor_weights(grid, degree, cell_nodes, x)
    weights = _accumulate(index_map, len(x), cell_nodes, local)
    return Nodes(comm, grid, degree, x, len(owned), cell_nodes, weights, canonical, index_map)


def _owners(grid: TensorGrid, degree: int, bounds: list[int]) -> npt.NDArray[Any]:
    """First rank that has a cell of each node of the box; the number of ranks where there is none.

    `bounds`: number of the first active cell of each rank, and of cells.
    """
    nobody = len(bounds) - 1
    owner = np.full(grid.active.shape, nobody, dtype=np.int16 if nobody < 32_000 else np.int32)
    owner[grid.active] = np.repeat(np.arange(nobody), np.diff(bounds))
    for axis, n in enumerate(grid.active.shape):
        node = np.arange(n * degree + 1)
        low, high = np.maximum((node - 1) // degree, 0), np.minimum(node // degree, n - 1)
        owner = np.minimum(owner.take(low, axis=axis), owner.take(high, axis=axis))
    return owner


def _nodes_of_cells(cells: Index, shape: tuple[int, ...], degree: int) -> Index:
    """Flat index ``(m, (p+1)^d)`` into the lattice of nodes, of cells ``(d, m)``."""
    offsets = np.array(list(np.ndindex(*([degree + 1] * len(shape))))).T
    corner = np.ravel_multi_index(tuple(degree * cells), shape)
    return np.asarray(corner[:, None] + np.ravel_multi_index(tuple(offsets), shape))


def _points_of(grid: TensorGrid, degree: int, canonical: Index) -> Array:
    axes = node_axes(grid, degree)
    index = np.unravel_index(canonical, tuple(len(a) for a in axes))
    return np.stack([a[i] for a, i in zip(axes, index, strict=True)], axis=1)


def simplex_volumes(corners: Array) -> Array:
    """Volumes ``(m,)`` of simplices with corners ``(m, d+1, d)``."""
    dim = corners.shape[2]
    edges = corners[:, 1:] - corners[:, :1]
    return np.asarray(np.abs(np.linalg.det(edges)) / factorial(dim))


def cell_extents(cell_nodes: Index, points: Array) -> Array:
    """Side lengths ``(cells, d)`` of axis-aligned tensor cells."""
    return points[cell_nodes[:, -1]] - points[cell_nodes[:, 0]]


def _tensor_weights(grid: TensorGrid, degree: int, cell_nodes: Index, points: Array) -> Array:
    reference = gll_rule(degree).weights / 2
    tensor = reference
    for _ in range(grid.dim - 1):
        tensor = np.multiply.outer(tensor, reference)
    volume = cell_extents(cell_nodes, points).prod(axis=1)
    return np.asarray(volume[:, None] * tensor.ravel()[None, :])


def _accumulate(index_map: IndexMap, n: int, cell_nodes: Index, local: Array) -> Array:
    """Add the contributions of cells over all ranks (collective)."""
    total = np.bincount(cell_nodes.ravel(), local.ravel(), minlength=n).astype(np.float64)
    return _added_up(index_map, total)


def _added_up(index_map: IndexMap, total: Array) -> Array:
    if index_map.comm.size == 1:
        return total
    from dolfinx import la

    vector = la.vector(index_map, dtype=np.float64)
    vector.array[:] = total
    vector.scatter_reverse(la.InsertMode.add)
    vector.scatter_forward()
    return np.array(vector.array)
