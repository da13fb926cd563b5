"""Points that start a flow, boxes that cut it off, and the constants that normalise it."""

import numpy as np
import pytest
from scipy.integrate import quad

import wfrpde


@pytest.mark.parametrize("unit", [1e-7, 1.0])
def test_a_point_mass_in_any_unit(unit):
    """V = x²/2s²: mean e^{−t}/2 and variance 1 − e^{−2t} in units of s and s²/α."""
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": f"x**2/(2*({unit!r})**2)"},
            "initial": {"kind": "dirac", "point": [0.5 * unit]},
            "flow": {"alpha": unit**2, "beta": 0.0, "save": [0.1, 0.5, 2.0]},
            "domain": {"box": [[-6 * unit, 6 * unit]]},
        }
    )
    solution = wfrpde.solve(case)
    t = solution.times[1:]
    error = np.abs(solution.mean[1:, 0] - 0.5 * unit * np.exp(-t))
    assert (error <= solution.error.mean[1:, 0]).all()
    error = np.abs(solution.covariance[1:, 0, 0] - unit**2 * (1 - np.exp(-2 * t)))
    assert (error <= solution.error.covariance[1:, 0, 0]).all()
    assert (solution.error.covariance[1:, 0, 0] < 0.02 * unit**2).all()


def test_what_a_box_cuts_off_is_told_of_target_and_start():
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"mean": [0.0], "covariance": [[1e8]]},
            "flow": {"save": [0.5]},
            "domain": {"box": [[-1.0, 1.0]]},
        }
    )
    solution = wfrpde.solve(case)
    shares = solution.numerics["cut_off_share"]
    assert shares["target"] == pytest.approx(0.3173, abs=1e-4)
    assert shares["initial"] == pytest.approx(1 - 2e-4 / np.sqrt(2 * np.pi), abs=2e-5)
    for name in ("target", "initial"):
        assert any(f"of the mass of the {name} density" in text for text in solution.warnings)


def test_the_density_counts_the_error_of_its_constant():
    """Naming a round mode changes the rule by which π is normalised."""
    height = 10.0
    case = wfrpde.Case.from_dict(
        {
            "target": {
                "potential": f"{height}*((x**2 + y**2)/2.25 - 1)**2",
                "modes": {"inside": "x**2 + y**2 < 2.25"},
            },
            "initial": {"mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]},
            "flow": {"alpha": 0.0, "save": [40.0]},
        }
    )
    solution = wfrpde.solve(case)
    whole, _ = quad(lambda r: 2 * np.pi * r * np.exp(-height * (r * r / 2.25 - 1) ** 2), 0, 4)
    found = float(solution.log_density(40.0, [[1.5, 0.0]])[0])
    assert abs(found + np.log(whole)) <= solution.error.density[-1] < 1e-5
