"""Periodic and absorbing sides: ranks together find what one finds alone, to 1e-8."""

from __future__ import annotations

import numpy as np
import pytest

import wfrpde

MPI = pytest.importorskip("mpi4py.MPI")


@pytest.mark.parametrize(
    ("cell", "dynamics"),
    [("tensor", {}), ("simplex", {}), ("tensor", {"circulation": 2.0, "drift": ["1", "0"]})],
)
def test_survival_and_density(cell, dynamics):
    """A cylinder with an absorbing end and an absorbing hole; simplices have no closed axes."""
    around = "periodic" if cell == "tensor" else "reflecting"
    case = wfrpde.Case.model_validate(
        {
            "target": {"potential": "cos(x) + y**2/2"},
            "initial": {"log_density": "2*cos(x - 6) - (y - 1.5)**2"},
            "domain": {
                "box": [[0.0, 2 * np.pi], [0.0, 5.0]],
                "sides": {"x": around, "y": ["absorbing", "reflecting"]},
                "absorbing": "(x - 3)**2 + (y - 1)**2 < 0.3",
                "cell": cell,
            },
            "dynamics": dynamics,
            "flow": {"save": [0.1, 0.3]},
            "numerics": {"cells": [14, 12], "dt": 0.025},
        }
    )
    together, alone = (wfrpde.solve(case, comm) for comm in (MPI.COMM_WORLD, MPI.COMM_SELF))
    for name in ("survival", "first_passage_density", "kl"):
        np.testing.assert_allclose(together.series[name], alone.series[name], rtol=1e-8)
        errors = together.error.series[name], alone.error.series[name]
        np.testing.assert_allclose(*errors, rtol=1e-3, atol=1e-10)
    x = np.random.default_rng(0).uniform([0, 0.01], [6, 4], (200, 2))
    np.testing.assert_allclose(together.density(0.3, x), alone.density(0.3, x), rtol=1e-8)
    assert together.series["survival"][2] < 0.9
    assert (together.density(0.3, [[3.0, 1.0]]) == 0).all()
