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

from wfrpde.discretisation.gll import gll_rule
from wfrpde.domain.grid import SimplexGrid, TensorGrid
from wfrpde.engine.layout import Layout
from wfrpde.engine.partition import partition

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Nodes(Layout):
    """GLL nodes of a distributed mesh: unknowns of a `Layout`, with their places and weights.

    Attributes
    ----------
    grid, degree
        What the nodes were made from; simplices have degree 1.
    points
        ``(n, d)`` coordinates, ghosts included.
    cell_nodes
        ``(cells, (p+1)^d)`` nodes of the cells that this rank owns. On tensor cells the last axis
        varies fastest; on simplices the order is that of the vertices.
    weights
        ``(n,)`` quadrature weights: the unweighted diagonal mass matrix.
    canonical
        ``(n,)`` number of each node in the canonical order: on a tensor grid the flat index into
        the full grid of nodes (`axes`), on simplices the vertex of ``grid.points``. The nodes at
        the ends of an axis that closes upon itself are one, with the number of the first.
    """

    grid: TensorGrid | SimplexGrid
    degree: int
    points: Array
    cell_nodes: Index
    weights: Array
    canonical: Index

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.points.shape[1])

    @property
    def closed_axes(self) -> list[int]:
        """Numbers of the axes that close upon themselves."""
        return self.grid.closed_axes if isinstance(self.grid, TensorGrid) else []

    @property
    def axes(self) -> tuple[Array, ...]:
        """Node coordinates along each axis of a tensor grid."""
        assert isinstance(self.grid, TensorGrid)
        return node_axes(self.grid, self.degree)

    def cell_weights(self) -> Array:
        """Quadrature weights ``(cells, k)`` of the owned cells at their own nodes."""
        if isinstance(self.grid, TensorGrid):
            extents = cell_extents(self.grid, self.cell_nodes, self.points)
            return _tensor_weights(extents, self.degree)
        return _simplex_weights(self.points[self.cell_nodes])

    def gather(self, owned: Array) -> tuple[Index, Array]:
        """Canonical numbers, ascending, and the values there, on every rank (collective).

        On an axis that closes upon itself the last nodes repeat the first ones.
        """
        numbers, order = self._order
        values: Array = np.empty(len(order))
        own = np.ascontiguousarray(owned[: self.n_owned])
        self.comm.Allgatherv(own, (values, list(self.sizes)))
        values = values[order]
        if not isinstance(self.grid, TensorGrid) or not self.closed_axes:
            return numbers, values
        every = self._repeated()
        return every, values[np.searchsorted(numbers, _identified(every, self.grid, self.degree))]

    def gather_masses(self, owned: Array) -> Array:
        """Return what `gather` gives of masses, and 0 where it repeats a node (collective).

        Sums count each node once.
        """
        numbers, values = self.gather(owned)
        if not isinstance(self.grid, TensorGrid) or not self.closed_axes:
            return values
        return np.where(_identified(numbers, self.grid, self.degree) == numbers, values, 0.0)

    def owned_of(self, values: Array) -> Array:
        """Return the values at this rank's own nodes, of all that `gather` gave, or of rows."""
        numbers = self._repeated() if self.closed_axes else self._order[0]
        here = np.searchsorted(numbers, self.canonical[: self.n_owned])
        return np.ascontiguousarray(values[..., here])

    def _repeated(self) -> Index:
        """Canonical numbers, with those at the end of an axis that closes upon itself."""
        assert isinstance(self.grid, TensorGrid)
        cells = np.array(np.nonzero(self.grid.active))
        return np.unique(_nodes_of_cells(cells, self.grid, self.degree))

    @cached_property
    def _order(self) -> tuple[Index, Index]:
        """Canonical numbers, ascending, and where they stand rank by rank."""
        number = np.empty(self.n_global, dtype=np.int64)
        own = np.ascontiguousarray(self.canonical[: self.n_owned])
        self.comm.Allgatherv(own, (number, list(self.sizes)))
        order = np.argsort(number, kind="stable")  # runs that are sorted already
        return number[order], order


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
    if isinstance(grid, TensorGrid):
        return _in_slabs(comm, grid, degree)
    layout, vertices, cells = partition(comm, grid.cells, grid.points, grid.cell)
    x = grid.points[vertices]
    local = _simplex_weights(x[cells])
    return _weighted(layout, grid, degree, x, cells, local, vertices)


