"""How far a long computation is: a bar on a terminal or in a notebook, log lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from wfrpde.parallel.bars import Bar, NotebookBar, in_notebook
from wfrpde.parallel.screen import logger

PATIENCE = 1.0
"""Seconds after which a notebook shows a bar: what is done sooner needs none."""


@dataclass(frozen=True)
class Progress:
    """What an observer is told by whatever takes long.

    Attributes
    ----------
    phase
        What is being done, in a word or two.
    t, t_end
        Model time reached, and at the end; or how many of how many things are done.
    dt
        Size of the last step, in model time; 0 where there are no steps.
    kl
        KL(ρ‖π) at ``t``; NaN where it is not known.
    fraction
        Share of the whole work that is done, 0 to 1.
    counted
        What is counted, where it is not model time: ``"replicates"``.
    before
        How much of ``t`` had been done before this process began.
    """

    phase: str
    t: float
    t_end: float
    dt: float
    kl: float
    fraction: float
    counted: str = ""
    before: float = 0.0

    @classmethod
    def count(
        cls,
        phase: str,
        done: int,
        total: int,
        counted: str,
        *,
        fraction: float | None = None,
        before: int = 0,
    ) -> Self:
        """Say that ``done`` of ``total`` things are done; their share of the work by default."""
        share = done / max(total, 1) if fraction is None else fraction
        return cls(phase, done, total, 0.0, float("nan"), share, counted, before)


class ProgressReporter:
    """Observer that tells a person how far a run is: on rank 0 only.

    A bar is drawn at most ten times a second; without one a line is logged when a new phase
    begins, when all that is counted is done, and else every ``interval`` seconds.

    Parameters
    ----------
    bar
        The bar of the terminal, from `configure_logging`, or ``None`` for log lines.
    rank
        Rank of this process.
    label
        What is being solved, e.g. ``"WFR"``.
    interval
        Seconds between log lines.
    patience
        Seconds before anything is said.
    """

    def __init__(
        self,
        bar: Bar | None = None,
        *,
        rank: int = 0,
        label: str = "",
        interval: float = 5.0,
        patience: float = 0.0,
    ) -> None:
        self._bar, self._rank, self._label = bar, rank, label
        self._interval = 0.1 if bar is not None else interval
        self._silent_until = time.monotonic() + patience if patience else float("-inf")
        self._start = time.monotonic()
        self._last = float("-inf")
        self._phase = ""
        self._share = 0.0

    def __call__(self, event: Progress) -> None:
        """Take note of ``event``, and report it if it is time to."""
        if self._rank != 0:
            return
        now = time.monotonic()
        if event.fraction < self._share:  # another task has begun, with a pace of its own
            self._start = now
        ended = bool(event.counted) and event.fraction >= 1 > self._share
        self._share = event.fraction
        if now - self._last < self._interval and event.phase == self._phase and not ended:
            return
        if now < self._silent_until:
            return
        self._last, self._phase = now, event.phase
        text = self._describe(event, now - self._start)
        if self._bar is not None:
            self._bar.show(text, min(max(event.fraction, 0.0), 1.0))
        else:
            logger.info("%s", text)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.clear()

    def _describe(self, event: Progress, elapsed: float) -> str:
        heading = " ".join(part for part in (self._label, event.phase) if part)
        share = min(max(event.fraction, 0.0), 1.0)
        what = event.counted or "t ="
        parts = [f"{heading}: {what} {event.t:.4g} of {event.t_end:.4g} ({100 * share:.0f} %)"]
        # What a person asks first comes first: a narrow terminal cuts the rest.
        if elapsed > 0.5 and share > 0.01:
            parts.append(f"{format_duration(elapsed * (1 - share) / share)} left")
        if event.kl == event.kl:  # NaN while it is being set up
            parts.append(f"KL {event.kl:.4g}")
        if event.dt > 0:
            parts.append(f"step {event.dt:.2g}")
        if elapsed > 0.5 and event.t > event.before:
            pace = (event.t - event.before) / elapsed
            parts.append(f"{pace:.2g} {event.counted or 'time units'}/s")
        return ", ".join(parts)


Observer = Callable[[Progress], None]
"""What is told how far something is."""


@contextmanager
def watched(observer: Observer | None, comm: Any, label: str) -> Iterator[Observer | None]:
    """Give the caller's observer, or in a notebook one that shows a bar for the whole block.

    Within such a block, what would show a bar of its own shows none.
    """
    global _bar_is_shown
    if observer is not None or _bar_is_shown or not in_notebook():
        yield observer
        return
    rank = 0 if comm is None else comm.rank
    reporter = ProgressReporter(NotebookBar(), rank=rank, label=label, patience=PATIENCE)
    _bar_is_shown = True
    try:
        yield reporter
    finally:
        _bar_is_shown = False
        reporter.finish()


_bar_is_shown = False


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
