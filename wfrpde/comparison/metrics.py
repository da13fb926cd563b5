"""Distances between an ensemble and a density.

KL, TV and χ² are those of histograms on bins of equal Eulerian mass; W1 and W2 are exact on a line
and averaged over directions beyond; MMD takes random Fourier features. Histograms need a mesh: in
products the energy distance, from exact draws, takes their place. All are positive even for exact
samples: the same number computed from N independent draws of the density, the noise floor, is what
they have to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.density import MeshedDensity, mean_cosines
from wfrpde.comparison.meshless import MeshlessDensity
from wfrpde.comparison.partition import equal_masses

Measure = Callable[[Array, Array], Any]
Prepare = Callable[[Any, int], Measure]

FEATURES = 96
"""Random Fourier features of the MMD."""

MOST_PAIRED = 2000
"""Points of an ensemble whose distances from one another are computed."""

BANDWIDTHS = (0.5, 1.0, 2.0)
"""Widths of the MMD's Gaussian kernels, in standard deviations of the density."""

SEED = 20
"""Seed of directions and features."""


@dataclass(frozen=True)
class Metric:
    """A distance of an ensemble from a density.

    Attributes
    ----------
    name
        As in tables of numbers.
    symbol, unit
        As in figures and reports.
    prepare
        What is made once for a density and ensembles of n points: (density, n) → a function of
        positions ``(n, d)`` and weights ``(n,)``. Metrics with the same one share what it returns.
    distance
        The number, from what that function returns.
    drawn
        Whether it has a panel in the figure of distances.
    of
        The kinds of densities that it can be computed for.
    """

    name: str
    symbol: str
    prepare: Prepare
    distance: Callable[[Any], float] = float
    unit: str = ""
    drawn: bool = True
    of: tuple[type, ...] = (MeshedDensity,)


METRICS: dict[str, Metric] = {}
"""The metrics of a validation by their names, in the order of its tables."""


def register(metric: Metric) -> None:
    """Add a metric: validations compute and report it like those below."""
    METRICS[metric.name] = metric


@dataclass(frozen=True)
class Yardstick:
    """What the distances of ensembles to a density need, made once for all replicates."""

    measures: dict[Prepare, Measure]

    def distances(self, x: Array, weights: Array) -> dict[str, float]:
        """Distances of an ensemble, by the names of the metrics."""
        found = {prepare: measure(x, weights) for prepare, measure in self.measures.items()}
        return {
            name: metric.distance(found[metric.prepare])
            for name, metric in METRICS.items()
            if metric.prepare in found
        }


def yardstick(density: MeshedDensity | MeshlessDensity, n: int) -> Yardstick:
    """Prepare the distances to a density for ensembles of n points."""
    every = {metric.prepare for metric in METRICS.values() if isinstance(density, metric.of)}
    return Yardstick({prepare: prepare(density, n) for prepare in every})


Histograms = tuple[Array, Array]


def histograms(density: MeshedDensity, n: int) -> Callable[[Array, Array], Histograms]:
    """Return the shares q of an ensemble and p of the density in bins of about equal mass.

    They are as many as leave 25 points in each, at least 4 and at most 64.
    """
    levels = int(np.clip(np.floor(np.log2(max(n, 1) / 25)), 2, 6))
    partition = equal_masses(density, levels)
    held = partition.masses > 0
    p = partition.masses[held]
    return lambda x, weights: (partition.histogram(x, weights)[held], p)


def kl(bins: Histograms) -> float:
    """KL(q‖p) in nats."""
    q, p = bins
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(q > 0, q * np.log(q / p), 0.0)
    return float(max(terms.sum(), 0.0))


def tv(bins: Histograms) -> float:
    """TV = ½Σ|q − p|."""
    q, p = bins
    return float(np.abs(q - p).sum() / 2)


def chi2(bins: Histograms) -> float:
    """χ² = Σ(q − p)²/p."""
    q, p = bins
    return float(((q - p) ** 2 / p).sum())


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


@dataclass(frozen=True)
class Features:
    """Random Fourier features of a mixture of Gaussian kernels.

    k(x, y) = mean over widths σ of exp(−|(x − y)/s|²/(2σ²)) ≈ (2/D) Σ cos(ω·x + b) cos(ω·y + b),
    with s the standard deviations of the density (Rahimi & Recht 2007).
    """

    frequency: Array
    phase: Array

    def mean(self, x: Array, weights: Array) -> Array:
        """Weighted mean ``(D,)`` of the features of points ``(n, d)``."""
        total = mean_cosines(x, weights, self.frequency, self.phase)
        return np.asarray(np.sqrt(2.0 / len(self.phase)) * total)


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
    # directions over which W1 and W2 are averaged beyond one dimension
    vectors = np.random.default_rng(seed).standard_normal((16, dim))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def transport(density: MeshedDensity | MeshlessDensity, n: int) -> Callable[[Array, Array], Array]:
    """Return W1 and W2 ``(k, 2)`` to the density along each of the directions."""
    directions = transport_directions(density.dim, SEED)
    lines = [Line.of(*density.along(direction)) for direction in directions]
    return lambda x, weights: np.array(
        [distance_on_line(x @ d, weights, line) for d, line in zip(directions, lines, strict=True)]
    )


def mean_embedding(
    density: MeshedDensity | MeshlessDensity, n: int
) -> Callable[[Array, Array], Array]:
    """Return the gap ``(D,)`` between the mean features of an ensemble and of the density."""
    features = random_features(density.scales, SEED)
    cosines = density.mean_cosines(features.frequency, features.phase)
    embedding = np.sqrt(2.0 / len(features.phase)) * cosines
    return lambda x, weights: features.mean(x, weights) - embedding


def energy(density: MeshlessDensity, n: int) -> Callable[[Array, Array], float]:
    """Return 2E|X − Y| − E|X − X′| − E|Y − Y′|, Y by exact draws (Székely & Rizzo 2013).

    Of more than `MOST_PAIRED` points some are taken, evenly.
    """
    from scipy.spatial.distance import cdist

    draws = density.draws
    own = float(cdist(draws, draws).mean())

    def distance(x: Array, weights: Array) -> float:
        stride = -(-len(x) // MOST_PAIRED)
        x, w = x[::stride], weights[::stride] / weights[::stride].sum()
        return float(2 * w @ cdist(x, draws).mean(axis=1) - w @ cdist(x, x) @ w - own)

    return distance


def root_mean_square(pairs: Array) -> float:
    """W2 over all directions."""
    return float(np.sqrt(np.mean(pairs[:, 1] ** 2)))


EITHER = (MeshedDensity, MeshlessDensity)
"""Densities on meshes, and those of products in any dimension."""

# a new metric adds its line here, or calls `register` from outside
for _metric in (
    Metric("KL", "KL", histograms, kl, unit="nats"),
    Metric("TV", "TV", histograms, tv),
    Metric("chi2", "χ²", histograms, chi2, drawn=False),
    Metric("W1", "W₁", transport, lambda pairs: float(np.mean(pairs[:, 0])), of=EITHER),
    Metric("W2", "W₂", transport, root_mean_square, drawn=False, of=EITHER),
    Metric("MMD2", "MMD²", mean_embedding, lambda gap: float((gap**2).sum()), of=EITHER),
    Metric("energy", "energy distance", energy, of=(MeshlessDensity,)),
):
    register(_metric)
