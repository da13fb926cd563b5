"""Grids as plain arrays, the same on every rank: tensor-product boxes and simplex meshes.

A grid knows nothing of the density. It can be cut to the cells that matter and refined uniformly,
so that the nodes of the coarse grid are nodes of the fine one, which extrapolation needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from wfrpde.arrays import Array, Flags, Integers

TENSOR_CELLS = {1: "interval", 2: "quadrilateral", 3: "hexahedron"}
SIMPLEX_CELLS = {1: "interval", 2: "triangle", 3: "tetrahedron"}


LEAST_BETWEEN = 6
"""Cells between two planes that the mesh must follow."""


@dataclass(frozen=True, eq=False)
class TensorGrid:
    """A box divided by planes: intervals, quadrilaterals or hexahedra; equal if the numbers are.

    Parameters
    ----------
    breaks
        Increasing coordinates of the cell boundaries, one array ``(n_k + 1,)`` for each axis.
    active
        ``(n_1, …, n_d)``: which cells belong to the mesh.
    closed
        Which axes close upon themselves, so that their first and last coordinates are one place;
        none by default.
    creases
        For each axis coordinates of cell boundaries at which fields bend: no polynomial between
        nodes reaches across them. None by default.
    """

    breaks: tuple[Array, ...]
    active: Flags
    closed: tuple[bool, ...] = ()
    creases: tuple[Array, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorGrid) and self._numbers == other._numbers

    def __hash__(self) -> int:
        return hash(self._numbers)

    @cached_property
    def _numbers(self) -> tuple[Any, ...]:
        ends = tuple(x.tobytes() for x in (*self.breaks, *self.creases))
        return ends, self.active.shape, self.active.tobytes(), self.closed

    @property
    def dim(self) -> int:
        """Dimension d."""
        return len(self.breaks)

    @property
    def cell(self) -> str:
        """Shape of a cell, by DOLFINx's name."""
        return TENSOR_CELLS[self.dim]

    @property
    def n_cells(self) -> int:
        """Number of active cells."""
        return int(self.active.sum())

    @property
    def box(self) -> Array:
        """Corners ``(d, 2)`` of the box."""
        return np.array([[b[0], b[-1]] for b in self.breaks])

    @property
    def closed_axes(self) -> list[int]:
        """Numbers of the axes that close upon themselves."""
        return [axis for axis, closed in enumerate(self.closed) if closed]

    @cached_property
    def _numbering(self) -> tuple[Integers, Integers]:
        """Vertices of each active cell in DOLFINx order, and the flat index of each one used."""
        shape = tuple(len(b) for b in self.breaks)
        corner = np.array(np.nonzero(self.active))
        # DOLFINx numbers the corners of a cell with the first axis fastest: (0,0), (1,0), (0,1), …
        offsets = np.array(list(np.ndindex(*([2] * self.dim)))).T[::-1]
        flat = np.ravel_multi_index(tuple(corner[:, :, None] + offsets[:, None, :]), shape)
        used, cells = np.unique(flat, return_inverse=True)
        return cells.reshape(flat.shape).astype(np.int64), used.astype(np.int64)

    @property
    def cells(self) -> Integers:
        """Vertex numbers ``(m, 2^d)`` of the active cells in DOLFINx order."""
        return self._numbering[0]

    @property
    def points(self) -> Array:
        """Vertices ``(n, d)`` that belong to an active cell."""
        index = np.unravel_index(self._numbering[1], tuple(len(b) for b in self.breaks))
        return np.stack([b[i] for b, i in zip(self.breaks, index, strict=True)], axis=1)

    def cut(self, keep: Flags, walls: Flags | None = None) -> TensorGrid:
        """Keep the cells with a vertex in `keep` and none in `walls`, ``(n_1+1, …)`` each."""
        active = np.zeros_like(self.active)
        for window in self.corner_windows():
            active |= keep[window]
        if walls is not None:
            for window in self.corner_windows():
                active &= ~walls[window]
        return replace(self, active=self.active & active)

    def corner_windows(self) -> list[tuple[slice, ...]]:
        """Slices of an array over the vertices, one for each corner of the cells."""
        return [
            tuple(slice(o, o + n) for o, n in zip(offset, self.active.shape, strict=True))
            for offset in np.ndindex(*([2] * self.dim))
        ]

    def parts(self) -> int:
        """Return the number of parts into which the active cells fall, by their faces."""
        from scipy.ndimage import label

        part, count = label(self.active)
        if not self.closed_axes:
            return int(count)
        ends = [np.moveaxis(part, axis, 0)[[0, -1]].reshape(2, -1) for axis in self.closed_axes]
        pairs = np.concatenate(ends, axis=1).T
        return _components(pairs[(pairs > 0).all(axis=1)] - 1, count)

    def vertices(self, layers: slice = slice(None)) -> Array:
        """Vertices of the box, active or not, ``(n_1+1, …, n_d+1, d)``, or some of its layers."""
        breaks = (self.breaks[0][layers], *self.breaks[1:])
        return np.stack(np.meshgrid(*breaks, indexing="ij"), axis=-1)

    def split(self, axis: int, place: float) -> TensorGrid:
        """Divide the cells that a plane across an axis cuts, if it does not lie along faces."""
        breaks = self.breaks[axis]
        after = int(np.searchsorted(breaks, place))
        if not 0 < after < len(breaks):
            return self
        low, high = breaks[after - 1 : after + 1]
        if min(place - low, high - place) < 1e-9 * (high - low):
            return self
        layer = self.active.take(after - 1, axis)
        return replace(
            self,
            breaks=(
                *self.breaks[:axis],
                np.insert(breaks, after, place),
                *self.breaks[axis + 1 :],
            ),
            active=np.insert(self.active, after, layer, axis),
        )

    def refined(self) -> TensorGrid:
        """Halve every cell along every axis; cells stay as active as their parents."""
        breaks = []
        active = self.active
        for axis, b in enumerate(self.breaks):
            fine = np.empty(2 * len(b) - 1)
            fine[::2] = b
            fine[1::2] = (b[1:] + b[:-1]) / 2
            breaks.append(fine)
            active = np.repeat(active, 2, axis=axis)
        return replace(self, breaks=tuple(breaks), active=active)


