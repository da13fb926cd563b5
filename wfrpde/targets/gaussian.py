"""Gaussian targets and mixtures of Gaussians."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from wfrpde.arrays import Array
from wfrpde.fields.exponentials import exp_above
from wfrpde.fields.parameters import Matrix, Parameters, Real, Vector
from wfrpde.fields.rendering import as_points
from wfrpde.targets.covariance import covariance_matrix, mean_vector, mixture_arrays
from wfrpde.targets.target import Target, TargetParameters, symbolic_target

if TYPE_CHECKING:
    import sympy


MEAN = "a number (1-D), or a list of 1 to 3 numbers"
COVARIANCE = "a number, a list of variances, or a symmetric positive definite matrix"
WEIGHTS = "a list of positive numbers, one for each component (they are normalised)"
MEANS = "a list of means, one for each component"
COVARIANCES = f"a list with, for each component, {COVARIANCE}"

AT_ONCE = 1_024
"""Points whose distances from all means stay in the processor's cache."""


class GaussianParameters(Parameters):
    """Mean and covariance of a Gaussian."""

    mean: Real | Vector = Field(description=MEAN)
    covariance: Real | Vector | Matrix = Field(default=1.0, description=COVARIANCE)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.moments()
        return self

    def moments(self) -> tuple[Array, Array]:
        """Return the mean (d,) and the covariance (d, d)."""
        mean = mean_vector(self.mean, "mean", most=np.inf)
        return mean, covariance_matrix(self.covariance, mean.size, "covariance")


class MixtureParameters(Parameters):
    """Weights, means and covariances of a mixture of Gaussians."""

    weights: Vector | None = Field(default=None, description=WEIGHTS)
    means: tuple[Real | Vector, ...] = Field(description=MEANS)
    covariances: tuple[Real | Vector | Matrix, ...] = Field(description=COVARIANCES)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.components()
        return self

    def components(self) -> tuple[Array, Array, Array]:
        """Return normalised weights (k,), means (k, d), covariances (k, d, d)."""
        return mixture_arrays(self.weights, self.means, self.covariances)


class GaussianTarget(GaussianParameters, TargetParameters):
    r"""π = N(μ, Σ): V(x) = ½ (x − μ)ᵀ Σ⁻¹ (x − μ), in any dimension.

    ``mean`` is a list, or with ``dim`` a number for every coordinate; ``covariance`` is a number
    (isotropic), the variances, or the full matrix.
    """

    kind: ClassVar[str] = "gaussian"
    mean: Real | Vector = Field(default=0.0, description=MEAN)
    dim: int | None = Field(default=None, description="a positive number", gt=0)

    def moments(self) -> tuple[Array, Array]:
        """Return the mean (d,) and the covariance (d, d)."""
        mean = mean_vector(self.mean, "mean", most=np.inf)
        if self.dim is not None and isinstance(self.mean, int | float):
            mean = np.full(self.dim, float(self.mean))
        return mean, covariance_matrix(self.covariance, mean.size, "covariance")

    def build(self) -> Target:
        """Return the target with these parameters."""
        mean, covariance = self.moments()
        if mean.size > 3:
            return _spacious(mean, covariance)
        return symbolic_target(
            quadratic_form(mean, covariance),
            mean.size,
            name=self.kind,
            description=f"Gaussian with mean {mean.tolist()}, covariance {covariance.tolist()}",
            seeds=mean[None],
            gaussian=(mean, covariance),
            log_partition=-log_norm(covariance),
        )


class GaussianMixtureTarget(MixtureParameters, TargetParameters):
    r"""π = Σ_k w_k N(m_k, C_k), V = −log π, evaluated as a log-sum-exp.

    Natural regions: the points nearest to each mean (``mode_1``, …; ``left`` and ``right`` for
    two components in one dimension).
    """

    kind: ClassVar[str] = "gaussian_mixture"

    def build(self) -> Target:
        """Return the target with these parameters."""
        from wfrpde.fields import region_read_later

        weights, means, covariances = self.components()
        dim, slope = means.shape[1], None
        if len(weights) > 3:  # from four components on matrices are faster than the formula
            heights = np.log(weights) + [log_norm(c) for c in covariances]
            whitening = np.linalg.cholesky(np.linalg.inv(covariances)).transpose(0, 2, 1)
            slope = MixtureSlope(heights, means, whitening)
        return symbolic_target(
            mixture_potential(weights, means, covariances),
            dim,
            name=self.kind,
            description=f"mixture of {len(weights)} Gaussians",
            seeds=means,
            # a case may have others, and those of forty components are 1560 formulas
            regions={
                name: region_read_later(text, dim, f"target.modes.{name}")
                for name, text in nearest_mean_regions(means).items()
            },
            gaussian=(means[0], covariances[0]) if len(weights) == 1 else None,
            log_partition=0.0,
            slope=slope,
        )


