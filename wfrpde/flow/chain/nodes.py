"""`SiteNodes`: the points of a site between which a function is a polynomial."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wfrpde.case.stored import Result
from wfrpde.discretisation.quadrature import gauss_rule

Array = npt.NDArray[np.float64]

STRETCH = 0.9
"""p of the map x = asin(p ξ)/asin(p), which makes Chebyshev's points ξ nearly equidistant: with
p = 0.97 two wells need fewer points, but a parabola more."""

GAUSS = 14
"""Gauss' points on a piece of a site, when densities are integrated."""


@dataclass(frozen=True)
class SiteNodes(Result):
    """Points of an interval, and interpolation between them by polynomials in ξ.

    Attributes
    ----------
    low, high
        The interval.
    count
        Number n of points.
    """

    low: float
    high: float
    count: int

    @cached_property
    def points(self) -> Array:
        """The points ``(n,)``, ends included."""
        xi = -np.cos(np.pi * np.arange(self.count) / (self.count - 1))
        share = (np.arcsin(STRETCH * xi) / np.arcsin(STRETCH) + 1) / 2
        points = self.low + (self.high - self.low) * share
        points[[0, -1]] = self.low, self.high
        return np.asarray(points)

    def _xi(self, x: Array) -> Array:
        share = 2 * (x - self.low) / (self.high - self.low) - 1
        return np.asarray(np.sin(share * np.arcsin(STRETCH)) / STRETCH)

    def interpolation(self, x: Array) -> Array:
        """Return the matrix ``(m, n)`` that takes values at the points to values at x ``(m,)``."""
        weights = (-1.0) ** np.arange(self.count)
        weights[[0, -1]] /= 2
        gap = self._xi(x)[:, None] - self._xi(self.points)
        hit = np.abs(gap) < 1e-15
        share = weights / np.where(hit, 1.0, gap)
        matrix = share / share.sum(axis=1, keepdims=True)
        on = hit.any(axis=1)
        matrix[on] = hit[on]
        return np.asarray(matrix)

    def derivative(self, x: Array) -> Array:
        """Return the matrix ``(m, n)`` of derivatives at x ``(m,)``."""
        xi = self._xi(self.points)
        weights = (-1.0) ** np.arange(self.count)
        weights[[0, -1]] /= 2
        gap = xi[:, None] - xi + np.eye(self.count)
        matrix = (weights / weights[:, None]) / gap
        np.fill_diagonal(matrix, 0.0)
        np.fill_diagonal(matrix, -matrix.sum(axis=1))
        scale = 2 * np.arcsin(STRETCH) / (self.high - self.low)
        slope = scale * np.cos(np.arcsin(STRETCH * self._xi(x))) / STRETCH
        return np.asarray(slope[:, None] * (self.interpolation(x) @ matrix))

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

    def cells(self, width: float) -> tuple[Array, npt.NDArray[np.int64]]:
        """Return a fine grid with all points in it, and where they are: no cell is wider."""
        points = self.points
        counts = np.maximum(1, np.ceil(np.diff(points) / width)).astype(int)
        pieces = [
            np.linspace(a, b, count + 1)[:-1]
            for a, b, count in zip(points, points[1:], counts, strict=False)
        ]
        at = np.concatenate([[0], np.cumsum(counts)])
        return np.append(np.concatenate(pieces), points[-1]), at


def quadrature(ends: Array, count: int = GAUSS) -> tuple[Array, Array]:
    """Return Gauss' points and weights on the pieces between ends ``(k + 1,)``."""
    node, weight = gauss_rule(count)
    size = np.diff(ends)[:, None]
    return (ends[:-1, None] + size * node).ravel(), (size * weight).ravel()
