"""mpi4py's `MPI`; where it is not installed, one process in its place.

Importing this starts MPI, so that it is imported where ranks are first needed.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import tempfile
import threading
from typing import Any, NoReturn

from wfrpde._compat import how
from wfrpde.errors import DependencyMissingError

RANKS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "MPI_LOCALNRANKS")
"""Where launchers write how many processes they have started."""


class Alone:
    """A communicator of one process: what a rank tells the others it tells itself."""

    rank, size = 0, 1

    def allreduce(self, value: Any, op: object = None) -> Any:
        """Return the value."""
        return value

    def bcast(self, value: Any, root: int = 0) -> Any:
        """Return the value."""
        return value

    def allgather(self, value: Any) -> list[Any]:
        """Return the values of all ranks."""
        return [value]

    def gather(self, value: Any, root: int = 0) -> list[Any]:
        """Return the values of all ranks."""
        return [value]

    def alltoall(self, values: list[Any]) -> list[Any]:
        """Return what each rank has for this one."""
        return list(values)

    def Allgatherv(self, sent: Any, received: Any) -> None:
        """Copy an array to ``(array, sizes)``."""
        received[0][:] = sent

    def Dup(self) -> Alone:
        """Return another one."""
        return Alone()

    def Free(self) -> None:
        """Nothing is held."""

    def Barrier(self) -> None:
        """Nobody is waited for."""

    def Abort(self, code: int = 1) -> NoReturn:
        """End the process."""
        sys.exit(code)


class OneProcess:
    """What of mpi4py's `MPI` is used here."""

    COMM_WORLD = COMM_SELF = Alone()
    MAX = MIN = SUM = LOR = None


def installed() -> bool:
    """Whether there is mpi4py, without starting MPI."""
    return importlib.util.find_spec("mpi4py") is not None


def ignore_what_is_ignored() -> None:
    """Ignore SIGHUP again if it was when Python started, as under ``nohup``.

    Libraries that MPI loads (of network cards, say) take it over, and end the process with it.
    """
    # only the main thread may
    if threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    ):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _found() -> Any:
    # Open MPI ends a process without a home folder
    if "HOME" not in os.environ:
        os.environ["HOME"] = os.path.expanduser("~").replace("~", tempfile.gettempdir())
    trouble = "is not installed"
    if installed():
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:  # there is no library of MPI
            trouble = f"does not start ({error})"
        else:
            ignore_what_is_ignored()
            return MPI
    started = max(int(os.environ.get(name, "1")) for name in RANKS)
    if started > 1:
        raise DependencyMissingError(
            f"{started} processes were started, but mpi4py {trouble}: each would do the same. "
            f"{how('mpi')}"
        )
    return OneProcess


MPI: Any = _found()
