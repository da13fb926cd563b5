"""What elements leave of a solution on a line: how fast its coefficients fall.

On each element u is a sum of Legendre polynomials. Where u is analytic their coefficients fall by
one factor from degree to degree: fast on small elements, slowly where u bends within one, as beside
a complex singularity at a distance that is shorter than it. The errors of degrees p − 2 and p are
as 1 to r, the ratio of the coefficients of the last two degrees to those of the two before, and
r/(1 − r) of the distance of the two runs is the error of the finer one. Measured as changes of ρ in
L², all elements together; what has been left at a time stays, so that the largest so far count.

References
----------
Trefethen, Approximation Theory and Approximation Practice (2013), chapter 8.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre

from wfrpde.arrays import Array
from wfrpde.discretisation.gll import gll_rule

CAUTION = 1.25
"""Factor on r/(1 − r). Of 36 lines to tolerances of 1e-2 to 1e-6 .75 of what it gives was needed
beside the singularities of sqrt(1 + x²) within an element, and all of it of a mixture on eight
elements; there the least share of 1/8 did not do."""


SLOWEST = 3 / 4
"""Largest r of degrees p − 1 and p that counts."""


def left_by_elements(
    u: Array,
    gap: Array,
    potential: Array,
    x: Array,
    degree: int,
    *,
    logarithm: bool = True,
) -> Array:
    """Return the share ``(T,)`` of the distance to degree p − 2 that is the error at degree p.

    Parameters
    ----------
    u, gap
        log(ρ/π) at the GLL nodes of the elements, from left to right, and how far it is from that
        of degree p − 2, ``(T, N)``. Where steps make most of that, coefficients are their noise.
    potential, x
        V and places of the nodes ``(N,)``.
    degree
        p, at least 3.
    logarithm
        Whether u is a polynomial on each element. Else ρ/π is, coefficients are those of ρ, and the
        degree of the coarser run is p − 1, so that the root of the ratio counts.
    """
    rule = gll_rule(degree)
    nodes = np.arange(0, u.shape[1] - 1, degree)[:, None] + np.arange(degree + 1)
    log_density = u - potential
    log_density -= log_density.max(axis=1, keepdims=True)
    density = np.exp(log_density)[:, nodes]
    values, apart, square = u[:, nodes], gap[:, nodes], density**2
    if not logarithm:
        values, square = density, np.ones_like(density)
        apart = density - np.exp(np.minimum(log_density - gap, 0.0))[:, nodes]
    square *= rule.weights * (x[nodes[:, -1]] - x[nodes[:, 0]])[:, None]
    square /= square.sum(axis=(1, 2), keepdims=True)
    to_coefficients = np.linalg.inv(legendre.legvander(rule.nodes, degree))
    powers = (values @ to_coefficients.T) ** 2 / (2 * np.arange(degree + 1) + 1)
    norms = np.sqrt(np.einsum("te,tek->tk", square.sum(axis=2), powers))
    distance = np.sqrt((square * apart**2).sum(axis=(1, 2)))
    before, last = (np.hypot(norms[:, k], norms[:, k - 1]) for k in (degree - 2, degree))
    found = np.stack([before, last, distance])
    found[:, 0] *= logarithm or found.shape[1] == 1  # a formula at its nodes
    before, last, distance = np.maximum.accumulate(found, axis=1)
    ratio = last / np.maximum(np.maximum(before, distance), 1e-300)
    ratio = np.minimum(ratio, 1 / 2) if logarithm else np.minimum(np.sqrt(ratio), SLOWEST)
    return np.asarray(CAUTION * ratio / (1 - ratio))
