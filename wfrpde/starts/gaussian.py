"""Gaussian initial densities, their mixtures, and narrow ones that stand for a point."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from wfrpde.arrays import Array
from wfrpde.fields.complaints import check_length
from wfrpde.fields.parameters import Positive, Real, Vector
from wfrpde.starts.initial import InitialDensity, InitialParameters
from wfrpde.targets.covariance import covariance_matrix, mean_vector
from wfrpde.targets.gaussian import MEAN, GaussianParameters, MixtureParameters, log_norm
from wfrpde.targets.minima import box_sides
from wfrpde.targets.reach import reach
from wfrpde.targets.target import Target

WIDTH = 0.05
"""Width of what stands for a point, in lengths of V there."""


class GaussianInitial(GaussianParameters, InitialParameters):
    """ρ₀ = N(mean, covariance)."""

    kind: ClassVar[str] = "gaussian"

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the parameters fit the dimension."""
        if not (dim > 3 and isinstance(self.mean, int | float)):  # a number for every coordinate
            check_length("initial.mean", self.mean, dim)

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        mean, covariance = self.moments()
        words = f"Gaussian with mean {mean.tolist()}, covariance {covariance.tolist()}"
        if dim > 3:
            words = f"Gaussian in {dim} dimensions"
            if mean.size == 1:
                mean = np.full(dim, mean[0])
                covariance = covariance_matrix(self.covariance, dim, "covariance")
        return _gaussian(self.kind, words, mean, covariance)


class DiracInitial(InitialParameters):
    """All mass near one point: a Gaussian of standard deviation ``width`` in every direction.

    Error bars count the difference from a point.
    """

    kind: ClassVar[str] = "dirac"
    point: Real | Vector = Field(description=MEAN)
    width: Positive | None = Field(
        default=None,
        description="a positive standard deviation; by default 0.05 of the length over which V "
        "changes by 1 kT there, or of half the shortest side of the box where that is less",
    )

    @model_validator(mode="after")
    def _check(self) -> DiracInitial:
        mean_vector(self.point, "point")
        return self

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the parameters fit the dimension."""
        check_length("initial.point", self.point, dim)

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        point = mean_vector(self.point, "point")
        width = WIDTH if self.width is None else self.width
        words = f"point mass at {point.tolist()}, of width {width:.3g}"
        density = _gaussian(self.kind, words, point, width**2 * np.eye(dim))
        return replace(density, blur=width)

    def fitted(self, target: Target, box: Any) -> dict[str, Any]:
        """Return the width, from the target's length at the point and the shortest half side."""
        if self.width is not None:
            return {}
        length = reach(target.potential, mean_vector(self.point, "point"))
        if box is not None:
            length = min(length, float(np.diff(box_sides(box, target.dim)).min()) / 2)
        return {"width": WIDTH * (length if np.isfinite(length) else 1.0)}


class MixtureInitial(MixtureParameters, InitialParameters):
    """ρ₀ = Σ w_k N(m_k, C_k), with weights that are normalised."""

    kind: ClassVar[str] = "mixture"

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the parameters fit the dimension."""
        for k, mean in enumerate(self.means):
            check_length(f"initial.means[{k}]", mean, dim)

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        weights, means, covariances = self.components()
        factors = np.linalg.cholesky(covariances)
        whitenings = np.linalg.inv(factors)
        constants = [math.log(w) + log_norm(c) for w, c in zip(weights, covariances, strict=True)]

        def log_density(x: Array) -> Array:
            parts = zip(means, whitenings, constants, strict=True)
            return np.asarray(np.logaddexp.reduce([_log_gaussian(x, *part) for part in parts]))

        def sample(n: int, rng: np.random.Generator) -> Array:
            component = rng.choice(len(weights), size=n, p=weights)
            normal = rng.standard_normal((n, dim))
            spread = np.einsum("nij,nj->ni", factors[component], normal)
            return np.asarray(means[component] + spread)

        return InitialDensity(
            dim, self.kind, f"mixture of {len(weights)} Gaussians", means, log_density,
            spread=np.sqrt(np.einsum("kii->ki", covariances).max(axis=0)), sampler=sample,
        )  # fmt: skip


def _log_gaussian(x: Array, mean: Array, whitening: Array, constant: float) -> Array:
    scaled = whitening @ (x - mean).T
    return np.asarray(constant - 0.5 * np.einsum("in,in->n", scaled, scaled))


def _gaussian(kind: str, words: str, mean: Array, covariance: Array) -> InitialDensity:
    factor = np.linalg.cholesky(covariance)
    whitening, constant = np.linalg.inv(factor), log_norm(covariance)
    precision = whitening.T @ whitening
    return InitialDensity(
        mean.size,
        kind,
        words,
        mean[None],
        lambda x: _log_gaussian(x, mean, whitening, constant),
        gaussian=(mean, covariance),
        spread=np.sqrt(np.diag(covariance)),
        gradient=lambda x: (mean - x) @ precision,
        sampler=lambda n, rng: mean + rng.standard_normal((n, mean.size)) @ factor.T,
    )
