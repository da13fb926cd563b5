"""The nodes that every formulation shares: one mesh, one set of GLL nodes, one diagonal mass.

A field is an array over the nodes of this rank, owned nodes first, ghosts after them. Each node
also has a *canonical* number that depends on the grid alone, so that fields gathered from any
number of ranks agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.lattice import (
    cell_extents,
    identified,
    lattice_shape,
    lattice_weights,
    node_axes,
    nodes_of,
    nodes_of_cells,
    owners,
    points_of,
    tensor_weights,
    with_a_node,
)
from wfrpde.domain.grid import SimplexGrid, TensorGrid
from wfrpde.engine.dissection import dissected
from wfrpde.engine.layout import Layout
from wfrpde.engine.partition import partition
from wfrpde.parallel.shared import shared

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


@dataclass(frozen=True, eq=False)
class Nodes(Layout):
    """GLL nodes of a distributed mesh: unknowns of a `Layout`, with their places and weights.

    Attributes
    ----------
    grid, degree
        What the nodes were made from; simplices have degree 1.
    points
        ``(n, d)`` coordinates, ghosts included.
    weights
        ``(n,)`` quadrature weights: the unweighted diagonal mass matrix.
    canonical
        ``(n,)`` number of each node in the canonical order: on a tensor grid the flat index into
        the full grid of nodes (`axes`), on simplices the vertex of ``grid.points``. The nodes at
        the ends of an axis that closes upon itself are one, with the number of the first.
    known_cells
        `cell_nodes`, where they are known already.
    """

    grid: TensorGrid | SimplexGrid
    degree: int
    points: Array
    weights: Array
    canonical: Integers
    known_cells: Integers | None = None

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.grid.dim

    @cached_property
    def cell_nodes(self) -> Integers:
        """``(cells, (p+1)^d)`` nodes of the cells that this rank owns.

        On tensor cells the last axis varies fastest; on simplices the order is that of the
        vertices.
        """
        if self.known_cells is not None:
            return self.known_cells
        assert isinstance(self.grid, TensorGrid)
        cells = _own_cells(self.grid, self.comm.rank, self.comm.size)
        index = np.array(np.unravel_index(cells, self.grid.active.shape))
        flat = identified(nodes_of_cells(index, self.grid, self.degree), self.grid, self.degree)
        layers, number = self.numbers()
        return number[flat - layers.start * (number.size // len(layers))].astype(np.int64)

    def numbers(self) -> tuple[range, npt.NDArray[Any]]:
        """Layers of the box' nodes that this rank has some of, and the numbers of all nodes there.

        As arrays over the nodes of this rank count them, flat; −1 where it has none.
        """
        assert isinstance(self.grid, TensorGrid)
        lattice = lattice_shape(self.grid, self.degree)
        layer = int(np.prod(lattice[1:]))
        last = int(self.canonical.max(initial=0))
        layers = range(int(self.canonical.min(initial=last)) // layer, last // layer + 1)
        size = len(layers) * layer
        number: npt.NDArray[Any] = np.full(size, -1, dtype=np.int32 if size < 2**31 else np.int64)
        number[self.canonical - layers.start * layer] = np.arange(len(self.canonical))
        return layers, number

    @property
    def closed_axes(self) -> list[int]:
        """Numbers of the axes that close upon themselves."""
        return self.grid.closed_axes if isinstance(self.grid, TensorGrid) else []

    @property
    def on_open_box(self) -> bool:
        """Whether they are those of cells of a box, no axis of which closes upon itself."""
        return isinstance(self.grid, TensorGrid) and not self.closed_axes

    def in_lines(self, axis: int) -> Integers:
        """Return numbers of the nodes of a tensor grid, consecutive ones along an axis."""
        assert isinstance(self.grid, TensorGrid)
        shape = lattice_shape(self.grid, self.degree)
        order = [*(k for k in range(self.dim) if k != axis), axis]
        index = np.unravel_index(self.canonical, shape)
        transposed = tuple(index[k] for k in order)
        return np.asarray(np.ravel_multi_index(transposed, tuple(shape[k] for k in order)))

    def elimination(self, entries: int) -> Integers | None:
        """Order of the nodes of an open box in the plane in which factors fill little.

        Lines between cells part the nodes. Where five entries a node at most tell that they are
        coupled along the axes alone diagonals do, in which there are fewer of them.
        """
        if self.comm.size > 1 or self.dim != 2 or not self.on_open_box:
            return None
        assert isinstance(self.grid, TensorGrid)
        x, y = np.unravel_index(self.canonical, lattice_shape(self.grid, self.degree))
        if entries <= 5 * self.n_owned:
            return dissected(np.array([x + y, x - y]))
        return dissected(np.array([x, y]), self.degree)

    @property
    def axes(self) -> tuple[Array, ...]:
        """Node coordinates along each axis of a tensor grid."""
        assert isinstance(self.grid, TensorGrid)
        return node_axes(self.grid, self.degree)

    @property
    def checksum(self) -> int:
        """What tells whether a rank has the nodes, in the order, that it had in an earlier run."""
        return crc32(self.canonical[: self.n_owned].tobytes())

    def cell_weights(self) -> Array:
        """Quadrature weights ``(cells, k)`` of the owned cells at their own nodes."""
        if isinstance(self.grid, TensorGrid):
            extents = cell_extents(self.grid, self.cell_nodes, self.points)
            return tensor_weights(extents, self.degree)
        return _simplex_weights(self.points[self.cell_nodes])

    def gather(self, owned: Array) -> tuple[Integers, Array]:
        """Canonical numbers, ascending, and the values there, on every rank (collective).

        On an axis that closes upon itself the last nodes repeat the first ones.
        """
        numbers, order = self._order
        if order is None:
            return numbers, np.array(owned[: self.n_owned])
        values: Array = np.empty(len(order))
        own = np.ascontiguousarray(owned[: self.n_owned])
        self.comm.Allgatherv(own, (values, list(self.sizes)))
        values = values[order]
        if not isinstance(self.grid, TensorGrid) or not self.closed_axes:
            return numbers, values
        every = self._repeated()
        return every, values[np.searchsorted(numbers, identified(every, self.grid, self.degree))]

    def gather_rows(self, rows: Array) -> Array:
        """Values ``(T, n)`` on the canonical nodes, on every rank, of own ones (collective).

        The ranks of a machine share what is large.
        """
        if not self.on_open_box or self.comm.size == 1:
            return np.array([self.gather(row)[1] for row in rows])
        every, place = shared(self.comm, (len(rows), self.n_global)), self._place
        if len(every.writers) == 1:  # all ranks are on one machine
            for row, result in zip(rows, every.values, strict=True):
                result[place] = row
            self.comm.Barrier()
            return every.values
        writes = self.comm.rank in every.writers
        places = np.empty(self.n_global if writes else 0, dtype=place.dtype)
        self._to(every.writers, place, places)
        values = np.empty(len(places))
        for row, result in zip(rows, every.values, strict=True):
            self._to(every.writers, np.ascontiguousarray(row), values)
            if writes:
                result[places] = values
        self.comm.Barrier()
        return every.values

    @property
    def _place(self) -> npt.NDArray[Any]:
        """Where the own nodes stand in the canonical order, of a box no axis of which closes."""
        assert isinstance(self.grid, TensorGrid)
        own = self.canonical[: self.n_owned]
        layer = int(np.prod(lattice_shape(self.grid, self.degree)[1:]))
        kind: Any = np.int32 if self.n_global < 2**31 else np.int64
        if len(own) == 0:
            return np.zeros(0, dtype=kind)
        there = nodes_of(self.grid.active, self.degree).reshape(-1, layer)
        first, last = int(own[0]) // layer, int(own[-1]) // layer + 1
        here = np.flatnonzero(there[first:last]) + first * layer
        before = np.count_nonzero(there[:first])
        return (before + np.searchsorted(here, own)).astype(kind)

    def _to(self, ranks: Sequence[int], own: Array | Integers, whole: Array | Integers) -> None:
        """Bring what each rank has of its own nodes to some ranks (collective)."""
        if len(ranks) == self.comm.size:
            self.comm.Allgatherv(own, (whole, list(self.sizes)))
            return
        for rank in ranks:
            self.comm.Gatherv(
                own, (whole, list(self.sizes)) if rank == self.comm.rank else None, rank
            )

    def gather_masses(self, owned: Array) -> Array:
        """Return what `gather` gives of masses, and 0 where it repeats a node (collective).

        Sums count each node once.
        """
        numbers, values = self.gather(owned)
        if not isinstance(self.grid, TensorGrid) or not self.closed_axes:
            return values
        return np.where(identified(numbers, self.grid, self.degree) == numbers, values, 0.0)

    def owned_of(self, values: Array) -> Array:
        """Return the values at this rank's own nodes, of all that `gather` gave, or of rows."""
        if self.on_open_box:
            return np.ascontiguousarray(values[..., self._place])
        numbers = self._repeated() if self.closed_axes else self._order[0]
        here = np.searchsorted(numbers, self.canonical[: self.n_owned])
        return np.ascontiguousarray(values[..., here])

    def _repeated(self) -> Integers:
        """Canonical numbers, with those at the end of an axis that closes upon itself."""
        assert isinstance(self.grid, TensorGrid)
        cells = np.array(np.nonzero(self.grid.active))
        return np.unique(nodes_of_cells(cells, self.grid, self.degree))

    @cached_property
    def _order(self) -> tuple[Integers, Integers | None]:
        """Canonical numbers, ascending, and where they stand rank by rank.

        None where they stand in this order on one rank, and no axis closes upon itself.
        """
        own = np.ascontiguousarray(self.canonical[: self.n_owned])
        if self.comm.size == 1 and self.on_open_box:
            return own, None
        number = np.empty(self.n_global, dtype=np.int64)
        self.comm.Allgatherv(own, (number, list(self.sizes)))
        order = np.argsort(number, kind="stable")  # runs that are sorted already
        return number[order], order


