"""Flows in the plane beside references that share no code with wfrpde, nor its method.

What is stored was made by validation/tolerance/planes.py, which steps log(ρ/π) explicitly by
differences of order 6 on three grids; beside each number is its distance to the grid before.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import wfrpde
from wfrpde.flow.accuracy import worst_error

STORE = Path(__file__).parents[2] / "validation" / "tolerance" / "planes.json"
KNOWN = json.loads(STORE.read_text())


def numbers(of):
    """Names as they are stored; from t = 0 on."""
    moments = {"mean_x": of.mean[:, 0], "mean_y": of.mean[:, 1]}
    for i, j, name in ((0, 0, "xx"), (0, 1, "xy"), (1, 1, "yy")):
        moments[f"covariance_{name}"] = of.covariance[:, i, j]
    return {"kl": of.series["kl"], **moments, **of.mode_mass}


def judged(name, tolerance):
    """Solve, and return in bars how far off each number is at most, and the density, ``(T,)``."""
    known = KNOWN[name]
    solution = wfrpde.solve(
        wfrpde.Case.from_dict({**known["case"], "accuracy": {"tolerance": tolerance}})
    )
    found, bars, off = numbers(solution), numbers(solution.error), {}
    for key, right in known["values"].items():
        own = np.array(known["errors"][key]) + 1e-12 * np.abs(right).max()  # and round-off
        off[key] = np.abs(found[key] - right) / (bars[key] + own)
    gaps = []
    for t, points in zip(known["times"], known["log density"], strict=True):
        x, y, log_density = np.array(points).T
        rise = np.expm1(solution.log_density(t, np.stack([x, y], axis=1)) - log_density)
        gaps.append(np.sqrt(np.mean(rise**2)))
    # 100 points drawn with a density like ρ² tell the distance in L2 to a fifth or so; the
    # reference itself is off by what it does not know of masses
    masses = solution.mode_mass.keys() & known["values"].keys()
    own = [np.divide(known["errors"][key], known["values"][key]) for key in masses]
    off["density"] = np.array(gaps) / (1.2 * solution.error.density + np.max(own, axis=0) + 1e-8)
    return solution, off


@pytest.mark.parametrize("tolerance", [1e-2, pytest.param(1e-3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["banana", "narrow modes", "bent wells", "forty modes"])
def test_numbers_are_within_their_bars(name, tolerance):
    solution, off = judged(name, tolerance)
    assert solution.numerics["accuracy"]["met"]
    assert worst_error(solution)[0] <= tolerance
    assert {key: gap.round(2).tolist() for key, gap in off.items() if gap.max() > 1} == {}
