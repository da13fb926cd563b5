"""Circulation and drifts where something absorbs, or walls matter: fluxes with a direction."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_flow import riccati
from scipy.integrate import quad

import wfrpde
from wfrpde import Case
from wfrpde.errors import InputError

TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


def half_line(beta=0.0, **tables):
    """dX = −X dt + √2 dW on x > 0, half of whose drift stands in V."""
    return Case.from_dict(
        {
            "target": {"potential": "x**2/4"},
            "initial": {"density": "x*exp(-x**2/0.6)"},
            "domain": {"box": [[0, 9]], "sides": {"x": ["absorbing", "reflecting"]}},
            "flow": {"beta": beta, "save": [0.1, 0.5, 1.0]},
            "dynamics": {"drift": ["-x/2"]},
            **tables,
        }
    )


def half_line_exact(times):
    """Survival and rate of first passage: v = 1 − 0.7 e^{−2t}, (log S)' = −1/v."""
    v = 1 - 0.7 * np.exp(-2 * np.asarray(times))
    loss = [quad(lambda s: 1 / (1 - 0.7 * np.exp(-2 * s)), 0, t, epsabs=1e-13)[0] for t in times]
    survival = np.exp(-np.array(loss))
    return survival, survival / v


def test_a_drift_on_the_half_line():
    solution = wfrpde.solve(half_line())
    survival, density = half_line_exact(solution.times)
    series, error = solution.series, solution.error.series
    np.testing.assert_allclose(series["survival"], survival, rtol=1e-6)
    np.testing.assert_allclose(series["first_passage_density"], density, rtol=1e-6)
    assert (np.abs(series["survival"] - survival) <= error["survival"] + 1e-9).all()
    x, v = np.linspace(0.05, 3.0, 40), 1 - 0.7 * np.exp(-2.0)
    exact = np.log(x / v) - x**2 / (2 * v)
    np.testing.assert_allclose(solution.log_density(1.0, x[:, None]), exact, atol=1e-4)


@pytest.mark.parametrize("theta", [1.0, 3.0, 15.0])
def test_bars_cover_a_turning_gaussian(theta):
    """Where characteristics would do, too, and an exact solution is there."""
    precision = np.array([[1.0, 0.4], [0.4, 2.0]])
    start = [1.5, -0.5], [[0.3, 0.1], [0.1, 0.4]]
    case = Case.from_dict(
        {
            "target": {"potential": "0.5*(x**2 + 0.8*x*y + 2*y**2)"},
            "initial": {"mean": start[0], "covariance": start[1]},
            "flow": {"beta": 1.0, "save": [0.25, 1.0]},
            "dynamics": {"circulation": theta * TURN},
            "numerics": {"formulation": "edge-averaged"},
        }
    )
    solution = wfrpde.solve(case)
    drift = (np.eye(2) + theta * TURN) @ precision
    means, covariances, kl = riccati(solution.times, drift, np.eye(2), precision, 1.0, *start)
    error, limit = solution.error, 1e-3 * theta**2
    for value, truth, bar in (
        (solution.mean, means, error.mean),
        (solution.covariance, covariances, error.covariance),
        (solution.series["kl"], kl, error.series["kl"]),
    ):
        assert (np.abs(value - truth) <= bar + 1e-9).all()
        assert np.abs(value - truth).max() < limit
    assert all(check["passed"] for check in solution.numerics["checks"])


def test_order_of_a_drift_that_is_absorbed():
    """Cells and steps halved together: order 2."""
    survival, density = (part[-1] for part in half_line_exact([0.5]))
    errors = []
    for n in (60, 120, 240):
        numerics = {"cells": [n], "dt": 1.5 / n, "certify": False}
        series = wfrpde.solve(
            half_line(flow={"beta": 0.0, "save": [0.5]}, numerics=numerics)
        ).series
        found = series["survival"][-1], series["first_passage_density"][-1]
        errors.append(np.abs(np.subtract(found, (survival, density))).max())
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2.0, abs=0.2), errors
    assert errors[2] < 1e-4


def disk(dynamics, **tables):
    return Case.from_dict(
        {
            "target": {"potential": "(x**2 + y**2)/2"},
            "initial": {"mean": [0, 0], "covariance": [[0.3, 0], [0, 0.3]]},
            "domain": {"box": [[-3.2, 3.2], [-3.2, 3.2]], "absorbing": "x**2 + y**2 > 9"},
            "flow": {"beta": 0.0, "save": [0.2, 1.0, 2.0]},
            "dynamics": dynamics,
            **tables,
        }
    )


@pytest.mark.parametrize(
    "dynamics", [{"circulation": 3 * TURN}, {"drift": ["2*y", "-2*x"]}], ids=["J", "f"]
)
def test_turning_within_a_disk_changes_nothing(dynamics):
    """The law stays radial: survival and variance by radial volumes, as in test_absorbing."""
    solution = wfrpde.solve(disk(dynamics))
    assert solution.numerics["formulation"] == "edge-averaged"
    survival, variance = [0.99941411, 0.96125927, 0.88809683], [0.52863211, 0.82071316, 0.84896308]
    error = solution.error
    for found, truth, bar in (
        (solution.series["survival"][1:], survival, error.series["survival"][1:]),
        (solution.covariance[1:, 1, 1], variance, error.covariance[1:, 1, 1]),
    ):
        np.testing.assert_allclose(found, truth, rtol=1e-3)
        assert (np.abs(found - truth) < bar + 1e-7).all()


