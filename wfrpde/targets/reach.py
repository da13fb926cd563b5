"""How far one has to go from a point until a potential changes by 1 kT: its length there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array

DISTANCES = np.asarray(2.0 ** np.arange(-120, 121), dtype=np.float64)
"""Distances that are tried, whatever the unit of length."""


def coarse_reach(
    function: Callable[[Array], Array], points: Array, *, by_axis: bool = False
) -> Array:
    """Return for each of some points the first of the `DISTANCES` at which a function has changed.

    Parameters
    ----------
    function
        A function of points ``(n, d)``, such as V in kT.
    points
        ``(k, d)``; it has changed when it differs by 1 along an axis. ∞ where it never does.
    by_axis
        Whether each axis is told by itself: ``(k, d)`` and not ``(k,)``.
    """
    count, dim = points.shape
    ways = np.concatenate([np.eye(dim), -np.eye(dim)])
    around = points[:, None, None] + DISTANCES[:, None, None] * ways
    with np.errstate(all="ignore"):
        value = function(around.reshape(-1, dim)).reshape(count, len(DISTANCES), -1)
        near = np.abs(value - function(points)[:, None, None]) < 1.0
    ways_changed = np.logical_not(near).reshape(count, len(DISTANCES), 2, dim)
    changed = np.asarray(ways_changed.any(axis=2 if by_axis else (2, 3)))
    return np.where(np.any(changed, axis=1), DISTANCES[np.argmax(changed, axis=1)], np.inf)


def reach(function: Callable[[Array], Array], point: Array) -> float:
    """Return the shortest distance along an axis at which a function has changed by 1, or ∞.

    Parameters
    ----------
    function
        A function of points ``(n, d)``, such as V in kT.
    point
        ``(d,)``.
    """
    high = float(coarse_reach(function, point[None, :])[0])
    if not np.isfinite(high) or high == DISTANCES[0]:
        return high
    low, ways = high / 2, np.concatenate([np.eye(len(point)), -np.eye(len(point))])
    for _ in range(20):
        middle = (low + high) / 2
        with np.errstate(all="ignore"):
            change = np.abs(function(point + middle * ways) - function(point[None, :]))
        low, high = (middle, high) if (change < 1.0).all() else (low, middle)
    return high
