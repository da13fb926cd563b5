"""Many tasks: shared over the ranks, kept when they are finished, stopped in order.

What a task gives must not depend on the rank that computes it; then the results are the same from
any number of ranks, and from a store that an earlier run has left.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from zipfile import BadZipFile

import numpy as np

from wfrpde.errors import WfrpdeError
from wfrpde.parallel.collective import collectively, portable
from wfrpde.parallel.files import atomic
from wfrpde.parallel.interruption import Stopped, StopRequest
from wfrpde.parallel.progress import Progress
from wfrpde.parallel.screen import logger

T = TypeVar("T")


@dataclass(frozen=True)
class Store(Generic[T]):
    """A folder of results, one ``.npz`` file each, which appears when it is complete.

    Attributes
    ----------
    folder
        Made when the first result is saved.
    pack, unpack
        From a result to named arrays, and back.
    sync
        Whether a result is to survive a failure of the machine, which takes some ten milliseconds;
        it survives that of a process anyway.
    worth
        Whether a result is worth a file.
    """

    folder: Path
    pack: Callable[[T], Mapping[str, Any]]
    unpack: Callable[[dict[str, Any]], T]
    sync: bool = True
    worth: Callable[[T], bool] = lambda _: True

    def load(self, key: str) -> T | None:
        """Return a result, or None if there is none that can be read."""
        unreadable = suppress(OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)
        with unreadable, np.load(self.folder / f"{key}.npz", allow_pickle=False) as file:
            return self.unpack({name: file[name] for name in file.files})
        return None

    def save(self, key: str, result: T) -> None:
        """Keep a result that is worth it."""
        if not self.worth(result):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic(self.folder / f"{key}.npz", "wb", sync=self.sync) as stream:
            np.savez(stream, **self.pack(result))


def store_key(name: str, *further: str) -> str:
    """Name of a result: readable, and different wherever what follows the name is."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40]
    return "-".join((slug or "task", *further))


