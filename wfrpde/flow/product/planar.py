"""The density of two coordinates of a product, from its characteristic function."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.flow.product.factors import Factors
from wfrpde.flow.product.parts import Index

SMALLEST_FREQUENCY, LARGEST_FREQUENCY = 1e-10, 120.0
"""A characteristic function of two coordinates is left out where it is smaller, or where the
frequency is larger, in units of 1/standard deviation."""


def planar_density(factors: Factors, index: Index, pair: tuple[int, int], points: Array) -> Array:
    """Return the density ``(n,)`` of two coordinates of x, counted from 0, at points ``(n, 2)``."""
    laws = [factors.law(index, factors.turned(np.eye(1, factors.dim, k)[0])) for k in pair]
    scale = np.sqrt([law.variance for law in laws])
    middle = np.array([law.mean for law in laws])
    reach = float(np.abs((points - middle) / scale).max())
    step = 2 * np.pi / ((max(24.0, 2 * reach + 12.0)) * scale)
    half = 1.0
    while half < LARGEST_FREQUENCY and not _decayed(factors, index, pair, half / scale):
        half *= 1.5
    counts = [int(np.ceil(half / width / s)) for width, s in zip(scale, step, strict=True)]
    first = step[0] * np.arange(counts[0] + 1)  # the other half is its conjugate
    second = step[1] * np.arange(-counts[1], counts[1] + 1)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    values = _characteristic(factors, index, pair, grid).reshape(len(first), len(second))
    values[1:] *= 2
    left = np.exp(-1j * np.outer(points[:, 0], first))
    right = np.exp(-1j * np.outer(points[:, 1], second))
    total = np.einsum("na,ab,nb->n", left, values, right, optimize=True).real
    return np.asarray(total * step[0] * step[1] / (2 * np.pi) ** 2)


def _decayed(factors: Factors, index: Index, pair: tuple[int, int], edge: Array) -> bool:
    angles = np.linspace(0, np.pi, 24, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    rays = (around[:, None] * np.linspace(1.0, 1.3, 4)[:, None] * edge).reshape(-1, 2)
    return bool(np.abs(_characteristic(factors, index, pair, rays)).max() < SMALLEST_FREQUENCY)


def _characteristic(
    factors: Factors, index: Index, pair: tuple[int, int], omega: Array
) -> ComplexArray:
    """Return E e^{iω·(x_i, x_j)} at frequencies ``(m, 2)``, factor after factor."""
    rows = np.eye(factors.dim) if factors.rotation is None else factors.rotation
    rows = rows[list(pair)]
    total = np.ones(len(omega), dtype=complex)
    for kind, at in factors:
        block = rows[:, at]
        if block.any():
            total *= factors.parts[kind].characteristic(index, omega @ block)
    return total
