"""Mixtures of Gaussians, whose noised densities and scores are known in any dimension."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array


@dataclass(frozen=True, eq=False)
class Mixture:
    """p = Σ_k w_k N(m_k, C_k).

    Attributes
    ----------
    weights
        w ``(k,)``, which sum to one.
    means
        m ``(k, d)``.
    covariances
        C ``(k, d, d)``.
    """

    weights: Array
    means: Array
    covariances: Array

    @classmethod
    def gaussian(cls, mean: npt.ArrayLike, covariance: npt.ArrayLike) -> Self:
        """Return one Gaussian, of mean ``(d,)`` and covariance ``(d, d)``."""
        return cls(np.ones(1), np.asarray(mean, float)[None], np.asarray(covariance, float)[None])

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.means.shape[1])

    @cached_property
    def _parts(self) -> tuple[Array, Array]:
        """Return log w + log normalisation ``(k,)`` and precision ``(k, d, d)`` of components."""
        determinants = np.linalg.slogdet(2 * np.pi * self.covariances)[1]
        precisions: Array = np.linalg.inv(self.covariances).astype(float)
        return np.log(self.weights) - determinants / 2, precisions

    def noised(self, scale: float, variance: float) -> Mixture:
        """Return the law of a X + s Z: means a m, covariances a² C + s² 1."""
        added = variance * np.eye(self.dim)
        return Mixture(self.weights, scale * self.means, scale**2 * self.covariances + added)

    def at(self, clock: float) -> Mixture:
        """Return the law after the time τ of the process dY = −Y dτ + √2 dW."""
        return self.noised(np.exp(-clock), -np.expm1(-2 * clock))

    def log_density(self, x: Array) -> Array:
        """``log p`` ``(n,)`` at points ``(n, d)``."""
        return np.asarray(np.logaddexp.reduce(self._logs(x)[0]))

    def score(self, x: Array) -> Array:
        """``∇ log p`` ``(n, d)``."""
        logs, slopes = self._logs(x)
        shares = np.exp(logs - logs.max(axis=0))
        return np.asarray((shares[:, :, None] * slopes).sum(axis=0) / shares.sum(axis=0)[:, None])

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Return ``log p`` ``(n,)``, its gradient ``(n, d)`` and its Laplacian ``(n,)``."""
        logs, slopes = self._logs(x)
        total = np.logaddexp.reduce(logs)
        shares = np.exp(logs - total)
        score = np.einsum("kn,knd->nd", shares, slopes)
        traces = np.trace(self._parts[1], axis1=1, axis2=2)
        squares = np.einsum("knd,knd->kn", slopes, slopes) - traces[:, None]
        laplacian = (shares * squares).sum(axis=0) - np.einsum("nd,nd->n", score, score)
        return total, score, laplacian

    def _logs(self, x: Array) -> tuple[Array, Array]:
        """Return logs of the components ``(k, n)`` at points, and their gradients ``(k, n, d)``."""
        constants, precisions = self._parts
        gaps = x - self.means[:, None]
        slopes = -gaps @ precisions
        return constants[:, None] + (gaps * slopes).sum(axis=2) / 2, slopes

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n draws ``(n, d)``."""
        which = rng.choice(len(self.weights), size=n, p=self.weights)
        factors = np.linalg.cholesky(self.covariances)
        normal = rng.standard_normal((n, self.dim))
        return np.asarray(self.means[which] + np.einsum("nij,nj->ni", factors[which], normal))

    def reach(self, deviations: float) -> Array:
        """Box ``(d, 2)`` that holds every component up to so many standard deviations."""
        spread = deviations * np.sqrt(np.einsum("kii->ki", self.covariances))
        low, high = (self.means - spread).min(axis=0), (self.means + spread).max(axis=0)
        return np.stack([low, high], axis=1)

    @property
    def mean(self) -> Array:
        """Mean ``(d,)``."""
        return np.asarray(self.weights @ self.means)

    @property
    def covariance(self) -> Array:
        """Covariance ``(d, d)``."""
        gap = self.means - self.mean
        spread = np.einsum("k,ki,kj->ij", self.weights, gap, gap)
        return np.asarray(spread + np.einsum("k,kij->ij", self.weights, self.covariances))

    @property
    def narrowest(self) -> float:
        """Least standard deviation of a component in any direction."""
        return float(np.sqrt(np.linalg.eigvalsh(self.covariances).min()))
