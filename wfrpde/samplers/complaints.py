"""What a process of other people prints: its last lines, however much there is."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Self

LINES, WIDTH = 5, 300
"""Last lines that are shown, and characters of each."""


class Complaints:
    """A pipe for what a process prints, emptied by a thread that keeps the end of it.

    Nothing goes to the disk, and nothing grows.

    Attributes
    ----------
    end
        File descriptor that the process writes to. On leaving the block the own one is closed, so
        that the pipe ends when the process, and all that it has started, have ended.
    """

    def __init__(self) -> None:
        self._source, self.end = os.pipe()
        self._kept = b""
        self._open = True
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the own end for writing."""
        if self._open:
            self._open = False
            os.close(self.end)

    def last_lines(self) -> str:
        """Last lines, for a message about a process that has ended."""
        self.close()
        self._thread.join(1.0)  # longer only if somebody else holds the pipe
        lines = self._kept.decode("utf-8", errors="replace").rstrip().splitlines()
        return "".join(f"\n    {line[:WIDTH]}" for line in lines[-LINES:])

    def _read(self) -> None:
        with suppress(OSError):
            while part := os.read(self._source, 1 << 16):
                self._kept = (self._kept + part)[-10_000:]  # bytes that are kept
        os.close(self._source)
