"""One invocation of a command: its ranks, its screen, and its exit code."""

from __future__ import annotations

import sys
from typing import Any, Self

from wfrpde.errors import WfrpdeError
from wfrpde.parallel import (
    TerminalBar,
    abort_on_unhandled,
    configure_logging,
    leave_together,
    world_of,
)
from wfrpde.parallel.screen import logger, wrapped


class Session:
    """The frame of a command: within it, errors become one message and an exit code.

    On leaving the block, an error of wfrpde is printed once and sets `code` to its exit code;
    other exceptions pass. On several ranks either all of them leave, or all are ended: a rank that
    failed alone does not leave the others waiting.

    Parameters
    ----------
    quiet
        Say nothing but warnings and errors.

    Attributes
    ----------
    comm
        The communicator.
    rank
        Rank of this process.
    status
        Bar of the terminal for progress, if there is one.
    code
        Exit code.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.code = 0
        self.comm: Any = None
        self.rank = 0
        self.status: TerminalBar | None = None
        self._farewell: Any = None

    def __enter__(self) -> Self:
        self.comm = world_of()
        self.rank = self.comm.rank
        if self.comm.size > 1:
            self._farewell = self.comm.Dup()
        abort_on_unhandled(self.comm)
        self.status = configure_logging(rank=self.rank, quiet=self.quiet)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        message = ""
        if isinstance(error, WfrpdeError):
            self.code = error.exit_code
            message = f"error: {error}"
        elif isinstance(error, KeyboardInterrupt):
            self.code = 130
            message = "interrupted; nothing was written"
        elif error is not None:
            return False
        if message:
            if self.status is not None:
                self.status.clear()
            if self.rank == 0:
                sys.stderr.write(f"{wrapped(message, sys.stderr)}\n")
                sys.stderr.flush()
        logger.handlers.clear()  # the stream may be gone when the caller logs again
        leave_together(self._farewell, self.code, message)
        if self._farewell is not None:
            self._farewell.Free()
        return True

    def say(self, text: str) -> None:
        """Print ``text``, on rank 0 and unless this session is quiet."""
        if self.rank == 0 and not self.quiet:
            if self.status is not None:
                self.status.clear()
            print(wrapped(text), flush=True)
