"""`ProductSolution`: a flow in any dimension, as independent factors and a rotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, ComplexArray
from wfrpde.case.stored import Result
from wfrpde.discretisation.interpolation import points_of
from wfrpde.fields import parse_region
from wfrpde.fields.product_regions import parse_product_region
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.normal_mass import normal_mass
from wfrpde.flow.product.factors import AnyPart, Factors
from wfrpde.flow.product.gaussian_part import GaussianPart
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import Index
from wfrpde.flow.product.phase_part import PhasePart
from wfrpde.flow.product.planar import planar_density
from wfrpde.flow.product.reduced import ReducedPart
from wfrpde.flow.product.regions import region_mass
from wfrpde.flow.product.sums import SumLaw, Tail
from wfrpde.flow.saved import DerivedNumbers, ErrorEstimate, Estimated, saved_index
from wfrpde.flow.solution import Solution
from wfrpde.numbers import shortened
from wfrpde.samplers.oracle import SumOracle
from wfrpde.targets.product import Turned

if TYPE_CHECKING:
    from wfrpde.case import Case


@dataclass(frozen=True, repr=False)
class ProductSolution(Result, DerivedNumbers):
    """A flow that is a product: everything that is asked of it is put together from its factors.

    log ρ, KL, Fisher information and log normalising constants add, and so do their errors, as
    equal factors err alike. Points x = R y are in the coordinates of the case, y in those of the
    factors, one after the other.

    Attributes
    ----------
    parts
        The flows of the factors that differ.
    order
        For each factor, in order, which of the `parts` it is.
    names
        For each factor its name, or "".
    rotation
        R ``(d, d)``, or None.
    complete
        False if the run was interrupted; then `times` ends early.
    series
        ``kl``, ``mass``, ``fisher_information``, ``reaction_variance``, each ``(T,)``; with linear
        reactions also ``log_normalising_constant``.
    """

    case: Case
    parts: tuple[AnyPart, ...] = field(repr=False)
    order: tuple[int, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    rotation: Array | None = field(repr=False)
    complete: bool
    wall_time: float
    ranks: int

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return (
            f"<ProductSolution of {self.case.title or self.case.name!r}: {self.dim} dimensions, "
            f"{len(self.order)} factors, {len(self.parts)} of them different, "
            f"{len(self.times)} times up to t = {self.times[-1]:g}{state}>"
        )

    @cached_property
    def factors(self) -> Factors:
        """Which factors it has, and where their coordinates lie."""
        return Factors(self.parts, self.order, self.names, self.rotation)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.factors.dim

    @cached_property
    def times(self) -> Array:
        """Saved times ``(T,)``, 0 first."""
        return min((part.times for part in self.parts), key=len)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many factors are like each of the `parts`."""
        return self.factors.counts

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        texts = [text for part in self.parts for text in part.warnings]
        return tuple(dict.fromkeys(texts))

    @property
    def numerics(self) -> dict[str, Any]:
        """How it was computed, JSON-ready."""
        facts = [dict(part.facts) for part in self.parts]
        reason = "target and start are products" if self.case.target.is_product else "one factor"
        if not self.case.target.is_product:
            reason = str(facts[0]["reason"])
        return {
            "formulation": "product" if self.case.target.is_product else facts[0]["formulation"],
            "reason": reason,
            "factors": len(self.order),
            "different": len(self.parts),
            "parts": [
                {"repeat": n, "dimension": part.dim, **fact}
                for n, part, fact in zip(self.counts, self.parts, facts, strict=True)
            ],
            "ranks": self.ranks,
            "target_mode_mass": self.target_mode_mass,
            "checks": [],
        }

    @property
    def history(self) -> Mapping[str, Array]:
        """Nothing: the factors have steps of their own."""
        return {}

    @property
    def target(self) -> ProductTarget:
        """π, as a density that reports describe."""
        return ProductTarget(self)

    # --- numbers -----------------------------------------------------------------------------

    @cached_property
    def _series(self) -> dict[str, Estimated]:
        count = len(self.times)
        found = {}
        names = [name for part in self.parts for name in part.names]
        for name in dict.fromkeys(names):
            value, error = np.zeros(count), np.zeros(count)
            for part, n in zip(self.parts, self.counts, strict=True):
                if name in part.names:
                    entry = part.estimated(name)
                    value += n * entry.value[:count]
                    error += n * entry.error[:count]
            found[name] = Estimated(value, error)
        found["mass"] = Estimated(np.ones(count), found["mass"].error)
        return found

    @cached_property
    def _means(self) -> Estimated:
        return self.factors.blocks("mean", len(self.times))

    @cached_property
    def _covariances(self) -> Estimated:
        return self.factors.blocks("covariance", len(self.times))

    @cached_property
    def variance(self) -> Estimated:
        """Variance of each coordinate, ``(T, d)``, with its error."""
        return self.factors.variances(len(self.times))

    @cached_property
    def target_mode_mass(self) -> dict[str, float]:
        """Mass that π gives to each named region."""
        return {name: self._mode(name, None).probability for name in self.case.target.modes}

    def _mode(self, name: str, index: Index) -> Tail:
        """Return the mass of a region that the case names."""
        where = f"target.modes.{name}"
        if self.case.is_coupled:
            part, positions = self.parts[0], self.dim // 2
            if isinstance(part, GaussianPart):
                mean, covariance = (m[..., :positions] for m in part.moments(index))
                held = parse_region(self.case.target.modes[name], positions, where)
                value, error = normal_mass(held, mean, covariance[:positions])
                error += 0.0 if index is None else float(part.relative_errors[index])
            else:
                value, error = part.region_mass(index, name)
            with np.errstate(divide="ignore"):
                return Tail(float(np.log(value)), error / max(value, 1e-300))
        region = parse_product_region(self.case.target.modes[name], where)
        return region_mass(self.factors, region, index, where)

    @cached_property
    def log_mode_mass(self) -> Mapping[str, Array]:
        """Log of the mass of each named region, ``(T,)``: also where the mass is below 1e-308."""
        return {
            name: np.array([tail.log_probability for tail in tails])
            for name, tails in self._mode_tails.items()
        }

    @cached_property
    def _mode_tails(self) -> dict[str, list[Tail]]:
        count = range(len(self.times))
        return {name: [self._mode(name, k) for k in count] for name in self.case.target.modes}

    @cached_property
    def _modes(self) -> dict[str, Estimated]:
        return {
            name: Estimated(
                np.array([tail.probability for tail in tails]),
                np.array([tail.error for tail in tails]),
            )
            for name, tails in self._mode_tails.items()
        }

    @cached_property
    def error(self) -> ErrorEstimate:
        """Estimated errors of all these numbers; of the density in L2 relative to its norm."""
        count = len(self.times)
        density = np.zeros(count)
        for part, n in zip(self.parts, self.counts, strict=True):
            mesh = part.mesh if isinstance(part, ReducedPart) else part
            if isinstance(mesh, MeshPart):
                density += n * mesh.solution.density_error[:count]
            elif isinstance(mesh, PhasePart):
                density += n * mesh.density_error[:count]
        return self._error(density)

    @property
    def density_error(self) -> Array:
        """Estimated error ``(T,)`` of the density in L2, relative to its norm."""
        return self.error.density

    # --- densities ---------------------------------------------------------------------------

    def _index(self, t: float) -> Index:
        return None if t == np.inf else saved_index(self.times, t)

    def factor_coordinates(self, x: npt.ArrayLike) -> Array:
        """Return y = Rᵀ x ``(n, d)``, the coordinates of the factors, of points ``(n, d)``."""
        return self.factors.coordinates(x)

    def log_relative_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log(ρ/π)`` at points ``(n, d)``; t is one of `times`. Not collective."""
        index = self._index(t)
        return self.factors.summed(x, lambda part, y: part.log_relative_density(index, y))

    def log_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log ρ`` at points ``(n, d)``; −∞ outside the domain; of π at t = ∞. Not collective."""
        index = self._index(t)
        return self.factors.summed(x, lambda part, y: part.log_density(index, y))

    @cached_property
    def oracle(self) -> SumOracle:
        """log(ρ/π) at any time up to the last, for samplers; see `wfrpde.samplers.oracle`."""
        turned = Turned(self.factors.columns, self.rotation)
        return SumOracle(turned, tuple(part.oracle() for part in self.parts))

    # --- laws of linear forms and of regions -------------------------------------------------

    def projection(self, t: float, weights: npt.ArrayLike) -> SumLaw:
        """Law of w·x at one of `times`: `SumLaw.density`, `SumLaw.above`, mean and variance.

        Parameters
        ----------
        t
            One of `times`, or ∞ for the target.
        weights
            w ``(d,)``, in the coordinates of the case.
        """
        return self.factors.law(self._index(t), self.factors.turned(weights))

    def marginal(self, t: float, coordinate: int) -> SumLaw:
        """Law of one coordinate of x, counted from 0, at one of `times`."""
        return self.projection(t, np.eye(1, self.dim, coordinate)[0])

    def marginal_density(
        self, t: float, coordinates: int | tuple[int, int], x: npt.ArrayLike
    ) -> Array:
        """Density of one or two coordinates of x, counted from 0, at points ``(n,)`` or ``(n, 2)``.

        Where a coordinate is that of a one-dimensional factor it is the factor's own density; else
        Fourier's inversion gives it, to about 1e-9 of its maximum.
        """
        index, alone = self._index(t), self.parts[0]
        if isinstance(alone, PhasePart):
            axes = (coordinates,) if isinstance(coordinates, int) else coordinates
            return alone.marginal_density(index, axes, points_of(x, len(axes)))
        if isinstance(coordinates, int):
            part = self.factors.alone(coordinates)
            s = np.atleast_1d(np.asarray(x, dtype=float))
            if part is None:
                return self.marginal(t, coordinates).density(s)
            return np.asarray(np.exp(part.log_density(index, s[:, None])))
        points, (first, second) = points_of(x, 2), coordinates
        if first != second and all(self.factors.alone(k) is not None for k in coordinates):
            one = self.marginal_density(t, first, points[:, 0])
            return one * self.marginal_density(t, second, points[:, 1])
        return planar_density(self.factors, index, coordinates, points)

    def characteristic(self, t: float, omega: npt.ArrayLike) -> ComplexArray:
        """E e^{iω·x} at frequencies ``(m, d)``, in the coordinates of the case."""
        return self.factors.characteristic(self._index(t), np.asarray(omega, dtype=float))

    def tail(self, t: float, weights: npt.ArrayLike, c: float) -> Tail:
        """P(w·x > c) at one of `times`, accurate relative to itself however small it is."""
        return self.projection(t, weights).above(c)

    def region(self, text: str, where: str = "region") -> list[Tail]:
        """Mass of a region of the product at every time, with its relative error.

        Parameters
        ----------
        text
            ``all(R)``, ``any(R)``, ``count(R) >= k``, ``sum(w) > c`` by the factors, or
            ``dot([…]) > c`` in the coordinates of the case. R is one that the case names.
        """
        region = parse_product_region(text, where)
        return [region_mass(self.factors, region, k, where) for k in range(len(self.times))]


@dataclass(frozen=True)
class ProductTarget:
    """The target of a `ProductSolution`."""

    solution: ProductSolution

    @property
    def name(self) -> str:
        """Its kind."""
        return self.solution.case.target.kind or "product"

    @property
    def description(self) -> str:
        """In words."""
        solution = self.solution
        if not solution.case.target.is_product:
            return solution.parts[0].target.description
        words = [
            f"{n} × {shortened(part.target.description)}" if n > 1 else part.target.description
            for n, part in zip(solution.counts, solution.parts, strict=True)
        ]
        turned = ", rotated" if solution.rotation is not None else ""
        return f"product of {' and '.join(map(shortened, words))}{turned}"


AnySolution = Solution | ProductSolution | ChainSolution
"""What `wfrpde.solve` returns."""
