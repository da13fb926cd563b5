"""Polynomials between nodal values on a grid of boxes, and where its nodes and sub-cells are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.lattice import node_axes, nodes_of
from wfrpde.discretisation.stencils import Stencil, TensorStencil
from wfrpde.domain.frame import Frame
from wfrpde.domain.grid import TensorGrid

STENCIL = {1: 6, 2: 6, 3: 4}
"""Nodes per axis of the local interpolation between edge-averaged nodes, by dimension."""

LOOKED_AT, AROUND = 500_000, 8
"""Nodes among which the nearest active ones are looked for at once, and layers beyond them."""


@dataclass(frozen=True)
class TensorInterpolation:
    """Lagrange interpolation on the GLL nodes of a tensor grid.

    For degree 1 the stencil is the `STENCIL` nearest nodes along each axis; beyond, the nodes of
    the cell. Along the axes of a `frame` the grid is turned: nodes, and points that are asked for,
    are in x, y and z.
    """

    smooth: ClassVar[bool] = False
    grid: TensorGrid
    degree: int
    frame: Frame | None = None

    @cached_property
    def axes(self) -> tuple[Array, ...]:
        """Node coordinates along each axis of the box."""
        return node_axes(self.grid, self.degree)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of nodes along each axis of the box."""
        return tuple(len(a) for a in self.axes)

    @cached_property
    def active_nodes(self) -> Integers:
        """Flat tensor indices of the nodes of active cells, ascending: the canonical order."""
        return np.flatnonzero(nodes_of(self.grid.active, self.degree))

    @cached_property
    def _substitute(self) -> npt.NDArray[np.int32 | np.int64]:
        """For each node of the box the canonical number of the nearest active one."""
        flat, size = self.active_nodes, int(np.prod(self.shape))
        kind = np.int32 if size < 2**31 else np.int64
        if len(flat) == size:
            return np.arange(size, dtype=kind)
        from scipy.ndimage import distance_transform_edt

        missing = np.ones(self.shape, dtype=bool)
        missing.ravel()[flat] = False
        found = np.empty(self.shape, dtype=kind)
        layers = max(1, LOOKED_AT // (size // len(missing)))
        for start in range(0, len(missing), layers):
            # what is nearest to a node around an active cell is no further than that
            low, end = max(start - AROUND, 0), min(start + layers + AROUND, len(missing))
            if missing[low:end].all():
                found[start : start + layers] = 0
                continue
            nearest = distance_transform_edt(
                missing[low:end], return_distances=False, return_indices=True
            )[:, start - low : start - low + layers]
            nearest[0] += low
            index = np.ravel_multi_index(tuple(nearest), self.shape)
            found[start : start + layers] = np.searchsorted(flat, index)
        return found.ravel()

    def on_box(self, fields: Array, window: tuple[slice, ...] = ()) -> Array:
        """Return nodal fields ``(m, n)`` on all nodes of the box, ``(m, n_1, …, n_d)``.

        Where cells are left out, the nearest node stands in. With a `window`, a slice along each
        axis, on these nodes alone.
        """
        if len(self.active_nodes) == int(np.prod(self.shape)):
            return fields.reshape(len(fields), *self.shape)[(slice(None), *window)]
        return np.asarray(fields[:, self._substitute.reshape(self.shape)[window]])

    @property
    def n_nodes(self) -> int:
        """How many nodes there are."""
        return len(self.active_nodes)

    @property
    def nodes(self) -> Array:
        """Coordinates ``(n, d)`` of the nodes of active cells."""
        return self.nodes_at(slice(None))

    def nodes_at(self, some: slice | Integers) -> Array:
        """Coordinates of some of them."""
        index = np.unravel_index(self.active_nodes[some], self.shape)
        nodes = np.stack([a[i] for a, i in zip(self.axes, index, strict=True)], axis=1)
        return nodes if self.frame is None else self.frame.back(nodes)

    @property
    def cells(self) -> Integers:
        """Linear sub-cells between neighbouring nodes, in VTK's vertex order."""
        return self.part(0, 1)[1]

    def part(self, k: int, count: int) -> tuple[slice, Integers]:
        """Return the `k`-th of so many parts of the box, in layers across the first axis.

        Its nodes, consecutive ones, and `cells` in their numbers among these.
        """
        p, depth = self.degree, len(self.grid.active)
        first, last = depth * k // count, depth * (k + 1) // count
        active = self.grid.active[first:last]
        for axis in range(self.grid.dim):
            active = np.repeat(active, p, axis=axis)
        corner = np.array(np.nonzero(active))
        corner[0] += first * p
        line, ring = np.array([[0], [1]]), np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        brick = np.concatenate([np.insert(ring, 2, level, axis=1) for level in (0, 1)])
        vtk = {1: line, 2: ring, 3: brick}[self.grid.dim]
        flat = [np.ravel_multi_index(tuple(corner + o[:, None]), self.shape) for o in vtk]
        layer = int(np.prod(self.shape[1:]))
        ends = np.array([first * p * layer, (last * p + 1) * layer])
        start, stop = np.searchsorted(self.active_nodes, ends)
        nodes = slice(int(start), int(stop))
        numbers = np.searchsorted(self.active_nodes[nodes], np.stack(flat, axis=1))
        return nodes, numbers.astype(np.int64)

    @property
    def cell_type(self) -> str:
        """Shape of the cells, by DOLFINx's name."""
        return self.grid.cell

    def along(self, axis: int, x: Array) -> tuple[Integers, Array, Array, Array, Array]:
        """Nodes ``(n, s)``; weights of value, slope, and of the linear value and slope.

        Around the ends of an axis that closes upon itself, the nodes beyond are those behind the
        other end.
        """
        nodes = self.axes[axis]
        around = axis in self.grid.closed_axes
        cell = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
        if self.degree > 1:
            breaks = self.grid.breaks[axis]
            element = np.clip(np.searchsorted(breaks, x, side="right") - 1, 0, len(breaks) - 2)
            start, size = element * self.degree, self.degree + 1
        else:
            size = min(STENCIL[self.grid.dim], len(nodes) - around)
            start = cell - size // 2 + 1
            if not around:
                start = np.clip(start, 0, len(nodes) - size)
                first, last = self._smooth_between[axis][:, cell]
                within = np.clip(start, first, last + 1 - size)
                start = np.where(last + 1 - first >= size, within, start)
        number = start[:, None] + np.arange(size)
        if around:
            turns, number = np.divmod(number, len(nodes) - 1)
            local = nodes[number] + turns * (nodes[-1] - nodes[0])
        else:
            local = nodes[number]
        value, slope = lagrange(local, x)
        linear, linear_slope = np.zeros_like(local), np.zeros_like(local)
        width = nodes[cell + 1] - nodes[cell]
        row = np.arange(len(x))
        for column, weight, sign in ((0, nodes[cell + 1] - x, -1.0), (1, x - nodes[cell], 1.0)):
            linear[row, cell - start + column] = weight / width
            linear_slope[row, cell - start + column] = sign / width
        value, slope, linear, linear_slope = (
            np.asfortranarray(w) for w in (value, slope, linear, linear_slope)
        )
        return number.astype(np.int64), value, slope, linear, linear_slope

    @cached_property
    def _smooth_between(self) -> tuple[Integers, ...]:
        """First and last node ``(2, n)`` between the creases around each cell, along each axis."""
        found = []
        for axis, nodes in enumerate(self.axes):
            creases = self.grid.creases[axis] if self.grid.creases else np.empty(0)
            slack = 1e-9 * (nodes[-1] - nodes[0])
            inner = creases[(creases > nodes[0] + slack) & (creases < nodes[-1] - slack)]
            ends = np.concatenate([[0], np.searchsorted(nodes, inner - slack), [len(nodes) - 1]])
            found.append(np.repeat([ends[:-1], ends[1:]], np.diff(ends), axis=1))
        return tuple(found)

    def wrapped(self, x: Array) -> Array:
        """Return points ``(n, d)`` brought into the box along axes that close upon themselves."""
        if not self.grid.closed_axes:
            return x
        low, width = self.grid.box[:, 0], np.ptp(self.grid.box, axis=1)
        turns = np.floor((x - low) / width)
        turns[:, [axis not in self.grid.closed_axes for axis in range(self.grid.dim)]] = 0.0
        # the far end itself is in the box, too
        return np.where((turns != 0) & (x != low + width), x - turns * width, x)

    def covers(self, x: Array) -> Flags:
        """Which of the points ``(n, d)`` lie in an active cell, its boundary included."""
        x = self._on_grid(x)
        box, active = self.grid.box, self.grid.active
        result: Flags = np.zeros(len(x), dtype=bool)
        for way in np.ndindex(*([2] * self.grid.dim)):  # a point between cells lies in both
            cell = [
                np.searchsorted(breaks, x[:, axis], side="right" if way[axis] else "left") - 1
                for axis, breaks in enumerate(self.grid.breaks)
            ]
            result |= active[
                tuple(np.clip(c, 0, n - 1) for c, n in zip(cell, active.shape, strict=True))
            ]
        result &= np.all((x >= box[:, 0]) & (x <= box[:, 1]), axis=1)
        return result

    def locate(self, x: Array) -> Stencil:
        """Return the stencils of the points ``(n, d)``."""
        x = self._on_grid(x)
        number = np.zeros((len(x), 1), dtype=np.int64)
        axes = [self.along(axis, x[:, axis]) for axis in range(self.grid.dim)]
        for length, (here, *_) in zip(self.shape, axes, strict=True):
            number = (number[:, :, None] * length + here[:, None, :]).reshape(len(x), -1)
        box = self.grid.box
        slack = 1e-12 * (box[:, 1] - box[:, 0])
        outside = np.any((x < box[:, 0] - slack) | (x > box[:, 1] + slack), axis=1)
        _, values, slopes, linears, linear_slopes = zip(*axes, strict=True)
        return TensorStencil(
            self._substitute[number].astype(np.int64, copy=False),
            values,
            slopes,
            linears,
            linear_slopes,
            outside,
            self.frame,
        )

    def _on_grid(self, x: Array) -> Array:
        """Return the coordinates along the grid's axes of points ``(n, d)``."""
        return self.wrapped(x if self.frame is None else self.frame.along(x))


@dataclass(frozen=True)
class Polynomials(TensorInterpolation):
    """The polynomials of elements as they are, however large: no linear ones replace them."""

    smooth: ClassVar[bool] = True


def lagrange(nodes: Array, x: Array) -> tuple[Array, Array]:
    """Values and slopes ``(n, s)`` of the Lagrange polynomials of `nodes` ``(n, s)`` at ``x (n,)``.

    Products of the distances to the nodes before each and after it, and their derivatives by the
    product rule: finite at the nodes themselves.
    """
    size = nodes.shape[1]
    gap = x - nodes.T
    before, after = np.ones((2, size, len(x))), np.ones((2, size, len(x)))
    before[1, 0] = after[1, -1] = 0.0
    for k in range(1, size):
        for product, last, now in ((before, k - 1, k), (after, size - k, size - 1 - k)):
            product[1, now] = product[1, last] * gap[last] + product[0, last]
            product[0, now] = product[0, last] * gap[last]
    distance = nodes[:, :, None] - nodes[:, None, :]
    distance[:, np.arange(size), np.arange(size)] = 1.0
    scale = 1 / distance.prod(axis=2).T
    value = before[0] * after[0] * scale
    slope = (before[1] * after[0] + before[0] * after[1]) * scale
    return value.T, slope.T
