"""RODASP on problems with known solutions."""

import numpy as np
import pytest

from wfrpde.flow.steppers.rosenbrock import GAMMA, rodasp_step


def integrate(slope, jacobian, u, t, n):
    """n equal steps; the last state and the largest error estimate of a step."""
    dt, worst = t / n, 0.0
    for _ in range(n):
        force, linear = slope(u), jacobian(u)
        matrix = np.eye(len(u)) / (GAMMA * dt) - linear

        def bend(w, u=u, force=force, linear=linear):
            return slope(u + w) - force - linear @ w

        def solve(rhs, matrix=matrix):
            return np.linalg.solve(matrix, rhs)

        u, gap = rodasp_step(u, force, bend, solve, dt)
        worst = max(worst, float(np.abs(gap).max()))
    return u, worst


def test_order_four_on_a_scalar_equation():
    """u' = −u², u = 1/(1 + t)."""
    start, t, exact = np.array([1.0]), 2.0, 1 / 3
    n = np.array([16, 32, 64, 128])
    runs = [integrate(lambda u: -(u**2), lambda u: np.diag(-2 * u), start, t, k) for k in n]
    errors = np.array([abs(u[0] - exact) for u, _ in runs])
    assert errors[-1] < 1e-9
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:])[1:], 4, atol=0.35)
    # the embedded method has order 3: a local error of order 4
    gaps = np.array([gap for _, gap in runs])
    np.testing.assert_allclose(np.log2(gaps[:-1] / gaps[1:])[1:], 4, atol=0.4)
    assert (gaps > errors / n).all()


def test_a_pendulum_couples_two_unknowns():
    """Against itself with 16 times as many steps, and its conserved energy."""

    def slope(u):
        return np.array([u[1], -np.sin(u[0])])

    def jacobian(u):
        return np.array([[0.0, 1.0], [-np.cos(u[0]), 0.0]])

    start = np.array([1.2, 0.3])
    fine, _ = integrate(slope, jacobian, start, 3.0, 640)
    energy = [u[1] ** 2 / 2 - np.cos(u[0]) for u in (start, fine)]
    assert energy[1] == pytest.approx(energy[0], abs=1e-9)
    errors = [np.abs(integrate(slope, jacobian, start, 3.0, n)[0] - fine).max() for n in (20, 40)]
    assert errors[1] < 2e-5
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.5)


def test_stiff_modes_are_damped():
    """z = −10⁶: the start is forgotten in one step (stiffly accurate, R(∞) = 0)."""
    stiffness = np.array([1e6, 1.0])
    u, _ = integrate(lambda u: -stiffness * u, lambda u: np.diag(-stiffness), np.ones(2), 1.0, 10)
    assert abs(u[0]) < 1e-30
    assert u[1] == pytest.approx(np.exp(-1), abs=1e-6)
