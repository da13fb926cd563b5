"""Phase space: the density π(q) N(p; 0, 1) of kinetic dynamics, whose points are (q, p)."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.fields.regions import Region
from wfrpde.fields.rendering import as_points
from wfrpde.targets.target import Target


def phase_space(target: Target) -> Target:
    """Return ``∝ exp(−H)``, H = V(q) + |p|²/2, whose marginal in q is a target.

    Positions come first. Seeds are minima of V at rest; regions are those of the positions.
    """
    dim = target.dim

    def value(x: npt.ArrayLike) -> Array:
        points = as_points(x, 2 * dim)
        momenta = points[:, dim:]
        return np.asarray(target.potential(points[:, :dim]) + (momenta**2).sum(axis=1) / 2)

    def slope(x: npt.ArrayLike) -> Array:
        points = as_points(x, 2 * dim)
        return np.concatenate([target.gradient(points[:, :dim]), points[:, dim:]], axis=1)

    gaussian = None
    if target.gaussian is not None:
        mean, covariance = target.gaussian
        wide = np.eye(2 * dim)
        wide[:dim, :dim] = covariance
        gaussian = np.concatenate([mean, np.zeros(dim)]), wide
    partition = target.log_partition
    return dataclasses.replace(
        target,
        dim=2 * dim,
        description=f"{target.description}, with momenta",
        seeds=np.concatenate([target.seeds, np.zeros_like(target.seeds)], axis=1),
        value=value,
        slope=slope,
        expression=None,
        regions={name: _cylinder(region, dim) for name, region in target.regions.items()},
        gaussian=gaussian,
        log_partition=None if partition is None else partition + dim * np.log(2 * np.pi) / 2,
        recipe=None if target.recipe is None else {**target.recipe, "kinetic": True},
    )


def _cylinder(region: Region, dim: int) -> Region:
    """Return the points of phase space whose positions lie in a region."""

    def level(x: npt.ArrayLike) -> Array:
        return region.level(np.asarray(x)[:, :dim])

    return Region(region.text, 2 * dim, lambda x: region(x[:, :dim]), level)
