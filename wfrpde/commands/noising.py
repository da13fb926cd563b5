"""The command ``wfrpde solve`` on a case with ``[noising]``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wfrpde.case import Case
from wfrpde.parallel import Bar, ProgressReporter, collectively


def run_noising(case: Case, folder: Path, comm: Any, status: Bar | None) -> str:
    """Solve a score-based process, write everything into ``folder``, and say what came out.

    Collective; rank 0 writes.

    Raises
    ------
    WfrpdeError
        As `wfrpde.solve` does.
    """
    from wfrpde.flow.noising.solve import solve_noising
    from wfrpde.report.noising import write_noising
    from wfrpde.report.noising.page import result_sentences, tables
    from wfrpde.report.terminal import table

    reporter = ProgressReporter(status, rank=comm.rank, label="noising")
    try:
        solution = solve_noising(case, comm, reporter)
    finally:
        reporter.finish()
    with collectively(comm):
        if comm.rank == 0:
            write_noising(solution, folder)
    blocks = [f"{c.title}\n\n{table(c.header, c.rows)}" for c in tables(solution, str)]
    warnings = [f"Warning: {text}" for text in solution.warnings]
    title = case.title or case.name
    words = " ".join(result_sentences(solution))
    return "\n\n".join([title, words, *blocks, *warnings, "± is the estimated error."])
