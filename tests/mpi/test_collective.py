"""Errors and interruption on several ranks: mpirun -n 2 python -m pytest tests/mpi."""

from __future__ import annotations

import os
import signal

import pytest

from wfrpde.errors import InputError, WfrpdeError
from wfrpde.parallel import StopRequest, collectively, leave_together

comm = pytest.importorskip("mpi4py.MPI").COMM_WORLD


def fail_collectively(own: Exception | None) -> None:
    with collectively(comm):
        if own is not None:
            raise own


def test_an_error_on_one_rank_is_raised_on_all():
    own = InputError("flow.t_end", "-1", "a positive number")
    with pytest.raises(InputError) as caught:
        fail_collectively(own if comm.rank == comm.size - 1 else None)
    assert str(caught.value) == "flow.t_end: found -1; needed a positive number"
    assert caught.value.exit_code == 2


def test_the_error_of_the_lowest_rank_is_raised_on_all():
    with pytest.raises(ValueError, match=r"^rank 0$"), collectively(comm):
        raise ValueError(f"rank {comm.rank}")


def test_an_error_that_cannot_be_sent_is_told():
    class Unsendable(Exception):
        pass

    expected = Unsendable if comm.rank == 0 else WfrpdeError
    with pytest.raises(expected, match="too local"):
        fail_collectively(Unsendable("too local") if comm.rank == 0 else None)


def test_without_an_error_all_go_on():
    with collectively(comm):
        number = comm.rank
    assert comm.allreduce(number) == sum(range(comm.size))


def test_a_signal_to_one_rank_stops_all():
    with StopRequest() as stop:
        assert not stop.requested(comm)
        if comm.rank == comm.size - 1:
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested(comm)


def test_all_leave_together():
    own = comm.Dup()
    assert leave_together(own, 2) == 2
    own.Free()
