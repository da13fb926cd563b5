"""Curvature of a potential and stiffness of a drift, by differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.targets.target import Target

Velocity = Callable[[Array, Array], Array]

STEP = 1e-4
"""Step of the differences of ∇V, relative to the box."""

WIDTHS = 8.0
"""Standard deviations that a box holds at least on either side."""


def hessian(target: Target, x: Array, box: Array) -> Array:
    """Return the second derivatives ``(d, d)`` of V at a point ``(d,)``."""
    found = _jacobian(target.gradient, x, box)
    return np.asarray((found + found.T) / 2)


def _jacobian(field: Callable[[Array], Array], x: Array, box: Array) -> Array:
    """Return ``∂_j f_i (d, d)`` of a vector field at a point ``(d,)``."""
    columns = []
    for axis, width in enumerate(np.ptp(box, axis=1)):
        shift = np.zeros(len(x))
        shift[axis] = STEP * width
        ends = field(np.array([x + shift, x - shift]))
        columns.append((ends[0] - ends[1]) / (2 * STEP * width))
    return np.array(columns).T


def stiffest(target: Target, box: Array, velocity: Velocity | None = None) -> float:
    """Return the largest κ by which Euler's steps go wrong at a minimum of V in a box ``(d, 2)``.

    In a linear drift −Ax a variance is off by Δt κ/2 relative to itself, κ = max |λ|²/Re λ over the
    eigenvalues λ of A with Re λ > 0: the largest curvature of V, unless there is a `velocity` other
    than −∇V, of points ``(n, d)`` and ∇V there. Nothing that turns relaxes more slowly than by what
    the box says: at the bottom of x⁴ + y⁴ the drift has no Re λ of its own, and its orbits do. It
    is 0 without a minimum.
    """
    seeds = np.asarray(target.seeds, dtype=float)
    inside = seeds[((seeds >= box[:, 0]) & (seeds <= box[:, 1])).all(axis=1)]
    largest, slowest = 0.0, (2 * WIDTHS / np.ptp(box, axis=1).max()) ** 2
    for x in inside:
        if velocity is None:
            drift = -hessian(target, x, box)
        else:
            drift = _jacobian(lambda y: velocity(y, target.gradient(y)), x, box)
        if np.isfinite(drift).all():
            rates = np.linalg.eigvals(-drift)
            rates = rates[rates.real > 0]
            turning = np.abs(rates) ** 2 / np.maximum(rates.real, slowest)
            largest = max([largest, *rates.real, *turning])
    return largest
