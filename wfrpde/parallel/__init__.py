"""Behaviour that all ranks share: errors, interruption, and what is said on the screen."""

from wfrpde.parallel.bars import Bar, TerminalBar
from wfrpde.parallel.collective import abort_on_unhandled, collectively, leave_together, world_of
from wfrpde.parallel.interruption import (
    Interrupted,
    OnStop,
    Stopped,
    StopRequest,
    checked_on_stop,
    unless_stopped,
)
from wfrpde.parallel.progress import Progress, ProgressReporter, format_duration, watched
from wfrpde.parallel.screen import configure_logging, tell_warnings

__all__ = [
    "Bar",
    "Interrupted",
    "OnStop",
    "Progress",
    "ProgressReporter",
    "StopRequest",
    "Stopped",
    "TerminalBar",
    "abort_on_unhandled",
    "checked_on_stop",
    "collectively",
    "configure_logging",
    "format_duration",
    "leave_together",
    "tell_warnings",
    "unless_stopped",
    "watched",
    "world_of",
]
