"""How far a long computation is: one line rewritten on a terminal, plain log lines elsewhere."""

from __future__ import annotations

import logging
import time
from typing import Protocol

from wfrpde.parallel.screen import StatusLine

logger = logging.getLogger("wfrpde")


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
