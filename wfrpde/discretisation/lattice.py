"""The lattice of GLL nodes of a tensor grid: which node is where, of which cells, with what weight.

Nodes are counted by their flat index into the full box, whatever cells are active.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.gll import gll_rule
from wfrpde.domain.grid import TensorGrid


def lattice_shape(grid: TensorGrid, degree: int) -> tuple[int, ...]:
    """How many nodes the box has along each axis."""
    return tuple(n * degree + 1 for n in grid.active.shape)


def node_axes(grid: TensorGrid, degree: int) -> tuple[Array, ...]:
    """Coordinates ``(n_k p + 1,)`` of the GLL nodes along each axis."""
    reference = gll_rule(degree).nodes
    axes = []
    for breaks in grid.breaks:
        inner = breaks[:-1, None] + (reference[None, :-1] + 1) / 2 * np.diff(breaks)[:, None]
        axes.append(np.append(inner.ravel(), breaks[-1]))
    return tuple(axes)


def points_of(grid: TensorGrid, degree: int, canonical: Integers) -> Array:
    """Coordinates ``(n, d)`` of nodes, by their flat index."""
    axes = node_axes(grid, degree)
    index = np.unravel_index(canonical, lattice_shape(grid, degree))
    return np.stack([a[i] for a, i in zip(axes, index, strict=True)], axis=1)


def nodes_of(cells: Flags, degree: int) -> Flags:
    """Which nodes of the box ``(n_1 p + 1, …)`` belong to one of the cells ``(n_1, …)``."""
    mask = np.zeros([n * degree + 1 for n in cells.shape], dtype=bool)
    for node in np.ndindex(*([degree + 1] * cells.ndim)):
        mask[
            tuple(
                slice(c, c + (n - 1) * degree + 1, degree)
                for c, n in zip(node, cells.shape, strict=True)
            )
        ] |= cells
    return mask


def with_a_node(nodes: Flags, grid: TensorGrid) -> Flags:
    """Which cells have one of the nodes of degree 1 at a corner."""
    nodes = nodes.copy()
    for axis in grid.closed_axes:
        ends = np.moveaxis(nodes, axis, 0)
        ends[-1] = ends[0]
    found = np.zeros(grid.active.shape, dtype=bool)
    for window in grid.corner_windows():
        found |= nodes[window]
    return found


def nodes_of_cells(cells: Integers, grid: TensorGrid, degree: int) -> Integers:
    """Flat index ``(m, (p+1)^d)`` into the lattice of nodes, of cells ``(d, m)``."""
    shape = lattice_shape(grid, degree)
    offsets = np.array(list(np.ndindex(*([degree + 1] * grid.dim)))).T
    corner = np.ravel_multi_index(tuple(degree * cells), shape)
    return np.asarray(corner[:, None] + np.ravel_multi_index(tuple(offsets), shape))


def identified(flat: Integers, grid: TensorGrid, degree: int) -> Integers:
    """Replace nodes at the end of an axis that closes upon itself by those at its beginning."""
    if not grid.closed_axes:
        return flat
    shape = lattice_shape(grid, degree)
    index = list(np.unravel_index(flat, shape))
    for axis in grid.closed_axes:
        index[axis] = index[axis] % (shape[axis] - 1)
    return np.asarray(np.ravel_multi_index(tuple(index), shape))


def owners(grid: TensorGrid, degree: int, bounds: list[int]) -> npt.NDArray[Any]:
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


def cell_extents(grid: TensorGrid, cell_nodes: Integers, points: Array) -> Array:
    """Side lengths ``(cells, d)`` of axis-aligned tensor cells."""
    extents = points[cell_nodes[:, -1]] - points[cell_nodes[:, 0]]
    if grid.closed_axes:  # the last cells end at the first nodes
        extents += (extents < 0) * np.ptp(grid.box, axis=1)
    return np.asarray(extents)


def tensor_weights(extents: Array, degree: int) -> Array:
    """Weights ``(m, (p+1)^d)`` of the nodes of cells with these side lengths ``(m, d)``."""
    reference = gll_rule(degree).weights / 2
    tensor = reference
    for _ in range(extents.shape[1] - 1):
        tensor = np.multiply.outer(tensor, reference)
    return np.asarray(extents.prod(axis=1)[:, None] * tensor.ravel()[None, :])


def lattice_weights(grid: TensorGrid, canonical: Integers) -> Array:
    """Weights of nodes of degree 1 of cells of all ranks; no axis closes."""
    layer = int(np.prod(lattice_shape(grid, 1)[1:]))
    last = int(canonical.max(initial=0))
    first = int(canonical.min(initial=last)) // layer
    cells = slice(max(first - 1, 0), last // layer + 1)  # with those before the first layer
    volume = grid.active[cells].astype(np.float64)
    for axis, breaks in enumerate(grid.breaks):
        size = np.diff(breaks)[cells if axis == 0 else slice(None)] / 2
        volume *= size.reshape([-1 if k == axis else 1 for k in range(grid.dim)])
    for axis in range(grid.dim):
        volume = summed_at_ends(volume, axis)
    return np.asarray(volume.ravel()[canonical - cells.start * layer])


def summed_at_ends(cells: Array, axis: int) -> Array:
    """Give what pieces along an axis have to both of their ends."""
    shape = [n + (k == axis) for k, n in enumerate(cells.shape)]
    nodes = np.zeros(shape)
    view, piece = np.moveaxis(nodes, axis, 0), np.moveaxis(cells, axis, 0)
    view[:-1] = piece
    view[1:] += piece
    return nodes
