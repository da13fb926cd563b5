"""Lines with features much narrower than they are long, and starts narrower than their cells.

Right are the numbers of `validation/fuzz/lines.py`, which shares no code with
wfrpde, to eight digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from line_numbers import told

import wfrpde

Right = dict[str, list[float]]

WELL: tuple[dict[str, Any], Right] = (
    {
        "flow": {"save": [0.0262, 0.131, 0.393, 1.31], "alpha": 1.0, "beta": 1.0},
        "target": {
            "potential": "x**2/2 - 5*exp(-(x + 0.171)**2/0.000333)",
            "dim": 1,
            "modes": {"right": "x > 0.5"},
        },
        "initial": {"mean": [0.141], "covariance": [[17.22]]},
    },
    {
        "kl": [4.628717247, 1.53651491, 0.2919135214, 0.002870081726],
        "mean": [0.09428032332, 0.03289731521, -0.01385041765, -0.06838047039],
        "covariance": [11.61712823, 4.840221103, 1.766641441, 0.6154863929],
        "mass of right": [0.4517397148, 0.40279742, 0.3024470164, 0.1786406333],
    },
)

LATE: tuple[dict[str, Any], Right] = (
    {
        "flow": {"save": [0.3, 1.0, 4.0]},
        "target": {
            "potential": "-log(0.5*exp(-x**2/2) + 500*exp(-(x - 2)**2/2*1e6))",
            "dim": 1,
            "modes": {"right": "x > 1.9"},
        },
        "initial": {"mean": [-1.0], "covariance": [[0.3]]},
    },
    {
        "kl": [0.920629652, 0.363583609, 0.0003820370757],
        "mean": [-0.6351995352, 0.0226754618, 0.9682191196],
        "covariance": [0.6742977603, 1.2750078762, 1.5194350559],
        "mass of right": [0.0023459446, 0.1226811095, 0.5009680747],
    },
)

ON_TAILS: dict[str, tuple[dict[str, Any], Right]] = {
    "on one node": (
        {
            "numerics": {"cells": [15], "dt": 0.328},
            "flow": {"save": [0.059, 0.295, 0.885, 2.95], "alpha": 1.0, "beta": 1.0},
            "target": {
                "potential": "2.5*log(1 + x**2/4)",
                "dim": 1,
                "modes": {"right": "x > 0.5"},
            },
            "initial": {"mean": [0.00208], "covariance": [[0.003329]]},
        },
        {
            "kl": [0.7081036578, 0.1829722218, 0.02984548261, 0.0006143739496],
            "mean": [0.001930091104, 0.001411972861, 0.0006240692198, 3.733328303e-05],
            "covariance": [0.1161280224, 0.4889105263, 1.083377323, 1.796881188],
            "mass of right": [0.07185408185, 0.233845194, 0.3001984803, 0.3206700519],
        },
    ),
    "between nodes": (
        {
            "numerics": {"cells": [15]},
            "flow": {"save": [0.0384, 0.192, 0.576, 1.92], "alpha": 1.0, "beta": 0.0},
            "target": {
                "potential": "5.0*log(1 + x**2/9)",
                "dim": 1,
                "modes": {"right": "x > 0.5"},
            },
            "initial": {"mean": [-1.74], "covariance": [[0.0289]]},
        },
        {
            "kl": [2.056552092, 1.216636217, 0.5242332472, 0.05425855132],
            "mean": [-1.685504577, -1.48339931, -1.079869627, -0.3715807714],
            "covariance": [0.1034807446, 0.3727028362, 0.8384955727, 1.27860777],
            "mass of right": [3.638997022e-12, 0.0004250103002, 0.03585695927, 0.2104010466],
        },
    ),
}


def solved(tables: dict[str, Any], more: dict[str, Any]) -> wfrpde.Solution:
    made = {**tables, **more}
    made["numerics"] = {"formulation": "mesh", **tables.get("numerics", {})}
    return wfrpde.solve(wfrpde.Case.model_validate(made))


@pytest.mark.parametrize(
    ("tolerance", "within"), [(None, 2e-5), (1e-2, 1e-2), (1e-3, 1e-3), (1e-5, 1e-5)]
)
def test_a_narrow_well_in_the_box_of_a_wide_start(tolerance, within):
    """Equal cells, two of which held the well, were off by 3 to 33 bars, and missed 1e-5."""
    tables, right = WELL
    asked = {} if tolerance is None else {"accuracy": {"tolerance": tolerance}}
    solution = solved(tables, asked)
    for name, (value, bar) in told(solution).items():
        off = np.abs(value - right[name])
        assert (off <= bar + 1e-8).all(), name
        assert (off <= within * np.maximum(np.abs(right[name]), 0.1) + 1e-8).all(), name
    assert not solution.warnings
    assert len(solution.nodes) < 4000


def test_a_narrow_well_that_relaxes_within_a_step():
    """By default means, masses and KL were off by up to 4.9 of their bars at t = 4, unwarned."""
    tables, right = LATE
    solution = solved(tables, {})
    for name, (value, bar) in told(solution).items():
        off = np.abs(value - right[name])
        assert (off <= bar + 3e-9 * np.abs(right[name])).all(), name
        assert (bar <= 1e-5 * np.maximum(np.abs(right[name]), 0.1)).all(), name


@pytest.mark.parametrize("name", ON_TAILS)
def test_no_bar_is_longer_than_what_a_number_can_be(name):
    """A start that a single node held made bars of 1e10 to 1e201."""
    tables, right = ON_TAILS[name]
    solution = solved(tables, {})
    width = float(np.ptp(solution.box))
    most = {
        "kl": solution.series["kl"][0] + solution.error.series["kl"][0],
        "mean": width,
        "covariance": width**2 / 2,
        "mass of right": 1.0,
    }
    for number, (value, bar) in told(solution).items():
        assert (np.abs(value - right[number]) <= bar).all(), number
        assert (bar <= most[number]).all(), number
    assert (solution.error.density < 20.0).all()
    assert "too narrow for the mesh" in " ".join(solution.warnings)


def test_a_narrow_well_on_a_barrier_without_a_reaction():
    """All numbers at t = 2 were off by up to 2.1 bars, unwarned."""
    solution = solved(
        {
            "flow": {"save": [0.03, 0.2, 2.0, 20.0], "beta": 0.0},
            "target": {
                "potential": "4*(x**2 - 1)**2 - 2*exp(-x**2/0.005)",
                "dim": 1,
                "modes": {"right": "x > 0"},
            },
            "initial": {"mean": [-1.0], "covariance": [[0.05]]},
        },
        {"accuracy": {"tolerance": 1e-2}},
    )
    right = {
        "kl": [0.7125792634, 0.65502420696, 0.31940223, 0.0012589051],
        "mean": [-0.963252019, -0.9226560884, -0.703656275, -0.046960983],
        "covariance": [0.03999819178, 0.06587105421, 0.412125314, 0.905052116],
        "mass of right": [0.00076085616843, 0.0120471723224, 0.127741274, 0.475156001],
    }
    for name, (value, bar) in told(solution).items():
        assert (np.abs(value - right[name]) <= bar).all(), name
        assert bar.max() < 1e-2


MISSED_BY_COARSE_RUNS: dict[str, tuple[dict[str, Any], float, Right]] = {
    "while it is empty": (
        {
            "flow": {"save": [0.024, 0.12, 0.36, 1.2], "beta": 1.0},
            "target": {
                "potential": "x**2/2 - 7.77*exp(-(x + 1.36)**2/0.013)",
                "dim": 1,
                "modes": {"right": "x > 0.5"},
            },
            "initial": {"mean": [6.98], "covariance": [[0.2884]]},
        },
        1e-3,
        {
            "kl": [26.49511706, 21.00213413, 11.53469058, 2.76815483],
            "mean": [6.764337063678, 5.91482125507, 4.02860313, 0.54653954],
            "covariance": [0.3267401911833, 0.465181029, 0.71345754, 1.39575458],
            "mass of right": [1.0, 1.0, 0.99998526479396, 0.55213683],
        },
    ),
    "in the first steps": (
        {
            "flow": {"save": [0.0208, 0.104, 0.312, 1.04], "beta": 0.1},
            "target": {
                "potential": "x**2/2 - 7.3*exp(-(x + 0.075)**2/0.00213)",
                "dim": 1,
                "modes": {"right": "x > 0.5"},
            },
            "initial": {"mean": [0.528], "covariance": [[0.0075]]},
        },
        1e-2,
        {
            "kl": [4.06770292, 2.22317635, 0.92696521, 0.166515862],
            "mean": [0.5158972846, 0.4525030867, 0.32722864, 0.0887003814],
            "covariance": [0.0491426016, 0.1911944296, 0.3263599973, 0.2476383282],
            "mass of right": [0.5310802189, 0.4620314256, 0.3243877767, 0.1203512186],
        },
    ),
}


@pytest.mark.parametrize("name", MISSED_BY_COARSE_RUNS)
def test_a_well_that_coarse_runs_miss(name):
    """Numbers of the first were off by up to 5.2 bars, unwarned, and would be of the second by 2.8.

    All that runs changed by at the coarsest nodes was the constant of π, which cancels; and of two
    values that are extrapolated twice, the one has the coarsest run in it.
    """
    tables, tolerance, right = MISSED_BY_COARSE_RUNS[name]
    numerics = {"numerics": {"formulation": "edge-averaged"}, "accuracy": {"tolerance": tolerance}}
    solution = solved(tables, numerics)
    assert solution.numerics["accuracy"]["met"]
    for number, (value, bar) in told(solution).items():
        known = 1e-8 + 1e-12 * np.abs(right[number]).max()
        assert (np.abs(value - right[number]) <= bar + known).all(), number
        assert bar.max() < tolerance, number


def test_a_linear_reaction_that_a_narrow_well_outruns():
    """It relaxes within a step, which leaves an error of first order: all were off by up to 2.3."""
    solution = solved(
        {
            "flow": {"save": [0.112, 0.561, 1.68, 5.61], "beta": 0.1, "reaction": "0.778*cos(x)"},
            "target": {
                "potential": "x**2/2 - 6.64*exp(-(x - 0.497)**2/0.00855)",
                "dim": 1,
                "modes": {"right": "x > 0.5"},
            },
            "initial": {"mean": [1.24], "covariance": [[1.823]]},
        },
        {},
    )
    right = {
        "kl": [2.26647125, 0.5576310, 0.008120221, 0.00108531327],
        "mean": [1.03255844, 0.585233696, 0.4556153402, 0.47645327342],
        "covariance": [1.53644923, 0.64976131, 0.11587686, 0.0454123158],
        "mass of right": [0.647505607, 0.503742577, 0.4390179215, 0.44398324993],
    }
    for name, (value, bar) in told(solution).items():
        assert (np.abs(value - right[name]) <= bar + 1e-7).all(), name
        assert bar.max() < 1e-4, name
