"""Flows around an axis: radial targets from starts off the centre, and funnels."""

import pickle

import numpy as np
import pytest
from scipy.stats import norm

import wfrpde
from wfrpde.comparison.product_density import ProductDensity
from wfrpde.flow.exact import gaussian_log_density
from wfrpde.flow.product.closed_form import GaussianFlow
from wfrpde.targets import make_target

FUNNEL = "z**2/2 + 4.5*z + exp(-z)*r**2/2"


def off_centre(dim, **tables):
    mean = np.zeros(dim)
    mean[:2] = 0.6, 0.8
    data = {
        "target": {"kind": "radial", "potential": "r**2/2", "dim": dim},
        "initial": {"mean": mean.tolist(), "covariance": 0.4},
        "flow": {"save": [0.1, 0.5]},
        **tables,
    }
    right = GaussianFlow(mean, 0.4 * np.eye(dim), np.zeros(dim), np.eye(dim), 1.0, 1.0)
    return wfrpde.Case.from_dict(data), right


def funnel(**flow):
    return wfrpde.Case.from_dict(
        {
            "target": {"kind": "axial", "potential": FUNNEL, "dim": 10},
            "initial": {"mean": 0.0, "covariance": 0.5},
            "flow": {"save": [0.1, 0.5], **flow},
            "output": {"compare": False},
        }
    )


@pytest.fixture(scope="module")
def ten():
    return wfrpde.solve(off_centre(10)[0])


def agrees_with(sol, flow):
    for k, t in enumerate(sol.times):
        mean, covariance = flow.at(float(t)) if t > 0 else (flow.mean, flow.covariance)
        kl = flow.numbers(mean, covariance)["kl"]
        for value, error, right in (
            (sol.series["kl"][k], sol.error.series["kl"][k], kl),
            (sol.mean[k], sol.error.mean[k], mean),
            (sol.covariance[k], sol.error.covariance[k], covariance),
        ):
            gap = np.abs(value - right)
            assert gap.max() < 1e-3
            assert (gap <= error + 1e-13).all()


def test_a_start_off_the_centre_in_ten_dimensions_is_the_gaussian_flow(ten):
    flow = off_centre(10)[1]
    agrees_with(ten, flow)
    mean, covariance = flow.at(0.5)
    x = np.random.default_rng(0).normal(size=(20, 10)) * 0.7
    assert np.abs(ten.log_density(0.5, x) - gaussian_log_density(x, mean, covariance)).max() < 1e-3
    for w, c in ((np.eye(10)[1], 0.8), (mean / np.linalg.norm(mean), 2.0)):
        tail = ten.tail(0.5, w, c)
        right = norm.sf((c - w @ mean) / np.sqrt(w @ covariance @ w))
        assert abs(tail.probability / right - 1) < min(tail.relative_error, 2e-3)
    omega = np.random.default_rng(1).normal(size=(50, 10))
    wave = np.exp(1j * omega @ mean - np.einsum("ni,ij,nj->n", omega, covariance, omega) / 2)
    assert np.abs(ten.characteristic(0.5, omega) - wave).max() < 2e-5


@pytest.mark.parametrize("dim", [2, 3])
def test_starts_off_the_centre_in_few_dimensions(dim):
    case, flow = off_centre(dim)
    agrees_with(wfrpde.solve(case), flow)


def test_draws_are_those_of_the_flow_and_results_can_be_kept(ten):
    draws = ProductDensity(ten, 0.5).draw(4000, np.random.default_rng(2))
    error = np.sqrt(np.diag(ten.covariance[-1]) / len(draws))
    assert (np.abs(draws.mean(axis=0) - ten.mean[-1]) < 4 * error).all()
    u = ten.log_relative_density(0.5, draws)
    assert abs(u.mean() - ten.series["kl"][-1]) < 4 * u.std() / np.sqrt(len(u))
    again = pickle.loads(pickle.dumps(ten))
    assert np.array_equal(again.log_density(0.5, draws[:5]), ten.log_density(0.5, draws[:5]))
    assert abs(ten.oracle(0.5, draws[:50]) - u[:50]).max() < 1e-3


