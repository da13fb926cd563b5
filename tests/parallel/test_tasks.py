"""Files that appear as a whole, and tasks: kept, resumed, given up, stopped. More in tests/mpi."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from wfrpde.errors import InputError, SamplerError
from wfrpde.parallel import Stopped
from wfrpde.parallel.files import atomic, remove_parts, started_at
from wfrpde.parallel.tasks import Store, Task, run_tasks, store_key


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "a.csv"
    with atomic(path) as stream:
        stream.write("λ\r\n")
        assert not path.exists()
    assert path.read_bytes() == "λ\r\n".encode()

    def fails():
        with atomic(path, "wb") as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert path.read_bytes() == "λ\r\n".encode()
    assert names(tmp_path) == {"a.csv"}


def test_parts_of_dead_processes_are_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    parent, began = os.getppid(), started_at(os.getppid())
    kept = {".notes.part", f".b.npz.{parent}-{began}.part", "c.npz"}
    # in a container a new process soon has the number of one that was killed
    reused = f".d.npz.{parent}-{began - 1}.part"
    for name in (*kept, reused, f".a.npz.{dead.pid}-{began}.part"):
        (tmp_path / name).write_text("")
    remove_parts(tmp_path)
    assert names(tmp_path) == kept


def test_parts_of_processes_that_nobody_has_waited_for_are_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / f".a.npz.{ended.pid}-{started_at(ended.pid)}.part").write_text("")
    remove_parts(tmp_path)
    assert len(names(tmp_path)) == 1
    ended.kill()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    remove_parts(tmp_path)
    assert names(tmp_path) == set()
    ended.wait()


def numbers(folder):
    return Store(folder, lambda x: {"x": x}, lambda file: float(file["x"]))


def test_a_store_gives_back_what_it_can_read(tmp_path):
    store = numbers(tmp_path / "store")
    assert store.load("missing") is None
    store.save("a", 0.1)
    assert store.load("a") == 0.1
    assert names(store.folder) == {"a.npz"}
    (store.folder / "half.npz").write_bytes(b"PK\x03\x04 half a file")
    np.savez(store.folder / "other.npz", y=1.0)
    assert store.load("half") is None
    assert store.load("other") is None


def test_names_in_a_store_are_readable():
    assert store_key("Langevin dt×2", "0a1b", "00001") == "Langevin-dt-2-0a1b-00001"
    assert store_key("∇", "0a1b") == "task-0a1b"


class Work:
    """Tasks that give the square of their number, and remember who was begun."""

    def __init__(self, count, **special):
        self.begun, self.special = [], {int(k[1:]): v for k, v in special.items()}
        self.tasks = [
            Task(lambda comm, stop, k=k: self.run(k), f"task {k}", f"k{k}", group="ab"[k % 2])
            for k in range(count)
        ]

    def run(self, k):
        self.begun.append(k)
        outcome = self.special.get(k, k**2)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def test_results_are_kept_and_found_again(tmp_path, caplog):
    told = []
    first, again = Work(3), Work(5)
    done = run_tasks(first.tasks, store=numbers(tmp_path), observer=told.append, counted="things")
    assert done.results == {0: 0, 1: 1, 2: 4}
    assert done.complete
    assert [(e.phase, e.t, e.t_end, e.counted) for e in told] == [
        ("task 0", 0, 3, "things"), ("task 1", 1, 3, "things"), ("task 2", 2, 3, "things"),
        ("task 2", 3, 3, "things"),
    ]  # fmt: skip
    told.clear()
    with caplog.at_level("INFO", logger="wfrpde"):
        done = run_tasks(again.tasks, store=numbers(tmp_path), observer=told.append)
    assert again.begun == [3, 4]
    assert list(done.results.items()) == [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]
    assert done.reused == 3
    assert (told[0].t, told[0].before, told[0].fraction) == (3, 3, 0.0)
    assert "3 of 5 tasks were finished before" in caplog.text


def test_a_group_that_fails_is_given_up_and_others_go_on():
    work = Work(6, k2=SamplerError("a", "it broke"))
    done = run_tasks(work.tasks, tolerated=(SamplerError,))
    assert work.begun == [0, 1, 2, 3, 5]
    assert done.complete
    assert set(done.results) == {0, 1, 3, 5}
    assert done.failures["a"].what == "it broke"
    with pytest.raises(InputError):
        run_tasks(Work(3, k1=InputError("x", "y", "z")).tasks, tolerated=(SamplerError,))


@pytest.mark.parametrize("end", [None, Stopped()])
def test_what_is_broken_off_stops_the_rest(end, tmp_path):
    work = Work(4, k2=end)
    done = run_tasks(work.tasks, store=numbers(tmp_path))
    assert work.begun == [0, 1, 2]
    assert not done.complete
    assert done.results == {0: 0, 1: 1}
    assert names(tmp_path) == {"k0.npz", "k1.npz"}


def test_a_signal_stops_between_tasks():
    work = Work(3)
    work.tasks[1] = Task(lambda comm, stop: os.kill(os.getpid(), signal.SIGINT) or 7, "kill")
    done = run_tasks(work.tasks)
    assert done.results == {0: 0, 1: 7}
    assert not done.complete


def test_a_full_disk_costs_the_copy_alone(tmp_path, caplog):
    (tmp_path / "store").write_text("in the way")
    done = run_tasks(Work(2).tasks, store=numbers(tmp_path / "store"))
    assert done.results == {0: 0, 1: 1}
    assert "k0 was not stored" in caplog.text
