"""The progress bar of a terminal, and that of a notebook, both drawn by rich.

rich cuts a line to the width of the terminal, keeps log lines above the bar, and renders the same
bar as HTML. It draws when it is told to and not from a thread of its own, which would run beside
MPI and the handlers of signals.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

WIDTH = 12
"""Characters of the bar itself; the words beside it tell more."""


class Bar(Protocol):
    """A place that shows how far something is."""

    def show(self, text: str, share: float) -> None:
        """Show words, and a share of the work between 0 and 1."""

    def clear(self) -> None:
        """Take the bar away."""


class TerminalBar:
    """The last line of a terminal; log lines that are printed to `console` appear above it."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self.console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._drawn: Progress | None = None

    def show(self, text: str, share: float) -> None:
        """Show words, cut to the width of the terminal, and a share of the work."""
        with suppress(OSError):  # a terminal that was closed: the run goes on to its end
            begun = self._drawn is not None
            self._drawn = self._drawn or _drawn(self.console)
            self._drawn.update(self._drawn.task_ids[0], completed=share, description=text)
            if begun:
                self._drawn.refresh()
            else:
                self._drawn.start()
                # a process that is killed would leave a terminal without its cursor
                self.console.show_cursor(True)

    def clear(self) -> None:
        """Take the bar away."""
        drawn, self._drawn = self._drawn, None
        if drawn is not None:
            with suppress(OSError):
                drawn.stop()


class NotebookBar:
    """The output of a notebook's cell; needs IPython alone, and no widgets."""

    def __init__(self) -> None:
        self._drawn: Progress | None = None
        self._shown: Any = None

    def show(self, text: str, share: float) -> None:
        """Show words and a share of the work."""
        from IPython import display

        if self._drawn is None:
            self._drawn = _drawn()
        self._drawn.update(self._drawn.task_ids[0], completed=share, description=text)
        if self._shown is None:
            self._shown = display.display(self._drawn, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._shown.update(self._drawn)

    def clear(self) -> None:
        """Take the bar away."""
        if self._shown is not None:
            self._shown.update({"text/plain": "", "text/html": ""}, raw=True)
        self._drawn = self._shown = None


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and shell.has_trait("kernel")


def _drawn(console: Console | None = None) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    # the words take what the bar leaves, and are cut there
    rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    words = TextColumn("{task.description}", markup=False, table_column=rest)
    drawn = Progress(
        BarColumn(WIDTH, table_column=Column(width=WIDTH)),
        words,
        console=console,
        expand=True,
        transient=True,
        auto_refresh=False,
        # standard output may be a file, while the bar is on standard error
        redirect_stdout=False,
        redirect_stderr=False,
    )
    drawn.add_task("", total=1.0)
    return drawn
