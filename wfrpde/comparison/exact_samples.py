"""Independent samples of an Eulerian density, without Markov chains.

A sub-cell is drawn by its mass, then a point in it: from the product of exponentials that fits
log ρ best in the cell, corrected by rejection. Sub-cells are small, so that nearly every proposal
is accepted, and all points are handled at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.density import MeshedDensity, placed


@dataclass(frozen=True)
class ExactSampler:
    """Draws independent points of a density.

    Attributes
    ----------
    cumulative
        ``(m,)`` cumulative masses of the sub-cells.
    slope
        ``(m, d)`` slopes of the exponentials, in log ρ per cell; zero on simplices.
    ceiling
        ``(m,)`` envelope of log ρ less the exponential.
    """

    density: MeshedDensity
    cumulative: Array
    slope: Array
    ceiling: Array

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points ``(n, d)``."""
        cells = self.density.cells
        cell = np.searchsorted(self.cumulative, rng.random(n), side="right")
        cell = np.minimum(cell, len(self.cumulative) - 1)
        points = np.empty((n, self.density.dim))
        open_ = np.arange(n)
        while open_.size:
            here = cell[open_]
            if cells.box:
                low, high = cells.corners[here, 0], cells.corners[here, 1]
                slope = self.slope[here]
                local = _exponential(rng.random(slope.shape), slope)
                proposal = low + local * (high - low)
                tilt = np.einsum("nd,nd->n", slope, local)
            else:
                share = rng.exponential(size=(len(here), cells.corners.shape[1]))
                share /= share.sum(axis=1, keepdims=True)
                proposal = np.einsum("nk,nkd->nd", share, cells.corners[here])
                tilt = np.zeros(len(here))
            proposal = placed(proposal, cells.frame)
            gap = self.density.log_density(proposal) - tilt - self.ceiling[here]
            accepted = np.log(rng.random(len(here))) < gap
            points[open_[accepted]] = proposal[accepted]
            open_ = open_[~accepted]
        return points


def exact_sampler(density: MeshedDensity) -> ExactSampler:
    """Prepare the exact sampler of a density."""
    cells, dim = density.cells, density.dim
    if cells.box:
        size = cells.corners[:, 1] - cells.corners[:, 0]
        first = cells.points[0] if cells.frame is None else cells.frame.along(cells.points[0])
        local = (first - cells.corners[0, 0]) / size[0]
        corner = np.stack(np.meshgrid(*([[1e-9, 1 - 1e-9]] * dim), indexing="ij"), axis=-1)
        corner = corner.reshape(-1, dim)
        ends = cells.corners[:, None, 0] + corner[None] * size[:, None]
        probes = np.concatenate([local, corner])
    else:
        local = np.zeros((cells.points.shape[1], dim))
        ends = cells.corners
        probes = np.zeros((local.shape[0] + ends.shape[1], dim))
    ends = placed(ends, cells.frame)
    at_ends = density.log_density(ends.reshape(-1, dim)).reshape(ends.shape[:2])
    values = np.concatenate([cells.log_values, at_ends], axis=1)
    values = np.where(np.isnan(values), -np.inf, values)
    top = values.max(axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    # logarithms further below the largest value of a cell count as that much below it
    values = np.maximum(values, top - 60.0)
    slope = np.zeros((len(values), dim))
    if cells.box:
        centred = probes - probes.mean(axis=0)
        slope = np.einsum("mq,qd->md", values, centred) / np.einsum("qd,qd->d", centred, centred)
    rest = values - slope @ probes.T
    spread = np.ptp(rest, axis=1)
    # 0.02: least margin of the envelope above the largest value that was seen in a cell
    ceiling = rest.max(axis=1) + 0.02 + 0.5 * np.minimum(spread, 4.0)
    return ExactSampler(density, np.cumsum(cells.masses), slope, ceiling)


def _exponential(uniform: Array, slope: Array) -> Array:
    """Quantiles of the densities ∝ e^{g s} on [0, 1]."""
    steep = np.abs(slope) > 1e-6
    g = np.where(steep, slope, 1.0)
    size = np.abs(g)
    # mass piles up at one end: measured from there nothing overflows
    quantile = -np.log(uniform + (1 - uniform) * np.exp(-size)) / size
    return np.where(steep, np.where(g > 0, 1 - quantile, quantile), uniform)
