"""Potentials with a large constant, two lengths in one target, few cells on a mild one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

import wfrpde
from wfrpde.case.setup import make_problem
from wfrpde.errors import AccuracyError

TWO = "300*max(0, -x)**2 + x**2/50"


def solved(potential: str, start: tuple[list[float], float], save: float, **numerics: object):
    case = {
        "target": {"potential": potential},
        "initial": {"mean": start[0], "covariance": start[1]},
        "flow": {"save": [save]},
    }
    if numerics:
        case["numerics"] = numerics
    return wfrpde.solve(wfrpde.Case.from_dict(case))


def test_a_constant_of_a_million_changes_nothing():
    plain, shifted = (solved(f"x**4/4{more}", ([-1.0], 0.2), 0.5) for more in ("", " + 1e6"))
    for one, other in (
        (plain.mean[1, 0], shifted.mean[1, 0]),
        (plain.covariance[1, 0, 0], shifted.covariance[1, 0, 0]),
        (plain.series["kl"][1], shifted.series["kl"][1]),
    ):
        # V has ten digits less
        assert abs(one - other) <= 1e-6


@pytest.mark.parametrize(("constant", "told"), [("1e9", False), ("-1e14", True)])
def test_a_constant_that_takes_all_digits_is_told(constant, told):
    """With 1e15 a variance of 1 was off by 40 bars, without a word."""
    solution = solved(f"x**2/2 + ({constant})", ([1.0], 0.5), 0.5)
    gap = abs(solution.covariance[1, 0, 0] - 0.8718411248681338)  # without the constant, to 8e-9
    assert gap <= 1e-3
    assert told or gap <= solution.error.covariance[1, 0, 0]
    assert told == any("take the constant away" in text for text in solution.warnings)


def test_seeds_far_up_are_no_constant_in_v():
    """V is 0 at its minimum, which a seed of a user's own need not be."""

    class Well:
        dim = 1
        seeds = ((50.0,),)

        def potential(self, x):
            return 1e9 * x[:, 0] ** 2

    case = {
        "target": {"python": Well()},
        "domain": {"box": [[-1.0, 2.0]]},
        "initial": {"mean": [0.0], "covariance": 1e-9},
        "flow": {"save": [0.1]},
    }
    problem = make_problem(wfrpde.Case.from_dict(case))
    assert not any("take the constant away" in text for text in problem.warnings)


def test_two_lengths_in_one_target():
    """Width 0.04 on the left and 5 on the right: 2,000 kT over the box of the start."""
    solution = solved(TWO, ([1.0], 0.16), 30.0, formulation="edge-averaged", cells=[600])

    def weight(x: float) -> float:
        return float(np.exp(-300 * max(0.0, -x) ** 2 - x**2 / 50))

    mass, first = (
        sum(
            quad(lambda x, k=k: x**k * weight(x), *ends, epsabs=1e-14)[0]
            for ends in ((-1, 0), (0, 60))
        )
        for k in (0, 1)
    )
    # cells are up to twice as wide as the left side
    assert abs(solution.mean[1, 0] - first / mass) <= 1e-5


def test_what_a_wide_start_loses_on_a_steep_side_is_told():
    """At t = 3, where log-density elements to 4e-5 are right; at 30 a reaction has forgotten it."""
    for time, mean in ((3.0, 3.485833), (30.0, 3.956850)):
        solution = solved(TWO, ([1.0], 1.0), time, formulation="edge-averaged", cells=[200])
        told = any("no cell is kept there" in text for text in solution.warnings)
        assert told == (time < 10)
        assert abs(solution.mean[1, 0] - mean) <= solution.error.mean[1, 0] < 0.01


def test_ten_cells_on_a_mild_target():
    """They are taken, and say how far they are off."""
    text, start = "2*(x**2 - 1)**2 + y**2/2 + x*y/4", ([-1.0, 0.0], 0.2)
    fine = solved(text, start, 1.0)
    coarse = solved(text, start, 1.0, formulation="edge-averaged", cells=[10, 10])
    off = np.abs(coarse.mean[1] - fine.mean[1])
    assert (off <= coarse.error.mean[1] + fine.error.mean[1]).all()
    assert coarse.error.mean[1].max() < 0.5


@pytest.mark.parametrize(
    "start",
    [
        {"kind": "uniform", "box": [[-4, 4]]},
        {"kind": "expression", "density": "exp(-abs(x)/2)"},
    ],
)
def test_a_start_whose_loss_is_not_told_is_refused(start):
    """A fifth of it lies above 1000 kT: cut off, its variance would be silently wrong."""
    case = wfrpde.Case.model_validate(
        {
            "target": {"potential": "10*x**4 + x"},
            "initial": start,
            "flow": {"save": [0.02]},
            "numerics": {"formulation": "edge-averaged"},
        }
    )
    with pytest.raises(AccuracyError, match="spans"):
        wfrpde.solve(case)


def test_a_start_that_loses_nothing_is_taken():
    start = {"kind": "uniform", "box": [[0.5, 1.5]]}
    case = {"target": {"potential": TWO}, "initial": start, "flow": {"save": [1.0]}}
    keys = {"formulation": "edge-averaged", "cells": [400], "certify": False}
    assert wfrpde.solve(wfrpde.Case.model_validate({**case, "numerics": keys})).warnings == ()
