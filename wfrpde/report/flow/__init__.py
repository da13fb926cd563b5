"""What a run leaves behind, made from its solutions: numbers, ParaView files, figures, a report."""

from __future__ import annotations

from wfrpde.report.flow.files import plot_run, write_run
from wfrpde.report.flow.run import FlowRun, read_run

__all__ = ["FlowRun", "plot_run", "read_run", "write_run"]
