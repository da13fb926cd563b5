"""Checkpoints of several ranks: the same digits afterwards, and no other number of ranks.

Started by mpirun (``make test-mpi`` does).
"""

import os
import signal

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError

MPI = pytest.importorskip("mpi4py.MPI")

pytestmark = pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="needs several ranks")


@pytest.mark.parametrize(
    "numerics", [{"formulation": "edge-averaged", "cells": [24, 24]}, {"degree": 3}]
)
def test_ranks_go_on_where_they_were(numerics, tmp_path):
    comm = MPI.COMM_WORLD
    kept = comm.bcast(tmp_path / "kept")
    case = wfrpde.Case.model_validate({
        "target": {"potential": "(x**2 + y**2)/2 + 0.3*x*y"},
        "initial": {"mean": [-1.0, 0.2], "covariance": 0.4},
        "flow": {"save": [0.1, 0.6], "reaction": "sin(x)"},
        "numerics": {**numerics, "dt": 0.02},
    })  # fmt: skip
    whole = wfrpde.solve(case)
    for stop in (12, 30, None):
        seen = []

        def observer(event, seen=seen, stop=stop):
            seen.append(event)
            if len(seen) == stop and comm.rank == 1:
                os.kill(os.getpid(), signal.SIGUSR1)

        part = wfrpde.solve(case, observer=observer, on_stop="return", resume=kept)
        assert part.complete == (stop is None)
        if stop is not None:
            with pytest.raises(InputError, match=f"ranks: {comm.size} there, 1 here"):
                wfrpde.solve(case, MPI.COMM_SELF, resume=kept)
        comm.Barrier()
    for name, values in whole.series.items():
        np.testing.assert_array_equal(part.series[name], values, err_msg=name)
    np.testing.assert_array_equal(part.log_relative, whole.log_relative)
    runs = [dict(run) for run in whole.numerics["runs"]]
    assert runs == [dict(run) for run in part.numerics["runs"]]
    assert not list(kept.iterdir())
    comm.Barrier()
