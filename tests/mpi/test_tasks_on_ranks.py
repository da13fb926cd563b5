"""Tasks shared over ranks: every result once, failures and stops heard by all, nothing hangs."""

from __future__ import annotations

import time

import pytest

from wfrpde.errors import SolverError
from wfrpde.parallel.tasks import Store, Task, run_tasks

MPI = pytest.importorskip("mpi4py.MPI")
COMM = MPI.COMM_WORLD


def of_all(items):
    return [item for part in COMM.allgather(items) for item in part]


def squares(count, begun, **special):
    def run(comm, stop, k):
        assert comm.size == 1
        begun.append(k)
        time.sleep(0.002 * (k % 3))
        outcome = special.get(f"k{k}", float(k**2))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return [
        Task(lambda comm, stop, k=k: run(comm, stop, k), f"{k}", f"{k}", cost=1 + k % 3)
        for k in range(count)
    ]


def test_every_task_is_done_once_and_told_once(tmp_path):
    folder = COMM.bcast(tmp_path, root=0)
    store = Store(folder, lambda x: {"x": x}, lambda file: float(file["x"]))
    begun, told = [], []
    done = run_tasks(squares(23, begun), COMM, store=store, observer=told.append)
    assert sorted(of_all(begun)) == list(range(23))
    assert done.results == {k: k**2 for k in range(23)}
    assert list(done.results) == list(range(23))
    if COMM.rank == 0:
        assert [event.t for event in told] == sorted(event.t for event in told)
        assert (told[-1].t, told[-1].fraction) == (23, pytest.approx(1.0))
    else:
        assert told == []
    COMM.barrier()
    again = run_tasks(squares(24, begun := []), COMM, store=store, everywhere=False)
    assert of_all(begun) == [23]
    assert again.reused == 23
    assert len(again.results) == (24 if COMM.rank == 0 else 0)


def test_failures_are_known_everywhere():
    last = SolverError("later")
    done = run_tasks(squares(9, [], k2=SolverError("no"), k7=last), COMM)
    assert {group: str(error) for group, error in done.failures.items()} == {
        "2": "no",
        "7": "later",
    }
    assert len(done.results) == 7
    with pytest.raises(ValueError, match="unforeseen"):
        run_tasks(squares(9, [], k3=ValueError("unforeseen")), COMM)


def test_a_rank_that_is_stopped_stops_all():
    done = run_tasks(squares(400, begun := [], k5=None), COMM)
    assert not done.complete
    assert set(done.results) == set(of_all(begun)) - {5}
    assert len(done.results) < 399


def test_together_all_ranks_do_each():
    def run(comm, stop):
        return comm.allreduce(1)

    done = run_tasks([Task(run, "a"), Task(run, "b")], COMM, together=True, everywhere=False)
    assert done.results == ({0: COMM.size, 1: COMM.size} if COMM.rank == 0 else {})
