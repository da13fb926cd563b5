"""Gaussian and radial flows in any dimension, against the Riccati equation and closed forms."""

import numpy as np
import pytest
from scipy.stats import multivariate_t, norm

import wfrpde
from wfrpde.flow.exact import gaussian_flow, gaussian_kl, gaussian_log_density
from wfrpde.flow.product.closed_form import GaussianFlow
from wfrpde.targets import make_target


def covariance(dim, seed):
    a = np.random.default_rng(seed).standard_normal((dim, dim))
    return a @ a.T / dim + 0.3 * np.eye(dim)


def gaussian_case(dim, **flow):
    rng = np.random.default_rng(5)
    return wfrpde.Case.from_dict(
        {
            "target": {
                "kind": "gaussian",
                "mean": rng.normal(size=dim),
                "covariance": covariance(dim, 1),
            },
            "initial": {"mean": rng.normal(size=dim), "covariance": 0.4 * covariance(dim, 2)},
            "flow": {"save": [0.2, 0.7], **flow},
        }
    )


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (1.0, 0.0), (0.5, 2.0)])
def test_gaussians_follow_the_riccati_equation(alpha, beta):
    case = gaussian_case(8, alpha=alpha, beta=beta)
    sol = wfrpde.solve(case)
    pi, rho = case.target.build().gaussian, case.initial.build(case.target.build()).gaussian
    mean, matrix = gaussian_flow(*rho, *pi, 0.7, alpha=alpha, beta=beta)
    assert np.abs(sol.mean[-1] - mean).max() < 1e-10
    assert np.abs(sol.covariance[-1] - matrix).max() < 1e-10
    kl = gaussian_kl(mean, matrix, *pi)
    assert abs(sol.series["kl"][-1] - kl) < 1e-10
    assert abs(sol.series["kl"][-1] - kl) <= sol.error.series["kl"][-1] + 1e-12
    x = np.random.default_rng(0).normal(size=(5, 8))
    assert np.allclose(sol.log_density(0.7, x), gaussian_log_density(x, mean, matrix), atol=1e-9)


@pytest.mark.parametrize(("key", "value"), [
    ("cells", [20]), ("dt", 0.1), ("formulation", "spectral"), ("formulation", "mesh"),
    ("cross_check", True), ("solver", "direct"),
])  # fmt: skip
def test_numerics_that_a_closed_form_does_not_know_are_refused(key, value):
    case = gaussian_case(8).with_overrides({f"numerics.{key}": value})
    with pytest.raises(wfrpde.WfrpdeError, match=rf"numerics\.{key}"):
        wfrpde.solve(case)


def test_two_closed_forms_agree_in_two_hundred_dimensions():
    d = 200
    rng = np.random.default_rng(3)
    flow = GaussianFlow(
        rng.normal(size=d), covariance(d, 1), rng.normal(size=d), covariance(d, 2), 1.0, 1.0
    )
    one, other = flow.at(0.7), flow.linear_fractional(0.7)
    assert np.abs(one[0] - other[0]).max() < 1e-10
    assert np.abs(one[1] - other[1]).max() < 1e-10


@pytest.mark.slow
def test_riccati_in_two_hundred_dimensions():
    d = 200
    rng = np.random.default_rng(3)
    start, goal = (rng.normal(size=d), covariance(d, 1)), (rng.normal(size=d), covariance(d, 2))
    mean, matrix = GaussianFlow(*start, *goal, 1.0, 1.0).at(0.7)
    right = gaussian_flow(*start, *goal, 0.7)
    assert np.abs(mean - right[0]).max() < 1e-10
    assert np.abs(matrix - right[1]).max() < 1e-10


def test_a_closed_form_in_the_plane_on_request_is_the_mesh():
    data = {
        "target": {"kind": "gaussian", "mean": [0.0, 0.5], "covariance": [[1.0, 0.3], [0.3, 0.7]]},
        "initial": {"mean": [1.0, -0.5], "covariance": 0.4},
        "flow": {"save": [0.1, 0.3, 0.5, 1.0, 2.0]},
    }
    closed = wfrpde.solve(
        wfrpde.Case.from_dict({**data, "numerics": {"formulation": "closed form"}})
    )
    mesh = wfrpde.solve(
        wfrpde.Case.from_dict(
            {**data, "numerics": {"formulation": "mesh"}, "accuracy": {"tolerance": 1e-4}}
        )
    )
    # two runs that agree by chance, as on KL at t = 1, are not believed
    for name in ("kl", "mean", "covariance", "fisher_information", "reaction_variance"):
        ours, theirs = closed.estimated(name), mesh.estimated(name)
        bar = ours.error + theirs.error
        assert (np.abs(ours.value - theirs.value) <= bar + 1e-12).all(), name
    with pytest.raises(wfrpde.WfrpdeError, match="closed form"):
        wfrpde.solve(
            wfrpde.Case.from_dict(
                {
                    **data,
                    "initial": {"kind": "uniform", "box": [[-1, 1], [-1, 1]]},
                    "numerics": {"formulation": "closed form"},
                }
            )
        )


