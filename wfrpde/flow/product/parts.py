"""`Part`: a factor's flow, as a product needs it: solved on a mesh, or known in closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from wfrpde.case.stored import Result
from wfrpde.discretisation.functionals import Evaluator
from wfrpde.discretisation.interpolation import evaluate
from wfrpde.discretisation.quadrature import gauss_rule
from wfrpde.flow.exact import gaussian_log_density
from wfrpde.flow.product.closed_form import GaussianFlow
from wfrpde.flow.product.lines import BLOCK, Atoms, Complex, Line, Normal
from wfrpde.flow.solution import Estimated, Solution

if TYPE_CHECKING:
    from wfrpde.targets import Target

Array = npt.NDArray[np.float64]

Index = int | None
"""Number of a saved time, or None for the target."""

PIECES = 400
"""Pieces of a line, at least, on each of which a density is integrated by Gauss' rule."""

TABLE, PHASE = 4000, 0.05
"""Frequencies beyond which a table of the characteristic function is interpolated, and the largest
phase between two of its entries: splines of degree 5 are then right to 1e-11."""

ROUND_OFF = 1e-12
"""Relative error that no number of a closed form is said to have less than."""


class Part(Protocol):
    """The flow of one factor."""

    @property
    def dim(self) -> int:
        """Dimension of the factor."""

    @property
    def times(self) -> Array:
        """Saved times ``(T,)``."""

    @property
    def complete(self) -> bool:
        """Whether it reached its end."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""

    @property
    def target(self) -> Target:
        """Its target."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it was computed, JSON-ready."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar series."""

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, d)``."""

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time."""

    def characteristic(self, index: Index, omega: Array) -> Complex:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""


@dataclass(frozen=True)
class MeshPart(Result):
    """A factor that was solved on a mesh."""

    solution: Solution

    @property
    def dim(self) -> int:
        """Dimension of the factor."""
        return self.solution.dim

    @property
    def times(self) -> Array:
        """Saved times ``(T,)``."""
        return self.solution.times

    @property
    def complete(self) -> bool:
        """Whether it reached its end."""
        return self.solution.complete

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        return self.solution.warnings

    @property
    def target(self) -> Target:
        """Its target."""
        return self.solution.target

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it was computed, JSON-ready."""
        numerics = self.solution.numerics
        return {key: numerics[key] for key in ("formulation", "reason", "nodes")}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar series."""
        return tuple(name for name in self.solution.series if name != "min_density")

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""
        return self.solution.estimated(name, region)

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""
        if index is None:
            value = float(self.solution.numerics["target_mode_mass"][region])
            return value, ROUND_OFF * value
        entry = self.solution.estimated("mode_mass", region)[index]
        return float(entry.value), float(entry.error)

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""
        if index is None:
            return np.zeros(len(x))
        return self.solution.log_relative_density(float(self.times[index]), x)

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, d)``."""
        if index is None:
            return -self.target.potential(x) - self.solution.log_normalisation
        return self.solution.log_density(float(self.times[index]), x)

    def characteristic(self, index: Index, omega: Array) -> Complex:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""
        rule = self._rules[0]
        log_mass, _ = self._masses(rule, index)
        mass = np.exp(log_mass)
        keep = mass > 1e-18
        points, mass = rule.points[keep], mass[keep]
        if self.dim == 1 and len(omega) > TABLE:
            return _interpolated(points[:, 0], mass, omega[:, 0])
        size = max(1, BLOCK // len(points))
        parts = [np.exp(1j * (omega[k : k + size] @ points.T)) @ mass
                 for k in range(0, len(omega), size)]  # fmt: skip
        return np.concatenate(parts)

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time."""
        first, second = (self._atoms(rule, index, weights) for rule in self._rules)
        automatic = self.solution.case.domain.box is None and self.solution.case.mesh_path is None
        shares = self.solution.numerics.get("cut_off_share", {})
        cut = float(sum(shares.values())) if automatic else 0.0
        return replace(first, second=second, cut=cut, open_ends=automatic)

    @cached_property
    def _rules(self) -> tuple[PointRule, PointRule]:
        """Two rules for integrals that oscillate."""
        interpolation, potential = self.solution.interpolation, self.solution.densities.potential
        if self.dim == 1:
            nodes = interpolation.nodes[:, 0]
            return line_rule(nodes, potential, 6), line_rule(nodes, potential, 5)
        from wfrpde.parallel.mpi import MPI

        first = Evaluator(MPI.COMM_SELF, interpolation, potential, {})
        axes = [np.unique(interpolation.nodes[:, k]) for k in range(self.dim)]
        gaps = np.array([float(np.diff(axis).max()) for axis in axes])
        second = first.second()
        return (
            PointRule(first.points, first.log_target, gaps),
            PointRule(second.points, second.log_target, gaps),
        )

    @cached_property
    def _sampled(self) -> dict[tuple[int, Index], tuple[Array, Array]]:
        return {}

    def _masses(self, rule: PointRule, index: Index) -> tuple[Array, Array]:
        """Return the log masses at the points of a rule, and the defects of log ρ."""
        key = (self._rules.index(rule), index)
        if key not in self._sampled:
            u = self.log_relative_density(index, rule.points)
            log_mass = rule.log_target + u
            top = float(log_mass.max())
            log_mass = log_mass - top - np.log(np.exp(log_mass - top).sum())
            self._sampled[key] = log_mass, self._defect(index, rule.points, u)
        return self._sampled[key]

    def _defect(self, index: Index, points: Array, u: Array) -> Array:
        opinions, solution = self.solution.opinions, self.solution
        defect = np.zeros(len(points))
        if index is None or index in solution.known:
            return defect
        if opinions is None:
            return np.full(len(points), np.nan)
        for field_, share in zip(opinions.log_relative, opinions.shares, strict=True):
            other, _ = evaluate(solution.interpolation, field_[index][None], points)
            with np.errstate(invalid="ignore"):
                gap = np.nan_to_num(np.abs(other[0] - u), nan=0.0)
            defect = np.maximum(defect, float(share[index]) * gap)
        return defect

    def _atoms(self, rule: PointRule, index: Index, weights: Array) -> Atoms:
        log_mass, defect = self._masses(rule, index)
        gap = float(np.abs(weights) @ rule.gaps)
        return Atoms(rule.points @ weights, log_mass, defect, gap=gap)


@dataclass(frozen=True, eq=False)
class PointRule:
    """A quadrature of a factor's domain.

    Attributes
    ----------
    points
        ``(n, d)``.
    log_target
        ``(n,)`` log of the mass of π at each, up to a constant.
    gaps
        ``(d,)`` largest distance between neighbours along each axis.
    """

    points: Array
    log_target: Array
    gaps: Array


def line_rule(nodes: Array, potential: Callable[[Array], Array], count: int) -> PointRule:
    """Return Gauss' rule of `count` points on pieces between nodes that are short everywhere."""
    ends = np.unique(nodes)
    widest = float(ends[-1] - ends[0]) / PIECES
    pieces = [
        np.linspace(low, high, int(np.ceil((high - low) / widest)) + 1)[:-1]
        for low, high in pairwise(ends)
    ]
    breaks = np.append(np.concatenate(pieces), ends[-1])
    node, weight = gauss_rule(count)
    size = np.diff(breaks)[:, None]
    points = (breaks[:-1, None] + size * node).reshape(-1, 1)
    log_target = np.log((size * weight).ravel()) - potential(points)
    return PointRule(points, log_target, np.diff(points[:, 0]).max(keepdims=True))


def _interpolated(points: Array, mass: Array, omega: Array) -> Complex:
    """Return E e^{iωx} of masses at points by splines of degree 5 on a table of frequencies."""
    from scipy.interpolate import make_interp_spline

    middle = float(mass @ points)
    reach = float(np.abs(points - middle).max())
    step = PHASE / reach
    table = step * np.arange(int(np.abs(omega).max() / step) + 8)
    size = max(1, BLOCK // len(points))
    values = np.concatenate(
        [np.exp(1j * np.outer(table[k : k + size], points - middle)) @ mass
         for k in range(0, len(table), size)]
    )  # fmt: skip
    size_of = np.abs(omega)
    real, imaginary = (make_interp_spline(table, part, k=5)(size_of)
                       for part in (values.real, values.imag))  # fmt: skip
    return np.asarray((real + 1j * np.sign(omega) * imaginary) * np.exp(1j * omega * middle))


@dataclass(frozen=True)
class GaussianPart(Result):
    """A Gaussian factor with a Gaussian start, in closed form.

    Attributes
    ----------
    target
        The target.
    means, covariances
        ``(T, d)`` and ``(T, d, d)``, by the formula that needs no differential equation.
    mean_errors, covariance_errors
        Their distances from those by the linear equation, and round-off.
    """

    target: Target
    initial_mean: Array
    initial_covariance: Array
    alpha: float
    beta: float
    times: Array
    means: Array = field(repr=False)
    covariances: Array = field(repr=False)
    mean_errors: Array = field(repr=False)
    covariance_errors: Array = field(repr=False)

    @property
    def dim(self) -> int:
        """Dimension of the factor."""
        return self.means.shape[1]

    @property
    def complete(self) -> bool:
        """Whether it reached its end."""
        return True

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know."""
        return ()

    @property
    def facts(self) -> Mapping[str, Any]:
        """How it was computed, JSON-ready."""
        reason = "target and start are Gaussian"
        return {"formulation": "closed form", "reason": reason, "nodes": 0}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scalar series."""
        return ("kl", "mass", "fisher_information", "reaction_variance")

    @cached_property
    def flow(self) -> GaussianFlow:
        """The closed form."""
        start = self.initial_mean, self.initial_covariance
        return flow_between(self.target, start, self.alpha, self.beta)

    def estimated(self, name: str, region: str = "") -> Estimated:
        """Return a number at all times, as `Solution.estimated` does."""
        if name == "mean":
            return Estimated(self.means, self.mean_errors)
        if name == "covariance":
            return Estimated(self.covariances, self.covariance_errors)
        if name == "mass":
            return Estimated(np.ones(len(self.times)), np.zeros(len(self.times)))
        if name not in self.names:
            raise KeyError(region or name)
        return self._series[name]

    @cached_property
    def _series(self) -> dict[str, Estimated]:
        rows, spreads = [], []
        for index in range(len(self.times)):
            mean, covariance = self.means[index], self.covariances[index]
            numbers = self.flow.numbers(mean, covariance)
            rows.append(numbers)
            spreads.append(self._spread(index, numbers))
        return {
            name: Estimated(
                np.array([row[name] for row in rows]), np.array([row[name] for row in spreads])
            )
            for name in rows[0]
        }

    def _spread(self, index: int, numbers: Mapping[str, float]) -> dict[str, float]:
        """Return how far the numbers may move with mean and covariance by their errors.

        Moments in units of the smallest standard deviations of ρ and π are off by e; a number q
        that is quadratic in distances of moments moves by less than e (q + √(d q)).
        """
        least = float(np.linalg.eigvalsh(self.covariances[index])[0])
        least = min(least, float(np.linalg.eigvalsh(self.flow.target_covariance)[0]))
        e = float(np.abs(self.covariance_errors[index]).max()) / least
        e += float(np.abs(self.mean_errors[index]).max()) / np.sqrt(least)
        return {name: self.dim * e * (q + np.sqrt(self.dim * q)) for name, q in numbers.items()}

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""
        raise KeyError(region)

    def _moments(self, index: Index) -> tuple[Array, Array]:
        if index is None:
            return self.flow.target_mean, self.flow.target_covariance
        return self.means[index], self.covariances[index]

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""
        return self.log_density(index, x) - self.log_density(None, x)

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, d)``."""
        return gaussian_log_density(x, *self._moments(index))

    def characteristic(self, index: Index, omega: Array) -> Complex:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""
        mean, covariance = self._moments(index)
        spread = np.einsum("mi,ij,mj->m", omega, covariance, omega) / 2
        return np.asarray(np.exp(1j * (omega @ mean) - spread))

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time."""
        mean, covariance = self._moments(index)
        if index is None:
            return Normal(float(weights @ mean), float(weights @ covariance @ weights))
        size = np.abs(weights)
        return Normal(
            float(weights @ self.means[index]),
            float(weights @ self.covariances[index] @ weights),
            float(size @ self.mean_errors[index]),
            float(size @ self.covariance_errors[index] @ size),
        )


def flow_between(
    target: Target, start: tuple[Array, Array], alpha: float, beta: float
) -> GaussianFlow:
    """Return the closed form of the flow from a Gaussian to a Gaussian target."""
    if target.gaussian is None:
        raise ValueError(f"{target.name} is not Gaussian")
    return GaussianFlow(*start, *target.gaussian, alpha, beta)


def gaussian_part(
    target: Target, start: tuple[Array, Array], alpha: float, beta: float, times: Array
) -> GaussianPart:
    """Return the flow between Gaussians at some times, with its errors."""
    flow = flow_between(target, start, alpha, beta)
    means, covariances, mean_errors, covariance_errors = [], [], [], []
    for t in times:
        mean, covariance = flow.at(float(t)) if t > 0 else start
        other = flow.linear_fractional(float(t))
        gaps = (mean, covariance) if other is None or t == 0 else other
        means.append(mean)
        covariances.append(covariance)
        extent = np.sqrt(np.diag(covariance)) + np.abs(mean)
        mean_errors.append(np.abs(gaps[0] - mean) + ROUND_OFF * extent)
        covariance_errors.append(
            np.abs(gaps[1] - covariance) + ROUND_OFF * np.outer(extent, extent)
        )
    return GaussianPart(
        target, *start, alpha, beta, times,
        *(np.array(rows) for rows in (means, covariances, mean_errors, covariance_errors)),
    )  # fmt: skip
