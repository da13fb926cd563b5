"""Where a start is far below what floating point holds, and a reaction lets what stands in grow."""

import numpy as np
import pytest

import wfrpde
from wfrpde import Case
from wfrpde.errors import AccuracyError


def test_spectral_elements_far_below_a_narrow_start():
    """By the closed form: off by 5e-7, across a kink by 2e-4 (240 bars), unwarned."""
    case = Case.from_dict(
        {
            "target": {"kind": "gaussian", "mean": [0.0], "covariance": [[1.0]]},
            "initial": {"mean": [-1.2], "covariance": [[0.003]]},
            "flow": {"save": [0.3, 0.9], "beta": 5.0},
        }
    )
    exact = wfrpde.solve(case)
    assert exact.numerics["formulation"] == "closed form"
    found = wfrpde.solve(case.with_overrides({"numerics.formulation": "spectral"}))
    for name in ("mean", "covariance"):
        error = np.abs(getattr(found, name) - getattr(exact, name))
        assert (error < 1e-7).all()
        assert (error <= getattr(found.error, name) + 1e-10).all()


def test_tails_of_a_start_below_floating_point_are_those_of_the_reaction():
    """With next to no transport ρ ∝ ρ₀^θ π^(1 − θ): the variance was off by 6e-4, unwarned."""
    t, beta = 2.05, 3.0
    case = Case.from_dict(
        {
            "target": {"potential": "2.5*log(1 + x**2/4)", "dim": 1},
            "initial": {"mean": [-1.15], "covariance": [[1.488]]},
            "flow": {"save": [t], "alpha": 1e-9, "beta": beta},
            "domain": {"box": [[-400.0, 400.0]]},
            "numerics": {"formulation": "edge-averaged", "cells": [4000], "dt": 0.1},
        }
    )
    found = wfrpde.solve(case)
    x = np.linspace(-400.0, 400.0, 400_001)
    theta = np.exp(-beta * t)
    log_start, log_target = -((x + 1.15) ** 2) / (2 * 1.488), -2.5 * np.log1p(x**2 / 4)
    share = np.exp(theta * log_start + (1 - theta) * log_target)
    share /= share.sum()
    mean = share @ x
    assert found.mean[-1, 0] == pytest.approx(mean, abs=1e-5)
    assert found.covariance[-1, 0, 0] == pytest.approx(share @ (x - mean) ** 2, abs=1e-5)


def test_walls_too_high_for_the_box_that_was_chosen_are_told_as_what_can_be_given():
    """Nobody gave a box, so that there was none to shrink."""
    case = Case.from_dict(
        {
            "target": {"potential": "68.7*max(0, abs(x) - 1.37)", "dim": 1},
            "initial": {
                "weights": [0.7, 0.3],
                "means": [[-0.3857], [0.9843]],
                "covariances": [[[19.76]], [[19.76]]],
            },
            "flow": {"save": [0.0512, 2.56], "beta": 0.1, "reaction": "-0.222*x**2"},
            "accuracy": {"tolerance": 1e-4},
        }
    )
    with pytest.raises(AccuracyError, match=r"Give a \[domain\] box, or a narrower one"):
        wfrpde.solve(case)