def test_an_axial_target_that_is_gaussian():
    dim = 6
    case = wfrpde.Case.from_dict(
        {
            "target": {"kind": "axial", "potential": "(z - 0.5)**2/4 + r**2/2", "dim": dim},
            "initial": {"mean": [-0.5, *[0.0] * 5], "covariance": [0.5, *[0.8] * 5]},
            "flow": {"save": [0.3]},
        }
    )
    start = np.array([-0.5, *[0.0] * 5]), np.diag([0.5, *[0.8] * 5])
    goal = np.array([0.5, *[0.0] * 5]), np.diag([2.0, *[1.0] * 5])
    agrees_with(wfrpde.solve(case), GaussianFlow(*start, *goal, 1.0, 1.0))


def test_the_reaction_of_a_funnel_in_ten_dimensions_is_that_of_the_formula():
    # without transport ρ_t ∝ ρ_0^{1 − c} π^c, c = 1 − e^{−t}: Gaussian across, given z
    sol = wfrpde.solve(funnel(alpha=0.0))
    c = 1 - np.exp(-0.5)
    z = np.linspace(-9, 8, 20001)
    across = 1 / (2 * (1 - c) + c * np.exp(-z))  # variance of each of nine
    log_mass = -(1 - c) * z**2 - c * (z**2 / 2 + 4.5 * z) + 4.5 * np.log(across)
    mass = np.exp(log_mass - log_mass.max())
    mass /= mass.sum()
    mean, error = mass @ z, sol.error.mean[-1, 0]
    assert abs(sol.mean[-1, 0] - mean) < min(error, 1e-4)
    assert abs(sol.covariance[-1, 3, 3] - mass @ across) < min(sol.error.covariance[-1, 3, 3], 1e-4)


def test_the_target_of_a_funnel_and_its_diffusion():
    random = np.random.default_rng(5)
    sol = wfrpde.solve(funnel(beta=0.0))
    along, across = sol.marginal(np.inf, 0), sol.marginal(np.inf, 3)
    assert abs(along.variance - 1) < 1e-7
    assert abs(across.variance - np.exp(0.5)) < 1e-7
    # the diffusion by particles, with a step whose bias is far below their noise
    x, h = np.sqrt(0.5) * random.standard_normal((6_000, 10)), 0.005
    slope = sol.parts[0].target.gradient
    for _ in range(20):
        middle = x - h / 2 * slope(x)  # drift at the middle of a step
        x = x - h * slope(middle) + np.sqrt(2 * h) * random.standard_normal(x.shape)
    for got, value, spread in (
        (x[:, 0].mean(), sol.mean[1, 0], x[:, 0].std()),
        ((x[:, 1:] ** 2).mean(), sol.covariance[1, 3, 3], (x[:, 1:] ** 2).mean(axis=1).std()),
    ):
        assert abs(got - value) < 3.5 * spread / np.sqrt(len(x)) + 2e-3


def test_the_gradient_of_an_axial_target():
    target = make_target(kind="axial", dim=5, parameters={"potential": "z*r + exp(-z)*r**2"})
    x = np.random.default_rng(0).normal(size=(4, 5))
    for axis, step in enumerate(1e-6 * np.eye(5)):
        slope = (target.potential(x + step) - target.potential(x - step)) / 2e-6
        assert np.allclose(target.gradient(x)[:, axis], slope, atol=1e-7)


@pytest.mark.parametrize(("change", "where"), [
    ({"initial.mean": [0.0, 1.0, *[0.0] * 8]}, r"initial\.mean"),
    ({"initial.mean": [0.0] * 10, "initial.covariance": [1.0, 2.0, *[1.0] * 8]},
     r"initial\.covariance"),
    ({"initial": {"kind": "uniform", "box": [[-1, 1]] * 10}}, "initial"),
    ({"target.potential": "x**2 + r**2"}, r"target\.potential"),
    ({"target.potential": "z"}, r"target\.potential"),
])  # fmt: skip
def test_what_is_not_the_same_around_the_axis_is_refused(change, where):
    with pytest.raises(wfrpde.WfrpdeError, match=where):
        wfrpde.solve(funnel().with_overrides(change))
