"""How far one has to go from a point until a potential changes by 1 kT: its length there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DISTANCES = np.asarray(2.0 ** np.arange(-120, 121), dtype=np.float64)
"""Distances that are tried, whatever the unit of length."""


def reach(function: Callable[[Array], Array], point: Array) -> float:
    """Return the shortest distance along an axis at which a function has changed by 1, or ∞.

    Parameters
    ----------
    function
        A function of points ``(n, d)``, such as V in kT.
    point
        ``(d,)``.
    """
    dim = len(point)
    ways = np.concatenate([np.eye(dim), -np.eye(dim)])
    points = (point + DISTANCES[:, None, None] * ways).reshape(-1, dim)
    with np.errstate(all="ignore"):
        change = np.abs(function(points) - function(point[None, :]))
    changed = ~(change.reshape(len(DISTANCES), -1) < 1.0).all(axis=1)
    if not changed.any():
        return float("inf")
    first = int(np.argmax(changed))
    if first == 0:
        return float(DISTANCES[0])
    low, high = DISTANCES[first - 1], DISTANCES[first]
    for _ in range(20):
        middle = (low + high) / 2
        with np.errstate(all="ignore"):
            change = np.abs(function(point + middle * ways) - function(point[None, :]))
        low, high = (middle, high) if (change < 1.0).all() else (low, middle)
    return float(high)
