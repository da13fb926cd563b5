"""What nodes misrepresent of a start is extrapolated; what they were given may grow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from wfrpde import Case, solve
from wfrpde.flow.certificate import left_by_extrapolation
from wfrpde.flow.defects import mended_defect


@pytest.mark.parametrize(
    ("defects", "left"),
    [
        ((0.16, 0.04, 0.01), 0.0),  # h²
        ((0.3, 0.04, 0.01), 0.14 / 48),  # h² by chance: what the runs before have left counts
        ((0.01, 0.01, 0.01), 0.01),  # a share of the start that no cells hold
        ((1.0, 1e-6, 1e-7), 1e-7),  # all of it is in the coarsest
        ((0.04, 0.01), 0.01),
        ((0.64, 0.16, 0.04, 0.01), 0.0),
    ],
)
def test_defects(defects, left):
    assert left_by_extrapolation(defects) == pytest.approx(left, abs=1e-15)


@pytest.mark.parametrize(("mended", "least", "most"), [(2.7e-13, 0.0, 0.0), (7e-13, 4e-6, 2e-5)])
def test_what_nodes_were_given_counts_from_where_it_was_found_to_matter(mended, least, most):
    """Beside e^{−|x|} 7e-13 made densities wrong by 4e-6; a Gaussian in space is right to 2e-7."""
    problem = SimpleNamespace(equation=SimpleNamespace(beta=1.0))
    outcome = SimpleNamespace(mended=mended, times=np.array([0.0, 1.0]))
    first, later = mended_defect(problem, outcome)
    assert first == 0.0
    assert least <= later <= most


@pytest.mark.parametrize("cells", [100, 101])
def test_a_start_that_falls_on_one_node_has_bars(cells):
    """Its variance at the nodes is 0, and was the unit of what it is off by: bars were NaN."""
    case = Case.from_dict(
        {
            "target": {"potential": "x**2/2"},
            "domain": {"box": [[-6, 6]]},
            "initial": {"mean": [0.0], "covariance": [[1e-10]]},
            "flow": {"beta": 0.0, "save": [0.01, 0.5]},
            "numerics": {"formulation": "edge-averaged", "cells": [cells]},
        }
    )
    solution = solve(case)
    exact = 1 - np.exp(-2 * solution.times) * (1 - 1e-10)
    found = solution.estimated("covariance")
    assert (np.abs(found.value[:, 0, 0] - exact) <= found.error[:, 0, 0]).all()
    assert np.isfinite(solution.error.density).all()
    assert (found.error[:, 0, 0] <= 4 * found.value[:, 0, 0]).all()
    assert any("too narrow for the mesh" in words for words in solution.warnings)
