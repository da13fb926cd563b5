"""Pictures of the density: its logarithm on a regular grid over the part of space that matters.

A picture needs neither the mesh nor every saved time. Sampled on a regular grid (with the exact π
between the nodes) it takes a few megabytes at most, and figures can be drawn from it at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wfrpde.report.paraview import unstructured_grid

if TYPE_CHECKING:
    from wfrpde.report.flow.solution_like import SolutionLike

__all__ = ["Snapshots", "take_snapshots"]

Array = NDArray[np.float64]

POINTS = {1: 1201, 2: 320, 3: 64}
"""Grid points along the longest axis, by dimension; half of them where a run was stopped, as a
person is waiting then."""
MOST_TIMES = {1: 10, 2: 6, 3: 3}
"""Most saved times that are pictured, by dimension."""
WINDOW_SHARE = {1: 1e-7, 2: 1e-4, 3: 1e-4}
"""The window holds every node whose density exceeds this share of the density's maximum."""


@dataclass(frozen=True)
class Snapshots:
    """Log densities on a tensor grid.

    Parameters
    ----------
    axes
        d coordinate arrays.
    times
        The pictured times, shape (S,).
    log_density
        By flow label: natural logarithm of ρ, shape (S, ...); NaN outside the domain.
    log_target
        Natural logarithm of π, shape that of the grid.
    """

    axes: tuple[Array, ...]
    times: Array
    log_density: dict[str, Array]
    log_target: Array

    @property
    def dim(self) -> int:
        """Dimension of space."""
        return len(self.axes)


def pictured_times(times: Array, most: int) -> Array:
    """At most ``most`` of the saved times, first and last among them, spread evenly in order."""
    if len(times) <= most:
        return times
    chosen: Array = times[np.unique(np.linspace(0, len(times) - 1, most).round().astype(int))]
    return chosen


def take_snapshots(
    solution: SolutionLike, label: str, companions: Mapping[str, SolutionLike]
) -> Snapshots:
    """Sample a solution and its companions on one grid and at common times. Not collective.

    Parameters
    ----------
    solution
        Gives the window, the times and the target.
    label
        Label of ``solution``.
    companions
        Other flows of the same problem. A time that one of them did not reach stays NaN.
    """
    nodes = np.asarray(solution.nodes, dtype=float)
    dim = nodes.shape[1]
    times = pictured_times(np.asarray(solution.times, dtype=float), MOST_TIMES[dim])
    potential = np.asarray(solution.target.potential(nodes), dtype=float)
    longest = POINTS[dim] if solution.complete else POINTS[dim] // 2
    axes = _axes(nodes, _window(solution, potential), longest)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)
    shape = tuple(len(axis) for axis in axes)
    inside = _inside(solution, points)
    # Single precision is more than a map can show.
    kind: Any = np.float64 if dim == 1 else np.float32
    log_target = np.full(len(points), np.nan)
    log_target[inside] = -np.asarray(solution.target.potential(points[inside]))
    log_target -= solution.log_normalisation
    pictures = {}
    for name, flow in {label: solution, **companions}.items():
        values = np.full((len(times), len(points)), np.nan, dtype=kind)
        for index, t in enumerate(times):
            saved = _saved_time(np.asarray(flow.times, dtype=float), float(t))
            if saved is not None:
                values[index, inside] = flow.log_density(saved, points[inside])
        pictures[name] = values.reshape(len(times), *shape)
    return Snapshots(axes, times, pictures, np.asarray(log_target.astype(kind).reshape(shape)))


def _saved_time(times: Array, t: float) -> float | None:
    match = np.flatnonzero(np.abs(times - t) <= 1e-12 * max(1.0, abs(t)))
    return float(times[match[0]]) if match.size else None


def _window(solution: SolutionLike, potential: Array) -> Array:
    """Bounding box, shape (d, 2), of the nodes where ρ at some time or π is not negligible."""
    nodes = np.asarray(solution.nodes, dtype=float)
    dim = nodes.shape[1]
    depth = -np.log(WINDOW_SHARE[dim])
    log_density = np.asarray(solution.log_relative, dtype=float) - potential
    matters = -potential > (-potential).max() - depth
    matters |= (log_density > log_density.max(axis=1, keepdims=True) - depth).any(axis=0)
    low, high = nodes[matters].min(axis=0), nodes[matters].max(axis=0)
    margin = 0.04 * (high - low)
    # A hair inside the domain, so that round-off puts no point beyond the wall.
    hair = 1e-9 * np.ptp(nodes, axis=0)
    low = np.maximum(low - margin, nodes.min(axis=0) + hair)
    high = np.minimum(high + margin, nodes.max(axis=0) - hair)
    return np.stack([low, high], axis=1)


def _axes(nodes: Array, window: Array, longest: int) -> tuple[Array, ...]:
    lengths = window[:, 1] - window[:, 0]
    counts = np.maximum(np.ceil(longest * lengths / lengths.max()), 24).astype(int)
    axes = [np.linspace(lo, hi, n) for (lo, hi), n in zip(window, counts, strict=True)]
    if nodes.shape[1] == 1 and len(nodes) <= 5000:
        # A graded mesh knows where the curve bends.
        own = nodes[(nodes[:, 0] > window[0, 0]) & (nodes[:, 0] < window[0, 1]), 0]
        axes[0] = np.union1d(axes[0], own)
    return tuple(axes)


def _inside(solution: SolutionLike, points: Array) -> NDArray[np.bool_]:
    """Which points lie in a cell of the mesh: domains may be curved, cut down, or have holes."""
    if points.shape[1] == 1:
        return np.ones(len(points), dtype=bool)
    from vtkmodules.util import numpy_support
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkProbeFilter

    convert: Any = numpy_support
    padded = np.zeros((len(points), 3))
    padded[:, : points.shape[1]] = points
    where = vtkPoints()
    where.SetData(convert.numpy_to_vtk(padded, deep=True))
    cloud = vtkPolyData()
    cloud.SetPoints(where)
    probe: Any = vtkProbeFilter()
    probe.SetInputData(cloud)
    probe.SetSourceData(unstructured_grid(solution.nodes, solution.cells, solution.cell_type))
    probe.Update()
    mask = probe.GetOutput().GetPointData().GetArray(probe.GetValidPointMaskArrayName())
    return np.asarray(convert.vtk_to_numpy(mask) != 0)
