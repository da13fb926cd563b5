"""Checkpoints of two ranks: the same digits afterwards, and no other number of ranks."""

import shutil
import subprocess
import sys

import pytest

pytest.importorskip("mpi4py")

pytestmark = [
    pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun"),
    pytest.mark.skipif(
        "sys.modules.get('mpi4py.MPI') and sys.modules['mpi4py.MPI'].COMM_WORLD.size > 1",
        reason="starts mpirun itself",
    ),
]

SCRIPT = """
import os, signal
import numpy as np
from mpi4py import MPI
import wfrpde
from wfrpde.errors import InputError
comm = MPI.COMM_WORLD
for numerics in ({"formulation": "edge-averaged", "cells": [24, 24]}, {"degree": 3}):
    case = wfrpde.Case.model_validate({
        "target": {"potential": "(x**2 + y**2)/2 + 0.3*x*y"},
        "initial": {"mean": [-1.0, 0.2], "covariance": 0.4},
        "flow": {"save": [0.1, 0.6], "reaction": "sin(x)"},
        "numerics": {**numerics, "dt": 0.02},
    })
    whole = wfrpde.solve(case)
    for stop in (12, 30, None):
        seen = []
        def observer(event):
            seen.append(event)
            if len(seen) == stop and comm.rank == 1:
                os.kill(os.getpid(), signal.SIGUSR1)
        part = wfrpde.solve(case, observer=observer, on_stop="return", resume="kept")
        assert part.complete == (stop is None)
        try:
            wfrpde.solve(case, MPI.COMM_SELF, resume="kept") if stop else None
        except InputError as error:
            assert "ranks: 2 there, 1 here" in str(error), error
        else:
            assert stop is None
        comm.Barrier()
    for name, values in whole.series.items():
        assert np.array_equal(part.series[name], values), name
    assert np.array_equal(part.log_relative, whole.log_relative)
    runs = [dict(run) for run in whole.numerics["runs"]]
    assert runs == [dict(run) for run in part.numerics["runs"]]
    assert not os.listdir("kept")
    comm.Barrier()
"""


def test_two_ranks_go_on_where_they_were(tmp_path):
    done = subprocess.run(
        ["mpirun", "-n", "2", sys.executable, "-c", SCRIPT],
        capture_output=True, text=True, cwd=tmp_path, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
