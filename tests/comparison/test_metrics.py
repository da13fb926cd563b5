"""Distances: closed forms between Gaussians, zero on itself, floors of exact samples."""

import numpy as np
import pytest

from wfrpde.comparison.density import density_of
from wfrpde.comparison.exact_samples import exact_sampler
from wfrpde.comparison.metrics import (
    Line,
    chi2,
    distance_on_line,
    histograms,
    kl,
    random_features,
    tv,
    yardstick,
)
from wfrpde.comparison.partition import equal_masses


def normal_quantiles(mean, deviation, n):
    from scipy.special import ndtri

    return mean + deviation * ndtri((np.arange(n) + 0.5) / n)


def test_divergences_of_two_bins():
    q, p = np.array([0.25, 0.75]), np.array([0.5, 0.5])
    assert kl((q, p)) == pytest.approx(0.25 * np.log(0.5) + 0.75 * np.log(1.5), abs=1e-15)
    assert tv((q, p)) == pytest.approx(0.25)
    assert chi2((q, p)) == pytest.approx(0.25)
    assert [distance((p, p)) for distance in (kl, tv, chi2)] == [0.0, 0.0, 0.0]


def test_wasserstein_between_gaussians():
    """W1 = |shift| for a shift alone; W2² = (m₁ − m₂)² + (s₁ − s₂)²."""
    n = 200_000
    x = normal_quantiles(1.0, 1.5, n)
    line = Line.of(normal_quantiles(0.0, 1.0, n), np.ones(n))
    one, two = distance_on_line(x, np.ones(n), line)
    assert two == pytest.approx(np.sqrt(1.0 + 0.25), abs=2e-4)
    shifted, _ = distance_on_line(normal_quantiles(0.3, 1.0, n), np.ones(n), line)
    assert shifted == pytest.approx(0.3, abs=1e-4)
    assert one > 1.0


def test_weights_count_as_repetitions():
    """N(1, 1.5²) as weights of a grid, as whole numbers and as as many points."""
    n = 20_001
    x = np.linspace(-9.0, 11.0, n)
    times = np.round(4e5 * np.exp(-((x - 1.0) ** 2) / 4.5) / n).astype(int)
    line = Line.of(normal_quantiles(0.0, 1.0, 200_000), np.ones(200_000))
    repeated = distance_on_line(np.repeat(x, times), np.ones(times.sum()), line)
    assert distance_on_line(x, times.astype(float), line) == pytest.approx(repeated, rel=1e-6)
    smooth = np.exp(-((x - 1.0) ** 2) / 4.5)
    assert distance_on_line(x, smooth, line)[1] == pytest.approx(np.sqrt(1.25), abs=2e-4)


def test_distance_on_a_line_agrees_with_scipy():
    """The quantiles of many points are nearly those of the line between them."""
    from scipy.stats import wasserstein_distance

    rng = np.random.default_rng(1)
    x, y, w = rng.normal(size=50), rng.normal(size=200_000), rng.random(50)
    found, _ = distance_on_line(x, w, Line.of(y, np.ones(len(y))))
    assert found == pytest.approx(wasserstein_distance(x, y, w), rel=1e-3)


def test_mmd_between_gaussians():
    """MMD² of N(0, 1) and N(m, 1) for k = exp(−r²/2σ²): 2 σ/√(σ²+2) (1 − exp(−m²/2(σ²+2)))."""
    features = random_features(np.array([1.0]), seed=3, count=4_000)
    n, m = 4_000, 0.7
    x, w = normal_quantiles(0.0, 1.0, n)[:, None], np.ones(n)
    found = ((features.mean(x, w) - features.mean(x + m, w)) ** 2).sum()
    widths = np.array([0.5, 1.0, 2.0]) ** 2
    exact = np.mean(2 * np.sqrt(widths / (widths + 2)) * (1 - np.exp(-(m**2) / 2 / (widths + 2))))
    assert found == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("levels", [2, 6])
def test_bins_have_equal_masses(line, plane, levels):
    for density in (density_of(line, 0.2), density_of(plane, 0.3)):
        partition = equal_masses(density, levels)
        assert partition.count == 2**levels
        assert partition.masses.sum() == pytest.approx(1)
        assert partition.masses.max() < 3 / partition.count
        n = 200_000
        x = exact_sampler(density).draw(n, np.random.default_rng(5))
        share = partition.histogram(x, np.ones(n))
        p = partition.masses
        assert n * chi2((share, p)) < p.size - 1 + 4 * np.sqrt(2 * (p.size - 1))


def test_floor_of_exact_samples(line):
    """KL of N independent draws on B bins is about (B − 1)/2N, χ² (B − 1)/N."""
    density, n = density_of(line, 0.5), 4000
    measure, sampler = yardstick(density, n), exact_sampler(density)
    rng = np.random.default_rng(6)
    found = [measure.distances(sampler.draw(n, rng), np.ones(n)) for _ in range(40)]
    bins = len(histograms(density, n)(sampler.draw(n, rng), np.ones(n))[0])
    assert np.mean([d["KL"] for d in found]) == pytest.approx((bins - 1) / 2 / n, rel=0.12)
    assert np.mean([d["chi2"] for d in found]) == pytest.approx((bins - 1) / n, rel=0.12)


def test_distances_find_a_missing_weight(line):
    """Samples of the start weigh the modes otherwise: every distance is far above its floor."""
    density, n = density_of(line, np.inf), 4000
    measure = yardstick(density, n)
    rng = np.random.default_rng(7)
    exact = measure.distances(exact_sampler(density).draw(n, rng), np.ones(n))
    wrong = measure.distances(exact_sampler(density_of(line, 0.2)).draw(n, rng), np.ones(n))
    for name, value in exact.items():
        assert wrong[name] > 2 * value, name


def test_kl_of_gaussians_on_bins(plane):
    """KL(N(m, C)‖N(μ, Σ)) on fine bins is close to, and not above, the closed form."""
    from wfrpde.flow.exact import gaussian_kl

    mean, covariance = np.array([0.4, -0.2]), np.array([[0.6, 0.1], [0.1, 0.5]])
    rng = np.random.default_rng(8)
    x = rng.multivariate_normal(mean, covariance, 400_000)
    target = density_of(plane, np.inf)
    partition = equal_masses(target, 8)
    found = kl((partition.histogram(x, np.ones(len(x))), partition.masses))
    exact = gaussian_kl(mean, covariance, np.zeros(2), np.array([[1.0, 0.4], [0.4, 0.7]]))
    assert 0.85 * exact < found < exact * 1.01