def make_nodes(comm: Comm, grid: TensorGrid | SimplexGrid, degree: int = 1) -> Nodes:
    """Distribute `grid` over the ranks and number its nodes (collective)."""
    if isinstance(grid, SimplexGrid) and degree != 1:
        raise ValueError("simplex grids carry nodes of degree 1 only")
    if isinstance(grid, TensorGrid):
        return _in_slabs(comm, grid, degree)
    layout, vertices, cells = partition(comm, grid.cells, grid.points, grid.cell)
    x = grid.points[vertices]
    weights = _added_up(layout, len(x), cells, _simplex_weights(x[cells]))
    shared = (layout.comm, layout.sizes, layout.ghosts)
    return Nodes(*shared, grid, degree, x, weights, vertices, cells)


def _added_up(layout: Layout, count: int, cell_nodes: Integers, local: Array) -> Array:
    """Sum the weights ``(cells, k)`` at the nodes of cells, over all ranks (collective)."""
    total = np.bincount(cell_nodes.ravel(), local.ravel(), minlength=count).astype(np.float64)
    return layout.added_up(total)


def _own_cells(grid: TensorGrid, rank: int, size: int) -> Integers:
    """Flat numbers of the active cells that a rank owns: a part of them in their order."""
    count = grid.n_cells
    return np.flatnonzero(grid.active)[count * rank // size : count * (rank + 1) // size]


def _in_slabs(comm: Comm, grid: TensorGrid, degree: int) -> Nodes:
    """Divide the cells of a tensor grid in their order, and so into slabs across the first axis.

    A node belongs to the first rank that has a cell of it. Which that is follows from the grid
    alone: no rank has to ask another. One rank alone has the nodes in the canonical order, which in
    one dimension makes banded matrices. Of degree 1 a rank also has copies of all neighbours of
    its nodes, so that it knows their rows of a matrix.
    """
    bounds = [grid.n_cells * r // comm.size for r in range(comm.size + 1)]
    owner = owners(grid, degree, bounds)
    own: Flags = owner == comm.rank
    sizes = np.bincount(owner.ravel(), minlength=comm.size + 1)[: comm.size]
    owned = np.flatnonzero(own)
    ghosts: Integers = np.zeros(0, dtype=np.int64)
    rows: Integers = np.zeros(0, dtype=np.int64)
    if comm.size > 1:
        cells = np.zeros(grid.active.shape, dtype=bool)
        cells.ravel()[_own_cells(grid, comm.rank, comm.size)] = True
        if degree == 1:
            cells |= grid.active & with_a_node(own, grid)
        touched = nodes_of(cells, degree)
        for axis in grid.closed_axes:
            ends = np.moveaxis(touched, axis, 0)
            ends[0] |= ends[-1]
            ends[-1] = False
        ghosts = np.flatnonzero(touched & ~own)
        rows = np.empty(len(ghosts), dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(sizes)])
        of_ghosts = owner.ravel()[ghosts]
        for rank in np.unique(of_ghosts):
            here = of_ghosts == rank
            rows[here] = first[rank] + np.searchsorted(np.flatnonzero(owner == rank), ghosts[here])
    del owner, own
    canonical = np.concatenate([owned, ghosts])
    layout = Layout(comm, tuple(int(n) for n in sizes), rows)
    shared = (layout.comm, layout.sizes, layout.ghosts, grid, degree)
    x = points_of(grid, degree, canonical)
    if degree == 1 and not grid.closed_axes:
        return Nodes(*shared, x, lattice_weights(grid, canonical), canonical)
    bare = Nodes(*shared, x, np.empty(0), canonical)
    weights = _added_up(layout, len(x), bare.cell_nodes, bare.cell_weights())
    return Nodes(*shared, x, weights, canonical, bare.cell_nodes)


def simplex_volumes(corners: Array) -> Array:
    """Volumes ``(m,)`` of simplices with corners ``(m, d+1, d)``."""
    dim = corners.shape[2]
    edges = corners[:, 1:] - corners[:, :1]
    return np.asarray(np.abs(np.linalg.det(edges)) / factorial(dim))


def _simplex_weights(corners: Array) -> Array:
    share = simplex_volumes(corners) / corners.shape[1]
    return np.repeat(share[:, None], corners.shape[1], axis=1)
