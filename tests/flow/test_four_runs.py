"""A fourth, coarser run: what is extrapolated twice is told by what is extrapolated twice."""

from __future__ import annotations

import numpy as np
from gaussian_flow import PLANE

import wfrpde
from wfrpde.flow.certificate import opinions_on_numbers


def test_errors_of_two_even_powers_go_whatever_their_size():
    h = 0.5 ** np.arange(4)
    values = [np.array([1.0 + 3.0 * x**2 - 2.0 * x**4]) for x in h]
    best, second, finest = opinions_on_numbers(values, nested=True, twice=True)
    assert abs(best - 1.0) < 1e-14
    assert abs(second - 1.0) < 1e-14
    assert finest == values[-1]


def test_the_next_power_is_told_within_63():
    h = 0.5 ** np.arange(4)
    values = [np.array([1.0 + x**2 + x**4 + x**6]) for x in h]
    best, second, _ = opinions_on_numbers(values, nested=True, twice=True)
    assert np.isclose(abs(second - best) / abs(best - 1.0), 63.0)


def test_bars_are_near_the_errors_and_cover_them():
    case = PLANE.case(
        0.2,
        1.0,
        numerics={"formulation": "edge-averaged", "cells": [32, 28]},
        accuracy={"tolerance": 1e-3},
        domain={"box": [[-5.6, 5.6], [-4.8, 4.8]]},
    )
    solution = wfrpde.solve(case)
    assert solution.numerics["accuracy"]["met"]
    assert len(solution.numerics["runs"]) == 4
    for k, t in enumerate(solution.times[1:], 1):
        mean, covariance = PLANE.at(t)
        kl = PLANE.kl(t)
        for found, bar, exact in (
            (solution.mean[k], solution.error.mean[k], mean),
            (solution.covariance[k], solution.error.covariance[k], covariance),
            (solution.series["kl"][k], solution.error.series["kl"][k], kl),
        ):
            off = np.abs(found - exact).max()
            assert off <= np.max(bar)
            assert np.max(bar) < 1e-3


def test_long_steps_near_equilibrium_cost_no_digit():
    """From t = 6 on steps are longer than the largest before, and what is left is known as well."""
    case = PLANE.case(
        2.0,
        6.0,
        14.0,
        numerics={"formulation": "edge-averaged", "cells": [24, 24]},
        accuracy={"tolerance": 1e-2},
        domain={"box": [[-5.6, 5.6], [-4.8, 4.8]]},
    )
    solution = wfrpde.solve(case)
    assert solution.numerics["runs"][0]["largest_dt"] > 0.6
    for k, t in enumerate(solution.times[1:], 1):
        mean, covariance = PLANE.at(t)
        for found, bar, exact in (
            (solution.mean[k], solution.error.mean[k], mean),
            (solution.covariance[k], solution.error.covariance[k], covariance),
        ):
            assert (np.abs(found - exact) <= bar).all()
            assert np.max(bar) < 3e-3
