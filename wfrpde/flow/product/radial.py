r"""Radial flows: those of the distance from the origin, in any dimension.

With :math:`\rho(x) = \rho_1(r)\,r^{1-d}/|S^{d-1}|` the distance follows the flow on a line with the
potential :math:`v(r) - (d - 1)\log r`; the ratio ρ/π, and with it KL, is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, jv, roots_jacobi

from wfrpde.case.stored import Result
from wfrpde.discretisation.quadrature import gauss_rule
from wfrpde.flow.product.lines import Atoms, Complex, Line
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import Index
from wfrpde.flow.saved import Estimated

if TYPE_CHECKING:
    from wfrpde.targets import Target

Array = npt.NDArray[np.float64]

ANGLES = 64
"""Angles of the quadrature over a sphere."""

SHELLS = 120
"""Intervals of the distance, with six points each, over which waves are integrated."""

BESSEL = 30
"""Dimension up to which waves are averaged over a sphere by Bessel's function; beyond, the cosine
of the angle is so close to 0 that its quadrature sees all that has not died away."""


@dataclass(frozen=True)
class RadialPart(Result):
    """A radial factor: the flow of its distance from the origin."""

    target: Target
    distance: MeshPart

    @property
    def dim(self) -> int:
        """Dimension of the factor."""
        return self.target.dim

    @property
    def times(self) -> Array:
        """Saved times ``(T,)``."""
        return self.distance.times

    @property
    def complete(self) -> bool:
        """Whether it reached its end."""
        return self.distance.complete

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        return self.distance.warnings

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it was computed, JSON-ready."""
        return {**self.distance.facts, "coordinate": "the distance from the origin"}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar series."""
        return self.distance.names

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""
        if name == "mode_mass":
            raise KeyError(region)
        _, lost = self._hole
        if name not in ("mean", "covariance"):
            own = self.distance.estimated(name)
            return Estimated(own.value, own.error + lost * (1 + np.abs(own.value)))
        count, dim = len(self.times), self.dim
        if name == "mean":
            return Estimated(np.zeros((count, dim)), np.zeros((count, dim)))
        mean, variance = (self.distance.estimated(k) for k in ("mean", "covariance"))
        square = (variance.value[:, 0, 0] + mean.value[:, 0] ** 2) / dim
        error = variance.error[:, 0, 0] + 2 * mean.value[:, 0] * mean.error[:, 0]
        error += lost * square * dim
        one = np.eye(dim)
        return Estimated(square[:, None, None] * one, error[:, None, None] / dim * one)

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""
        raise KeyError(region)

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""
        return np.asarray(self.distance.log_relative_density(index, self._distances(x)))

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, d)``."""
        r = self._distances(x)
        sphere = np.log(2.0) + self.dim / 2 * np.log(np.pi) - gammaln(self.dim / 2)
        value = self.distance.log_density(index, r) - (self.dim - 1) * np.log(r[:, 0]) - sphere
        return np.asarray(value)

    def _distances(self, x: Array) -> Array:
        """Return |x| ``(n, 1)``, no less than where the line begins."""
        r = np.linalg.norm(x, axis=1)
        return np.asarray(np.maximum(r, self._hole[0])[:, None])

    @cached_property
    def _hole(self) -> tuple[float, float]:
        """Where the line begins, and the largest share of mass nearer to the origin."""
        r = float(self.distance.solution.box[0, 0])
        at = np.array([[r]])
        logs = [float(self.distance.log_density(k, at)[0]) for k in (None, *range(len(self.times)))]
        return r, r / self.dim * float(np.exp(max(logs)))

    @cached_property
    def _angles(self) -> tuple[Array, Array]:
        power = (self.dim - 3) / 2
        cosine, weight = roots_jacobi(ANGLES, power, power)
        keep = weight > 0
        return cosine[keep], np.log(weight[keep] / weight.sum())

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
        gap = float(size * law.places.max() * np.diff(cosine).max())
        return Atoms(places.ravel(), log_mass.ravel(), defect.ravel(), cut=law.cut, gap=gap)

    def characteristic(self, index: Index, omega: Array) -> Complex:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""
        size, which = np.unique(np.linalg.norm(omega, axis=1), return_inverse=True)
        r, mass = self._shells(index)
        z = np.multiply.outer(size, r)
        if self.dim <= BESSEL:
            order = self.dim / 2 - 1
            with np.errstate(divide="ignore", invalid="ignore"):
                bulk = jv(order, z) * np.exp(gammaln(order + 1) + order * np.log(2 / z))
            around = np.where(z < 1e-3, 1 - z**2 / (2 * self.dim), bulk)
        else:
            cosine, log_weight = self._angles
            around = sum(np.exp(w) * np.cos(z * c) for c, w in zip(cosine, log_weight, strict=True))
        return np.asarray((around @ mass)[which].astype(complex))

    def _shells(self, index: Index) -> tuple[Array, Array]:
        """Return distances ``(n,)`` and the masses of spheres there, few but enough for waves."""
        low, high = self.distance.solution.box[0]
        ends = np.linspace(low, high, SHELLS + 1)
        node, weight = gauss_rule(6)
        r = (ends[:-1, None] + np.diff(ends)[:, None] * node).ravel()
        log_mass = self.distance.log_density(index, r[:, None]) + np.log(np.tile(weight, SHELLS))
        mass = np.exp(log_mass - log_mass.max())
        return r, mass / mass.sum()

    def oracle(self) -> Callable[[float, Array], Array]:
        """Return log(ρ/π) by a table over the distance."""
        table = self.distance.oracle()
        return lambda t, x: table(t, self._distances(x))
