"""Gauss points on intervals and boxes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss

from wfrpde.arrays import Array


@lru_cache(maxsize=32)
def gauss_rule(count: int) -> tuple[Array, Array]:
    """Return points in (0, 1) and weights ``(count,)`` of Gauss' rule."""
    node, weight = leggauss(count)
    rule = (node + 1) / 2, weight / 2
    for part in rule:
        part.setflags(write=False)
    return rule


def gauss_points(low: Array, size: Array, per_axis: int) -> tuple[Array, Array]:
    """Points ``(m k^d, d)`` and weights on boxes of lowest corners and sizes ``(m, d)``."""
    dim = low.shape[1]
    node, weight = gauss_rule(per_axis)
    offsets = tensor(node, dim)
    factors = np.prod(tensor(weight, dim), axis=1)
    points = low[:, None] + offsets[None] * size[:, None]
    return points.reshape(-1, dim), (size.prod(axis=1)[:, None] * factors).ravel()


def tensor(values: Array, dim: int) -> Array:
    """Return all points ``(n^d, d)`` whose coordinates are among the values ``(n,)``."""
    return np.stack(np.meshgrid(*([values] * dim), indexing="ij"), axis=-1).reshape(-1, dim)
