"""Quadratures of a factor's domain, for integrals that oscillate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.discretisation.gauss import gauss_rule
from wfrpde.flow.product.lines import characteristic

TABLE, PHASE = 1000, 0.05
"""Frequencies beyond which a table of the characteristic function is interpolated, and the largest
phase between two of its entries: splines of degree 5 are then right to 1e-11."""


@dataclass(frozen=True, eq=False)
class PointRule:
    """A quadrature of a factor's domain.

    Attributes
    ----------
    points
        ``(n, d)``.
    log_target
        ``(n,)`` log of the mass of π at each, up to a constant.
    gaps
        ``(d,)`` largest distance between neighbours along each axis.
    """

    points: Array
    log_target: Array
    gaps: Array


def line_rule(nodes: Array, potential: Callable[[Array], Array], count: int) -> PointRule:
    """Return Gauss' rule of `count` points on pieces between nodes that are short everywhere."""
    ends = np.unique(nodes)
    # pieces of a line, at least, on each of which a density is integrated by Gauss' rule
    widest = float(ends[-1] - ends[0]) / 400
    pieces = [
        np.linspace(low, high, int(np.ceil((high - low) / widest)) + 1)[:-1]
        for low, high in pairwise(ends)
    ]
    breaks = np.append(np.concatenate(pieces), ends[-1])
    node, weight = gauss_rule(count)
    size = np.diff(breaks)[:, None]
    points = (breaks[:-1, None] + size * node).reshape(-1, 1)
    log_target = np.log((size * weight).ravel()) - potential(points)
    return PointRule(points, log_target, np.diff(points[:, 0]).max(keepdims=True))


@dataclass(frozen=True, eq=False)
class Table:
    """E e^{iωx} of masses at points of a line, as splines of degree 5 on a table of frequencies."""

    middle: float
    highest: float
    splines: tuple[Any, Any]

    @classmethod
    def of(cls, points: Array, mass: Array, highest: float) -> Table:
        """Tabulate frequencies up to a highest one."""
        from scipy.interpolate import make_interp_spline

        middle = float(mass @ points)
        step = PHASE / float(np.abs(points - middle).max())
        table = step * np.arange(int(highest / step) + 8, dtype=float)
        values = characteristic(points - middle, mass, table)
        real, imaginary = (make_interp_spline(table, part, k=5)
                           for part in (values.real, values.imag))  # fmt: skip
        return cls(middle, highest, (real, imaginary))

    def __call__(self, omega: Array) -> ComplexArray:
        """Return the values at frequencies ``(m,)``."""
        size, (real, imaginary) = np.abs(omega), self.splines
        values = real(size) + 1j * np.sign(omega) * imaginary(size)
        return np.asarray(values * np.exp(1j * omega * self.middle))
