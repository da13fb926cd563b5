"""Interpolation of nodal logarithms on lattices of points, one axis after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.discretisation.interpolation import STEEP, Spread
from wfrpde.discretisation.stencils import squared_norm
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid

WORTH_SLABS = 100_000
"""Values from which those of points in no cell cost more than tables for several slabs."""


NEAR = 60_000
"""Values of several fields up to which they are worked through at once: what is larger leaves the
cache, and is taken from the system anew each time."""


class OnAxes:
    """Interpolation of nodal logarithms on a lattice of points, one axis after the other.

    That takes a few operations for each point of the lattice, where `evaluate` takes one for each
    node of a point's stencil.

    Parameters
    ----------
    coordinates
        Increasing coordinates inside the box, one array for each axis.
    spread
        D at points, for squared slopes; None for the unit matrix.
    """

    def __init__(
        self,
        interpolation: TensorInterpolation,
        coordinates: tuple[Array, ...],
        spread: Spread | None = None,
    ) -> None:
        self._interpolation, self._spread = interpolation, None
        if spread is not None:
            x = np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1)
            matrices = spread(x.reshape(-1, len(coordinates)))
            self._spread = matrices.reshape(*x.shape, len(coordinates))
        tables, window = [], []
        for axis, x in enumerate(coordinates):
            number, *weights = interpolation.along(axis, x)
            first, end = (int(number.min()), int(number.max()) + 1) if len(x) else (0, 1)
            window.append(slice(first, end))
            # nodes along an axis up to which a full matrix interpolates faster than a sparse one,
            # by dimension
            dense = end - first <= {1: 512, 2: 100, 3: 32}[len(coordinates)]
            tables.append(_tables(number - first, weights, end - first, dense=dense))
        self._window = tuple(window)
        self._value, self._slope, self._linear, self._linear_slope = zip(*tables, strict=True)

    def __call__(self, fields: Array, *, slopes: bool = False) -> tuple[Array, Array]:
        """Return values and squared slopes ``(m, n_1, …, n_d)`` of fields ``(m, n_nodes)``.

        As `evaluate` gives them; where cells are left out, they have no meaning.
        """
        whole = self._interpolation.on_box(fields, self._window)
        high = _contracted(whole, self._value)
        if self._interpolation.smooth:
            if not slopes:
                return high, np.zeros_like(high)
            return high, squared_norm(_slopes(whole, self._value, self._slope), self._spread)
        low = _contracted(whole, self._linear)
        steep = np.abs(high - low) > STEEP
        squared = np.zeros_like(high)
        if slopes:
            squared = squared_norm(_slopes(whole, self._value, self._slope), self._spread)
            if steep.any():
                slope = _slopes(whole, self._linear, self._linear_slope)
                linear = squared_norm(slope, self._spread)
                squared = np.where(steep, linear, squared)
        return np.where(steep, low, high), squared

    def polynomial(self, fields: Array) -> Array:
        """Return the values ``(m, n_1, …, n_d)`` of the elements' polynomials, steep or not."""
        return _contracted(self._interpolation.on_box(fields, self._window), self._value)


def _tables(column: Integers, weights: list[Array], nodes: int, *, dense: bool) -> list[Any]:
    """Return matrices ``(n, nodes)`` with `weights` ``(n, s)`` in the columns of each row."""
    n, size = column.shape
    if dense:
        tables = np.zeros((len(weights), n, nodes))
        tables[:, np.arange(n)[:, None], column] = weights
        return list(tables)
    from scipy.sparse import csr_matrix

    pointer = np.arange(0, n * size + 1, size)
    return [csr_matrix((np.ravel(w), column.ravel(), pointer), shape=(n, nodes)) for w in weights]


