"""Pictures of the density: its logarithm on a regular grid over the part of space that matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array

if TYPE_CHECKING:
    from wfrpde.flow.solution import Solution

POINTS = {1: 1201, 2: 320, 3: 64}
"""Grid points along the longest axis, by dimension; half of them where a run was stopped, as a
person is waiting then."""


@dataclass(frozen=True)
class Pictures:
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

    def spread(self, most: int) -> list[int]:
        """Give indices of at most so many times, first and last among them, evenly in order."""
        return spread_evenly(len(self.times), most)


def spread_evenly(count: int, most: int) -> list[int]:
    """At most ``most`` of the indices 0 to count − 1, both ends among them, evenly in order."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def take_pictures(flows: Mapping[str, Solution]) -> Pictures:
    """Sample flows of the same problem on one grid and at common times. Not collective.

    Parameters
    ----------
    flows
        By label; the first one gives the window, the times and the target. A time that another one
        did not reach stays NaN.
    """
    solution = next(iter(flows.values()))
    nodes, dim = solution.nodes, solution.dim
    # most saved times that are pictured, by dimension
    times = solution.times[spread_evenly(len(solution.times), {1: 40, 2: 12, 3: 12}[dim])]
    potential = solution.target.potential(nodes)
    longest = POINTS[dim] if solution.complete else POINTS[dim] // 2
    axes = _axes(nodes, _window(solution, potential), longest)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)
    shape = tuple(len(axis) for axis in axes)
    inside = solution.interpolation.covers(points)
    # Single precision is more than a map can show.
    kind: Any = np.float64 if dim == 1 else np.float32
    log_target = np.full(len(points), np.nan)
    log_target[inside] = -solution.target.potential(points[inside]) - solution.log_normalisation
    pictures = {}
    for name, flow in flows.items():
        values = np.full((len(times), len(points)), np.nan, dtype=kind)
        reached = np.flatnonzero([_saved(flow, t) for t in times])
        relative = flow.log_relative_densities(points[inside], times[reached])
        own = log_target[inside] + solution.log_normalisation - flow.log_normalisation
        values[np.ix_(reached, inside)] = relative + own
        pictures[name] = values.reshape(len(times), *shape)
    return Pictures(axes, times, pictures, np.asarray(log_target.astype(kind).reshape(shape)))


def _saved(flow: Solution, t: float) -> bool:
    return bool(np.any(np.abs(flow.times - t) <= 1e-12 * max(1.0, abs(t))))


def _window(solution: Solution, potential: Array) -> Array:
    """Bounding box, shape (d, 2), of the nodes where ρ at some time or π is not negligible."""
    nodes = solution.nodes
    # the window holds every node whose density exceeds this share of the density's maximum
    depth = -np.log({1: 1e-7, 2: 1e-4, 3: 1e-4}[solution.dim])
    log_density = solution.log_relative - potential
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
