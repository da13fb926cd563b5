"""Behaviour that all ranks share: errors, interruption, and what is said on the screen."""

from wfrpde.parallel.collective import abort_on_unhandled, collectively, leave_together, world
from wfrpde.parallel.interruption import Stopped, StopRequest
from wfrpde.parallel.progress import Progress, ProgressReporter, format_duration
from wfrpde.parallel.screen import StatusLine, configure_logging

__all__ = [
    "Progress",
    "ProgressReporter",
    "StatusLine",
    "StopRequest",
    "Stopped",
    "abort_on_unhandled",
    "collectively",
    "configure_logging",
    "format_duration",
    "leave_together",
    "world",
]
