"""The command ``wfrpde validate``: a case's samplers judged, and everything written down.

Unlike that of a solved case, the folder of a validation grows: finished replicates lie in
``replicates`` from the moment that they are finished, and survive whatever stops the run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.errors import InputError
from wfrpde.numbers import pretty, with_error
from wfrpde.parallel import ProgressReporter, StatusLine, collectively
from wfrpde.report.terminal import table
from wfrpde.report.validation.page import equation_sentences, split_sentences, time_text

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.comparison import Row, ValidationReport

REPLICATES = "replicates"

MOST_ROWS = 60
"""Rows beyond which the screen shows only those that are not consistent."""

_WRITTEN = (
    "validation.json", "validation.npz", "validation.csv", "distances.csv", "bias.csv",
    "ladders.csv", "report.html", "figures", REPLICATES,
)  # fmt: skip


def run_validation(
    case: Case,
    folder: Path,
    comm: Any = None,
    *,
    resume: bool = False,
    force: bool = False,
    status: StatusLine | None = None,
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
    with collectively(comm):
        if rank == 0:
            _check(folder, resume=resume, force=force)
    reporter = ProgressReporter(status, rank=rank, label="validate")
    store = folder / REPLICATES
    if force and not resume:
        with collectively(comm):
            if rank == 0:
                _remove_earlier(folder)
    try:
        report = validate(case, comm, reporter, store)
    finally:
        reporter.finish()
    with collectively(comm):
        if rank == 0:
            write_validation(report, folder, figures=case.output.figures and report.complete)
    return report


def _check(folder: Path, *, resume: bool, force: bool) -> None:
    where = f"output folder {folder}"
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(where, "a file of that name", "a folder")
        if folder.is_dir() and any(folder.iterdir()) and not (resume or force):
            raise InputError(
                where,
                "a folder that is not empty",
                "a new or empty one",
                "Use --resume to go on with a validation, --force to replace it, or --out for "
                "another folder.",
            )
        # Only tried: a validation that fails at once leaves no empty folder behind.
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        finally:
            for path in missing:
                with suppress(OSError):
                    path.rmdir()
    except OSError as error:
        raise InputError(
            where,
            f"that it cannot be written ({error.strerror or error})",
            "a folder that can be written",
            "Choose another one with --out.",
        ) from None


def _remove_earlier(folder: Path) -> None:
    for name in _WRITTEN:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def validation_summary(report: ValidationReport) -> str:
    """Say what a validation found, for the screen."""
    parts = [f"{report.case.title or report.case.name}\n"]
    rows = report.table
    if len(rows) > MOST_ROWS:
        rows = [row for row in rows if row.verdict != "consistent"]
        rows = sorted(rows, key=_urgency)[:MOST_ROWS]
    if rows:
        order = [s.name for s in report.samplers]
        rows = sorted(rows, key=lambda row: order.index(row.sampler))
        header = ["sampler", "observable", "t", "average", "Eulerian", "verdict"]
        parts.append(table(header, map(_cells, rows)))
    if len(rows) < len(report.table):
        parts.append(f"... and {len(report.table) - len(rows)} more rows in validation.csv")
    parts += ["", *_verdict_lines(report)]
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


def _cells(row: Row) -> list[str]:
    return [
        row.sampler,
        row.observable,
        time_text(row.time),
        pretty(with_error(row.mean, row.standard_error)),
        pretty(with_error(row.reference, row.reference_error, 5)),
        row.words,
    ]


def _verdict_lines(report: ValidationReport) -> Iterator[str]:
    width = max(len(s.name) for s in report.samplers)
    for s in report.samplers:
        yield f"{s.name:<{width}}  {s.words}"