@pytest.mark.parametrize("dim", [2, 10, 100, 1000])
def test_radial_flows_are_the_gaussian_flow(dim):
    data = {
        "target": {"kind": "radial", "potential": "r**2/2", "dim": dim},
        "initial": {"kind": "radial", "potential": "r**2/0.8"},
        "flow": {"save": [0.1, 0.5, 1.0]},
    }
    sol = wfrpde.solve(wfrpde.Case.from_dict(data))
    flow = GaussianFlow(*(np.zeros(1), 0.4 * np.eye(1), np.zeros(1), np.eye(1)), 1.0, 1.0)
    states = [flow.at(t) for t in sol.times]
    kl = dim * np.array([flow.numbers(*state)["kl"] for state in states])
    variance = np.array([state[1][0, 0] for state in states])
    assert np.abs(sol.series["kl"] - kl).max() < 1e-6
    assert (np.abs(sol.series["kl"] - kl) <= sol.error.series["kl"] + 1e-12).all()
    spread = np.abs(sol.covariance[:, 0, 0] - variance)
    assert spread.max() < 1e-6
    assert (spread <= sol.error.covariance[:, 0, 0] + 1e-12).all()
    x = np.random.default_rng(0).normal(size=(4, dim)) * 0.7
    right = -(x**2).sum(axis=1) / 2 / variance[-1] - dim / 2 * np.log(2 * np.pi * variance[-1])
    assert np.abs(sol.log_density(1.0, x) - right).max() < 1e-6
    tail = sol.tail(1.0, np.ones(dim), 4 * np.sqrt(dim * variance[-1]))
    assert abs(tail.probability / norm.sf(4.0) - 1) < tail.relative_error + 1e-6


def test_a_ring_in_many_dimensions_and_starts_that_are_not_radial():
    table = {"kind": "radial", "potential": "2*(r - 12)**2", "dim": 100}
    start = {"mean": 0.0, "covariance": 1.0}
    sol = wfrpde.solve(wfrpde.Case.from_dict({"target": table, "initial": start}))
    assert (np.diff(sol.series["kl"]) < 0).all()
    again = sol.marginal(1.0, 3)
    assert abs(again.variance - sol.covariance[-1, 3, 3]) < 1e-6
    away = {"kind": "uniform", "box": [[0.0, 1.0]] * 100}
    with pytest.raises(wfrpde.WfrpdeError, match="a radial one, or a Gaussian"):
        wfrpde.solve(wfrpde.Case.from_dict({"target": table, "initial": away}))


def test_a_thin_ring_in_the_plane_by_its_radius():
    """Against finite volumes in the radius (validation/tolerance/finite_volumes.py)."""
    case = wfrpde.Case.from_dict(
        {
            "target": {"kind": "radial", "potential": "((r - 5)/0.25)**2", "dim": 2},
            "initial": {"kind": "radial", "potential": "r**2/2"},
            "flow": {"save": [0.05, 0.1, 0.2]},
            "accuracy": {"tolerance": 1e-3},
        }
    )
    sol = wfrpde.solve(case)
    for found, bar, right in (
        (
            sol.series["kl"],
            sol.error.series["kl"],
            [5.42798781, 0.193236856, 2.60366511e-4],
        ),
        (
            sol.series["fisher_information"],
            sol.error.series["fisher_information"],
            [351.221301, 12.3923576, 0.0166843557],
        ),
        (
            sol.covariance[:, 0, 0],
            sol.error.covariance[:, 0, 0],
            np.array([19.65849369, 24.00733314, 25.05340243]) / 2,
        ),
    ):
        off = np.abs(found[1:] - right)
        assert (off <= bar[1:] + 1e-8 * np.abs(right)).all()
        assert (bar[1:] < 1e-3 * np.abs(right)).all()


def test_students_t_in_five_dimensions():
    # what lies far out is cut off and counted; laws of linear forms of π itself are refused
    case = wfrpde.Case.from_dict(
        {
            "target": {"kind": "student_t", "degrees": 3.0, "dim": 5},
            "initial": {"mean": 0.0, "covariance": 0.5},
            "flow": {"save": [0.5], "alpha": 0.0},
        }
    )
    sol = wfrpde.solve(case)
    x = 2 * np.random.default_rng(0).normal(size=(20, 5))
    right = multivariate_t(np.zeros(5), np.eye(5), df=3.0).logpdf(x)
    assert np.abs(sol.log_density(np.inf, x) - right).max() < 1e-7
    with pytest.raises(wfrpde.WfrpdeError, match="heavy tails"):
        sol.projection(np.inf, np.ones(5))
    with pytest.raises(wfrpde.WfrpdeError, match=r"target\.modes"):
        case.with_overrides({"target.modes": {"far": "sum(x) > 9"}})
    # without transport ρ_t ∝ ρ_0^{1 − s} π^s, s = 1 − e^{−t}, a function of r
    r, s = np.linspace(0, 30, 40001)[1:], 1 - np.exp(-0.5)
    log_mass = 4 * np.log(r) - (1 - s) * r**2 - s * 4 * np.log1p(r**2 / 3)
    mass = np.exp(log_mass - log_mass.max())
    square = (mass @ r**2) / mass.sum() / 5
    assert abs(sol.covariance[-1, 0, 0] - square) < min(sol.error.covariance[-1, 0, 0], 1e-6)
    law = sol.projection(0.5, np.eye(5)[1])
    assert abs(law.variance - square) < 1e-6
    moving = wfrpde.solve(case.with_overrides({"flow.alpha": 1.0}))
    assert (np.diff(moving.series["kl"]) < 0).all()


def test_the_gradient_of_a_radial_target():
    target = make_target(kind="radial", dim=5, parameters={"potential": "2*(r - 3)**2"})
    x = np.random.default_rng(0).normal(size=(4, 5))
    for axis, step in enumerate(1e-6 * np.eye(5)):
        slope = (target.potential(x + step) - target.potential(x - step)) / 2e-6
        assert np.allclose(target.gradient(x)[:, axis], slope, atol=1e-7)
