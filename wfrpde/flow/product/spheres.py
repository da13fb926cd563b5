"""Averages over directions: uniform ones in d dimensions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.special import gammaln, jv, roots_jacobi

from wfrpde.arrays import Array

ANGLES = 64
"""Angles of the quadrature over a sphere."""


def log_area(dim: int) -> float:
    """Return the log of the area of the unit sphere in d dimensions, 2π^{d/2}/Γ(d/2)."""
    return float(np.log(2.0) + dim / 2 * np.log(np.pi) - gammaln(dim / 2))


def cosines(dim: int, count: int = ANGLES) -> tuple[Array, Array]:
    """Return cosines ``(n,)`` of the angle with an axis, and the logs of their masses."""
    if dim == 1:
        return np.array([-1.0, 1.0]), np.log([0.5, 0.5])
    power = (dim - 3) / 2
    cosine, weight = roots_jacobi(count, power, power)
    keep = weight > 0
    return cosine[keep], np.log(weight[keep] / weight.sum())


def mean_wave(z: Array, dim: int) -> Array:
    """Return E e^{iz cos θ} over the directions, at sizes z ≥ 0 of any shape."""
    # dimension up to which waves are averaged over a sphere by Bessel's function; beyond, the
    # cosine of the angle is so close to 0 that its quadrature sees all that has not died away
    if dim > 30:
        cosine, log_weight = cosines(dim)
        total = np.zeros(z.shape)
        for w, c in zip(log_weight, cosine, strict=True):
            total += np.exp(w) * np.cos(z * c)
        return total
    order = dim / 2 - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        bulk = jv(order, z) * np.exp(gammaln(order + 1) + order * np.log(2 / z))
    return np.asarray(np.where(z < 1e-3, 1 - z**2 / (2 * dim), bulk))


def tabulated_wave(highest: float, dim: int) -> Callable[[Array], Array]:
    """Return `mean_wave` up to a highest size as a spline of degree 5, right to 1e-11."""
    end = max(highest, 1.0)
    z: Array = np.asarray(np.linspace(0.0, end, int(end / 0.02) + 8), dtype=float)
    spline = make_interp_spline(z, mean_wave(z, dim), k=5)
    return lambda sizes: np.asarray(spline(sizes))


def directions(n: int, dim: int, rng: np.random.Generator, axis: Array | None = None) -> Array:
    """Draw n unit vectors ``(n, d)``, perpendicular to an axis if there is one."""
    normal = rng.standard_normal((n, dim))
    if axis is not None:
        normal -= np.outer(normal @ axis, axis)
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))
