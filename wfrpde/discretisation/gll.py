"""Gauss–Lobatto–Legendre nodes, weights and differentiation on [−1, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre

from wfrpde.arrays import Array


@dataclass(frozen=True)
class GLLRule:
    """The ``p + 1`` GLL nodes of degree p.

    Attributes
    ----------
    nodes, weights
        ``(p+1,)``; the quadrature is exact to degree 2p − 1.
    derivative
        ``(p+1, p+1)``: values at the nodes to the derivative of their interpolant at the nodes.
    """

    nodes: Array
    weights: Array
    derivative: Array


@cache
def gll_rule(degree: int) -> GLLRule:
    """Return the rule of the given degree p ≥ 1 (Canuto et al., Spectral Methods, 2006, §2.3)."""
    series = np.zeros(degree + 1)
    series[degree] = 1.0
    first = legendre.legder(series)
    interior = np.sort(legendre.legroots(first).real) if degree > 1 else np.empty(0)
    second = legendre.legder(first)
    for _ in range(3):  # companion-matrix roots, polished by Newton to the last bit
        interior = interior - legendre.legval(interior, first) / legendre.legval(interior, second)
    nodes = np.concatenate([[-1.0], (interior - interior[::-1]) / 2, [1.0]])
    value = legendre.legval(nodes, series)
    weights = 2.0 / (degree * (degree + 1) * value**2)
    gap = nodes[:, None] - nodes[None, :] + np.eye(degree + 1)
    derivative = value[:, None] / value[None, :] / gap
    np.fill_diagonal(derivative, 0.0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))
    return GLLRule(nodes, weights, derivative)
