"""`SiteNodes`: the points of a site between which a function is a spline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline

from wfrpde.arrays import Array, Integers
from wfrpde.case.stored import Result
from wfrpde.discretisation.gauss import gauss_rule

DEGREE = 5
"""Of the splines. log(ρ/π) bends where one well hands over to the next, and polynomials through all
points carry the error of that bend everywhere: two wells with 22 points have an error in log ρ of
3e-5 by splines and of 4e-4 by polynomials at the best points."""

GAUSS = 28
"""Gauss' points on a piece of a site, when densities are integrated: splines are not smooth where
they meet, which costs 1e-5 in KL of ten double wells with 20 points, and 1e-7 with 28."""


@dataclass(frozen=True)
class SiteNodes(Result):
    """Equidistant points of an interval, and interpolation between them by splines of degree 5.

    Where a coupling is a function of differences, sites whose neighbours have equal sums diffuse
    alike: of n² pairs of equidistant neighbours 2n - 1 differ.

    Attributes
    ----------
    low, high
        The interval.
    count
        Number n ≥ 6 of points.
    """

    low: float
    high: float
    count: int

    @cached_property
    def points(self) -> Array:
        """The points ``(n,)``, ends included."""
        return np.asarray(np.linspace(self.low, self.high, self.count), dtype=float)

    @cached_property
    def _spline(self) -> BSpline:
        """The splines that are 1 at one of the points and 0 at the others."""
        return make_interp_spline(self.points, np.eye(self.count), k=DEGREE)

    def interpolation(self, x: Array) -> Array:
        """Return the matrix ``(m, n)`` that takes values at the points to values at x ``(m,)``."""
        return np.asarray(self._spline(x))

    def derivative(self, x: Array) -> Array:
        """Return the matrix ``(m, n)`` of derivatives at x ``(m,)``."""
        return np.asarray(self._spline.derivative()(x))

    def extrapolation(self, x: Array) -> Array:
        """Return `interpolation`, and straight lines beyond the ends."""
        inside = np.clip(x, self.low, self.high)
        matrix = self.interpolation(inside)
        ends = np.array([self.low, self.high])
        slope = self.derivative(ends)
        for k, beyond in enumerate((x < self.low, x > self.high)):
            gap = (x - ends[k])[beyond, None]
            matrix[beyond] += gap * slope[k]
        return matrix

    def grid(self, cells: int) -> tuple[Array, Integers]:
        """Return equidistant points with `cells` between two nodes, and where the nodes are."""
        at = np.asarray(cells * np.arange(self.count), dtype=np.int64)
        points = np.linspace(self.low, self.high, cells * (self.count - 1) + 1)
        return np.asarray(points, dtype=float), at


def quadrature(ends: Array, count: int = GAUSS) -> tuple[Array, Array]:
    """Return Gauss' points and weights on the pieces between ends ``(k + 1,)``."""
    node, weight = gauss_rule(count)
    size = np.diff(ends)[:, None]
    return (ends[:-1, None] + size * node).ravel(), (size * weight).ravel()
