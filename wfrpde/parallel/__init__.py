"""Behaviour that all ranks share: errors, interruption, and what is said on the screen."""

from wfrpde.parallel.collective import abort_on_unhandled, collectively, leave_together, world
from wfrpde.parallel.interruption import (
    Interrupted,
    OnStop,
    Stopped,
    StopRequest,
    checked_on_stop,
    unless_stopped,
)
from wfrpde.parallel.progress import Progress, ProgressReporter, format_duration
from wfrpde.parallel.screen import StatusLine, configure_logging

__all__ = [
    "Interrupted",
    "OnStop",
    "Progress",
    "ProgressReporter",
    "StatusLine",
    "StopRequest",
    "Stopped",
    "abort_on_unhandled",
    "checked_on_stop",
    "collectively",
    "configure_logging",
    "format_duration",
    "leave_together",
    "unless_stopped",
    "world",
]
