"""The command ``wfrpde validate``: a case's samplers judged, and everything written down.

Unlike that of a solved case, the folder of a validation grows: finished replicates lie in
``replicates`` from the moment that they are finished, and survive whatever stops the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.commands.folder import RunFolder
from wfrpde.numbers import column, number
from wfrpde.parallel import Bar, ProgressReporter, collectively
from wfrpde.report.terminal import table
from wfrpde.report.validation.page import equation_sentences, split_sentences, time_text

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.comparison import Row, ValidationReport

MOST_ROWS = 60
"""Rows beyond which the screen shows only those that are not consistent."""


def run_validation(
    case: Case,
    folder: Path,
    comm: Any = None,
    *,
    resume: bool = False,
    force: bool = False,
    status: Bar | None = None,
) -> ValidationReport:
    """Validate a case and write everything into ``folder`` (collective).

    Parameters
    ----------
    folder
        Where to write. If it is not empty, ``resume`` or ``force`` is needed.
    resume
        Take the finished replicates that are in the folder.
    force
        Remove what an earlier validation has left in the folder.

    Raises
    ------
    InputError
        If the folder cannot be used, or the case has no samplers.
    """
    from wfrpde.comparison import validate
    from wfrpde.report.validation import write_validation

    rank = 0 if comm is None else comm.rank
    reporter = ProgressReporter(status, rank=rank, label="validate")
    with RunFolder(folder, "validate", force=force, resume=resume, comm=comm) as output:
        try:
            report = validate(case, comm, reporter, output.store, on_stop="return")
        finally:
            reporter.finish()
        with collectively(comm):
            if rank == 0:
                figures = case.output.figures and report.complete
                write_validation(report, output.path, figures=figures)
    return report


def validation_summary(report: ValidationReport) -> str:
    """Say what a validation found, for the screen."""
    parts = [f"{report.case.title or report.case.name}\n"]
    rows = report.table
    if len(rows) > MOST_ROWS:
        rows = [row for row in rows if row.verdict != "consistent"]
        rows = sorted(rows, key=_urgency)[:MOST_ROWS]
    if rows:
        header = ["observable", "t", "average", "Eulerian", "verdict"]
        power = f"{100 * report.case.validation.power:g} %"
        note = f"Consistent within x: a bias of x would have been seen with {power} probability."
        for sampler in report.samplers:
            own = [row for row in rows if row.sampler == sampler.name]
            if own:
                parts += [f"{sampler.name}\n", table(header, _cells(own)), ""]
        if any(row.verdict == "consistent" for row in rows):
            parts += [note, ""]
    if len(rows) < len(report.table):
        parts += [f"... and {len(report.table) - len(rows)} more rows in validation.csv", ""]
    parts += _verdict_lines(report)
    for heading, sentences in (
        ("Which equation is it?", equation_sentences(report)),
        ("Where does the bias come from?", split_sentences(report)),
    ):
        if sentences:
            parts += ["", heading, *(f"  {sentence}" for sentence in sentences)]
    if report.unexpected:
        names = ", ".join(report.unexpected)
        parts += ["", f"Not consistent, although the case declares it: {names}"]
    if not report.complete:
        parts += ["", "Interrupted: finished replicates are kept, --resume goes on with them."]
    return "\n".join(parts)


def _urgency(row: Row) -> tuple[bool, float]:
    return row.verdict != "biased", row.p_value


def _cells(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    return zip(
        [row.observable for row in rows],
        [time_text(row.time) for row in rows],
        column([row.mean for row in rows], [row.standard_error for row in rows]),
        column([row.reference for row in rows], [row.reference_error for row in rows], 5),
        map(_verdict, rows),
        strict=True,
    )


def _verdict(row: Row) -> str:
    """Words that are short enough to stand beside four columns of numbers."""
    seen = row.verdict == "consistent"
    return f"consistent within {number(row.detectable, 2)}" if seen else row.words


def _verdict_lines(report: ValidationReport) -> Iterator[str]:
    rows = []
    for s in report.samplers:
        rows += [(s.name, s.words), *(("", f"warning: {warning}") for warning in s.warnings)]
    yield table(["sampler", "verdict"], rows)