def test_what_is_left_dies_at_the_rate_of_exit():
    """Out of a box from off its centre: finite volumes against spectral elements, at late times."""
    case = Case.from_dict(
        {
            "target": {"potential": "x**2/2 + y**2 + x*y/2"},
            "initial": {"mean": [1.0, 0.0], "covariance": [[0.2, 0], [0, 0.2]]},
            "domain": {"box": [[-1.5, 2.5], [-2, 1.5]],
                       "sides": {"x": "absorbing", "y": ["reflecting", "absorbing"]}},
            "flow": {"beta": 0.0, "save": [3.0, 4.0]},
            "dynamics": {"circulation": 2 * TURN},
        }
    )  # fmt: skip
    solution = wfrpde.solve(case)
    rate = wfrpde.spectrum(case).rates[0]
    survival = solution.series["survival"]
    assert np.log(survival[1] / survival[2]) == pytest.approx(rate, rel=2e-4)
    still = wfrpde.solve(case.with_overrides({"dynamics": {}, "flow.save": [3.0]}))
    assert survival[1] < 0.97 * still.series["survival"][1]  # turning leads to the walls


def test_walls_where_the_target_matters_reflect_as_in_spectra():
    """n·(D + J)∇h = 0: π is stationary, and modes decay as their eigenvalues say."""
    case = Case.from_dict(
        {
            "target": {"potential": "(x - 3)**2/4 + y**2/4"},
            "initial": {"log_density": "0.8*cos(pi*x/2) - y"},
            "domain": {"box": [[0.0, 2.0], [-1.0, 1.0]]},
            "flow": {"beta": 0.0, "save": [0.8, 1.0]},
            "dynamics": {"circulation": 1.5 * TURN},
            "spectrum": {"count": 2},
        }
    )
    numerics = {"cells": [32, 32], "dt": 0.0125}
    solution = wfrpde.solve(case.with_overrides({"numerics": numerics}))
    assert solution.numerics["formulation"] == "edge-averaged"
    np.testing.assert_allclose(solution.mean[-1, 1], 0.0120818, atol=1e-6)  # of finer runs
    spectrum = wfrpde.spectrum(case)
    assert spectrum.rotates
    # E u of a mode u decays as e^{−λt}
    from wfrpde.discretisation.functionals import Evaluator
    from wfrpde.parallel.mpi import MPI

    rule = Evaluator(MPI.COMM_SELF, solution.interpolation, solution.densities.potential, {})
    mass = np.exp(rule.log_target + rule.sample(solution.log_relative, slopes=False).value)
    mode = spectrum.eigenfunction(1, rule.points)
    first, last = (row @ mode for row in mass[1:])
    assert last / first == pytest.approx(np.exp(-0.2 * spectrum.eigenvalues[1]), rel=2e-5)


def test_the_case_that_ships():
    """Survival's rate nears that of the spectrum, and rotation leads to the wall."""
    case = wfrpde.load_case("turning-exit")
    solution = wfrpde.solve(case.with_overrides({"flow.save": [2.0, 3.0, 4.0]}))
    survival = solution.series["survival"]
    rate = wfrpde.spectrum(case).rates[0]
    assert np.log(survival[2] / survival[3]) == pytest.approx(rate, rel=4e-3)
    assert survival[1] == pytest.approx(0.3993, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"domain.cell": "simplex"}, "dynamics.circulation"),
        ({"numerics.formulation": "characteristics"}, "domain.absorbing"),
    ],
)
def test_what_is_refused(changes, where):
    with pytest.raises(InputError) as error:
        wfrpde.solve(disk({"circulation": TURN}).with_overrides(changes))
    assert error.value.where.startswith(where)


def test_momenta_that_are_absorbed_are_refused():
    case = Case.from_dict(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"mean": [0.0, 0.0], "covariance": [[0.1, 0], [0, 1.0]]},
            "domain": {"box": [[-2, 2], [-8, 8]], "sides": {"x": "absorbing"}},
            "dynamics": {"kind": "kinetic"},
            "flow": {"save": [0.1]},
        }
    )
    with pytest.raises(InputError, match="'kinetic' where sides or regions absorb"):
        wfrpde.solve(case)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_a_drift_that_jumps(beta):
    """A drift of ±3 has an equilibrium with a kink: along characteristics it was refused.

    Cells end where the drift jumps. Right for β = 0 is the equilibrium itself, for β = 1 finite
    volumes of log(ρ/π) on pieces (`validation/fuzz`), to 1e-9.
    """
    solution = wfrpde.solve(
        Case.from_dict(
            {
                "target": {"potential": "x**2/2"},
                "initial": {"mean": [0.5], "covariance": [[0.4]]},
                "flow": {"beta": beta, "save": [1.0 if beta else 12.0]},
                "dynamics": {"drift": ["-3*sign(x - 0.3)"]},
            }
        )
    )
    assert solution.numerics["formulation"] == "edge-averaged"

    def moment(k):
        def density(x):
            return x**k * np.exp(-(x**2) / 2 - 3 * abs(x - 0.3))

        return quad(density, -9, 0.3, epsabs=1e-14)[0] + quad(density, 0.3, 9, epsabs=1e-14)[0]

    mean = moment(1) / moment(0)
    right = [0.236638075957, 0.196365154310] if beta else [mean, moment(2) / moment(0) - mean**2]
    found = [solution.mean[-1, 0], solution.covariance[-1, 0, 0]]
    bars = np.array([solution.error.mean[-1, 0], solution.error.covariance[-1, 0, 0]])
    assert (np.abs(np.array(found) - right) <= bars + 1e-9).all()
    assert (bars <= 1e-4).all()
    assert not solution.warnings