def _weighted(
    layout: Layout,
    grid: TensorGrid | SimplexGrid,
    degree: int,
    x: Array,
    cell_nodes: Index,
    local: Array,
    canonical: Index,
) -> Nodes:
    """Make nodes whose weights are those of the cells ``(cells, k)``, summed over all ranks."""
    total = np.bincount(cell_nodes.ravel(), local.ravel(), minlength=len(x)).astype(np.float64)
    weights = layout.added_up(total)
    shared = (layout.comm, layout.sizes, layout.ghosts)
    return Nodes(*shared, grid, degree, x, cell_nodes, weights, canonical)


def _in_slabs(comm: Comm, grid: TensorGrid, degree: int) -> Nodes:
    """Divide the cells of a tensor grid in their order, and so into slabs across the first axis.

    A node belongs to the first rank that has a cell of it. Which that is follows from the grid
    alone: no rank has to ask another. One rank alone has the nodes in the canonical order, which in
    one dimension makes banded matrices.
    """
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
    flat = _identified(_nodes_of_cells(mine, grid, degree), grid, degree)
    ghosts = np.unique(flat[number[flat] < 0])
    number[ghosts] = len(owned) + np.arange(len(ghosts))
    sizes = np.bincount(owner, minlength=comm.size + 1)[: comm.size]
    first = np.concatenate([[0], np.cumsum(sizes)])
    rows = np.empty(len(ghosts), dtype=np.int64)
    for rank in np.unique(owner[ghosts]):
        here = owner[ghosts] == rank
        rows[here] = first[rank] + np.searchsorted(np.flatnonzero(owner == rank), ghosts[here])
    canonical = np.concatenate([owned, ghosts]).astype(np.int64)
    x = _points_of(grid, degree, canonical)
    cell_nodes = number[flat].astype(np.int64)
    local = _tensor_weights(cell_extents(grid, cell_nodes, x), degree)
    layout = Layout(comm, tuple(int(n) for n in sizes), rows)
    return _weighted(layout, grid, degree, x, cell_nodes, local, canonical)


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
        if axis in grid.closed_axes:
            ends = np.moveaxis(owner, axis, 0)
            ends[0] = np.minimum(ends[0], ends[-1])
            ends[-1] = nobody
    return owner


def _nodes_of_cells(cells: Index, grid: TensorGrid, degree: int) -> Index:
    """Flat index ``(m, (p+1)^d)`` into the lattice of nodes, of cells ``(d, m)``."""
    shape = _lattice(grid, degree)
    offsets = np.array(list(np.ndindex(*([degree + 1] * grid.dim)))).T
    corner = np.ravel_multi_index(tuple(degree * cells), shape)
    return np.asarray(corner[:, None] + np.ravel_multi_index(tuple(offsets), shape))


def _lattice(grid: TensorGrid, degree: int) -> tuple[int, ...]:
    return tuple(n * degree + 1 for n in grid.active.shape)


def _identified(flat: Index, grid: TensorGrid, degree: int) -> Index:
    """Replace nodes at the end of an axis that closes upon itself by those at its beginning."""
    if not grid.closed_axes:
        return flat
    shape = _lattice(grid, degree)
    index = list(np.unravel_index(flat, shape))
    for axis in grid.closed_axes:
        index[axis] = index[axis] % (shape[axis] - 1)
    return np.asarray(np.ravel_multi_index(tuple(index), shape))


def _points_of(grid: TensorGrid, degree: int, canonical: Index) -> Array:
    axes = node_axes(grid, degree)
    index = np.unravel_index(canonical, _lattice(grid, degree))
    return np.stack([a[i] for a, i in zip(axes, index, strict=True)], axis=1)


def simplex_volumes(corners: Array) -> Array:
    """Volumes ``(m,)`` of simplices with corners ``(m, d+1, d)``."""
    dim = corners.shape[2]
    edges = corners[:, 1:] - corners[:, :1]
    return np.asarray(np.abs(np.linalg.det(edges)) / factorial(dim))


def _simplex_weights(corners: Array) -> Array:
    share = simplex_volumes(corners) / corners.shape[1]
    return np.repeat(share[:, None], corners.shape[1], axis=1)


def cell_extents(grid: TensorGrid, cell_nodes: Index, points: Array) -> Array:
    """Side lengths ``(cells, d)`` of axis-aligned tensor cells."""
    extents = points[cell_nodes[:, -1]] - points[cell_nodes[:, 0]]
    if grid.closed_axes:  # the last cells end at the first nodes
        extents += (extents < 0) * np.ptp(grid.box, axis=1)
    return np.asarray(extents)


def _tensor_weights(extents: Array, degree: int) -> Array:
    reference = gll_rule(degree).weights / 2
    tensor = reference
    for _ in range(extents.shape[1] - 1):
        tensor = np.multiply.outer(tensor, reference)
    return np.asarray(extents.prod(axis=1)[:, None] * tensor.ravel()[None, :])
