"""What the ranks of a run do together: an error on one of them is raised on all, or ends the run.

An error on one rank is raised on every rank (`collectively`) or ends the run (`abort_on_unhandled`,
`leave_together`); it never leaves the others waiting. mpi4py is imported only by what runs in
parallel.
"""

from __future__ import annotations

import pickle
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from wfrpde.errors import WfrpdeError


def world_of(comm: Any = None) -> Any:
    """Return a communicator, by default that of all ranks; without mpi4py one process.

    MPI is started on the first call.

    Raises
    ------
    DependencyMissingError
        If several processes were started, and mpi4py is not installed.
    """
    from wfrpde.parallel.mpi import MPI

    return MPI.COMM_WORLD if comm is None else comm


@contextmanager
def collectively(comm: Any = None) -> Iterator[None]:
    """Raise on every rank what is raised within the block on any of them (collective).

    The block itself must not communicate: a rank that failed would be waited for. If several
    ranks fail, all raise the error of the lowest of them.

    Parameters
    ----------
    comm
        MPI communicator, or ``None`` for a single process.
    """
    own: Exception | None = None
    try:
        yield
    except Exception as error:
        own = error
    if comm is None or comm.size == 1:
        if own is not None:
            raise own
        return
    errors = comm.allgather(portable(own, comm.rank))
    rank = next((r for r, error in enumerate(errors) if error is not None), None)
    if rank is None:
        return
    if own is not None and rank == comm.rank:
        raise own
    raise errors[rank] from own


def portable(error: Exception | None, rank: int) -> Exception | None:
    """Give ``error``, or its text where it does not survive being sent to another rank."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        return WfrpdeError(f"rank {rank}: {type(error).__name__}: {error}")
    return copy if copy is None or isinstance(copy, Exception) else None


def abort_on_unhandled(comm: Any) -> None:
    """Let an unhandled exception on one of several ranks end all of them, with its traceback."""
    if comm is None or comm.size == 1:
        return

    def abort(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        lines = "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(f"rank {comm.rank} of {comm.size} failed, so the run ends:\n{lines}")
        sys.stderr.flush()
        comm.Abort(1)

    sys.excepthook = abort


def leave_together(comm: Any, code: int, message: str = "", patience: float = 5.0) -> int:
    """Wait for the other ranks before leaving with an exit code; if they don't come, abort.

    An error that was raised on every rank ends the run in order. One that was raised on this rank
    alone would leave the others waiting in some exchange, so that after ``patience`` seconds all
    are ended.

    Parameters
    ----------
    comm
        MPI communicator used for nothing else, or ``None`` for a single process.
    code
        The exit code, which is returned.
    message
        What a rank other than 0 says before it aborts the run.
    """
    if comm is None or comm.size == 1:
        return code
    request = comm.Ibarrier()
    deadline = time.monotonic() + patience
    while not request.Test():
        if time.monotonic() > deadline:
            sys.stderr.write(f"rank {comm.rank} of {comm.size} ends the run: {message}\n")
            sys.stderr.flush()
            comm.Abort(code or 1)
        time.sleep(0.01)
    return code
