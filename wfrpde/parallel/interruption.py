"""Ctrl-C and the signals of batch systems: requests that all ranks answer after the same step."""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, get_args

from wfrpde.errors import one_message


class Stopped(KeyboardInterrupt):
    """Work that may be left unfinished was broken off by a stop request."""


class Interrupted(KeyboardInterrupt):
    """A computation was asked to stop, by Ctrl-C or a signal, and did.

    Parameters
    ----------
    result
        What was finished until then, with ``complete`` False: a `wfrpde.Solution`, a
        `wfrpde.ValidationReport`, a `wfrpde.ConvergenceStudy` or a sweep.
    """

    def __init__(self, result: Any) -> None:
        self.result = result
        super().__init__("stopped before its end; 'result' of this exception holds what was saved")

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows, and where the cell that follows finds the result."""
        return [*one_message(self), "In a notebook: import sys; result = sys.last_value.result"]


OnStop = Literal["raise", "return"]
"""What a stopped computation does with its unfinished result: raise `Interrupted`, or return it."""


class HasEnd(Protocol):
    """A result that knows whether it was computed to its end."""

    @property
    def complete(self) -> bool:
        """False if it was stopped before."""


Outcome = TypeVar("Outcome", bound=HasEnd)


def checked_on_stop(on_stop: str) -> None:
    """Raise ValueError unless ``on_stop`` is known: before anything is computed."""
    if on_stop not in get_args(OnStop):
        raise ValueError(f"on_stop is {on_stop!r}; needed 'raise' or 'return'")


def unless_stopped(result: Outcome, on_stop: OnStop) -> Outcome:
    """Return a result, or raise `Interrupted` with it if it is not complete."""
    if on_stop == "raise" and not result.complete:
        raise Interrupted(result)
    return result


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: a compiled one that is broken off then may crash."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class StopRequest:
    """While active, turns the first Ctrl-C into a request that the ranks answer together.

    A solver asks `requested` between its steps, and does within `at_once` what takes long and may
    be left unfinished. A second Ctrl-C ends the process at once. SIGUSR1
    and SIGTERM, which batch systems send, and SIGHUP, which a terminal sends that is closed or
    disconnected, count too (but for one that is ignored, as under ``nohup``).
    Open MPI's ``mpirun`` answers Ctrl-C with
    SIGTERM and kills the ranks a quarter of a second later, which is too soon to write anything:
    under it SIGTERM ends a rank at once, and ``kill -USR1`` to ``mpirun``, which hands that on,
    stops a run in order.
    Within another active `StopRequest` a new one shares its state, so that a caller still sees
    what the solver has answered.
    """

    _active: ClassVar[StopRequest | None] = None
    _raises: ClassVar[bool] = False

    def __init__(self) -> None:
        self._flag = threading.Event()
        self._postponed = False
        self._previous: dict[int, Any] = {}
        self._outer: StopRequest | None = None

    def __enter__(self) -> Self:
        self._outer = StopRequest._active
        if self._outer is not None:
            self._flag = self._outer._flag
            return self
        StopRequest._active = self
        # Python lets only the main thread handle signals; elsewhere nothing can be asked for.
        if threading.current_thread() is threading.main_thread():
            asked = [signal.SIGINT, signal.SIGUSR1]
            if "OMPI_COMM_WORLD_SIZE" not in os.environ:  # set by Open MPI's mpirun
                asked.append(signal.SIGTERM)
                if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
                    asked.append(signal.SIGHUP)
            for number in asked:
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        self._postponed = False
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
        if StopRequest._active is self:
            StopRequest._active = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._flag.is_set() and not self._postponed:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._flag.set()
        self._postponed = StopRequest._raises and _importing(frame)
        if self._postponed:
            threading.Timer(0.02, self._receive_again, (number,)).start()
        elif StopRequest._raises:
            StopRequest._raises = False
            raise Stopped

    def _receive_again(self, number: int) -> None:
        if self._postponed and StopRequest._active is self:
            _thread.interrupt_main(signal.Signals(number))

    @contextmanager
    def at_once(self, comm: Any = None) -> Iterator[None]:
        """Raise `Stopped` where the block stands when a stop is requested, or was before.

        The block must leave nothing behind that matters. On several ranks it only finishes: one
        that broke off would leave the others waiting in an exchange.
        """
        if comm is not None and comm.size > 1:
            yield
            return
        before = StopRequest._raises
        try:
            StopRequest._raises = True
            if self._flag.is_set():
                raise Stopped
            yield
        finally:
            StopRequest._raises = before

    def requested(self, comm: Any = None) -> bool:
        """Whether any rank of ``comm`` was asked to stop (collective; the same on all of them)."""
        mine = self._flag.is_set()
        if comm is None or comm.size == 1:
            return mine
        from wfrpde.parallel.mpi import MPI

        return bool(comm.allreduce(mine, op=MPI.LOR))
