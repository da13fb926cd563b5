r"""Gaussian kernels along the axes of a lattice, on logarithms: nothing under- or overflows.

.. math:: b_i = \log\sum_j K_{j-i}\,e^{a_j}, \qquad
          K_k = \frac{e^{-k^2h^2/4\tau}}{\sum_l e^{-l^2h^2/4\tau}}

stands for e^{τΔ}. Where a is locally linear with any slope s the sum is its exact value e^{τs²} up
to :math:`2e^{-4\pi^2\tau/h^2}` (Poisson's formula), however large hs is: tails are Gaussian.
"""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array
from wfrpde.fields.exponentials import exp_or_zero

WIDTHS = 7.0
"""How many deviations a kernel reaches beyond the node that gives most: e^{−49/2} = 2e-11 is
left."""

TILE = 16
"""Nodes at least that share a window of what reaches them; of longer kernels half of their reach
do, so that a window is no more than five times what it is for."""

TOP, BOTTOM = 600.0, -400.0
"""Logs between which values of a window are told apart by products of matrices."""

FAINTEST = -690.0
"""Log below which an entry of a kernel is no number that products may count on."""


def smoothed(log_values: Array, axis: int, width: float, tau: float) -> Array:
    """Return log e^{τΔ} e^a ``(n_1, …)`` along an axis with nodes at distances of `width`.

    −∞ stands for no value. Every node reaches as far as the steepest slope asks for.
    """
    values = np.moveaxis(log_values, axis, 0)
    shape = values.shape
    lines = np.ascontiguousarray(values.reshape(shape[0], -1))
    with np.errstate(invalid="ignore"):
        slopes = np.abs(np.diff(lines, axis=0))
    steepest = float(np.max(slopes, initial=0.0, where=np.isfinite(slopes))) / width
    reach = int(np.ceil((WIDTHS * np.sqrt(2 * tau) + 2 * tau * steepest) / width))
    reach = min(reach, shape[0] - 1)
    result = _by_products(lines, _kernel(reach, width, tau))
    return np.moveaxis(result.reshape(shape), 0, axis)


def _kernel(reach: int, width: float, tau: float) -> Array:
    exponents = -((np.arange(-reach, reach + 1) * width) ** 2) / (4 * tau)
    return np.asarray(exponents - np.log(np.exp(exponents).sum()))


def _by_products(lines: Array, kernel: Array) -> Array:
    count, reach = len(lines), len(kernel) // 2
    tile = max(TILE, reach // 2)
    tiles = -(-count // tile)
    padded = np.full((tiles * tile + 2 * reach, lines.shape[1]), -np.inf)
    padded[reach : reach + count] = lines
    width = tile + 2 * reach
    toeplitz = np.zeros((tile, width))
    for k in range(tile):
        toeplitz[k, k : k + len(kernel)] = np.exp(kernel)
    result = np.empty((tiles * tile, lines.shape[1]))
    # what products are off by is less than that
    lost = BOTTOM if kernel[0] > FAINTEST else TOP + FAINTEST
    for k in range(tiles):
        window = padded[k * tile : k * tile + width]
        top = window.max(axis=0)
        top = np.where(np.isfinite(top), top, 0.0) - TOP
        inside = window - top
        found = toeplitz @ np.exp(np.maximum(inside, BOTTOM, out=inside))
        with np.errstate(divide="ignore"):
            here = np.log(found)
        bad = np.flatnonzero((here < lost + 30.0).any(axis=0))
        if len(bad):
            here[:, bad] = _one_by_one(window[:, bad], kernel) - top[bad]
        result[k * tile : (k + 1) * tile] = here + top
    return result[:count]


def _one_by_one(window: Array, kernel: Array) -> Array:
    """Return the same where values span too much for products."""
    tile = len(window) - len(kernel) + 1
    best: Array = np.full((tile, window.shape[1]), -np.inf)
    for k, weight in enumerate(kernel):
        np.maximum(best, window[k : k + tile] + weight, out=best)
    best = np.where(np.isfinite(best), best, 0.0)
    total = np.zeros_like(best)
    for k, weight in enumerate(kernel):
        total += exp_or_zero(window[k : k + tile] + weight - best)
    with np.errstate(divide="ignore"):
        return np.asarray(best + np.log(total))
