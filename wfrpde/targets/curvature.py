"""Curvature of a potential, by differences of its gradient."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array
from wfrpde.targets.target import Target

STEP = 1e-4
"""Step of the differences of ∇V, relative to the box."""


def hessian(target: Target, x: Array, box: Array) -> Array:
    """Return the second derivatives ``(d, d)`` of V at a point ``(d,)``."""
    columns = []
    for axis, width in enumerate(np.ptp(box, axis=1)):
        shift = np.zeros(len(x))
        shift[axis] = STEP * width
        ends = target.gradient(np.array([x + shift, x - shift]))
        columns.append((ends[0] - ends[1]) / (2 * STEP * width))
    found = np.array(columns)
    return np.asarray((found + found.T) / 2)


def stiffest(target: Target, box: Array) -> float:
    """Return the largest curvature of V at its minima in a box ``(d, 2)``; 0 if there is none."""
    seeds = np.asarray(target.seeds, dtype=float)
    inside = seeds[((seeds >= box[:, 0]) & (seeds <= box[:, 1])).all(axis=1)]
    found = [hessian(target, x, box) for x in inside]
    return max((float(np.linalg.eigvalsh(h)[-1]) for h in found if np.isfinite(h).all()), default=0)
