"""Noised data: closed forms against sums over a grid, and against the solver of flows."""

import numpy as np
import pytest
from noised import LINE, PLANE, mixture

import wfrpde
from wfrpde.case import Case
from wfrpde.errors import InputError
from wfrpde.noising import NOISINGS
from wfrpde.noising.scores import differences
from wfrpde.noising.tabulated import Tabulated

TIMES = [0.1, 0.3, 1.0]


def initial(parts):
    return {"kind": "mixture", **parts}


@pytest.mark.parametrize("kind", ["vp", "ve", "subvp"])
@pytest.mark.parametrize("parts", [LINE, PLANE], ids=["line", "plane"])
def test_data_on_a_grid_are_noised_to_1e_6_at_all_times(kind, parts):
    data = {
        "initial": initial(parts),
        "noising": {"kind": kind, **({"sigma_min": 0.1} if kind == "ve" else {})},
        "flow": {"save": TIMES},
        "numerics": {"formulation": "edge-averaged"},  # anything but the closed form
    }
    solution = wfrpde.solve(Case.from_dict(data))
    noising = NOISINGS[kind](**({"sigma_min": 0.1} if kind == "ve" else {}))
    for t in TIMES:
        exact = mixture(parts).noised(noising.scale(t), noising.variance(t))
        x = exact.sample(500, np.random.default_rng(0))
        assert np.abs(solution.log_density(t, x) - exact.log_density(x)).max() < 1e-6
        np.testing.assert_allclose(solution.mean[solution.index_of(t)], exact.mean, atol=1e-6)


def test_the_solver_of_flows_agrees():
    flow = {
        "target": {"kind": "gaussian", "mean": [0.0]},
        "initial": initial(LINE),
        "flow": {"beta": 0.0, "save": TIMES},
        "accuracy": {"tolerance": 1e-6},
    }
    solution = wfrpde.solve(Case.from_dict(flow))
    for t in TIMES:
        exact = mixture().at(t)
        x = exact.sample(500, np.random.default_rng(0))
        assert np.abs(solution.density(t, x) - np.exp(exact.log_density(x))).max() < 1e-6


@pytest.mark.parametrize("parts", [LINE, PLANE], ids=["line", "plane"])
def test_derivatives_of_both_kinds_of_data(parts):
    exact = mixture(parts)
    box = exact.reach(9.0)
    table = Tabulated.of(exact.log_density, box, 0.2, "data")
    x = exact.sample(40, np.random.default_rng(1))
    for law in (exact.noised(0.8, 0.1), table.noised(0.8, 0.1)):
        logs, score, laplacian = law.derivatives(x)
        h = 1e-5
        for k in range(exact.dim):
            shift = h * np.eye(exact.dim)[k]
            slope = (law.log_density(x + shift) - law.log_density(x - shift)) / (2 * h)
            np.testing.assert_allclose(score[:, k], slope, atol=1e-6)
        found = differences(lambda x, t: law.score(x), x, 0.0, 1e-5)  # noqa: B023
        np.testing.assert_allclose(laplacian, found, atol=1e-6)
        np.testing.assert_allclose(logs, exact.noised(0.8, 0.1).log_density(x), atol=1e-9)


def test_a_mixture_in_twenty_dimensions():
    rng = np.random.default_rng(2)
    means = rng.standard_normal((3, 20))
    from wfrpde.noising import Mixture

    data = Mixture(np.array([0.2, 0.3, 0.5]), means, np.array([0.3 * np.eye(20)] * 3))
    noised = data.at(0.4)
    x = noised.sample(2000, rng)
    # Stein: E[∇log p] = 0 and E[x·∇log p] = −d
    score = noised.score(x)
    assert np.abs(score.mean(axis=0)).max() < 0.15
    assert (x * score).sum(axis=1).mean() == pytest.approx(-20, abs=0.6)


def test_more_dimensions_are_refused_by_name():
    start = {"mean": [0.0] * 4, "covariance": np.eye(4).tolist()}
    with pytest.raises(InputError, match="flow_log_density"):
        Case.from_dict({"initial": start, "noising": {"kind": "ou"}, "flow": {"save": [0.5]}})


def test_noise_that_no_grid_resolves_is_refused():
    target = {"potential": "(x**2 - 1)**2 + (y**2 - 1)**2"}
    tables = {"noising": {"kind": "ou", "stop": 1e-6}, "score": {}}
    with pytest.raises(InputError, match=r"noising\.stop"):
        wfrpde.solve(Case.from_dict({"target": target, **tables}))
