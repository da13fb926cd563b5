"""Richardson extrapolation of logarithms over nested grids, the steps halved with the cells."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.discretisation.interpolation import Interpolation, evaluate
from wfrpde.discretisation.lattices import OnAxes
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation

AT_ONCE = 100_000
"""Values on the box of the fine nodes up to which several fields are interpolated at once."""


def coarse_positions(coarse: Interpolation, fine: Interpolation) -> Integers:
    """Numbers of the coarse nodes among the fine ones, ``fine.grid = coarse.grid.refined()``."""
    if isinstance(coarse, TensorInterpolation) and isinstance(fine, TensorInterpolation):
        index = np.unravel_index(coarse.active_nodes, coarse.shape)
        flat = np.ravel_multi_index(tuple(2 * i for i in index), fine.shape)
        return np.searchsorted(fine.active_nodes, flat).astype(np.int64)
    return np.arange(len(coarse.nodes), dtype=np.int64)


def prolong(coarse: Interpolation, values: Array, fine: Interpolation) -> Array:
    """Interpolate fields ``(T, n_coarse)`` to the fine nodes, ``(T, n_fine)``."""
    if isinstance(coarse, SimplexInterpolation) and isinstance(fine, SimplexInterpolation):
        edges, _ = coarse.grid.edges()  # the fine nodes are the coarse ones and their midpoints
        return np.concatenate([values, values[:, edges].mean(axis=2)], axis=1)
    if isinstance(coarse, TensorInterpolation) and isinstance(fine, TensorInterpolation):
        lattice, size = OnAxes(coarse, fine.axes), int(np.prod(fine.shape))
        rows = max(1, AT_ONCE // size)
        return np.concatenate(
            [
                lattice(values[k : k + rows])[0].reshape(-1, size)[:, fine.active_nodes]
                for k in range(0, len(values), rows)
            ]
        )
    return evaluate(coarse, values, fine.nodes)[0]


def divided(coarse: TensorInterpolation, values: Array, fine: TensorInterpolation) -> Array:
    """Represent fields ``(T, n_coarse)`` on parts of their elements, ``(T, n_fine)``: the same."""
    on_box = OnAxes(coarse, fine.axes).polynomial(values)
    return np.asarray(on_box.reshape(len(values), -1)[:, fine.active_nodes])


def extrapolate(
    coarse: Interpolation,
    u_coarse: Array,
    fine: Interpolation,
    u_fine: Array,
    *,
    order: int = 2,
) -> Array:
    """``u_fine + P(u_fine − u_coarse)/(2^order − 1)`` on the fine nodes.

    The correction is a small, smooth field, so that its interpolation costs nothing.
    """
    correction = (u_fine[:, coarse_positions(coarse, fine)] - u_coarse) / (2**order - 1)
    return np.asarray(u_fine + prolong(coarse, correction, fine))