@dataclass(frozen=True)
class MixtureSlope:
    """``∇V (n, d)`` of ``V = −log Σ_k w_k N(x; m_k, C_k)`` at points ``(n, d)``, by matrices.

    Its formula takes k² exponentials.

    Attributes
    ----------
    log_weights
        ``(k,)``: log w_k − ½ log det(2πC_k).
    means
        ``(k, d)``.
    whitening
        ``(k, d, d)``: L_k with L_kᵀL_k = C_k⁻¹.
    """

    log_weights: Array
    means: Array
    whitening: Array

    def __call__(self, x: npt.ArrayLike) -> Array:
        """Return the slope at points ``(n, d)``."""
        points = as_points(x, self.means.shape[1])
        starts = range(0, len(points), AT_ONCE)
        parts = [self._slope(points[start : start + AT_ONCE]) for start in starts]
        return np.concatenate(parts) if parts else np.empty(points.shape)

    def _slope(self, points: Array) -> Array:
        count, dim = self.means.shape
        centre = self.means.mean(axis=0)  # about which little cancels
        gaps, apart = (points - centre).T, self.means - centre
        white = (self.whitening.reshape(-1, dim) @ gaps).reshape(count, dim, -1)
        white -= np.einsum("kij,kj->ki", self.whitening, apart)[:, :, None]
        share = np.einsum("kin,kin->kn", white, white)
        share *= -0.5
        share += self.log_weights[:, None]
        share -= share.max(axis=0)
        share = exp_above(share)
        share /= share.sum(axis=0)
        # Σ share (P x − P m) = (Σ share P) x − Σ share P m
        precision = np.einsum("kij,kil->kjl", self.whitening, self.whitening)
        mean = np.einsum("kij,kj->ki", precision, apart).T @ share
        whole = (precision.reshape(count, -1).T @ share).reshape(dim, dim, -1)
        return np.asarray((np.einsum("ijn,jn->in", whole, gaps) - mean).T)


def _spacious(mean: Array, covariance: Array) -> Target:
    """Return the Gaussian target in more dimensions than formulas have coordinates for."""
    precision = np.linalg.inv(covariance)

    def slope(x: npt.ArrayLike) -> Array:
        return np.asarray((np.asarray(x, dtype=float) - mean) @ precision)

    def value(x: npt.ArrayLike) -> Array:
        gap = np.asarray(x, dtype=float) - mean
        return np.asarray(np.einsum("ni,ni->n", gap, gap @ precision) / 2)

    return Target(
        dim=mean.size,
        name="gaussian",
        description=f"Gaussian in {mean.size} dimensions",
        seeds=mean[None],
        value=value,
        slope=slope,
        gaussian=(mean, covariance),
        log_partition=-log_norm(covariance),
    )


def log_norm(covariance: Array) -> float:
    """Return the logarithm of a Gaussian's density at its mean, −½ log det(2πΣ)."""
    return -0.5 * float(np.linalg.slogdet(2 * math.pi * covariance)[1])


def quadratic_form(mean: Array, covariance: Array) -> sympy.Expr:
    """Return ½ (x − μ)ᵀ Σ⁻¹ (x − μ) as expression in x, y, z."""
    import sympy

    from wfrpde.fields import coordinates
    from wfrpde.fields.numbers import number

    dim = mean.size
    precision = np.linalg.inv(covariance)
    precision = (precision + precision.T) / 2
    shifted = [s - number(float(m)) for s, m in zip(coordinates(dim), mean, strict=True)]
    terms = [number(precision[i, i] / 2) * shifted[i] ** 2 for i in range(dim)]
    terms += [
        sympy.Mul(number(precision[i, j]), shifted[i], shifted[j])
        for i in range(dim)
        for j in range(i)
        if precision[i, j] != 0
    ]
    return sympy.Add(*terms)


def mixture_potential(weights: Array, means: Array, covariances: Array) -> sympy.Expr:
    """Return −log Σ_k w_k N(x; m_k, C_k)."""
    from wfrpde.fields import LogSumExp
    from wfrpde.fields.numbers import number

    exponents = [
        number(math.log(w) + log_norm(c)) - quadratic_form(m, c)
        for w, m, c in zip(weights, means, covariances, strict=True)
    ]
    return -LogSumExp(*exponents)


def nearest_mean_regions(means: Array) -> dict[str, str]:
    """Return regions that part space by the nearest mean; components with one mean share one."""
    distinct = list(dict.fromkeys(tuple(float(c) for c in m) for m in means))
    count, dim = len(distinct), means.shape[1]
    if count == 1:
        return {}
    names = [f"mode_{k + 1}" for k in range(count)]
    if count == 2 and dim == 1:
        names = ["left", "right"] if distinct[0] < distinct[1] else ["right", "left"]
    regions = {}
    for k, name in enumerate(names):
        conditions = []
        for other in range(count):
            if other == k:
                continue
            # The same formula for both of a pair, so that they are exact complements.
            first, second = min(k, other), max(k, other)
            low, high = (np.array(distinct[i]) for i in (first, second))
            slope = high - low
            offset = float(slope @ (low + high)) / 2
            side = _linear(slope, "xyz"[:dim])
            conditions.append(f"{side} {'<' if k == first else '>='} {offset!r}")
        regions[name] = " and ".join(conditions)
    return regions


def _linear(slope: Array, names: str) -> str:
    terms = [f"{float(c)!r}*{n}" for c, n in zip(slope, names, strict=True) if c]
    return " + ".join(terms)
