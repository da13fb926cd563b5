r"""Flows around an axis: those of z along it and of the distance r from it, in any dimension.

With :math:`\rho(x) = \rho_2(z, r)\,r^{2-d}/|S^{d-2}|` the two follow the flow in a half-plane with
the potential :math:`V(z, r) - (d - 2)\log r`; the ratio ρ/π, and with it KL, is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.discretisation.gauss import gauss_rule
from wfrpde.flow.product.lines import BLOCK, Atoms, Line
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import Index
from wfrpde.flow.product.reduced import ReducedPart
from wfrpde.flow.product.spheres import cosines, directions, log_area, tabulated_wave
from wfrpde.flow.saved import Estimated

if TYPE_CHECKING:
    from wfrpde.targets import Target


PIECES = (40, 20)
"""Intervals of z and of r, with four points each, over which linear forms are integrated."""

DEPTH = 36.0
"""Logarithms below the largest density, or mass of a point, beyond which points are left out."""

BEYOND = 1e-8
"""Share of mass that no box of the half-plane is said to leave out less than."""

SCAN = 200
"""Distances from the axis at which it is looked for mass."""


@dataclass(frozen=True)
class AxialPart(ReducedPart):
    """A factor that is the same around an axis ``(d,)``: the flow in the half-plane."""

    target: Target
    plane: MeshPart
    axis: Array
    coordinate = "z along an axis, and the distance r from it"

    @property
    def mesh(self) -> MeshPart:
        """The flow in the half-plane."""
        return self.plane

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""
        if name == "mode_mass":
            raise KeyError(region)
        if name not in ("mean", "covariance"):
            return self.series(name)
        mean, covariance = (self.plane.estimated(k) for k in ("mean", "covariance"))
        extent = float(np.abs(self.plane.solution.box).max())
        if name == "mean":
            error = mean.error[:, :1] + self.lost * extent
            return Estimated(mean.value[:, :1] * self.axis, error * np.abs(self.axis))
        line = np.outer(self.axis, self.axis)
        along, e = covariance.value[:, 0, 0], covariance.error[:, 0, 0] + self.lost * extent**2
        square, f = covariance.value[:, 1, 1], covariance.error[:, 1, 1] + self.lost * extent**2
        if self.dim > 2:  # else r has both signs, and its mean is zero
            square = square + mean.value[:, 1] ** 2
            f = f + 2 * np.abs(mean.value[:, 1]) * mean.error[:, 1]
        rest, beside = np.eye(self.dim) - line, self.dim - 1
        value = np.multiply.outer(along, line) + np.multiply.outer(square / beside, rest)
        error = np.multiply.outer(e, np.abs(line)) + np.multiply.outer(f / beside, np.abs(rest))
        return Estimated(value, error)

    def reduced(self, x: Array) -> Array:
        """Return (z, r) ``(n, 2)``, with r no less than where the half-plane begins."""
        z = np.asarray(x @ self.axis)
        r = np.linalg.norm(x - np.outer(z, self.axis), axis=1)
        return np.stack([z, np.maximum(r, self.plane.solution.box[1, 0])], axis=1)

    def placed(self, points: Array, rng: np.random.Generator) -> Array:
        """Draw points ``(n, d)`` with given z and r ``(n, 2)``."""
        around = directions(len(points), self.dim, rng, self.axis)
        return np.asarray(points[:, :1] * self.axis + points[:, 1:] * around)

    def seen(self, weights: Array) -> Array:
        """Return the parts of w along the axis and around it."""
        return np.asarray(self._parts(weights[None])[0].round(12))

    def _parts(self, weights: Array) -> Array:
        """Return w·e and |w − (w·e) e| ``(m, 2)`` of forms ``(m, d)``."""
        along: Array = weights @ self.axis
        across = np.linalg.norm(weights - np.outer(along, self.axis), axis=1)
        small = across < 1e-14 * np.linalg.norm(weights, axis=1)
        return np.stack([along, np.where(small, 0.0, across)], axis=1)

    def log_volume(self, points: Array) -> Array:
        """Return log(r^{d − 2} |S^{d−2}|); in two dimensions r has both signs."""
        if self.dim == 2:
            return np.zeros(len(points))
        return np.asarray((self.dim - 2) * np.log(points[:, 1]) + log_area(self.dim - 1))

    @cached_property
    def lost(self) -> float:
        """Share of mass nearer to the axis than where the half-plane begins, and beyond its box."""
        if self.dim == 2:
            return BEYOND
        (left, right), (low, _) = self.plane.solution.box
        z = np.linspace(left, right, 401)
        edge = np.stack([z, np.full(401, low)], axis=1)
        masses = [
            float(np.trapezoid(np.exp(self.plane.log_density(k, edge)), z))
            for k in (None, *range(len(self.times)))
        ]
        return BEYOND + float(low) / (self.dim - 1) * max(masses)

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time: w·e z + |w − (w·e) e| r cos θ."""
        along, across = self._parts(weights[None])[0]
        if across == 0.0:
            return replace(self._law(index, np.array([along, 0.0])), cut=self.lost, open_ends=True)
        first, second = (self._atoms(index, along, across, count) for count in (4, 3))
        return replace(first, second=second, cut=self.lost)

    def _law(self, index: Index, weights: Array) -> Atoms:
        law = self.plane.line(index, weights)
        if not isinstance(law, Atoms):
            raise TypeError("the half-plane is on a mesh")
        return law

    def _atoms(self, index: Index, along: float, across: float, count: int) -> Atoms:
        rule = self._rule(index, count)
        cosine, log_weight = cosines(self.dim - 1, 64)  # angles around the axis there
        z, r = rule.points.T
        places = along * z[:, None] + across * np.multiply.outer(r, cosine)
        mass = np.add.outer(rule.log_mass, log_weight)
        error = np.broadcast_to(rule.defect[:, None], places.shape)
        gap = abs(along) * rule.gaps[0] + across * rule.gaps[1]
        return Atoms(places.ravel(), mass.ravel(), error.ravel(), gap=gap)

    def _rule(self, index: Index, count: int) -> HalfPlaneRule:
        """Return Gauss' rule in z, and for each z in those r that hold mass."""
        key = (index, count)
        if key not in self._rules:
            log_density = partial(self.plane.log_density, index)
            points, log_mass, gaps = _held(log_density, self.plane.solution.box, count)
            u = self.plane.log_relative_density(index, points)
            defect = self.plane.defect(index, points, u)
            self._rules[key] = HalfPlaneRule(points, log_mass, defect, gaps)
        return self._rules[key]

    @cached_property
    def _rules(self) -> dict[tuple[Index, int], HalfPlaneRule]:
        return {}

    def characteristic(self, index: Index, omega: Array) -> ComplexArray:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""
        size, which = np.unique(self._parts(omega).round(13), axis=0, return_inverse=True)
        rule = self._rule(index, 4)
        (z, r), mass = rule.points.T, np.exp(rule.log_mass)
        keep = mass > 1e-16
        z, r, mass = z[keep], np.abs(r[keep]), mass[keep]
        wave = tabulated_wave(float(size[:, 1].max() * r.max()), self.dim - 1)
        block = max(1, BLOCK // len(r))
        parts = [
            (np.exp(1j * np.multiply.outer(some[:, 0], z)) * wave(np.multiply.outer(some[:, 1], r)))
            @ mass
            for some in np.split(size, np.arange(block, len(size), block))
        ]
        return np.asarray(np.concatenate(parts)[which.ravel()])


@dataclass(frozen=True, eq=False)
class HalfPlaneRule:
    """Points ``(n, 2)`` of a half-plane, log masses and errors of log ρ ``(n,)``, gaps ``(2,)``."""

    points: Array
    log_mass: Array
    defect: Array
    gaps: tuple[float, float]


def _held(
    log_density: Callable[[Array], Array], box: Array, count: int
) -> tuple[Array, Array, tuple[float, float]]:
    """Return points ``(n, 2)`` of Gauss' rule, their log masses, and the gaps along z and r."""
    node, weight = gauss_rule(count)
    (left, right), (low, high) = box
    ends = np.linspace(left, right, PIECES[0] + 1)
    z = (ends[:-1, None] + np.diff(ends)[:, None] * node).ravel()
    weight_z = np.tile(weight, PIECES[0])
    scan = np.linspace(low, high, SCAN)
    if low > 0:
        scan = np.union1d(scan, np.geomspace(low, high, SCAN))
    lattice = np.stack(np.meshgrid(z, scan, indexing="ij"), axis=-1).reshape(-1, 2)
    seen = log_density(lattice).reshape(len(z), len(scan))
    inside = seen > seen.max() - DEPTH
    rows = inside.any(axis=1)
    first = np.maximum(np.argmax(inside, axis=1) - 1, 0)[rows]
    last = np.minimum(len(scan) - np.argmax(inside[:, ::-1], axis=1), len(scan) - 1)[rows]
    width = (scan[last] - scan[first]) / PIECES[1]
    share = (np.arange(PIECES[1])[:, None] + node).ravel()
    r = scan[first][:, None] + width[:, None] * share
    points = np.stack([np.repeat(z[rows], r.shape[1]), r.ravel()], axis=1)
    log_weight = np.log(np.multiply.outer(weight_z[rows] * width, np.tile(weight, PIECES[1])))
    log_mass = log_density(points) + log_weight.ravel()
    keep = log_mass > log_mass.max() - DEPTH
    points, log_mass = points[keep], log_mass[keep] - log_mass.max()
    log_mass -= np.log(np.exp(log_mass).sum())
    gap_r = float((width * np.diff(share).max()).max())
    return points, log_mass, (float(np.diff(z).max()), gap_r)