@dataclass(frozen=True)
class SimplexGrid:
    """Intervals, triangles or tetrahedra.

    Parameters
    ----------
    points
        ``(n, d)`` vertices; every one belongs to a cell.
    cells
        ``(m, d+1)`` vertex numbers.
    """

    points: Array
    cells: Integers

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.points.shape[1])

    @property
    def cell(self) -> str:
        """Shape of a cell, by DOLFINx's name."""
        return SIMPLEX_CELLS[self.dim]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    @property
    def box(self) -> Array:
        """Corners ``(d, 2)`` of the bounding box."""
        return np.stack([self.points.min(axis=0), self.points.max(axis=0)], axis=1)

    def cut(self, keep: Flags, walls: Flags | None = None) -> SimplexGrid:
        """Keep the cells with a vertex in `keep` and none in `walls`, ``(n,)`` each."""
        chosen = keep[self.cells].any(axis=1)
        if walls is not None:
            chosen &= ~walls[self.cells].any(axis=1)
        return SimplexGrid.compressed(self.points, self.cells[chosen])

    def parts(self) -> int:
        """Return the number of parts into which the cells fall."""
        return _components(self.edges()[0], len(self.points))

    @staticmethod
    def compressed(points: Array, cells: Integers) -> SimplexGrid:
        """Return the grid of some `cells`, without the points that none of them uses."""
        used, local = np.unique(cells, return_inverse=True)
        return SimplexGrid(points[used], local.reshape(cells.shape).astype(np.int64))

    def edges(self) -> tuple[Integers, Integers]:
        """Return the unique edges ``(e, 2)`` and their numbers in each cell, ``(m, d(d+1)/2)``."""
        pairs = _edge_pairs(self.dim)
        every = np.sort(self.cells[:, pairs], axis=2)
        unique, index = np.unique(every.reshape(-1, 2), axis=0, return_inverse=True)
        return unique, index.reshape(len(self.cells), len(pairs))

    def refined(self) -> SimplexGrid:
        """Divide every cell at the midpoints of its edges, into 2^d.

        The first vertices are those of this grid, in order; then come the midpoints in the order
        of `edges`. A tetrahedron's inner octahedron is cut along its shortest diagonal (Bey, 1995,
        shows that a fixed diagonal keeps the shapes bounded; the shortest keeps Kuhn meshes Kuhn).
        """
        edge, of_cell = self.edges()
        points = np.vstack([self.points, self.points[edge].mean(axis=1)])
        v, m = self.cells, of_cell + len(self.points)
        children: list[tuple[Integers, ...]]
        inner: list[Integers] = []
        if self.dim == 1:
            children = [(v[:, 0], m[:, 0]), (m[:, 0], v[:, 1])]
        elif self.dim == 2:
            a, b, c = m.T  # midpoints of 01, 02, 12
            children = [(v[:, 0], a, b), (a, v[:, 1], c), (b, c, v[:, 2]), (a, c, b)]
        else:
            e01, e02, e03, e12, e13, e23 = m.T
            children = [
                (v[:, 0], e01, e02, e03),
                (e01, v[:, 1], e12, e13),
                (e02, e12, v[:, 2], e23),
                (e03, e13, e23, v[:, 3]),
            ]
            inner = self._octahedra(points, *m.T)
        return SimplexGrid(points, np.vstack([*(np.stack(c, axis=1) for c in children), *inner]))

    @staticmethod
    def _octahedra(points: Array, *midpoints: Integers) -> list[Integers]:
        e01, e02, e03, e12, e13, e23 = midpoints
        # each diagonal with the four remaining vertices in cyclic order
        choices = [
            (e01, e23, (e02, e03, e13, e12)),
            (e02, e13, (e01, e03, e23, e12)),
            (e03, e12, (e01, e02, e23, e13)),
        ]
        lengths = np.stack(
            [np.linalg.norm(points[p] - points[q], axis=1) for p, q, _ in choices], axis=1
        )
        # a tolerance, so that equal lengths choose the same diagonal in congruent cells
        shortest = np.argmax(lengths < lengths.min(axis=1, keepdims=True) * (1 + 1e-9), axis=1)
        inner = []
        for k, (p, q, ring) in enumerate(choices):
            chosen = shortest == k
            for i in range(4):
                inner.append(np.stack([p, q, ring[i], ring[(i + 1) % 4]], axis=1)[chosen])
        return inner


