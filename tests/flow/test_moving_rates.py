"""Rates that are formulas in time: closed forms, order and absolute error; refusals."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import wfrpde
from wfrpde.errors import InputError
from wfrpde.fields.schedules import Schedule, integral
from wfrpde.flow.exact import gaussian_flow, gaussian_kl

GAUSSIAN = {
    "target": {"kind": "gaussian", "mean": [0.5], "covariance": [[1.0]]},
    "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": [[0.3]]},
    "domain": {"box": [[-8.0, 8.0]]},
}
MOVING = {"alpha": "1 + 0.5*sin(3*t)", "beta": "2*exp(-t)", "save": [0.5, 1.0]}


def riccati(t):
    """Mean and variance under `MOVING`, by an integration of its own."""

    def slope(s, state):
        m, c = state
        a, b = 1 + 0.5 * np.sin(3 * s), 2 * np.exp(-s)
        return [-(a + b * c) * (m - 0.5), 2 * a * (1 - c) + b * c * (1 - c)]

    return solve_ivp(slope, (0, t), [-1.0, 0.3], rtol=1e-12, atol=1e-13, method="DOP853").y[:, -1]


@pytest.mark.parametrize(
    ("time_order", "steps", "order", "limit"),
    [(2, (10, 20, 40), 1.95, 2e-4), (4, (10, 20, 40), 3.85, 1e-9)],
)
def test_order_in_time(time_order, steps, order, limit):
    mean, variance = riccati(1.0)
    found = []
    for n in steps:
        numerics = {
            "formulation": "spectral", "degree": 8, "cells": [20], "certify": False,
            "time_order": time_order, "dt": 1.0 / n,
        }  # fmt: skip
        case = wfrpde.Case.from_dict({**GAUSSIAN, "flow": MOVING, "numerics": numerics})
        solution = wfrpde.solve(case)
        found.append(
            max(abs(solution.mean[-1, 0] - mean), abs(solution.covariance[-1, 0, 0] - variance))
        )
    observed = np.log2(np.array(found[:-1]) / found[1:])
    report = f"steps {steps}: errors {found}, orders {observed}"
    assert observed.min() >= order, report
    assert found[-1] <= limit, report


def test_default_settings_within_their_errors():
    case = wfrpde.Case.from_dict({**GAUSSIAN, "flow": MOVING, "accuracy": {"tolerance": 1e-6}})
    solution = wfrpde.solve(case)
    for k, t in enumerate(solution.times[1:], start=1):
        mean, variance = riccati(t)
        kl = gaussian_kl(np.array([mean]), np.array([[variance]]), np.array([0.5]), np.eye(1))
        for value, truth, error in (
            (solution.mean[k, 0], mean, solution.error.mean[k, 0]),
            (solution.covariance[k, 0, 0], variance, solution.error.covariance[k, 0, 0]),
            (solution.series["kl"][k], kl, solution.error.series["kl"][k]),
        ):
            assert abs(value - truth) <= min(1e-6 * abs(truth), error)
    assert all(check["passed"] for check in solution.numerics["checks"])
    # the library's own closed form knows schedules, too
    rates = {"alpha": case.flow.alpha, "beta": case.flow.beta}
    m, c = gaussian_flow([-1.0], [[0.3]], [0.5], [[1.0]], 1.0, **rates)
    np.testing.assert_allclose([m[0], c[0, 0]], riccati(1.0), rtol=1e-10)


def test_without_transport_in_closed_form():
    """ρ_t ∝ ρ₀^θ π^{1−θ} e^{x g}: a Gaussian whose precision and mean are sums."""
    flow = {"alpha": 0.0, "beta": "t", "reaction": "x*sin(2*t)", "save": [1.0, 2.0]}
    solution = wfrpde.solve(wfrpde.Case.from_dict({**GAUSSIAN, "flow": flow}))
    for k, t in ((1, 1.0), (2, 2.0)):
        theta = np.exp(-(t**2) / 2)
        gained = quad(lambda s, t=t: np.sin(2 * s) * np.exp(-(t**2 - s**2) / 2), 0, t)[0]
        precision = theta / 0.3 + (1 - theta)
        mean = (-theta / 0.3 + 0.5 * (1 - theta) + gained) / precision
        assert solution.mean[k, 0] == pytest.approx(mean, abs=1e-9)
        assert solution.covariance[k, 0, 0] == pytest.approx(1 / precision, abs=1e-9)


def test_a_moving_linear_reaction_and_its_normalising_constant():
    """OU with U = x sin t stays Gaussian, and its log γ_t(1) is an integral over t."""
    flow = {"alpha": "1 + t", "reaction": "x*sin(3*t)", "save": [1.0]}
    case = wfrpde.Case.from_dict({**GAUSSIAN, "flow": flow})
    solution = wfrpde.solve(case)

    def slope(s, state):
        m, c, _ = state
        return [-(1 + s) * (m - 0.5) + c * np.sin(3 * s), 2 * (1 + s) * (1 - c), m * np.sin(3 * s)]

    truth = solve_ivp(slope, (0, 1), [-1.0, 0.3, 0.0], rtol=1e-12, atol=1e-13).y[:, -1]
    growth = solution.series["log_normalising_constant"][-1]
    found = [solution.mean[-1, 0], solution.covariance[-1, 0, 0], growth]
    errors = [
        solution.error.mean[-1, 0],
        solution.error.covariance[-1, 0, 0],
        solution.error.series["log_normalising_constant"][-1],
    ]
    gap = np.abs(np.array(found) - truth)
    assert (gap <= np.minimum(errors, 2e-5)).all(), (gap, errors)


def test_schedules_are_values():
    schedule = Schedule("1 + t", 2.0, "flow.alpha")
    assert float(schedule) == 3.0
    assert schedule(0.5) == 1.5
    assert integral(schedule, 1.0, 0.5) == pytest.approx(1.125, rel=1e-14)
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert again != 3.0
    assert integral(2.0, 1.0, 0.5) == 1.0


@pytest.mark.parametrize(
    ("flow", "where"),
    [
        ({"alpha": "1 - 2*t"}, "flow.alpha"),
        ({"beta": "1/t"}, "flow.beta"),
        ({"beta": "x"}, "flow.beta"),
        ({"reaction": "x/(t - 0.5)", "save": [0.5, 1.0]}, "flow.reaction"),
    ],
)
def test_refused(flow, where):
    with pytest.raises(InputError) as error:
        wfrpde.solve(wfrpde.Case.from_dict({**GAUSSIAN, "flow": flow}))
    assert error.value.where == where


def test_a_formula_without_time_is_a_number():
    case = wfrpde.Case.from_dict({**GAUSSIAN, "flow": {"alpha": "1/2", "beta": 2}})
    assert case.flow.alpha == 0.5
    assert not case.equation.moving


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_a_spectrum_belongs_to_constant_rates(name):
    case = wfrpde.Case.from_dict({**GAUSSIAN, "flow": {name: "1 + t"}})
    with pytest.raises(InputError, match="depends on time"):
        wfrpde.spectrum(case)
