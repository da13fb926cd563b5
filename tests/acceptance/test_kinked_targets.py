"""Potentials with kinks: their errors are within their bars, with a tolerance and without."""

import numpy as np
import pytest

import wfrpde

STEEP = 100.0


def walls(**tables):
    """V = 100 max(0, |x| − 1), from a narrow start in the left half."""
    return wfrpde.Case.from_dict(
        {
            "target": {
                "potential": f"{STEEP}*max(0, abs(x) - 1)",
                "modes": {"right": "x > 0.5"},
            },
            "initial": {"mean": [-0.5], "covariance": [[0.01]]},
            "flow": {"save": [0.05, 0.2, 1.0, 12.0]},
            **tables,
        }
    )


def closed_form():
    """Variance of π, and its mass beyond 0.5."""
    beyond = 1 / STEEP
    half = 1 + beyond
    second = 1 / 3 + beyond + 2 * beyond**2 + 2 * beyond**3
    return second / half, (0.5 + beyond) / (2 * half)


@pytest.mark.parametrize("tolerance", [None, 1e-2, 1e-4, 1e-5])
def test_walls_lead_to_the_closed_form(tolerance):
    accuracy = {} if tolerance is None else {"tolerance": tolerance}
    solution = wfrpde.solve(walls(accuracy=accuracy))
    variance, mass = closed_form()
    bound = 1e-6 if tolerance is None else tolerance
    for found, error, right in (
        (solution.covariance[-1, 0, 0], solution.error.covariance[-1, 0, 0], variance),
        (solution.mode_mass["right"][-1], solution.error.mode_mass["right"][-1], mass),
    ):
        assert abs(found - right) <= error
        assert error <= bound
    assert not solution.warnings


def test_early_times_agree_within_their_bars():
    flow = {"save": [0.05, 0.2, 1.0, 3.0]}
    fine = wfrpde.solve(walls(numerics={"cells": [3000], "dt": 0.0025}, flow=flow))
    for tolerance in (1e-2, 1e-4):
        loose = wfrpde.solve(walls(accuracy={"tolerance": tolerance}, flow=flow))
        gap = np.abs(loose.series["kl"] - fine.series["kl"])
        assert (gap <= loose.error.series["kl"] + fine.error.series["kl"]).all()
        gap = np.abs(loose.mode_mass["right"] - fine.mode_mass["right"])
        allowed = loose.error.mode_mass["right"] + fine.error.mode_mass["right"]
        assert (gap <= allowed).all()
