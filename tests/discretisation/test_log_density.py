"""The log-density form on an interval: its right-hand side, Jacobian and conserved mass."""

import numpy as np
import pytest

from wfrpde.case import Case
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.log_density import LogDensityForm


def problem(potential="2*(x**2 - 1)**2 + 0.3*x", box=(-2.2, 2.2), **flow):
    case = {
        "target": {"potential": potential},
        "initial": {"kind": "gaussian", "mean": [-0.5], "covariance": 0.2},
        "flow": {"save": [1.0], **flow},
    }
    if box:
        case["domain"] = {"box": [list(box)]}
    return make_problem(Case.model_validate(case))


def discretised(made, cells=12, degree=8, **options):
    return LogDensityForm(made, made.tensor_grid((cells,)), degree, **options)


def coordinates(system):
    return system.nodes.points[:, 0]


def dense(solve, size):
    """Dense matrix of what solves with it."""
    return np.linalg.inv(np.stack([solve(unit) for unit in np.eye(size)], axis=1))


@pytest.mark.parametrize("degree", [2, 5])
def test_jacobian_is_the_derivative_of_the_right_hand_side(degree):
    system = discretised(problem(box=(-1.5, 1.5), alpha=0.7, beta=1.3), 6, degree)
    rng = np.random.default_rng(8)
    u = np.sin(2 * coordinates(system)) + 0.1 * rng.normal(size=len(system.weights))
    jacobian = 7.5 * np.eye(len(u)) - dense(system.shifted_jacobian(u, 7.5), len(u))
    for _ in range(5):
        direction = rng.normal(size=len(u))
        step = 1e-5
        central = (system(u + step * direction) - system(u - step * direction)) / (2 * step)
        # the right-hand side is quadratic in u: central differences are exact up to round-off
        scale = np.abs(jacobian).max() * 10
        np.testing.assert_allclose(jacobian @ direction, central, atol=1e-8 * scale)


def test_right_hand_side_is_exact_on_polynomials():
    """u = 0.3x² − x, V = x²/2 + x: α(u'' + u'² − V'u') − βu at every node but the walls."""
    made = problem("x**2/2 + x", box=None, alpha=0.8, beta=1.7)
    system = discretised(made, 10, 6)
    x = coordinates(system)
    u, slope = 0.3 * x**2 - x, 0.6 * x - 1
    expected = 0.8 * (0.6 + slope**2 - (x + 1) * slope) - 1.7 * u
    np.testing.assert_allclose(system(u)[1:-1], expected[1:-1], rtol=1e-9, atol=1e-8)


def test_walls_hold_back_the_flow():
    """A linear u has a slope at the walls: they push there, as −u'(w)/weight, and nowhere else."""
    made = problem("x**2/2", box=(-1.0, 1.0), beta=0.0)
    system = discretised(made, 8, 4)
    x = coordinates(system)
    inner = 0.25 * (1 - 2 * x)  # u'' + u'² − V'u' for u = x/2
    force = system.transport(x / 2)
    np.testing.assert_allclose(force[1:-1], inner[1:-1], atol=1e-9)
    assert force[0] == pytest.approx(inner[0] + 0.5 / system.weights[0], rel=1e-9)
    assert force[-1] == pytest.approx(inner[-1] - 0.5 / system.weights[-1], rel=1e-9)


def test_transport_conserves_mass_to_spectral_accuracy():
    """∫ρ (u'' + u'² − V'u') = 0 for every ρ = π e^u: 1e-11 at degree 8, less at degree 3."""
    made = problem()
    rates = []
    for degree in (3, 8):
        system = discretised(made, 24, degree)
        u = 0.8 * np.sin(1.3 * coordinates(system)) + 0.2 * coordinates(system)
        density = np.exp(system.normalised(u + system.log_target))
        assert density.sum() == pytest.approx(1, abs=1e-13)
        rates.append(abs(density @ system.transport(u)))
    assert rates[1] < 1e-10
    assert rates[0] > 10 * rates[1]


def test_equilibrium_rests():
    system = discretised(problem(box=None), 24)
    np.testing.assert_array_equal(system(np.zeros(len(system.weights))), 0.0)
    assert np.exp(system.log_target).sum() == pytest.approx(1, abs=1e-13)


def test_forces_have_two_values_at_a_kink():
    """As each cell has it: with one for both ∫ρ (u'' + u'² − V'u') was 6e-4, at any degree."""
    made = problem("0.986*abs(x - 0.3) + 0.919*x**2/2", box=None)
    system = discretised(made, 24)
    assert np.isclose(coordinates(system), 0.3, rtol=0, atol=1e-12).sum() == 1
    u = 0.8 * np.sin(1.3 * coordinates(system)) + 0.2 * coordinates(system)
    density = np.exp(system.normalised(u + system.log_target))
    assert abs(density @ system.transport(u)) < 1e-10
