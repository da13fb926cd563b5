"""Flows whose noise depends on the place or the axis, against independent solutions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import wfrpde
from wfrpde.errors import InputError

WELL = {
    "target": {"potential": "3*(x**2 - 1)**2"},
    "initial": {"mean": [-0.8], "covariance": [[0.05]]},
    "dynamics": {"diffusion": "1 + 0.8*sin(3*x)"},
    "flow": {"beta": 0.0, "save": [0.02, 0.3]},
}


def by_sinc(times):
    """Mean and variance of ρ = √π y, y' = −AᵀA y, A = √D (∂ + V′/2), by dense collocation."""
    step = 4.8 / 159
    x = -2.4 + step * np.arange(160)
    gap = np.subtract.outer(np.arange(160), np.arange(160))
    derivative = np.where(gap == 0, 0.0, (-1.0) ** gap / np.where(gap == 0, 1, gap)) / step
    factor = np.sqrt(1 + 0.8 * np.sin(3 * x))[:, None] * (derivative + np.diag(6 * x * (x**2 - 1)))
    rates, modes = np.linalg.eigh(factor.T @ factor)
    root = np.exp(-1.5 * (x**2 - 1) ** 2)
    # ρ₀/√π reaches far, but what counts are moments: √π enters again
    start = np.exp(-((x + 0.8) ** 2) / 0.1 + 1.5 * (x**2 - 1) ** 2)
    result = []
    for t in times:
        density = root * (modes @ (np.exp(-rates * t) * (modes.T @ start)))
        density /= density.sum()
        mean = density @ x
        result.append((mean, density @ (x - mean) ** 2))
    return np.array(result)


@pytest.mark.parametrize("formulation", ["edge-averaged", "spectral"])
def test_noise_that_depends_on_the_place(formulation):
    case = wfrpde.Case.from_dict({**WELL, "numerics": {"formulation": formulation}})
    solution = wfrpde.solve(case)
    truth = by_sinc(solution.times[1:])
    found = np.stack([solution.mean[1:, 0], solution.covariance[1:, 0, 0]], axis=1)
    errors = np.stack([solution.error.mean[1:, 0], solution.error.covariance[1:, 0, 0]], axis=1)
    assert (np.abs(found - truth) <= np.minimum(errors, 1e-5)).all(), (found - truth, errors)
    assert all(check["passed"] for check in solution.numerics["checks"])
    assert solution.warnings == ()


def test_second_order_in_space():
    found = []
    for cells in (60, 120, 240):
        numerics = {"formulation": "edge-averaged", "cells": [cells], "dt": 1e-4, "certify": False}
        case = wfrpde.Case.from_dict({**WELL, "flow": {"beta": 0.0, "save": [0.02]}})
        solution = wfrpde.solve(case.with_overrides({"numerics": numerics}))
        found.append(abs(solution.mean[-1, 0] - by_sinc([0.02])[0, 0]))
    observed = np.log2(np.array(found[:-1]) / found[1:])
    assert observed.min() > 1.9, (found, observed)
    assert found[-1] < 5e-5, found


@pytest.mark.parametrize("beta", [1.0])
def test_a_diffusion_along_each_axis(beta):
    """D = diag(2, ½) between Gaussians: each axis follows a flow of its own."""
    case = wfrpde.Case.from_dict(
        {
            "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[1.0, 0], [0, 0.5]]},
            "initial": {"mean": [1.0, -0.5], "covariance": [[0.4, 0.0], [0.0, 0.8]]},
            "dynamics": {"diffusion": [2.0, 0.5]},
            "flow": {"beta": beta, "save": [0.3]},
        }
    )
    solution = wfrpde.solve(case)
    for axis, (spread, variance, mean, start) in enumerate(
        [(2.0, 1.0, 1.0, 0.4), (0.5, 0.5, -0.5, 0.8)]
    ):

        def slope(_, y, spread=spread, variance=variance):
            m, c = y
            rate = 2 * spread * (1 - c / variance) + beta * c * (1 - c / variance)
            return [-(spread + beta * c) * m / variance, rate]

        exact = solve_ivp(slope, (0, 0.3), [mean, start], rtol=1e-11, atol=1e-12).y[:, -1]
        found = [solution.mean[-1, axis], solution.covariance[-1, axis, axis]]
        assert found == pytest.approx(list(exact), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dynamics.diffusion": "sin(x)"}, "dynamics.diffusion"),
        ({"domain.cell": "simplex"}, "simplices"),
        ({"numerics.formulation": "log-density"}, "dynamics.diffusion"),
    ],
)
def test_refused(changes, text):
    case = wfrpde.Case.from_dict(WELL).with_overrides(changes)
    with pytest.raises(InputError, match=text):
        wfrpde.solve(case)
