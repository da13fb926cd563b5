"""What is said on the screen, by rank 0 only: log lines, and a progress bar on a terminal."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from wfrpde.parallel.bars import TerminalBar
from wfrpde.parallel.places import plain

logger = logging.getLogger("wfrpde")


def screen_width(stream: TextIO | None = None) -> int:
    """Return the number of characters in a line of a stream, by default of standard output.

    ``COLUMNS`` overrules the terminal.
    """
    stream = sys.stdout if stream is None else stream
    if os.environ.get("COLUMNS", "").isdecimal() or stream.isatty():
        return shutil.get_terminal_size().columns
    return 100_000  # width of what is no terminal: a program that reads a file finds whole lines


def wrapped(text: str, stream: TextIO | None = None) -> str:
    """Break lines that are too long for a stream between words, and keep how they are indented.

    Other people's words may be among them (errors of samplers): what steers a screen is told.
    """
    width = screen_width(stream)
    lines = []
    for line in plain(text).split("\n"):
        indent = " " * (len(line) - len(line.lstrip()))
        lines += [line] if len(line) <= width else textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )  # fmt: skip
    return "\n".join(lines)


class _AboveBar(logging.Handler):
    """Prints lines through the console of a bar, which puts them above it and wraps them."""

    def __init__(self, bar: TerminalBar) -> None:
        super().__init__()
        self._console = bar.console

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._console.print(self.format(record))
        except Exception:
            self.handleError(record)


LONGEST_NOTE = 200
"""Characters of a log line that is no warning."""


class _LogFormat(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = plain(super().format(record))
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


def tell_warnings(warnings: Iterable[str], comm: Any) -> None:
    """Log the warnings, on rank 0."""
    if comm.rank == 0:
        for text in warnings:
            logger.warning(text)


def configure_logging(
    *, rank: int = 0, quiet: bool = False, stream: TextIO | None = None
) -> TerminalBar | None:
    """Send the package's log to the screen, from rank 0 only.

    Returns
    -------
    TerminalBar or None
        The bar for progress, if the stream is a terminal and this is rank 0.
    """
    stream = stream if stream is not None else sys.stderr
    logger.handlers.clear()
    if rank != 0:
        logger.addHandler(logging.NullHandler())
        return None
    bar = TerminalBar(stream) if stream.isatty() and not quiet else None
    handler = logging.StreamHandler(stream) if bar is None else _AboveBar(bar)
    handler.setFormatter(_LogFormat("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    return bar
