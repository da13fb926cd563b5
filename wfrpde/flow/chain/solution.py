"""`ChainSolution`: the flow of a chain of coupled sites, as tensor trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RectBivariateSpline, make_interp_spline

from wfrpde.arrays import Array, ComplexArray, Flags
from wfrpde.case.stored import Result
from wfrpde.discretisation.interpolation import points_of
from wfrpde.errors import InputError
from wfrpde.fields import parse_region
from wfrpde.flow.chain.law import Law
from wfrpde.flow.chain.measure import ALONG, chain_region
from wfrpde.flow.chain.nodes import SiteNodes
from wfrpde.flow.chain.train import values
from wfrpde.flow.saved import DerivedNumbers, ErrorEstimate, Estimated, saved_index

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.targets import Target


ROUND_OFF = 1e-17
"""Share of the largest density below which one is round-off."""

SERIES = ("kl", "mass", "fisher_information", "reaction_variance")
"""Names of the scalar series."""


@dataclass(frozen=True, repr=False)
class ChainSolution(Result, DerivedNumbers):
    """A flow of coupled sites: log(ρ/π) as a tensor train at each saved time.

    Every number comes from several runs, with shorter steps, more nodes and a finer truncation;
    their differences are its *estimated* error. Nothing here is a bound.

    Attributes
    ----------
    times
        Saved times ``(T,)``, 0 first.
    nodes
        The points of each site.
    trains
        For each time the cores of u = log(ρ/π) up to a constant, each ``(r, n, r')``.
    laws
        For each time ρ on quadrature points, and π as the last.
    numbers, errors
        By name, each with the saved times first.
    facts
        How it was computed, JSON-ready.
    series
        ``kl``, ``mass``, ``fisher_information``, ``reaction_variance``, each ``(T,)``; along a
        ``[path]`` also ``kl_to_path`` KL(ρ_t‖π_t) and ``free_energy`` −log Z_t/Z_0.
    """

    case: Case
    times: Array
    nodes: SiteNodes
    trains: tuple[tuple[Array, ...], ...] = field(repr=False)
    laws: tuple[Law, ...] = field(repr=False)
    numbers: Mapping[str, Array] = field(repr=False)
    errors: Mapping[str, Array] = field(repr=False)
    facts: Mapping[str, Any] = field(repr=False)
    warnings: tuple[str, ...]
    complete: bool
    wall_time: float
    ranks: int

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return (
            f"<ChainSolution of {self.case.title or self.case.name!r}: {self.dim} sites, "
            f"{len(self.times)} times up to t = {self.times[-1]:g}{state}>"
        )

    def with_warnings(self, *texts: str) -> ChainSolution:
        """Return the solution with warnings."""
        return replace(self, warnings=(*self.warnings, *texts))

    @property
    def dim(self) -> int:
        """Dimension d: one coordinate a site."""
        return self.case.dim

    @cached_property
    def target(self) -> Target:
        """π."""
        return self.case.target.build()

    @property
    def numerics(self) -> Mapping[str, Any]:
        """How it was computed, JSON-ready."""
        return self.facts

    @property
    def history(self) -> Mapping[str, Array]:
        """Nothing: KL is known at the saved times alone."""
        return {}

    # --- numbers -----------------------------------------------------------------------------

    def _entry(self, name: str) -> Estimated:
        return Estimated(self.numbers[name], self.errors[name])

    @property
    def _series(self) -> Mapping[str, Estimated]:
        names = [*SERIES, *(name for name in ALONG if name in self.numbers)]
        return {name: self._entry(name) for name in names}

    @property
    def _means(self) -> Estimated:
        return self._entry("mean")

    @property
    def _covariances(self) -> Estimated:
        return self._entry("covariance")

    @property
    def _modes(self) -> Mapping[str, Estimated]:
        return {name: self._entry(f"mode {name}") for name in self.case.target.modes}

    @property
    def variance(self) -> Estimated:
        """Variance of each site, ``(T, d)``."""
        found = self.estimated("covariance")
        return Estimated(np.einsum("tii->ti", found.value), np.einsum("tii->ti", found.error))

    @cached_property
    def log_mode_mass(self) -> Mapping[str, Array]:
        """Log of the mass of each named region, ``(T,)``."""
        with np.errstate(divide="ignore"):
            return {name: np.log(mass) for name, mass in self.mode_mass.items()}

    @property
    def target_mode_mass(self) -> dict[str, float]:
        """Mass that π gives to each named region."""
        return dict(self.facts["target_mode_mass"])

    def region(self, text: str, where: str = "region") -> Estimated:
        """Mass of a region at every time, one of ``target.modes`` or ``validation.probabilities``.

        Raises
        ------
        InputError
            If it is none of them: the masses of others were not worked out.
        """
        return self._entry(f"mode {self._region(text, where)}")

    def target_region(self, text: str, where: str = "region") -> float:
        """Mass that π gives to such a region."""
        known = {**self.facts["target_mode_mass"], **self.facts.get("target_probabilities", {})}
        return float(known[self._region(text, where)])

    def _region(self, text: str, where: str) -> str:
        """Return the name of a region."""
        for name, known in self.case.target.modes.items():
            if known == text:
                return name
        if text not in self.case.validation.probabilities.values():
            needed = "one that target.modes or validation.probabilities of the case name"
            raise InputError(where, repr(text), needed)
        return text

    @cached_property
    def error(self) -> ErrorEstimate:
        """Estimated errors of all these numbers; that of the density is `density_error`."""
        return self._error(self.density_error)

    @property
    def density_error(self) -> Array:
        """Root mean square of the error of log(ρ/π) under ρ, ``(T,)``: run against run."""
        return self.errors["density"]

    # --- densities ---------------------------------------------------------------------------

    def _index(self, t: float) -> int:
        """Return the number of a saved time; −1, the last of the `laws`, for that of the target."""
        return -1 if t == np.inf else saved_index(self.times, t)

    def log_relative_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log(ρ/π)`` at points ``(n, d)``; t is one of `times`; NaN outside. Not collective."""
        index, points = self._index(t), points_of(x, self.dim)
        found: Array = np.zeros(len(points))
        if index >= 0:
            found = self.log_relative_everywhere(t, points)
        outside = ((points < self.nodes.low) | (points > self.nodes.high)).any(axis=1)
        found[outside] = np.nan
        return found

    def log_relative_everywhere(self, t: float, x: npt.ArrayLike) -> Array:
        """``log(ρ/π)`` at points ``(n, d)`` at one of `times`, on straight lines outside."""
        index, points = self._index(t), points_of(x, self.dim)
        rows = [self.nodes.extrapolation(column) for column in points.T]
        found = values(self.trains[index], rows)
        return found + self.laws[-1].log_mass - self.laws[index].log_mass

    def log_density(self, t: float, x: npt.ArrayLike) -> Array:
        """``log ρ`` at points ``(n, d)``; −∞ outside the domain; of π at t = ∞. Not collective."""
        points = points_of(x, self.dim)
        found = self.log_relative_density(t, points)
        found -= self.target.potential(points) + self.laws[-1].log_mass
        return np.where(np.isnan(found), -np.inf, found)

    def marginal_density(
        self, t: float, coordinates: int | tuple[int, int], x: npt.ArrayLike
    ) -> Array:
        """Density of one or two sites, counted from 0, at points ``(n,)`` or ``(n, 2)``."""
        law = self.laws[self._index(t)]
        asked = [int(k) for k in np.atleast_1d(np.asarray(coordinates))]
        if not all(0 <= k < self.dim for k in asked) or len(set(asked)) != len(asked):
            raise ValueError(f"coordinates {asked}; needed one or two different ones of {self.dim}")
        coordinates = asked[0] if len(asked) == 1 else (asked[0], asked[1])
        knots, low, high = law.points, self._ends[0], self._ends[-1]
        if isinstance(coordinates, int):
            ordinates = np.atleast_1d(np.asarray(x, dtype=float))
            spline = make_interp_spline(knots, _logs(law.density(coordinates)), k=5)
            within = (ordinates >= low) & (ordinates <= high)
            return np.where(within, np.exp(spline(np.clip(ordinates, low, high))), 0.0)
        points = points_of(x, 2)
        first, second = sorted(coordinates)
        one, other = points.T if coordinates == (first, second) else points.T[::-1]
        surface = RectBivariateSpline(knots, knots, _logs(law.pair(first, second)), kx=5, ky=5)
        within = ((points >= low) & (points <= high)).all(axis=1)
        return np.where(within, np.exp(surface.ev(one, other)), 0.0)

    @cached_property
    def _ends(self) -> Array:
        return np.array(self.facts["pieces"])

    def sample(self, t: float, count: int, rng: np.random.Generator) -> Array:
        """Draw points ``(N, d)`` from ρ at one of `times`, of π at t = ∞."""
        return self.laws[self._index(t)].sample(count, rng, self._ends)

    def density(self, t: float, x: npt.ArrayLike) -> Array:
        """Density ``(n,)`` of what `sample` draws at points ``(n, d)``; `log_density` is better."""
        return self.laws[self._index(t)].values(points_of(x, self.dim), self._ends)

    def characteristic(self, t: float, omega: npt.ArrayLike) -> ComplexArray:
        """E e^{iω·x} at frequencies ``(m, d)``, at one of `times` or of π at t = ∞."""
        law = self.laws[self._index(t)]
        return law.characteristic(np.asarray(omega, dtype=float), self._ends)

    def inside(self, text: str, x: npt.ArrayLike) -> Flags:
        """Return which points ``(n, d)`` lie in a region, as ``"all(x > 0)"``."""
        region, points = chain_region(text, "region"), points_of(x, self.dim)
        hit = parse_region(region.region, 1, "region")
        count = np.asarray(hit(points.reshape(-1, 1))).reshape(points.shape).sum(axis=1)
        if region.most is not None:
            return np.asarray(count <= region.most)
        return np.asarray(count >= (self.dim if region.least < 0 else region.least))


def _logs(density: Array) -> Array:
    """Return logarithms, which are smooth where a peak is not; round-off is kept above zero."""
    return np.asarray(np.log(np.maximum(density, ROUND_OFF * density.max())))
