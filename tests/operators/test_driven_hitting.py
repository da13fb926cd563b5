"""Exit times and committors of D(x), circulating and driven dynamics against closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad

import wfrpde
from wfrpde.errors import InputError
from wfrpde.operators import committor, mean_exit_time


def case(**tables):
    return wfrpde.Case.model_validate({"initial": {"kind": "uniform"}, **tables})


def test_noise_that_depends_on_the_place():
    """τ' = −e^V/D ∫_{−∞}^x e^{−V}, and q' ∝ e^V/D."""
    noisy = case(
        target={"potential": "x**2/2"},
        dynamics={"diffusion": "1 + 0.5*sin(2*x)"},
        flow={"alpha": 2.0},
    )
    found = mean_exit_time(noisy, "x > 1.5")

    def spread(x):
        return 1 + 0.5 * np.sin(2 * x)

    def slope(y):
        inner = quad(lambda z: np.exp(-(z**2) / 2), -9, y, epsabs=1e-13)[0]
        return np.exp(y**2 / 2) / spread(y) * inner / 2

    x = np.array([-1.0, 0.3, 1.2])
    exact = [quad(slope, place, 1.5, epsabs=1e-12)[0] for place in x]
    np.testing.assert_allclose(found.time_from(x[:, None]), exact, rtol=1e-6)
    assert found.mean_time_error < 1e-7 * found.mean_time
    q = committor(noisy, "x < -1", "x > 1.5")
    whole = quad(lambda y: np.exp(y**2 / 2) / spread(y), -1, 1.5, epsabs=1e-12)[0]
    part = [quad(lambda y: np.exp(y**2 / 2) / spread(y), -1, p, epsabs=1e-12)[0] for p in (0, 1)]
    np.testing.assert_allclose(q([[0.0], [1.0]]), np.array(part) / whole, rtol=1e-7)
    assert q.rate == pytest.approx(2 / whole / np.sqrt(2 * np.pi), rel=1e-7)


RATE, LENGTH = 1.5, 6.0
STRIP = {
    "target": {"potential": "0.5*x", "dim": 2},
    "domain": {"box": [[0, 1], [0, LENGTH]], "sides": {"y": "periodic"}},
    "numerics": {"cells": [2, 12], "degree": 8},
    "dynamics": {"drift": [0.0, RATE]},
}


def test_a_drift_along_a_strip():
    """A Brownian motion with drift between absorbing walls, one of them where the axis closes."""
    carried = case(**STRIP)
    away = mean_exit_time(carried, "y > 5")
    y = np.array([0.5, 2.5, 4.5])
    points = np.stack([np.full(3, 0.4), y], axis=1)

    def reached(y, width):
        return (1 - np.exp(-RATE * y)) / (1 - np.exp(-RATE * width))

    np.testing.assert_allclose(away.time_from(points), (5 * reached(y, 5) - y) / RATE, rtol=1e-8)
    exact = RATE**2 / 4 + (np.pi / 5) ** 2
    assert away.rate == pytest.approx(exact, rel=1e-8)
    assert abs(away.rate - exact) <= away.rate_error + 1e-12
    late = away.quasi_stationary_density(points)
    limit = np.exp(RATE * y / 2) * np.sin(np.pi * y / 5)
    np.testing.assert_allclose(late / late[0], limit / limit[0], rtol=1e-7)
    q = committor(carried, "y > 5.5", "y > 4.8 and y < 5.3")
    np.testing.assert_allclose(q(points[:2]), reached(y[:2], 4.8), rtol=1e-8)
    assert np.isnan(q.rate)


def sheared(theta, height, load, wall):
    """Solve −x h_x + h_xx + h_yy + θx h_y = load on 0 < y < height, h = 0 and `wall` at its ends.

    Hermite polynomials in x, Chebyshev points in y; returns the average over x at the points, and
    these points.
    """
    n, m = 24, 32
    k = np.arange(m + 1)
    z = np.cos(np.pi * k / m)
    c = np.where((k == 0) | (k == m), 2.0, 1.0) * (-1.0) ** k
    gap = z[:, None] - z[None, :] + np.eye(m + 1)
    slope = np.outer(c, 1 / c) / gap
    slope -= np.diag(slope.sum(axis=1))
    slope *= 2 / height
    root = np.sqrt(np.arange(1.0, n))
    times_x = np.diag(root, 1) + np.diag(root, -1)
    whole = np.kron(np.diag(-np.arange(float(n))), np.eye(m + 1))
    whole += np.kron(np.eye(n), slope @ slope) + theta * np.kron(times_x, slope)
    right = np.zeros((n, m + 1))
    right[0] = load
    right[:, [0, m]] = 0.0
    right[0, 0] = wall  # z = 1 is y = height
    ends = np.isin(np.tile(k, n), [0, m])
    whole[ends] = np.eye(len(ends))[ends]
    return np.linalg.solve(whole, right.ravel()).reshape(n, m + 1), (z + 1) * height / 2


def test_a_circulation_that_shears():
    """V = x²/2 and J = θ carry y by θx: against a collocation of its own."""
    case_of = {
        "target": {"potential": "x**2/2", "dim": 2},
        "domain": {"box": [[-9, 9], [0, LENGTH]], "sides": {"y": "periodic"}},
        "numerics": {"cells": [10, 6], "degree": 8},
    }
    turned = case(**case_of, dynamics={"circulation": 2.0})
    away = mean_exit_time(turned, "y > 5")
    coefficients, y = sheared(2.0, 5.0, -1.0, 0.0)
    x = np.array([-1.0, 0.5, 2.0])
    modes = [np.ones(3), x]
    for n in range(2, len(coefficients)):
        modes.append((x * modes[-1] - np.sqrt(n - 1) * modes[-2]) / np.sqrt(n))
    at = [8, 16, 20]
    exact = [(coefficients[:, k] @ np.array(modes))[i] for i, k in enumerate(at)]
    found = away.time_from(np.stack([x, y[at]], axis=1))
    np.testing.assert_allclose(found, exact, rtol=1e-6)
    q = committor(turned, "y > 5.6", "y > 5 and y < 5.2")
    coefficients, y = sheared(2.0, 5.0, 0.0, 1.0)
    exact = [(coefficients[:, k] @ np.array(modes))[i] for i, k in enumerate(at)]
    np.testing.assert_allclose(q(np.stack([x, y[at]], axis=1)), exact, rtol=1e-6)
    assert q.rate > 0
    assert q.rate_error < 1e-6 * q.rate


def test_what_cannot_be_answered_is_refused():
    kinetic = {"kind": "kinetic"}
    start = {"mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]}
    flying = wfrpde.Case.model_validate(
        {"target": {"potential": "x**2/2"}, "initial": start, "dynamics": kinetic}
    )
    with pytest.raises(InputError, match=r"dynamics\.kind"):
        mean_exit_time(flying, "x > 1")
    meeting = case(**STRIP)
    with pytest.raises(InputError, match="meet"):
        committor(meeting, "y > 5", "y > 4")
