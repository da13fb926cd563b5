"""Masses of regions that hold no point of the mesh: 0, with what they may hold as their bar."""

from __future__ import annotations

import numpy as np

import wfrpde


def test_regions_that_hold_no_point_have_a_bar():
    """Both were told as 0 ± 0: one far out, of which the cells leave e^{−40}, and a thin ring."""
    case = {
        "target": {
            "potential": "(x**4 + y**4)/4 + x*y",
            "modes": {"far": "x > 30", "ring": "abs(x**2 + y**2 - 1) < 1e-6"},
        },
        "initial": {"mean": [0.3, 0.0], "covariance": 0.5},
        "flow": {"save": [0.1, 1.0]},
        "numerics": {"formulation": "edge-averaged"},
    }
    solution = wfrpde.solve(wfrpde.Case.model_validate(case))
    far, ring = (solution.error.mode_mass[name] for name in ("far", "ring"))
    assert not solution.mode_mass["far"].any()
    assert not solution.mode_mass["ring"].any()
    assert (far > 0).all()
    assert (far < 1e-14).all()
    angle = 2 * np.pi * (np.arange(200) + 0.5) / 200
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for k, t in enumerate(solution.times):
        right = 1e-6 * 2 * np.pi * solution.density(t, circle).mean()
        assert right <= ring[k] <= 0.01
