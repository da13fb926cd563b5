"""The figure of modes shows where a path teleports mass."""

import numpy as np
from scipy.integrate import quad

import wfrpde
from wfrpde.report.flow.modes import TELEPORTS, draw_modes, path_mode_mass
from wfrpde.report.flow.run import FlowRun

NUMERICS = {"numerics.cells": [60], "numerics.certify": False}


def test_masses_of_a_target_that_moves_stand_beside_those_of_the_flow():
    case = wfrpde.load_case("annealed-double-well").with_overrides(NUMERICS)
    solution = wfrpde.solve(case)
    masses = path_mode_mass(solution)

    def density(x, t):
        return np.exp(-(1 - t / 4) * x * x / 1.28 - t / 4 * (8 * (x * x - 1) ** 2 + x / 2))

    for k, t in enumerate(solution.times):
        left, right = (quad(density, *side, args=(t,))[0] for side in ((-3.5, 0), (0, 3.5)))
        assert abs(masses["left"][k] - left / (left + right)) < 1e-6
    plain = wfrpde.solve(case.with_overrides({"flow.reaction": None, "flow.beta": 0.0}))
    assert plain.mode_mass["left"][-1] < masses["left"][-1] - 0.1  # transport cannot follow
    assert TELEPORTS in draw_modes(FlowRun(solution, {"W": plain}, 1)).caption


def test_a_target_that_stays_has_none():
    tables = {
        "target": {"potential": "x**2/2", "modes": {"left": "x < 0"}},
        "initial": {"mean": [1.0], "covariance": [[0.5]]},
    }
    assert path_mode_mass(wfrpde.solve(wfrpde.Case.model_validate(tables))) == {}