def evaluate_in_cells(
    interpolation: TensorInterpolation,
    fields: Array,
    cells: Integers,
    offsets: Array,
    *,
    slopes: bool = False,
    spread: Spread | None = None,
    grid: TensorGrid | None = None,
    chunk: int = 2_000_000,
) -> tuple[Array, Array]:
    """Interpolate nodal logarithms ``(m, n_nodes)`` at the same points of many cells.

    Parameters
    ----------
    cells
        ``(d, k)`` index of each cell, ascending.
    grid
        Of which they are the cells; by default that of the nodes.
    offsets
        ``(q,)`` in (0, 1): where the points lie along each axis of a cell, in units of its size.

    Returns
    -------
    values, squared_slopes
        ``(m, k q^d)`` each, as of `evaluate`; the last axis of a cell varies fastest.
    """
    dim, q = len(cells), len(offsets)
    breaks_of = (grid or interpolation.grid).breaks
    shape = (len(fields), cells.shape[1], q**dim)
    flat = (len(fields), cells.shape[1] * q**dim)
    values, squared = np.empty(shape), np.zeros(shape)
    if values.size == 0:
        return values.reshape(flat), squared.reshape(flat)
    first, last = cells.min(axis=1), cells.max(axis=1)
    extent = last - first + 1
    points = extent * q
    layer = int(points[1:].prod()) * q  # points in one layer of cells across the first axis
    layers = max(1, chunk // layer)
    if cells.shape[1] < 0.7 * extent.prod() and len(fields) * points.prod() > WORTH_SLABS:
        layers = min(layers, -(-int(extent[0]) // 16))  # boxes of slabs hold fewer cells in vain
    batch = max(1, NEAR // (layer * min(layers, int(extent[0]))))
    for top in range(int(first[0]), int(last[0]) + 1, layers):
        inside = slice(*np.searchsorted(cells[0], [top, top + layers]))
        if inside.start == inside.stop:
            continue
        low, high = cells[:, inside].min(axis=1), cells[:, inside].max(axis=1)
        coordinates = []
        for axis, breaks in enumerate(breaks_of):
            start = breaks[low[axis] : high[axis] + 1]
            width = breaks[low[axis] + 1 : high[axis] + 2] - start
            coordinates.append((start[:, None] + offsets * width[:, None]).ravel())
        lattice = OnAxes(interpolation, tuple(coordinates), spread if slopes else None)
        here = tuple(cells[:, inside] - low[:, None])
        # cell, offset, cell, offset, … -> cells, offsets
        order = (*range(0, 2 * dim, 2), *range(1, 2 * dim, 2))
        split = [n for axis in range(dim) for n in (high[axis] - low[axis] + 1, q)]
        number = np.arange(np.prod(split)).reshape(split).transpose(order)[here]
        number = number.reshape(-1, q**dim)
        for k in range(0, len(fields), batch):
            found = lattice(fields[k : k + batch], slopes=slopes)
            for target, source in zip((values, squared), found, strict=True):
                target[k : k + batch, inside] = source.reshape(len(source), -1)[:, number]
    return values.reshape(flat), squared.reshape(flat)


def _slopes(fields: Array, value: tuple[Any, ...], slope: tuple[Any, ...]) -> list[Array]:
    return [
        _contracted(fields, (*value[:axis], slope[axis], *value[axis + 1 :]))
        for axis in range(len(value))
    ]


def _contracted(fields: Array, matrices: tuple[Any, ...]) -> Array:
    """Apply one matrix along each axis but the first."""
    for axis, matrix in enumerate(matrices, start=1):
        if fields.ndim > 2 and isinstance(matrix, np.ndarray) and axis >= fields.ndim - 2:
            # without a copy
            fields = fields @ matrix.T if axis == fields.ndim - 1 else matrix @ fields
            continue
        front = np.moveaxis(fields, axis, 0)
        product = matrix @ np.ascontiguousarray(front).reshape(len(front), -1)
        fields = np.moveaxis(product.reshape(-1, *front.shape[1:]), 0, axis)
    return fields
