"""The probability current of flows against closed forms."""

import numpy as np
import pytest
from test_characteristics import COVARIANCE, MEAN, QUADRATIC, TURN, A, case, riccati

import wfrpde


def test_the_current_of_a_gaussian():
    """j = ρ(−Bx + D C⁻¹(x − m)): 1e-5 of its largest."""
    turned, points = 2.0 * TURN, np.random.default_rng(0).uniform(-1.5, 1.5, (200, 2))
    numerics = {"cells": [56, 56], "dt": 0.025, "certify": False}
    solution = wfrpde.solve(case(QUADRATIC, {"circulation": turned}, [0.3], numerics=numerics))
    drift = (np.eye(2) + turned) @ A
    mean, covariance, _ = riccati(np.array([0.0, 0.3]), drift, np.eye(2), A, 0.0, MEAN, COVARIANCE)
    gap = (points - mean[-1]) @ np.linalg.inv(covariance[-1])
    density = np.exp(-(gap * (points - mean[-1])).sum(axis=1) / 2)
    density /= 2 * np.pi * np.sqrt(np.linalg.det(covariance[-1]))
    exact = density[:, None] * (gap - points @ drift.T)
    found = solution.current(0.3, points)
    np.testing.assert_allclose(found, exact, atol=1e-5 * np.abs(exact).max())
    # at the start it is known, too
    assert solution.current(0.0, MEAN[None]).shape == (1, 2)
    assert (solution.current(0.3, [[50.0, 0.0]]) == 0).all()


def test_the_stationary_current_of_a_tilted_ring():
    """V = cos x and f = 1 on a circle: j is the same everywhere, and known by quadrature."""
    ring = wfrpde.Case.model_validate(
        {
            "target": {"potential": "cos(x)"},
            "initial": {"kind": "uniform"},
            "domain": {"box": [[0, 2 * np.pi]], "sides": {"x": "periodic"}},
            "dynamics": {"drift": [1.0]},
            "flow": {"beta": 0.0, "save": [12.0]},
        }
    )
    solution = wfrpde.solve(ring)
    n = 400
    x = 2 * np.pi * np.arange(n) / n
    # ρ ∝ e^{−W} ∫_x^{x+2π} e^W with W = cos x − x, and j = 1 − e^{−2π} times the same factor
    place, weight = np.polynomial.legendre.leggauss(60)
    further = x[:, None] + np.pi * (place + 1)
    inner = np.pi * np.exp(np.cos(further) - further) @ weight
    total = 2 * np.pi * (np.exp(x - np.cos(x)) * inner).mean()
    exact = -np.expm1(-2 * np.pi) / total
    found = solution.current(12.0, x[::40, None])[:, 0]
    np.testing.assert_allclose(found, exact, rtol=2e-4)


def test_no_current_without_transport_nor_at_rest():
    still = case(QUADRATIC, {}, [0.1], 1.0, flow={"alpha": 0.0, "beta": 1.0, "save": [0.1]})
    points = np.array([[0.3, 0.2], [1.0, -0.5]])
    assert (wfrpde.solve(still).current(0.1, points) == 0).all()


def test_what_is_absorbed_arrives():
    """At an absorbing end j is the first-passage density."""
    well = wfrpde.Case.model_validate(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"density": "x*exp(-x**2/0.6)"},
            "domain": {"box": [[0, 9]], "sides": {"x": ["absorbing", "reflecting"]}},
            "flow": {"beta": 0.0, "save": [0.5]},
        }
    )
    solution = wfrpde.solve(well)
    arriving = -solution.current(0.5, [[1e-3]])[0, 0] * solution.series["survival"][-1]
    assert arriving == pytest.approx(solution.series["first_passage_density"][-1], rel=1e-4)
