"""What a run leaves behind: numbers, tables, ParaView files, figures, a report.

A solution is reduced once to a `RunRecord` of plain numbers; everything but the ParaView files is
made from that, so ``wfrpde plot`` can make it again from the folder of a run.
"""

from __future__ import annotations

from wfrpde.report.flow.archive import read_run
from wfrpde.report.flow.record import Estimated, FlowRecord, RunRecord
from wfrpde.report.flow.run import plot_run, write_run
from wfrpde.report.index import IndexEntry, write_index

__all__ = [
    "Estimated", "FlowRecord", "IndexEntry", "RunRecord", "plot_run", "read_run", "write_index",
    "write_run",
]  # fmt: skip
