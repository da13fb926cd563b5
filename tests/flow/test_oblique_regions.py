"""Masses of a half-space whose boundary is oblique to all cells."""

import numpy as np
import pytest
from scipy.special import ndtr

import wfrpde
from wfrpde import Case

NORMAL, PLACE = np.array([1.0, 0.5, -0.3]), 0.2


@pytest.mark.parametrize(("tolerance", "at_start"), [(1e-2, 1e-5), (1e-3, 1e-7), (1e-4, 1e-9)])
def test_masses_of_a_half_space_are_those_of_the_normal_law(tolerance, at_start):
    """By the closed form, at the start too: both rules of quadrature end at the boundary."""
    case = Case.from_dict(
        {
            "target": {
                "kind": "gaussian",
                "mean": [0.3, 0.0, 0.0],
                "covariance": [[1.0, 0.3, 0.0], [0.3, 0.8, 0.1], [0.0, 0.1, 0.6]],
                "modes": {"up": "x + 0.5*y - 0.3*z > 0.2"},
            },
            "initial": {
                "mean": [-0.2, 0.1, 0.2],
                "covariance": [[0.6, 0.0, 0.1], [0.0, 0.9, 0.0], [0.1, 0.0, 0.5]],
            },
            "flow": {"save": [0.2, 0.5]},
        }
    )
    exact = wfrpde.solve(case)
    assert exact.numerics["formulation"] == "closed form"
    mass = [
        ndtr((NORMAL @ mean - PLACE) / np.sqrt(NORMAL @ covariance @ NORMAL))
        for mean, covariance in zip(exact.mean, exact.covariance, strict=True)
    ]
    changes = {"numerics.formulation": "log-density", "accuracy.tolerance": tolerance}
    found = wfrpde.solve(case.with_overrides(changes)).estimated("mode_mass", "up")
    error = np.abs(found.value - mass)
    assert (error <= found.error).all()
    assert error[0] < at_start
