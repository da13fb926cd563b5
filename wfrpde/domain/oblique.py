r"""Whether wells are narrow obliquely, all in one direction: seen at once, before a box is turned.

With the sum H of the Hessians of V at its minima, cells along the axes of the coordinates are

.. math:: \sqrt{H_{xx}H_{yy}/\det H}

times as many as along the eigenvectors of H. That is worth something only where V bends along
these alone: :math:`|\partial_1\partial_2V|\,\ell_1\ell_2`, with :math:`\ell_i` the shortest length
along each, is 0 for a sum of functions of the two coordinates, and about 1 where a valley turns.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.domain.landscape import BULK, Landscape, least_of

GAIN = 1.25
"""Least ratio of numbers of cells by the Hessians at which it is looked at more closely."""

ENTANGLED = 0.2
"""Largest mixed derivative, in units of both lengths: with .13 and .16 turned axes were 4 and 8
times as fast, with .3 between 1.4 and 9 times, with .34 and .56 half as fast."""

STEP, PART, QUARTER = 1e-2, 1e-4, 0.25
"""Steps of differences: of a Hessian in lengths, along an axis in widths of the box, and of what is
mixed in lengths."""


def narrow_obliquely(landscape: Landscape, box: Array, seeds: Array) -> bool:
    """Whether wells in the plane are narrow along axes of their own, and all along the same.

    Parameters
    ----------
    landscape
        V and −log ρ₀, along x and y.
    box
        ``(2, 2)`` that holds them.
    seeds
        ``(k, 2)`` points near the minima of V.
    """
    height = landscape.potential(seeds)
    low = seeds[height <= height.min() + BULK]
    bend = _hessian(landscape.potential, low, STEP * landscape.scales(box))
    if not np.isfinite(bend).all():
        return False
    value, own = np.linalg.eigh(bend)
    if not value[0] > 0 or np.prod(np.diag(bend)) < GAIN**2 * np.prod(value):
        return False
    return _entangled(landscape, box, own.T) <= ENTANGLED


def _hessian(potential: Callable[[Array], Array], points: Array, step: Array) -> Array:
    """Return the sum ``(2, 2)`` of second differences at points."""
    (a, b), total = np.diag(step), np.empty((2, 2))
    with np.errstate(all="ignore"):
        for i, way in enumerate((a, b)):
            total[i, i] = _second(potential, points, way).sum() / step[i] ** 2
        total[0, 1] = total[1, 0] = _mixed(potential, points, a, b).sum() / step.prod()
    return total


def _entangled(landscape: Landscape, box: Array, rows: Array) -> float:
    """Largest ``|∂₁∂₂|`` of V and −log ρ₀ along axes, in their bulk and in units of the lengths."""
    x, *known = landscape.on(box)
    looked = [
        (function, x[value - least_of(value) < BULK])
        for function, value in zip((landscape.potential, landscape.surprise), known, strict=True)
    ]
    step = PART * float(np.ptp(box, axis=1).max())
    with np.errstate(all="ignore"):
        bends = [
            [_second(function, place, step * way).max(initial=0.0) for function, place in looked]
            for way in rows
        ]
        sharpest = np.max(bends, axis=1) / step**2
        if not (np.isfinite(sharpest) & (sharpest > 0)).all():
            return np.inf
        a, b = QUARTER / np.sqrt(sharpest)[:, None] * rows
        mixed = [
            np.abs(_mixed(function, place, a, b)).max(initial=0.0) for function, place in looked
        ]
    largest = float(np.max(mixed)) / QUARTER**2
    return largest if np.isfinite(largest) else np.inf


def _second(function: Callable[[Array], Array], x: Array, way: Array) -> Array:
    return np.asarray(function(x + way) - 2 * function(x) + function(x - way))


def _mixed(function: Callable[[Array], Array], x: Array, a: Array, b: Array) -> Array:
    total = function(x + a + b) - function(x + a - b) - function(x - a + b) + function(x - a - b)
    return np.asarray(total / 4)
