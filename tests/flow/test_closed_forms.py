"""The Gaussian flow against its special cases, and fields that are known at every point."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import wfrpde
from wfrpde.case.setup import make_problem
from wfrpde.flow.exact import (
    GeometricMean,
    gaussian_flow,
    gaussian_kl,
    gaussian_log_density,
    sampled,
)
from wfrpde.starts.wrapping import wrapped

M0, C0 = np.array([-1.0, 0.5]), np.array([[0.3, 0.1], [0.1, 0.5]])
MU, SIGMA = np.array([0.2, -0.4]), np.array([[1.0, 0.4], [0.4, 0.7]])


@pytest.mark.parametrize("start", ["gaussian", "expression"])
def test_fisher_information_of_the_start(start):
    """I(0) = c (1 − 1/c)² + m² of N(m, c) towards N(0, 1), within its bar, which is small."""
    m, c = -1.2, 0.4
    initial = {"mean": [m], "covariance": [[c]]}
    if start == "expression":
        initial = {"density": f"exp(-(x - ({m}))**2/(2*{c}))"}
    case = {
        "target": {"kind": "gaussian", "mean": [0.0], "covariance": [[1.0]]},
        "initial": initial,
        "flow": {"save": [0.2]},
    }
    solution = wfrpde.solve(wfrpde.Case.model_validate(case))
    value, bar = (s["fisher_information"][0] for s in (solution.series, solution.error.series))
    assert abs(value - (c * (1 - 1 / c) ** 2 + m**2)) <= bar
    assert bar < 1e-8


def test_slopes_of_a_gaussian_start_are_a_formula():
    """|∇ log(ρ₀/π)|² of N(m, C) towards N(0, I), far out, too; where it is wrapped, differences."""
    case = {
        "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[1, 0], [0, 1]]},
        "initial": {"mean": M0.tolist(), "covariance": C0.tolist()},
    }
    problem = make_problem(wfrpde.Case.model_validate(case))
    x = np.random.default_rng(3).uniform(-2, 2, (40, 2))
    exact = x + (M0 - x) @ np.linalg.inv(C0)
    squared = GeometricMean(problem, 1.0).samples(x, problem.scales)[1]
    np.testing.assert_allclose(squared, (exact**2).sum(axis=1), rtol=1e-13)
    by_differences = replace(problem, initial=replace(problem.initial, gradient=None))
    again = GeometricMean(by_differences, 1.0).samples(x, problem.scales)[1]
    np.testing.assert_allclose(again, squared, rtol=1e-8)
    box = np.array([[-3.0, 3.0], [-3.0, 3.0]])
    assert wrapped(problem.initial, box, (True, False)).gradient is None


def test_where_the_potential_is_known_nobody_asks_for_it():
    """Fields at points of a rule, which has V there: the same numbers, and V is not called."""
    case = {
        "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[1, 0], [0, 1]]},
        "initial": {"mean": M0.tolist(), "covariance": C0.tolist()},
    }
    problem = make_problem(wfrpde.Case.model_validate(case))
    x = np.random.default_rng(3).uniform(-2, 2, (40, 2))
    usual = sampled([GeometricMean(problem, 1.0)], x, problem.scales)

    def refused(x):
        raise AssertionError("V was asked for")

    silent = replace(problem, target=replace(problem.target, value=refused))
    known = sampled([GeometricMean(silent, 1.0)], x, problem.scales, (x**2).sum(axis=1) / 2)
    np.testing.assert_allclose(known.value, usual.value, rtol=1e-13)
    np.testing.assert_array_equal(known.squared_slope, usual.squared_slope)


def test_fisher_rao_mixes_precisions():
    t, beta = 0.8, 1.7
    m, c = gaussian_flow(M0, C0, MU, SIGMA, t, alpha=0.0, beta=beta)
    theta = np.exp(-beta * t)
    start, target = np.linalg.inv(C0), np.linalg.inv(SIGMA)
    precision = theta * start + (1 - theta) * target
    np.testing.assert_allclose(np.linalg.inv(c), precision, rtol=1e-11)
    push = theta * start @ M0 + (1 - theta) * target @ MU
    np.testing.assert_allclose(m, np.linalg.solve(precision, push), rtol=1e-11)


def test_langevin_is_the_ornstein_uhlenbeck_process():
    """m − μ = e^{−αPt}(m₀ − μ),  C − Σ = e^{−αPt}(C₀ − Σ)e^{−αPt}."""
    from scipy.linalg import expm

    t, alpha = 0.6, 0.9
    m, c = gaussian_flow(M0, C0, MU, SIGMA, t, alpha=alpha, beta=0.0)
    decay = expm(-alpha * t * np.linalg.inv(SIGMA))
    np.testing.assert_allclose(m, MU + decay @ (M0 - MU), rtol=1e-11)
    np.testing.assert_allclose(c, SIGMA + decay @ (C0 - SIGMA) @ decay, rtol=1e-11)


def test_both_together_satisfy_the_equation_of_the_density():
    """∂_t log ρ = α ∇·(∇ρ + ρ∇V)/ρ − β(u − ⟨u⟩) at points, by central differences in t."""
    alpha, beta, t, step = 0.7, 1.4, 0.5, 1e-4
    x = np.random.default_rng(5).normal(size=(40, 2)) * 0.8
    states = [
        gaussian_flow(M0, C0, MU, SIGMA, t + k * step, alpha=alpha, beta=beta) for k in (-1, 0, 1)
    ]
    before, now, after = (gaussian_log_density(x, m, c) for m, c in states)
    m, c = states[1]
    p, q = np.linalg.inv(SIGMA), np.linalg.inv(c)
    score, force = -(x - m) @ q, (x - MU) @ p
    transport = -np.trace(q) + np.trace(p) + ((score + force) * score).sum(axis=1)
    u = now - gaussian_log_density(x, MU, SIGMA)
    kl = gaussian_kl(m, c, MU, SIGMA)
    rate = (after - before) / (2 * step)
    np.testing.assert_allclose(rate, alpha * transport - beta * (u - kl), atol=2e-6)


def test_time_zero_scalars_and_equilibrium():
    m, c = gaussian_flow(0.5, 0.2, 0.0, 1.0, 0.0)
    assert m.shape == (1,)
    assert c.shape == (1, 1)
    assert (m[0], c[0, 0]) == (0.5, 0.2)
    m, c = gaussian_flow(M0, C0, MU, SIGMA, 30.0)
    np.testing.assert_allclose(m, MU, atol=1e-11)
    np.testing.assert_allclose(c, SIGMA, atol=1e-11)


def test_kl_and_log_density_of_gaussians():
    from scipy.stats import multivariate_normal

    x = np.random.default_rng(7).normal(size=(30, 2))
    np.testing.assert_allclose(
        gaussian_log_density(x, M0, C0), multivariate_normal(M0, C0).logpdf(x), rtol=1e-12
    )
    assert gaussian_kl(MU, SIGMA, MU, SIGMA) == pytest.approx(0, abs=1e-14)
    # in one dimension: (s²/σ² − 1 + (m − μ)²/σ² − log s²/σ²)/2
    one = gaussian_kl(np.array([1.0]), np.array([[0.5]]), np.array([0.0]), np.array([[2.0]]))
    assert one == pytest.approx((0.25 - 1 + 0.5 - np.log(0.25)) / 2, rel=1e-13)


def test_geometric_means_and_their_slopes():
    """u = θ(log ρ₀ + V) + shift for log ρ₀ = −2x² − y², V = x⁴ + y."""
    problem = SimpleNamespace(
        log_initial=lambda x, zero: -2 * x[:, 0] ** 2 - x[:, 1] ** 2,
        potential=lambda x: x[:, 0] ** 4 + x[:, 1],
        equation=SimpleNamespace(spread=None),
        initial=SimpleNamespace(gradient=None),
        target=SimpleNamespace(
            gradient=lambda x: np.stack([4 * x[:, 0] ** 3, np.ones(len(x))], axis=1)
        ),
    )
    scales = np.array([0.5, 1.0])
    x = np.random.default_rng(3).normal(size=(20, 2))
    expected = x[:, 0] ** 4 + x[:, 1] - 2 * x[:, 0] ** 2 - x[:, 1] ** 2
    field = GeometricMean(problem, 0.3, -1.5)
    np.testing.assert_allclose(field(x), 0.3 * expected - 1.5, rtol=1e-13)
    slope = np.stack([4 * x[:, 0] ** 3 - 4 * x[:, 0], 1 - 2 * x[:, 1]], axis=1) * 0.3
    samples = sampled([field, GeometricMean(problem, 0.0)], x, scales)
    np.testing.assert_allclose(
        samples.squared_slope[0], (slope**2).sum(axis=1), rtol=1e-6, atol=1e-8
    )
    np.testing.assert_array_equal(samples.value[1], 0.0)
    np.testing.assert_array_equal(samples.squared_slope[1], 0.0)
    assert sampled([field], np.empty((0, 2)), scales).value.shape == (1, 0)


@pytest.mark.parametrize(
    "numerics",
    [{"cells": [8, 12], "degree": 4, "dt": 0.02}, {"cells": [8, 12], "degree": 7, "dt": 0.02}],
)
def test_nodes_that_were_mended_count_once_a_reaction_multiplies_them(numerics):
    """A start that is narrower than π, cells too large for its tails, and a fast reaction."""
    target, start = [[0.413, -0.363], [-0.363, 1.204]], [[0.459, 0.014], [0.014, 0.325]]
    case = {
        "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": target},
        "initial": {"mean": [0.247, 0.775], "covariance": start},
        "flow": {"save": [0.105, 0.315], "beta": 12.0},
        "numerics": {"formulation": "spectral", **numerics},
    }
    solution, mean = wfrpde.solve(wfrpde.Case.model_validate(case)), case["initial"]["mean"]
    for k, t in enumerate(solution.times[1:], 1):
        m, c = gaussian_flow(mean, start, [0.0, 0.0], target, t, beta=12.0)
        assert (np.abs(solution.mean[k] - m) <= solution.error.mean[k]).all()
        assert (np.abs(solution.covariance[k] - c) <= solution.error.covariance[k]).all()
        kl = gaussian_kl(m, c, np.zeros(2), np.array(target))
        assert abs(solution.series["kl"][k] - kl) <= solution.error.series["kl"][k]
        assert solution.error.mean[k].max() < 0.1


def test_a_mass_on_few_cells_on_which_two_rules_agree_by_chance():
    """Of ρ₀^θ π^(1−θ): two rules were apart by a tenth of what both were off by, unwarned."""
    case = wfrpde.Case.from_dict(
        {
            "target": {
                "potential": "0.931*x**4 + 0.759*x**2/2 + 0.419*x",
                "dim": 1,
                "modes": {"right": "x > 0.305"},
            },
            "initial": {"mean": [-0.2989], "covariance": [[10.69]]},
            "flow": {"save": [0.01, 0.0502, 0.502], "alpha": 0.0, "beta": 2.69},
            "numerics": {"formulation": "mesh", "cells": [31], "dt": 0.0186},
        }
    )
    found = wfrpde.solve(case).estimated("mode_mass", "right")
    edges = np.linspace(-30.0, 30.0, 600_001)
    x = (edges[1:] + edges[:-1]) / 2  # none at the end of the region, which is one of the edges
    for k, t in enumerate(case.flow.save, 1):
        theta = np.exp(-2.69 * t)
        potential = 0.931 * x**4 + 0.759 * x**2 / 2 + 0.419 * x
        share = np.exp(-theta * (x + 0.2989) ** 2 / (2 * 10.69) - (1 - theta) * potential)
        exact = share[x > 0.305].sum() / share.sum()
        assert abs(found.value[k] - exact) <= found.error[k]
        assert found.error[k] < 2e-4
