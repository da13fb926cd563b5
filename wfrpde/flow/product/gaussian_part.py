"""`GaussianPart`: a Gaussian factor with a Gaussian start, in closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.case.stored import Result
from wfrpde.flow.exact import gaussian_log_density
from wfrpde.flow.product.closed_form import GaussianFlow
from wfrpde.flow.product.lines import Line, Normal
from wfrpde.flow.product.parts import ROUND_OFF, Index
from wfrpde.flow.saved import Estimated

if TYPE_CHECKING:
    from wfrpde.targets import Target


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
    mobility
        D + J of the dynamics ``(d, d)``; None for the unit matrix.
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
    mobility: Array | None = None

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
        return flow_between(self.target, start, self.alpha, self.beta, self.mobility)

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

        A number q that is quadratic in distances of moments moves by less than e (q + √(d q)).
        """
        e = self.relative_errors[index]
        return {name: self.dim * e * (q + np.sqrt(self.dim * q)) for name, q in numbers.items()}

    @cached_property
    def relative_errors(self) -> Array:
        """Errors e ``(T,)`` of the moments in units of the least standard deviation of ρ and π."""
        least = np.linalg.eigvalsh(self.covariances)[:, 0]
        least = np.minimum(least, np.linalg.eigvalsh(self.flow.target_covariance)[0])
        e = self.covariance_errors.max(axis=(1, 2)) / least
        return np.asarray(e + self.mean_errors.max(axis=1) / np.sqrt(least))

    def region_mass(self, index: Index, region: str) -> tuple[float, float]:
        """Return the mass of a region that its case names, and its error."""
        raise KeyError(region)

    def moments(self, index: Index) -> tuple[Array, Array]:
        """Return mean ``(d,)`` and covariance ``(d, d)`` at a time."""
        if index is None:
            return self.flow.target_mean, self.flow.target_covariance
        return self.means[index], self.covariances[index]

    def log_relative_density(self, index: Index, x: Array) -> Array:
        """Return log(ρ/π) at points ``(n, d)``."""
        return self.log_density(index, x) - self.log_density(None, x)

    def log_density(self, index: Index, x: Array) -> Array:
        """Return log ρ at points ``(n, d)``."""
        return gaussian_log_density(x, *self.moments(index))

    def characteristic(self, index: Index, omega: Array) -> ComplexArray:
        """Return E e^{iω·x} at frequencies ``(m, d)``."""
        mean, covariance = self.moments(index)
        spread = np.einsum("mi,ij,mj->m", omega, covariance, omega) / 2
        return np.asarray(np.exp(1j * (omega @ mean) - spread))

    def line(self, index: Index, weights: Array) -> Line:
        """Return the law of w·x at a time."""
        mean, covariance = self.moments(index)
        if index is None:
            return Normal(float(weights @ mean), float(weights @ covariance @ weights))
        size = np.abs(weights)
        return Normal(
            float(weights @ self.means[index]),
            float(weights @ self.covariances[index] @ weights),
            float(size @ self.mean_errors[index]),
            float(size @ self.covariance_errors[index] @ size),
        )

    def oracle(self) -> Callable[[float, Array], Array]:
        """Return the closed form of log(ρ/π), which knows all times."""

        @lru_cache(maxsize=4)
        def moments(t: float) -> tuple[Array, Array]:
            return self.flow.at(t) if t > 0 else (self.initial_mean, self.initial_covariance)

        return lambda t, x: gaussian_log_density(x, *moments(t)) - self.log_density(None, x)


def flow_between(
    target: Target,
    start: tuple[Array, Array],
    alpha: float,
    beta: float,
    mobility: Array | None = None,
) -> GaussianFlow:
    """Return the closed form of the flow from a Gaussian to a Gaussian target."""
    if target.gaussian is None:
        raise ValueError(f"{target.name} is not Gaussian")
    return GaussianFlow(*start, *target.gaussian, alpha, beta, mobility)


def gaussian_part(
    target: Target,
    start: tuple[Array, Array],
    alpha: float,
    beta: float,
    times: Array,
    mobility: Array | None = None,
) -> GaussianPart:
    """Return the flow between Gaussians at some times, with its errors."""
    flow = flow_between(target, start, alpha, beta, mobility)
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
        target,
        *start,
        alpha,
        beta,
        times,
        np.array(means),
        np.array(covariances),
        np.array(mean_errors),
        np.array(covariance_errors),
        mobility,
    )
