"""Interpolation of nodal logarithms between the nodes, without communication.

A solution is kept as nodal values of ``u = log(ρ/π)`` on a canonical set of nodes, the same on
every rank. Between the nodes u is a piecewise polynomial; the density is π e^u with the exact π.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Integers
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.frame import Frame
from wfrpde.domain.grid import SimplexGrid, TensorGrid

Spread = Callable[[Array], Array]
"""D ``(n, d, d)`` at points ``(n, d)``."""

STEEP = 0.5
"""Where the high-order value of a logarithm differs from the linear one by more, the linear one is
taken: the nodes do not resolve it there, and a polynomial across a cliff would overshoot."""

Interpolation = TensorInterpolation | SimplexInterpolation
"""Nodes ``(n, d)``, (sub)cells for display, and polynomials between them."""


class OnNodes:
    """What consists of nodal values: where they are, and the cells to show them on."""

    interpolation: Interpolation

    @property
    def nodes(self) -> Array:
        """Coordinates ``(n, d)`` of the nodes in their canonical order; read-only."""
        nodes = self.interpolation.nodes.view()
        nodes.setflags(write=False)
        return nodes

    @property
    def cells(self) -> Integers:
        """Linear (sub-)cells ``(m, k)`` in VTK's vertex order."""
        return self.interpolation.cells

    @property
    def cell_type(self) -> str:
        """``interval``, ``triangle``, ``quadrilateral``, ``tetrahedron`` or ``hexahedron``."""
        return self.interpolation.cell_type


def points_of(x: npt.ArrayLike, dim: int) -> Array:
    """Return points ``(n, d)``, from those, one point, or, in one dimension, a list of numbers."""
    points = np.asarray(x, dtype=float)
    if points.ndim == 1:
        points = points.reshape(-1, 1) if dim == 1 else points[None, :]
    if points.ndim != 2 or points.shape[1] != dim:
        raise ValueError(f"points have shape {points.shape}; needed (n, {dim})")
    return points


def evaluate(
    interpolation: Interpolation,
    fields: Array,
    x: Array,
    *,
    slopes: bool = False,
    spread: Spread | None = None,
    chunk: int = 4_096,
    steep: float = STEEP,
) -> tuple[Array, Array]:
    """Interpolate nodal logarithms ``(m, n_nodes)`` at points ``(n, d)``.

    Where they differ by more than `steep` the linear interpolant replaces the polynomial.

    Returns
    -------
    values, squared_slopes
        ``(m, n)`` each; NaN outside the mesh. The second, ∇u·D∇u, is zero unless `slopes` is set; D
        is the unit matrix where `spread` is None.
    """
    values = np.empty((len(fields), len(x)))
    squared = np.zeros_like(values)
    smooth = isinstance(interpolation, TensorInterpolation) and interpolation.smooth
    for a, b in pairwise([*range(0, len(x), chunk), len(x)]):
        stencil = interpolation.locate(x[a:b])
        number = np.ascontiguousarray(stencil.number.T)
        here = spread(x[a:b]) if slopes and spread is not None else None
        for row, field in enumerate(fields):
            local = field[number].T
            value, linear = stencil.values(local)
            cliff = np.abs(value - linear) > (np.inf if smooth else steep)
            values[row, a:b] = np.where(cliff, linear, value)
            if slopes:
                squared[row, a:b] = stencil.squared_slope(local, cliff, here)
    return values, squared


def gradient(interpolation: Interpolation, field: Array, x: Array, *, chunk: int = 4_096) -> Array:
    """Gradient ``(n, d)`` of the interpolant of a field ``(n_nodes,)`` at points ``(n, d)``."""
    result = np.empty((len(x), interpolation.nodes.shape[1]))
    for a, b in pairwise([*range(0, len(x), chunk), len(x)]):
        stencil = interpolation.locate(x[a:b])
        result[a:b] = stencil.gradient(field[stencil.number])
    return result


def on_axes(interpolation: Interpolation, frame: Frame | None) -> Interpolation:
    """Return the same with its grid, a box, along the axes of a frame; None for x, y and z."""
    if frame == frame_of(interpolation):
        return interpolation
    assert isinstance(interpolation, TensorInterpolation)
    return replace(interpolation, frame=frame)


def frame_of(interpolation: Interpolation) -> Frame | None:
    """Return the axes that the grid of an interpolation is along; None for x, y and z."""
    return interpolation.frame if isinstance(interpolation, TensorInterpolation) else None


def interpolation_of(
    grid: TensorGrid | SimplexGrid, degree: int, coarse: TensorGrid | SimplexGrid | None = None
) -> Interpolation:
    """Interpolation on a grid; on simplices quadratic on the cells of `coarse`, if they are."""
    if isinstance(grid, TensorGrid):
        return TensorInterpolation(grid, degree)
    return SimplexInterpolation(grid, coarse if isinstance(coarse, SimplexGrid) else None)
