"""Behaviour that all ranks share: errors, interruption, and what is said on the screen.

Four rules hold in a run on several ranks. An error on one rank is raised on every rank
(`collectively`) or ends the run (`abort_on_unhandled`, `leave_together`); it never leaves the
others waiting. Ctrl-C stops every rank after the same step (`StopRequest`). Only rank 0 speaks
(`configure_logging`, `ProgressReporter`). And mpi4py is imported only by what runs in parallel.
"""

from __future__ import annotations

import _thread
import logging
import os
import pickle
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, ClassVar, Protocol, Self, TextIO

from wfrpde.errors import DependencyMissingError, WfrpdeError

logger = logging.getLogger("wfrpde")


def world() -> Any:
    """Return ``MPI.COMM_WORLD``; starts MPI on the first call.

    Raises
    ------
    DependencyMissingError
        If mpi4py is not installed.
    """
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise DependencyMissingError(
            "mpi4py is not installed here, and without it no flow can be solved: "
            "'wfrpde info' shows what was found"
        ) from error
    return MPI.COMM_WORLD


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
    errors = comm.allgather(_portable(own, comm.rank))
    rank = next((r for r, error in enumerate(errors) if error is not None), None)
    if rank is None:
        return
    if own is not None and rank == comm.rank:
        raise own
    raise errors[rank] from own


def _portable(error: Exception | None, rank: int) -> Exception | None:
    """``error``, or its text where it does not survive being sent to another rank."""
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


class Stopped(KeyboardInterrupt):
    """Work that may be left unfinished was broken off by a stop request."""


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
    and SIGTERM, which batch systems send, count too. Open MPI's ``mpirun`` answers Ctrl-C with
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
        from mpi4py import MPI

        return bool(comm.allreduce(mine, op=MPI.LOR))


class StatusLine:
    """The last line of a terminal, rewritten in place; log messages appear above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False

    def show(self, text: str) -> None:
        """Replace the line by ``text``, cut to the width of the terminal."""
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{text[:width]}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._shown = False


class _LogHandler(logging.StreamHandler[TextIO]):
    def __init__(self, stream: TextIO, status: StatusLine | None) -> None:
        super().__init__(stream)
        self._status = status

    def emit(self, record: logging.LogRecord) -> None:
        if self._status is not None:
            self._status.clear()
        super().emit(record)


LONGEST_NOTE = 200
"""Characters of a log line that is no warning."""


class _LogFormat(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {text}"
        # Descriptions of a user's formulas and numbers may be endless.
        return text if len(text) <= LONGEST_NOTE else text[: LONGEST_NOTE - 1] + "…"


def configure_logging(
    *, rank: int = 0, quiet: bool = False, stream: TextIO | None = None
) -> StatusLine | None:
    """Send the package's log to the screen, from rank 0 only.

    Returns
    -------
    StatusLine or None
        The line for progress, if the stream is a terminal and this is rank 0.
    """
    stream = stream if stream is not None else sys.stderr
    logger.handlers.clear()
    if rank != 0:
        logger.addHandler(logging.NullHandler())
        return None
    status = StatusLine(stream) if stream.isatty() and not quiet else None
    handler = _LogHandler(stream, status)
    handler.setFormatter(_LogFormat("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    return status


class ProgressEvent(Protocol):
    """What a solver tells its observer about a step."""

    @property
    def phase(self) -> str:
        """What is being done, in a word or two."""

    @property
    def t(self) -> float:
        """Model time reached."""

    @property
    def t_end(self) -> float:
        """Model time at which the flow ends."""

    @property
    def dt(self) -> float:
        """Size of the last step, in model time."""

    @property
    def kl(self) -> float:
        """KL(ρ‖π) at ``t``."""

    @property
    def fraction(self) -> float:
        """Share of the whole work that is done, 0 to 1."""


class ProgressReporter:
    """Observer that tells a person how far a run is: on rank 0 only.

    On a terminal one line is rewritten, at most ten times a second; elsewhere a line is logged
    when a new phase begins, and then every ``interval`` seconds. Events may count something other
    than model time: what their attribute ``counted`` names.

    Parameters
    ----------
    status
        The line of the terminal, from `configure_logging`, or ``None`` for log lines.
    rank
        Rank of this process.
    label
        What is being solved, e.g. ``"WFR"``.
    interval
        Seconds between log lines.
    """

    def __init__(
        self,
        status: StatusLine | None = None,
        *,
        rank: int = 0,
        label: str = "",
        interval: float = 5.0,
    ) -> None:
        self._status, self._rank, self._label = status, rank, label
        self._interval = 0.1 if status is not None else interval
        self._start = time.monotonic()
        self._last = float("-inf")
        self._phase = ""
        self._share = 0.0

    def __call__(self, event: ProgressEvent) -> None:
        """Take note of ``event``, and report it if it is time to."""
        if self._rank != 0:
            return
        now = time.monotonic()
        if event.fraction < self._share:  # another task has begun, with a pace of its own
            self._start = now
        self._share = event.fraction
        new_phase = event.phase != self._phase
        if now - self._last < self._interval and not new_phase:
            return
        self._last, self._phase = now, event.phase
        text = self._describe(event, now - self._start)
        if self._status is not None:
            self._status.show(text)
        else:
            logger.info("%s", text)

    def finish(self) -> None:
        """Take the progress line away."""
        if self._status is not None:
            self._status.clear()

    def _describe(self, event: ProgressEvent, elapsed: float) -> str:
        heading = " ".join(part for part in (self._label, event.phase) if part)
        share = min(max(event.fraction, 0.0), 1.0)
        counted: str | None = getattr(event, "counted", None)
        what = "t =" if counted is None else counted
        parts = [f"{heading}: {what} {event.t:.4g} of {event.t_end:.4g} ({100 * share:.0f} %)"]
        # What a person asks first comes first: a narrow terminal cuts the rest.
        if elapsed > 0.5 and share > 0.01:
            parts.append(f"{format_duration(elapsed * (1 - share) / share)} left")
        if event.kl == event.kl:  # NaN while it is being set up
            parts.append(f"KL {event.kl:.4g}")
        if event.dt > 0:
            parts.append(f"step {event.dt:.2g}")
        if elapsed > 0.5 and event.t > 0:
            parts.append(f"{event.t / elapsed:.2g} {counted or 'time units'}/s")
        return ", ".join(parts)


def format_duration(seconds: float) -> str:
    """Seconds as a person says them: ``"8 s"``, ``"3 min 20 s"``, ``"2 h 5 min"``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
