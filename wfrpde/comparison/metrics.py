"""Distances between an ensemble and a density, and between two ensembles.

KL, TV and χ² are those of histograms on bins of equal Eulerian mass; W1 and W2 are exact on a line
and averaged over directions beyond; MMD takes random Fourier features. None of them builds an
N × N matrix. All are positive even for exact samples: the same number computed from N independent
draws of the density, the noise floor, is what they have to be compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.comparison.density import Density
from wfrpde.comparison.partition import Partition, equal_masses

Array = npt.NDArray[np.float64]

DIRECTIONS = 16
"""Directions over which W1 and W2 are averaged beyond one dimension."""

FEATURES = 96
"""Random Fourier features of the MMD."""

BANDWIDTHS = (0.5, 1.0, 2.0)
"""Widths of the MMD's Gaussian kernels, in standard deviations of the density."""


def divergences(q: Array, p: Array) -> dict[str, float]:
    """KL(q‖p) in nats, TV = ½Σ|q − p| and χ² = Σ(q − p)²/p of histograms ``(bins,)``."""
    held = p > 0
    q, p = q[held], p[held]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(q > 0, q * np.log(q / p), 0.0)
    return {
        "KL": float(max(terms.sum(), 0.0)),
        "TV": float(np.abs(q - p).sum() / 2),
        "chi2": float(((q - p) ** 2 / p).sum()),
    }


@dataclass(frozen=True)
class Line:
    """A distribution on a line as sorted points and the distribution function half-way past each.

    Its quantile function is linear in between.
    """

    points: Array
    levels: Array

    @classmethod
    def of(cls, points: Array, masses: Array) -> Line:
        """From atoms ``(n,)`` with masses ``(n,)``."""
        order = np.argsort(points, kind="stable")
        mass = masses[order] / masses.sum()
        return cls(points[order], np.cumsum(mass) - mass / 2)

    def quantile(self, level: Array) -> Array:
        """Quantiles at levels in (0, 1)."""
        return np.asarray(np.interp(level, self.levels, self.points))


GAUSS = np.array([-1.0, 1.0]) / np.sqrt(3.0)


def distance_on_line(x: Array, weights: Array, line: Line) -> tuple[float, float]:
    """W1 and W2 of a weighted sample on a line to a distribution with a known quantile function.

    W_p^p = ∫₀¹ |F⁻¹(s) − G⁻¹(s)|^p ds. The sample's quantile function is constant on pieces as
    long as its weights; on each of them the other one is taken at two Gauss points.
    """
    order = np.argsort(x, kind="stable")
    w = weights[order] / weights.sum()
    upper = np.cumsum(w)
    level = (upper - w / 2)[:, None] + w[:, None] / 2 * GAUSS
    gap = np.abs(x[order, None] - line.quantile(level))
    return float(w @ gap.mean(axis=1)), float(np.sqrt(w @ (gap**2).mean(axis=1)))


def sample_distance(x: Array, wx: Array, y: Array, wy: Array, p: float = 1.0) -> float:
    """W_p between two weighted samples on a line, exact."""
    a, b = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    ca, cb = np.cumsum(wx[a]) / wx.sum(), np.cumsum(wy[b]) / wy.sum()
    levels = np.union1d(np.clip(ca, 0, 1), np.clip(cb, 0, 1))
    width = np.diff(levels, prepend=0.0)
    middle = levels - width / 2
    i = np.minimum(np.searchsorted(ca, middle), len(x) - 1)
    j = np.minimum(np.searchsorted(cb, middle), len(y) - 1)
    return float((width @ np.abs(x[a][i] - y[b][j]) ** p) ** (1 / p))


@dataclass(frozen=True)
class Features:
    """Random Fourier features of a mixture of Gaussian kernels.

    k(x, y) = mean over widths σ of exp(−|(x − y)/s|²/(2σ²)) ≈ (2/D) Σ cos(ω·x + b) cos(ω·y + b),
    with s the standard deviations of the density (Rahimi & Recht 2007).
    """

    frequency: Array
    phase: Array

    def mean(self, x: Array, weights: Array, chunk: int = 16_384) -> Array:
        """Weighted mean ``(D,)`` of the features of points ``(n, d)``."""
        total = np.zeros(len(self.phase))
        for start in range(0, len(x), chunk):
            part = slice(start, start + chunk)
            total += weights[part] @ np.cos(x[part] @ self.frequency + self.phase)
        return np.asarray(np.sqrt(2.0 / len(self.phase)) * total / weights.sum())


def random_features(scales: Array, seed: int, count: int = FEATURES) -> Features:
    """Draw the features for points whose standard deviations are ``scales`` ``(d,)``."""
    rng = np.random.default_rng(seed)
    width = np.repeat(BANDWIDTHS, -(-count // len(BANDWIDTHS)))[:count]
    frequency = rng.standard_normal((len(scales), count)) / (scales[:, None] * width)
    return Features(frequency, rng.uniform(0, 2 * np.pi, count))


def transport_directions(dim: int, seed: int) -> Array:
    """Give unit vectors ``(k, d)``: the axis on a line, random ones beyond."""
    if dim == 1:
        return np.ones((1, 1))
    vectors = np.random.default_rng(seed).standard_normal((DIRECTIONS, dim))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@dataclass(frozen=True)
class Yardstick:
    """Everything of a density that its distances to ensembles need, made once for all replicates.

    Attributes
    ----------
    partition
        Bins of equal mass.
    directions, lines
        Directions ``(k, d)`` and the density's projections on them.
    features, embedding
        The MMD's features and their mean under the density.
    """

    partition: Partition
    directions: Array
    lines: tuple[Line, ...]
    features: Features
    embedding: Array

    def distances(self, x: Array, weights: Array) -> dict[str, float]:
        """Distances of an ensemble: KL, TV, chi2, W1, W2, MMD²."""
        result = divergences(self.partition.histogram(x, weights), self.partition.masses)
        pairs = [
            distance_on_line(x @ direction, weights, line)
            for direction, line in zip(self.directions, self.lines, strict=True)
        ]
        result["W1"] = float(np.mean([one for one, _ in pairs]))
        result["W2"] = float(np.sqrt(np.mean([two**2 for _, two in pairs])))
        result["MMD2"] = float(((self.features.mean(x, weights) - self.embedding) ** 2).sum())
        return result


METRICS = ("KL", "TV", "chi2", "W1", "W2", "MMD2")


def yardstick(density: Density, n: int, seed: int = 20) -> Yardstick:
    """Prepare the distances to a density for ensembles of n points.

    The bins are as many as leave 25 points in each, at least 4 and at most 64.
    """
    levels = int(np.clip(np.floor(np.log2(max(n, 1) / 25)), 2, 6))
    points, mass = density.plain_atoms
    directions = transport_directions(density.dim, seed)
    features = random_features(np.sqrt(np.diag(density.moments[1])), seed)
    return Yardstick(
        equal_masses(density, levels),
        directions,
        tuple(Line.of(points @ direction, mass) for direction in directions),
        features,
        features.mean(points, mass),
    )