def _components(pairs: Integers, size: int) -> int:
    """Return into how many parts `pairs` ``(k, 2)`` of neighbours join `size` things."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), shape=(size, size))
    return int(connected_components(graph, directed=False)[0])


def _edge_pairs(dim: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(dim + 1) for j in range(i + 1, dim + 1)]


def divided(low: float, high: float, cells: int, through: Array) -> Array:
    """Divide an interval into about `cells` equal parts, some of which end at given positions.

    Between two such positions there are at least `LEAST_BETWEEN`.
    """
    slack = 1e-9 * (high - low)
    inner = through[(through > low + slack) & (through < high - slack)]
    if len(inner) == 0:
        return np.asarray(np.linspace(low, high, cells + 1), dtype=np.float64)
    ends = np.array([low, *np.sort(inner), high])
    pieces = [
        np.linspace(a, b, max(LEAST_BETWEEN, round(cells * (b - a) / (high - low))) + 1)[:-1]
        for a, b in pairwise(ends)
    ]
    return np.append(np.concatenate(pieces), high)


def simplices_of_box(grid: TensorGrid) -> SimplexGrid:
    """Divide each cell of a tensor grid into Kuhn simplices (2 triangles, 6 tetrahedra).

    Their P1 Laplacian has no positive off-diagonal entry, so the edge-averaged scheme keeps its
    M-matrix.
    """
    from itertools import permutations

    dim = grid.dim
    corners = grid.cells
    simplices = []
    for order in permutations(range(dim)):
        path = [0]
        for axis in order:
            path.append(path[-1] + 2**axis)  # DOLFINx's corner number has axis k as bit k
        simplices.append(corners[:, path])
    return SimplexGrid(grid.points, np.vstack(simplices))
