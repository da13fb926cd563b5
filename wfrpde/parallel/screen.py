"""What is said on the screen, by rank 0 only: log lines, and a status line on a terminal."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

logger = logging.getLogger("wfrpde")


class StatusLine:
    """The last line of a terminal, rewritten in place; log messages appear above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = False

    def show(self, text: str) -> None:
        """Replace the line by ``text``, cut to the width of the terminal."""
        width = shutil.get_terminal_size().columns - 1
        with suppress(OSError):  # a terminal that was closed: the run goes on to its end
            self._stream.write(f"\r\x1b[K{text[:width]}")
            self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            with suppress(OSError):
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


@contextmanager
def quiet(least: int = logging.WARNING) -> Iterator[None]:
    """Say nothing below a level within the block: of single tasks, when there are many."""
    level = logger.level
    logger.setLevel(max(level, least))
    try:
        yield
    finally:
        logger.setLevel(level)


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
