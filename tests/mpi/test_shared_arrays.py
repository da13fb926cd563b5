"""Large results are there once for all ranks of a machine, the same as where none is shared."""

import gc
import os
import platform
from pathlib import Path

import numpy as np
import pytest

import wfrpde
from wfrpde.parallel import shared as sharing
from wfrpde.parallel.mpi import MPI

COMM = MPI.COMM_WORLD


def left_behind():
    return list(Path(sharing.PLACE).glob("wfrpde-*"))


def test_one_writes_and_all_read(monkeypatch):
    """What one rank of a machine writes the others read; no file is left of it."""
    monkeypatch.setattr(sharing, "LEAST", 0)
    made = sharing.shared(COMM, (3, 5))
    if COMM.rank in made.writers:
        made.values[:] = np.arange(15.0).reshape(3, 5)
    COMM.Barrier()
    assert np.array_equal(made.values.ravel(), np.arange(15.0))
    assert COMM.size == 1 or len(made.writers) < COMM.size
    assert COMM.bcast(left_behind()) == []


@pytest.mark.parametrize("place", ["/nowhere", "/proc"])
def test_without_room_every_rank_has_its_own(monkeypatch, place):
    """Where no file can be made in memory all ranks write."""
    monkeypatch.setattr(sharing, "LEAST", 0)
    monkeypatch.setattr(sharing, "PLACE", place)
    made = sharing.shared(COMM, (4,))
    assert made.writers == tuple(range(COMM.size))
    made.values[:] = COMM.rank
    COMM.Barrier()
    assert (made.values == COMM.rank).all()


def test_more_than_there_is_is_not_shared(monkeypatch):
    """What has no room is refused when it is reserved, not when it is written."""

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(sharing, "LEAST", 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    assert sharing.shared(COMM, (4,)).writers == tuple(range(COMM.size))
    COMM.Barrier()
    assert COMM.bcast(left_behind()) == []


def test_no_file_has_a_name_while_room_is_made(monkeypatch):
    """To reserve gigabytes takes seconds, in which the ranks may be killed."""
    named, reserve = [], os.posix_fallocate

    def slow(*words):
        named.extend(left_behind())
        return reserve(*words)

    monkeypatch.setattr(sharing, "LEAST", 0)
    monkeypatch.setattr(os, "posix_fallocate", slow)
    sharing.shared(COMM, (4,))
    COMM.Barrier()
    assert COMM.bcast(named) == []


def test_a_solution_that_is_shared(monkeypatch):
    """The same fields and numbers, to the last digit, and memory that is given back."""
    case = wfrpde.load_case(
        "gaussian-2d",
        {"numerics": {"cells": [12, 12], "formulation": "edge-averaged", "certify": False}},
    )
    own = wfrpde.solve(case)
    monkeypatch.setattr(sharing, "LEAST", 0)
    together = wfrpde.solve(case)
    assert np.array_equal(own.log_relative, together.log_relative)
    assert np.array_equal(own.series["kl"], together.series["kl"])
    x = np.array([[0.3, -0.2], [1.1, 0.7]])
    t = float(own.times[-1])
    assert np.array_equal(own.log_density(t, x), together.log_density(t, x))
    with pytest.raises(ValueError, match="read-only"):
        together.log_relative[:] = 0
    del together
    gc.collect()
    assert COMM.bcast(left_behind()) == []


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_what_is_freed_goes_back():
    """Also from below what is still held, where the C library would keep it."""

    def held():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    size = 100_000  # bytes, which are no mapping of their own
    arrays = [np.ones(size // 8) for _ in range(500)]
    last = arrays[-1]
    full = held()
    del arrays
    sharing.give_back(sharing.LARGE - 1)  # too little work to be worth it
    kept = full - held()
    sharing.give_back(sharing.LARGE)
    assert full - held() > 0.8 * 500 * size > kept
    assert last.sum() == size // 8
