"""Distances of densities that are given at the nodes of a mesh."""

from __future__ import annotations

from math import factorial

import numpy as np

from wfrpde.arrays import Array
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.interpolation import Interpolation
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation


def node_weights(interpolation: Interpolation) -> Array:
    """Quadrature weights ``(n,)`` of the nodes of a mesh."""
    if isinstance(interpolation, SimplexInterpolation):
        grid = interpolation.grid
        corners = grid.points[grid.cells]
        size = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))  # d! times the volume
        share = np.repeat(size, grid.cells.shape[1])
        total = np.bincount(grid.cells.ravel(), share, minlength=len(grid.points))
        return np.asarray(total / grid.cells.shape[1] / factorial(grid.dim))
    box, degree = interpolation.grid, interpolation.degree
    rule = gll_rule(degree).weights / 2
    weight = np.zeros(interpolation.shape)
    volume = box.active * np.prod(np.meshgrid(*map(np.diff, box.breaks), indexing="ij"), axis=0)
    for corner in np.ndindex(*([degree + 1] * box.dim)):
        target = tuple(
            slice(c, c + (n - 1) * degree + 1, degree)
            for c, n in zip(corner, box.active.shape, strict=True)
        )
        weight[target] += volume * np.prod(rule[list(corner)])
    return np.asarray(weight.ravel()[interpolation.active_nodes])


def relative_error(log_density: Array, truth: Array, weights: Array) -> float:
    """L2 error of a density relative to the norm of the true one, from logs at the same nodes."""
    exact = np.exp(truth)
    gap = np.exp(log_density) - exact
    return float(np.sqrt((weights @ gap**2) / (weights @ exact**2)))
