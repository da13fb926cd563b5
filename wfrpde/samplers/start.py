"""Draws of an initial density that is given as a formula: rejection from a piecewise constant."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.samplers.lattice import Lattice

CELLS = {1: 4096, 2: 400, 3: 60}
"""Cells along each axis of the box."""

BATCH = 2**18
"""Most proposals at a time."""


def formula_sampler(
    log_density: Callable[[Array], Array], box: Array
) -> Callable[[int, np.random.Generator], Array]:
    """Return a function (n, rng) → n independent draws ``(n, d)`` of a density in a box.

    In every cell of a regular lattice the density is bounded by its largest value at the 3^d
    points of the cell, raised by half of the range there. Draws are exact but for what exceeds
    that bound, that is, peaks narrower than a cell.

    Parameters
    ----------
    log_density
        Logarithm of the density, up to a constant, at points ``(n, d)``; −∞ where it is zero.
    box
        ``(d, 2)`` where it lives.
    """
    dim = len(box)
    spacing = (box[:, 1] - box[:, 0]) / CELLS[dim]
    shape = (CELLS[dim],) * dim
    corners = Lattice(box[:, 0], spacing, shape).points
    top, bottom = np.full(len(corners), -np.inf), np.full(len(corners), np.inf)
    for place in np.ndindex(*([3] * dim)):
        value = log_density(corners + 0.5 * np.array(place) * spacing)
        np.maximum(top, value, out=top)
        np.minimum(bottom, value, out=bottom)
    with np.errstate(invalid="ignore"):
        bound = top + np.clip(0.5 * (top - bottom), 0.01, 5.0)
    used = np.flatnonzero(top > top.max() - 60.0)
    corners, bound = corners[used], bound[used]
    edges = np.cumsum(np.exp(bound - bound.max()))
    edges /= edges[-1]

    def draw(n: int, rng: np.random.Generator) -> Array:
        parts, missing = [np.empty((0, dim))], n
        while missing > 0:
            size = min(BATCH, 2 * missing + 16)
            cell = np.searchsorted(edges, rng.random(size), side="right")
            x = corners[cell] + rng.random((size, dim)) * spacing
            kept = x[np.log(rng.random(size)) < log_density(x) - bound[cell]][:missing]
            parts.append(kept)
            missing -= len(kept)
        return np.concatenate(parts)

    return draw
