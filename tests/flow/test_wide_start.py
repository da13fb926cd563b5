"""A start so wide that cells where the potential is high are left out says so."""

from __future__ import annotations

import numpy as np
from gaussian_flow import GaussianFlow

import wfrpde


def warnings_of(width: float, cells: int) -> str:
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "30*(x**2 + y**2)", "dim": 2},
            "initial": {"mean": [0.0, 0.0], "covariance": width**2},
            "flow": {"save": [0.001]},
            "numerics": {
                "formulation": "edge-averaged",
                "cells": [cells, cells],
                "certify": False,
            },
        }
    )
    return " ".join(wfrpde.solve(case).warnings)


def test_a_wide_start_on_steep_walls_is_not_called_narrow():
    text = warnings_of(4.0, 24)
    assert "no cell is kept" in text
    assert "too narrow" not in text


def test_a_narrow_start_is():
    text = warnings_of(0.02, 8)
    assert "too narrow" in text


def test_what_a_reaction_forgets_is_in_no_bar():
    """A start of width 15: 1 % of it lies where V > 1000 kT, and nothing later depends on that."""
    flow = GaussianFlow((3.0, 0.0), 225 * np.eye(2), (0.0, 0.0), np.eye(2))
    keys = {"formulation": "edge-averaged", "cells": [256, 256]}
    solution = wfrpde.solve(flow.case(0.5, numerics=keys))
    assert solution.numerics["runs"][-1]["start_left_out"] > 0.005
    assert not any("no cell is kept" in text for text in solution.warnings)
    for k, (t, limit) in enumerate(((0.0, 1e-6), (0.5, 1e-2))):
        mean, covariance = flow.at(t)
        for found, exact, bar in (
            (solution.mean[k], mean, solution.error.mean[k]),
            (solution.covariance[k], covariance, solution.error.covariance[k]),
            (solution.series["kl"][k], flow.kl(t), solution.error.series["kl"][k]),
        ):
            off, scale = np.abs(found - exact), np.abs(exact).max()
            assert (off <= bar + 1e-9 * scale).all(), (t, found, exact, bar)
            assert off.max() <= limit * scale, (t, found, exact)


def test_what_a_reaction_forgets_keeps_nobody_from_refining():
    """4 % of the moments is left out of the start: a tolerance of 1 % is met all the same."""
    flow = GaussianFlow((3.0, 0.0), 225 * np.eye(2), (0.0, 0.0), np.eye(2))
    keys = {"formulation": "edge-averaged"}
    solution = wfrpde.solve(flow.case(0.5, numerics=keys, accuracy={"tolerance": 0.01}))
    assert solution.numerics["runs"][-1]["start_defect"] > 0.03
    assert solution.numerics["accuracy"]["met"], solution.numerics["accuracy"]
    assert solution.error.series["kl"][1] < 0.01 * solution.series["kl"][1]
