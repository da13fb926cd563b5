"""The law of a chain of coupled sites as samplers are judged by it.

Means, covariances, masses, KL and the variance of log(ρ/π) are numbers of the flow, each with its
estimated error. The law of a linear form, and draws, are those of the density that is kept. With e
the error of its logarithm, ⟨f⟩ is off by |⟨(f − ⟨f⟩) e⟩|, at most the root mean square of e times
the standard deviation of f (Cauchy and Schwarz).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.comparison.meshless import Form, MeshlessDensity, frequencies_of
from wfrpde.errors import InputError
from wfrpde.fields.product_regions import ProductRegion
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.saved import Estimated, saved_index

DRAWN = 5000
"""Points that are drawn at a time: each has the density of its site on a fine grid."""


@dataclass(frozen=True, eq=False)
class ChainDensity(MeshlessDensity):
    """The law of a chain at one of its times, or its target (t = ∞)."""

    solution: ChainSolution
    time: float
    _forms: dict[bytes, Form] = field(default_factory=dict, repr=False)

    @property
    def dim(self) -> int:
        """Number of sites."""
        return self.solution.dim

    @property
    def _index(self) -> int | None:
        return None if np.isinf(self.time) else saved_index(self.solution.times, self.time)

    @cached_property
    def log_error(self) -> float:
        """Root mean square of the error of log ρ under ρ: of the flow, and of what is drawn from.

        The density that is drawn from is a train of its own, here against that of log(ρ/π).
        """
        density = self.solution.density(self.time, self.draws)
        gap = np.log(np.maximum(density, 1e-300)) - self.solution.log_density(self.time, self.draws)
        own = 0.0 if self._index is None else float(self.solution.density_error[self._index])
        return own + float(np.sqrt(np.mean(gap**2)))

    @cached_property
    def _moments(self) -> tuple[Estimated, Estimated]:
        """Mean ``(d,)`` and covariance ``(d, d)``."""
        if self._index is not None:
            mean, covariance = (self.solution.estimated(name) for name in ("mean", "covariance"))
            return mean[self._index], covariance[self._index]
        first, second = self.solution.laws[-1].moments()
        spread = np.sqrt(np.diag(second))
        # a fourth moment of a coordinate is at most so many times the square of its variance
        error = 5 * self.log_error * spread
        return Estimated(first, error), Estimated(second, 5 * np.outer(error, spread))

    def form(self, w: Array) -> Form:
        """Return the law of w·x, w ``(d,)``."""
        key = w.tobytes()
        if key not in self._forms:
            mean, covariance = self._moments
            variance = float(w @ covariance.value @ w)
            omega = frequencies_of(variance)
            values = self.solution.characteristic(self.time, np.multiply.outer(omega, w))
            size = np.abs(w)
            self._forms[key] = Form(
                mean=float(w @ mean.value),
                variance=variance,
                mean_error=float(size @ mean.error),
                variance_error=float(size @ covariance.error @ size),
                error=self.log_error,
                frequencies=omega,
                values=values,
            )
        return self._forms[key]

    @property
    def total_variance(self) -> tuple[float, float]:
        """E|x − m|², m the mean, and its estimated error."""
        covariance = self._moments[1]
        return float(np.trace(covariance.value)), float(np.trace(covariance.error))

    def squared_distances(self, x: Array) -> Array:
        """Return |x − m|² ``(n,)`` of points ``(n, d)``."""
        return np.asarray(((x - self._moments[0].value) ** 2).sum(axis=1))

    def mean_cosines(self, frequency: Array, phase: Array) -> Array:
        """E cos(ω·x + b) ``(k,)`` at the frequencies ``(d, k)``."""
        values = self.solution.characteristic(self.time, frequency.T)
        return np.asarray((np.exp(1j * phase) * values).real)

    def number(self, name: str) -> Estimated:
        """Return the flow's ``kl`` or ``reaction_variance`` at the time, with its error."""
        return self.solution.estimated(name)[self._index]

    def mass(self, region: ProductRegion, where: str) -> tuple[float, float]:
        """Return the mass of a region and its estimated error."""
        found = self.solution.region(region.text, where)
        if self._index is not None:
            entry = found[self._index]
            return float(entry.value), float(entry.error)
        p = self.solution.target_region(region.text, where)
        return p, self.log_error * float(np.sqrt(max(p * (1 - p), 0.0)))

    def inside(self, region: ProductRegion, x: Array) -> Flags:
        """Return which points ``(n, d)`` lie in a region."""
        return self.solution.inside(region.text, x)

    def log_relative(self, x: Array) -> Array:
        """Return log(ρ/π) ``(n,)`` at points ``(n, d)``, on straight lines where no site is."""
        return self.solution.log_relative_everywhere(self.time, x)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent points ``(n, d)``."""
        parts = [min(DRAWN, n - k) for k in range(0, n, DRAWN)]
        return np.concatenate([self.solution.sample(self.time, size, rng) for size in parts])


def judged_chain(solution: ChainSolution) -> ChainSolution:
    """Return a solution by which samplers can be judged.

    Raises
    ------
    InputError
        If its errors are not estimated: right samplers would be accused of them.
    """
    if not np.isfinite(solution.density_error).all():
        raise InputError(
            "numerics.certify",
            "false, which leaves the errors of the chain's flow unknown",
            "true: samplers are judged within them",
        )
    return solution