@dataclass(frozen=True)
class Task(Generic[T]):
    """One of many.

    Attributes
    ----------
    run
        Called with the communicator of the ranks that do it (None without MPI), and the stop
        request. Gives the result, or None if it was broken off, as raising `Stopped` says, too.
    words
        What it is, for people.
    key
        Its name in the store; "" if it is not worth a file.
    group
        If one task of a group fails, the others of the group are not begun.
    cost
        How long it takes, in a unit that all tasks share.
    """

    run: Callable[[Any, StopRequest], T | None]
    words: str
    key: str = ""
    group: str = ""
    cost: float = 1.0


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What many tasks gave.

    Attributes
    ----------
    results
        By the number of the task; what was not finished is not there.
    failures
        Group → why one of its tasks failed: the first of them.
    complete
        Whether every task was finished that could be.
    kept
        Numbers of the tasks whose results the store had.
    """

    results: dict[int, T]
    failures: dict[str, WfrpdeError]
    complete: bool
    kept: frozenset[int]

    @property
    def reused(self) -> int:
        """How many results the store had."""
        return len(self.kept)


def run_tasks(
    tasks: Sequence[Task[T]],
    comm: Any = None,
    *,
    store: Store[T] | None = None,
    observer: Callable[[Progress], None] | None = None,
    counted: str = "tasks",
    together: bool = False,
    tolerated: tuple[type[WfrpdeError], ...] = (WfrpdeError,),
    everywhere: bool = True,
) -> Outcome[T]:
    """Do every task that the store does not know already (collective).

    Ctrl-C keeps what is finished. A result that the disk has no room for is not lost.

    Parameters
    ----------
    tasks
        Each rank does its share in their order.
    comm
        MPI communicator, or ``None`` for a single process.
    store
        Where finished results are looked for, and kept.
    observer
        Told, on rank 0, how far all ranks are.
    counted
        What the tasks are.
    together
        All ranks do each task together; by default each is done by one rank, alone.
    tolerated
        Errors that are told in the end, while the other tasks go on; others end the run.
    everywhere
        Whether all ranks get the results, or rank 0 alone.
    """
    rank = 0 if comm is None else comm.rank
    found: dict[int, T] = {}
    with collectively(comm):
        if rank == 0 and store is not None:
            loaded = ((k, store.load(task.key)) for k, task in enumerate(tasks) if task.key)
            found = {k: result for k, result in loaded if result is not None}
    kept = _from_first(comm, set(found))
    found = _from_first(comm, found) if everywhere else found
    if kept and rank == 0:
        logger.info("%d of %d %s were finished before", len(kept), len(tasks), counted)
    todo = [k for k in range(len(tasks)) if k not in kept]
    work = sum(tasks[k].cost for k in todo)
    # the ranks of a task that is done together know the same: they need not tell one another
    news = _News(None if together else comm)
    asked, alone = (comm, comm) if together else (None, _alone(comm))
    words = tasks[todo[0]].words if todo else ""

    def tell() -> None:
        news.look()
        if observer is not None and rank == 0 and todo:
            share = news.cost / work if work else 1.0
            before, total = len(kept), len(tasks)
            done = before + news.done
            observer(Progress.count(words, done, total, counted, fraction=share, before=before))

    mine: dict[int, T] = {}
    with StopRequest() as stop, collectively(None if together else comm):
        try:
            for k in todo if together else _shares(tasks, todo, comm)[rank]:
                task, group = tasks[k], tasks[k].group or str(k)
                news.look()
                if stop.requested(asked) or news.stopped:
                    news.send("stop")
                    break
                if group not in news.failures:
                    words = task.words
                    tell()
                    result = _attempt(task, alone, stop, tolerated)
                    if result is None:
                        news.send("stop")
                        break
                    if isinstance(result, WfrpdeError):
                        news.send("failed", group, k, result)
                    else:
                        if everywhere or rank == 0 or not together:
                            mine[k] = result
                        if store is not None and task.key and (rank == 0 or not together):
                            _keep(store, task.key, result)
                news.send("done", task.cost)
        except BaseException:
            news.send("stop")  # the others need not finish what will be raised over
            raise
        finally:
            news.wait(tell)
    tell()
    results = found | (mine if together else _gathered(comm, mine, everywhere))
    failures = {group: error for group, (_, error) in sorted(news.failures.items())}
    return Outcome(dict(sorted(results.items())), failures, not news.stopped, frozenset(kept))


def _alone(comm: Any) -> Any:
    if comm is None:
        return None
    from wfrpde.parallel.mpi import MPI

    return MPI.COMM_SELF


def _from_first(comm: Any, value: Any) -> Any:
    return value if comm is None or comm.size == 1 else comm.bcast(value, root=0)


def _gathered(comm: Any, mine: dict[int, T], everywhere: bool) -> dict[int, T]:
    """Unite what the ranks have, on rank 0 or everywhere (collective)."""
    if comm is None or comm.size == 1:
        return mine
    parts = comm.allgather(mine) if everywhere else comm.gather(mine, root=0) or [{}]
    return {k: result for part in parts for k, result in part.items()}


def _attempt(
    task: Task[T], comm: Any, stop: StopRequest, tolerated: tuple[type[WfrpdeError], ...]
) -> T | WfrpdeError | None:
    try:
        return task.run(comm, stop)
    except Stopped:
        return None
    except tolerated as error:
        return error


def _keep(store: Store[T], key: str, result: T) -> None:
    try:
        store.save(key, result)
    except OSError as error:  # a full disk costs the copy, not the result
        logger.warning("%s was not stored: %s", key, error)


def _shares(tasks: Sequence[Task[T]], todo: list[int], comm: Any) -> list[list[int]]:
    """Divide tasks among the ranks so that all end at about the same time; each in order."""
    parts: list[list[int]] = [[] for _ in range(1 if comm is None else comm.size)]
    load = [0.0] * len(parts)
    for k in sorted(todo, key=lambda k: -tasks[k].cost):  # the dearest first
        least = load.index(min(load))
        parts[least].append(k)
        load[least] += tasks[k].cost
    return [sorted(part) for part in parts]


class _News:
    """What ranks tell one another while each does its tasks, in messages nobody waits for.

    Attributes
    ----------
    done, cost
        How many tasks are done or given up, and what they cost: of all ranks on rank 0, as far as
        it has heard; on other ranks their own.
    stopped
        Whether a rank was stopped.
    failures
        Group → number of the first task of it that failed, and why.
    """

    def __init__(self, comm: Any) -> None:
        self._comm: Any = None if comm is None or comm.size == 1 else comm.Dup()
        self._sent: list[Any] = []
        self._posted = [0] * (1 if comm is None else comm.size)
        self._received = 0
        self.done, self.cost, self.stopped = 0, 0.0, False
        self.failures: dict[str, tuple[int, WfrpdeError]] = {}

    def send(self, kind: str, *content: Any) -> None:
        """Take note of something, and tell the others; of finished tasks rank 0 alone."""
        self._take(kind, *content)
        if self._comm is not None:
            if kind == "failed":
                content = (*content[:2], portable(content[2], self._comm.rank))
            for other in range(1 if kind == "done" else self._comm.size):
                if other != self._comm.rank:
                    self._sent.append(self._comm.isend((kind, *content), dest=other))
                    self._posted[other] += 1

    def look(self) -> bool:
        """Take note of what has arrived; whether there was anything."""
        before = self._received
        while self._comm is not None and self._comm.iprobe():
            self._receive()
        return self._received > before

    def wait(self, moved: Callable[[], None]) -> None:
        """Leave when all ranks have come here and have heard everything (collective).

        ``moved`` is called when there is something new.
        """
        if self._comm is None:
            return
        request = self._comm.Ibarrier()
        while not request.Test():
            if self.look():
                moved()
            time.sleep(0.01)
        for _ in range(sum(self._comm.alltoall(self._posted)) - self._received):
            self._receive()
        for message in self._sent:
            message.wait()
        self._comm.Free()
        self._comm = None

    def _receive(self) -> None:
        self._received += 1
        self._take(*self._comm.recv())

    def _take(self, kind: str, *content: Any) -> None:
        if kind == "done":
            self.done, self.cost = self.done + 1, self.cost + content[0]
        elif kind == "stop":
            self.stopped = True
        else:
            group, number, error = content
            if group not in self.failures or number < self.failures[group][0]:
                self.failures[group] = (number, error)
