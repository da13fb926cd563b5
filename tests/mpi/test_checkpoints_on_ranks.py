"""Checkpoints of several ranks: the same digits afterwards, and no other number of ranks.

Started by mpirun (``make test-mpi`` does).
"""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.flow import checkpoints
from wfrpde.parallel.tasks import Store

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


SPACE = {
    "target": {"potential": "(x**2 + y**2 + z**2)/2 + 0.3*x*y"},
    "initial": {"mean": [-1.0, 0.2, 0.0], "covariance": 0.4},
    "flow": {"save": [0.05, 0.2]},
    "numerics": {"formulation": "edge-averaged", "cells": [12, 10, 10], "certify": False},
}


class Died(Exception):
    """A rank that has written its part, when another one dies."""


@pytest.fixture
def always(monkeypatch):
    """Checkpoints after every step."""
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "LATENCY", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", 100.0)


def left_by_a_death(case, folder, monkeypatch, rank, write):
    """Solve until a rank dies in the so-manieth writing of its part, or the others wait for it."""
    comm, real, seen = MPI.COMM_WORLD, Store.save, []

    def save(self, key, result):
        if "-part" in key:
            seen.append(key)
        if len(seen) == write and (comm.rank == rank or "-part" not in key):
            raise Died
        real(self, key, result)

    with monkeypatch.context() as dying:
        dying.setattr(Store, "save", save)
        with pytest.raises(Died):
            wfrpde.solve(case, resume=folder)
    comm.Barrier()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_death_between_the_parts_leaves_the_checkpoint_before(
    rank, always, tmp_path, monkeypatch
):
    """Whether the first rank dies, whose part is the last one, or another."""
    comm = MPI.COMM_WORLD
    folder = comm.bcast(tmp_path / "kept")
    case = wfrpde.Case.model_validate(SPACE)
    whole = wfrpde.solve(case)
    left_by_a_death(case, folder, monkeypatch, rank, 4)
    steps = []
    solution = wfrpde.solve(case, observer=steps.append, resume=folder)
    assert len([step for step in steps if step.dt > 0]) == len(whole.history["t"]) - 4
    np.testing.assert_array_equal(solution.log_relative, whole.log_relative)
    np.testing.assert_array_equal(solution.history["kl"], whole.history["kl"])
    assert not list(folder.iterdir())
    comm.Barrier()


def test_each_rank_keeps_its_own_part_and_all_are_needed(always, tmp_path, monkeypatch):
    comm = MPI.COMM_WORLD
    folder = comm.bcast(tmp_path / "kept")
    case = wfrpde.Case.model_validate(SPACE)
    left_by_a_death(case, folder, monkeypatch, 1, 3)
    kept = folder / "checkpoints"
    # of the second writing; of the third one further ranks may have theirs already
    parts = [kept / "WFR-part.npz", *sorted(kept.glob("WFR-part-0-*.npz"))]
    assert len(parts) == comm.size
    arrays = []
    for path in parts:
        with np.load(path) as file:
            arrays.append(sum(file[name].size for name in file.files if file[name].ndim))
    assert max(arrays) < 1.2 / comm.size * sum(arrays)
    comm.Barrier()
    for harm in ("missing", "cut"):
        for path in parts:
            whole = path.with_suffix(".whole")
            if comm.rank == 0:
                shutil.copy(path, whole)
                path.unlink() if harm == "missing" else os.truncate(path, 200)
            comm.Barrier()
            if path.name != "WFR-part.npz" or harm == "cut":
                with pytest.raises(InputError, match=f"{path.name} is missing or damaged"):
                    wfrpde.solve(case, resume=folder)
            if comm.rank == 0:
                os.replace(whole, path)
            comm.Barrier()
    assert wfrpde.solve(case, resume=folder).complete
    assert not list(folder.iterdir())
    comm.Barrier()


def test_an_old_part_that_cannot_be_removed_stops_no_rank(always, tmp_path, monkeypatch):
    """One rank would write no more checkpoints, and the others wait for it for ever."""
    comm, real = MPI.COMM_WORLD, Path.unlink
    folder = comm.bcast(tmp_path / "kept")

    def unlink(self, missing_ok=False):
        if comm.rank == 1 and "-part-" in self.name:
            raise PermissionError(13, "Permission denied", str(self))
        real(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    assert wfrpde.solve(wfrpde.Case.model_validate(SPACE), resume=folder).complete
    assert not folder.exists() or not list(folder.iterdir())
    comm.Barrier()
