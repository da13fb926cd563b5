"""Products of factors spread over ranks, and flows around an axis or a point, on all ranks."""

from __future__ import annotations

import numpy as np
import pytest

MPI = pytest.importorskip("mpi4py.MPI")

WELL = {"kind": "double_well", "barrier": 1.0, "tilt": 0.1}
QUICK = {"cells": [40], "dt": 0.05}
CASES = {
    "three factors": {
        "target": {"kind": "product", "rotation": "random:2", "modes": {"far": "sum(x) > 2"}},
        "factor": [
            {"target": WELL, "initial": {"mean": [-0.5], "covariance": 0.2}},
            {
                "repeat": 2,
                "target": {"kind": "gaussian", "mean": 0.3},
                "initial": {"mean": [0.0], "covariance": 0.5},
            },
            {
                "target": {**WELL, "barrier": 0.5},
                "initial": {"mean": [0.2], "covariance": 0.4},
            },
        ],
        "flow": {"save": [0.2]},
        "numerics": QUICK,
    },
    "two positions and momenta": {
        "target": {"potential": "x**4/4 + y**2/2 + x*y/2", "modes": {"right": "x > 0"}},
        "initial": {"mean": [0.3, 0.0, 0.0, 0.2], "covariance": 0.6},
        "dynamics": {"kind": "kinetic"},
        "flow": {"save": [0.2]},
        "numerics": {"cells": [13] * 4, "dt": 0.1, "certify": False},
    },
    "off the centre": {
        "target": {"kind": "radial", "potential": "r**2/2", "dim": 5},
        "initial": {"mean": [0.6, 0.8, 0.0, 0.0, 0.0], "covariance": 0.4},
        "flow": {"save": [0.2]},
        "numerics": {"formulation": "edge-averaged", "cells": [24, 14], "dt": 0.05},
    },
    "around a point": {
        "target": {"potential": "(x**2 + y**2 - 1)**2", "modes": {"right": "x > 0.3"}},
        "initial": {"mean": [0.0, 0.0], "covariance": 0.2},
        "flow": {"save": [0.2]},
        "accuracy": {"tolerance": 1e-2},
    },
}


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="compares ranks with one another")
@pytest.mark.parametrize("name", CASES)
def test_all_ranks_find_what_one_finds(name):
    import wfrpde

    case = wfrpde.Case.from_dict(CASES[name])
    together, alone = (wfrpde.solve(case, comm=comm) for comm in (MPI.COMM_WORLD, MPI.COMM_SELF))
    assert together.numerics["ranks"] == MPI.COMM_WORLD.size
    for key in ("kl", "fisher_information", "mean", "covariance"):
        one, other = together.estimated(key), alone.estimated(key)
        np.testing.assert_allclose(one.value, other.value, rtol=1e-8, atol=1e-11, err_msg=key)
    for key in case.target.modes:
        np.testing.assert_allclose(together.mode_mass[key], alone.mode_mass[key], rtol=1e-8)
    x = np.random.default_rng(1).normal(size=(40, case.dim))
    ours = together.log_density(0.2, x)
    np.testing.assert_allclose(ours, alone.log_density(0.2, x), atol=1e-8)
    first = MPI.COMM_WORLD.bcast(ours, root=0)
    np.testing.assert_allclose(ours, first, atol=1e-8)
