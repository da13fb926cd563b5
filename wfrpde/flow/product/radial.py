r"""Radial flows: those of the distance from the origin, in any dimension.

With :math:`\rho(x) = \rho_1(r)\,r^{1-d}/|S^{d-1}|` the distance follows the flow on a line with the
potential :math:`v(r) - (d - 1)\log r`; the ratio ρ/π, and with it KL, is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.discretisation.gauss import gauss_rule
from wfrpde.errors import InputError
from wfrpde.flow.product.lines import Atoms, Line
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import Index
from wfrpde.flow.product.reduced import ReducedPart
from wfrpde.flow.product.spheres import cosines, directions, log_area, mean_wave
from wfrpde.flow.saved import Estimated

if TYPE_CHECKING:
    from wfrpde.targets import Target


SHELLS = 120
"""Intervals of the distance, with six points each, over which waves are integrated."""

BEYOND = np.geomspace(1.0, 1e12, 4001)
"""Distances, in units of where the line ends, at which it is looked for mass beyond."""


@dataclass(frozen=True)
class RadialPart(ReducedPart):
    """A radial factor: the flow of its distance from the origin."""

    target: Target
    distance: MeshPart
    coordinate = "the distance from the origin"

    @property
    def mesh(self) -> MeshPart:
        """The flow of the distance."""
        return self.distance

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""
        if name == "mode_mass":
            raise KeyError(region)
        if name not in ("mean", "covariance"):
            return self.series(name)
        count, dim = len(self.times), self.dim
        if name == "mean":
            return Estimated(np.zeros((count, dim)), np.zeros((count, dim)))
        mean, variance = (self.distance.estimated(k) for k in ("mean", "covariance"))
        square = (variance.value[:, 0, 0] + mean.value[:, 0] ** 2) / dim
        error = variance.error[:, 0, 0] + 2 * mean.value[:, 0] * mean.error[:, 0]
        error += self.lost * square * dim
        one = np.eye(dim)
        return Estimated(square[:, None, None] * one, error[:, None, None] / dim * one)

    def reduced(self, x: Array) -> Array:
        """Return |x| ``(n, 1)``, no less than where the line begins."""
        r = np.linalg.norm(x, axis=1)
        return np.asarray(np.maximum(r, self._ends[0])[:, None])

    def placed(self, points: Array, rng: np.random.Generator) -> Array:
        """Draw points ``(n, d)`` at given distances ``(n, 1)``."""
        return np.asarray(points * directions(len(points), self.dim, rng))

    def seen(self, weights: Array) -> Array:
        """Return |w|."""
        return np.asarray(np.linalg.norm(weights, keepdims=True).round(12))

    def log_volume(self, points: Array) -> Array:
        """Return log(r^{d − 1} |S^{d−1}|)."""
        return np.asarray((self.dim - 1) * np.log(points[:, 0]) + log_area(self.dim))

    @property
    def _ends(self) -> tuple[float, float]:
        low, high = self.distance.solution.box[0]
        return float(low), float(high)

    @cached_property
    def lost(self) -> float:
        """Share of mass nearer to the origin than where the line begins, and beyond its end."""
        low, high = self._ends
        ends = np.array([[low], [high]])
        near, far = np.transpose(
            [self.distance.log_density(k, ends) for k in (None, *range(len(self.times)))]
        )
        # beyond, ρ/π is taken to be what it is at the end, and π falls as its formula says
        r = high * BEYOND
        with np.errstate(over="ignore", invalid="ignore"):
            fall = -self.distance.target.potential(r[:, None])
            mass = float(np.trapezoid(np.nan_to_num(np.exp(fall - fall[0]) * r), np.log(r)))
        return low / self.dim * float(np.exp(near.max())) + mass * float(np.exp(far.max()))

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time: |w| r cos θ."""
        law = self.distance.line(index, np.ones(1))
        size = float(np.linalg.norm(weights))
        if not isinstance(law, Atoms):
            raise TypeError("the distance is on a mesh")
        keep = law.log_mass > law.log_mass.max() - 60.0
        cosine, log_weight = self._angles
        places = size * np.multiply.outer(law.places[keep], cosine)
        log_mass = np.add.outer(law.log_mass[keep], log_weight)
        defect = np.broadcast_to(law.defect[keep, None], places.shape)
        gap = float(size * law.places[keep].max() * np.diff(cosine).max())
        width = float(np.sqrt(law.tilt(0.0)[2] + law.tilt(0.0)[1] ** 2))
        # root mean squares of the distance that its points may lie apart where tails are followed
        if gap > 4.0 * size * width:
            needed = "a law that falls faster: log_density knows this one at points"
            raise InputError("projection", f"heavy tails, of {self.target.description}", needed)
        cut = law.cut + self.lost
        return Atoms(places.ravel(), log_mass.ravel(), defect.ravel(), cut=cut, gap=gap)

    @cached_property
    def _angles(self) -> tuple[Array, Array]:
        return cosines(self.dim)

    def characteristic(self, index: Index, omega: Array) -> ComplexArray:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""
        size, which = np.unique(np.linalg.norm(omega, axis=1), return_inverse=True)
        r, mass = self._shells(index)
        around = mean_wave(np.multiply.outer(size, r), self.dim)
        return np.asarray((around @ mass)[which].astype(complex))

    def _shells(self, index: Index) -> tuple[Array, Array]:
        """Return distances ``(n,)`` and the masses of spheres there, few but enough for waves."""
        ends = np.linspace(*self._ends, SHELLS + 1)
        node, weight = gauss_rule(6)
        r = (ends[:-1, None] + np.diff(ends)[:, None] * node).ravel()
        log_mass = self.distance.log_density(index, r[:, None]) + np.log(np.tile(weight, SHELLS))
        mass = np.exp(log_mass - log_mass.max())
        return r, mass / mass.sum()
