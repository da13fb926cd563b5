"""A study on the disk and on the screen: CSV, JSON, figures with the expected slopes, a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from wfrpde import __version__
from wfrpde.parallel.files import atomic
from wfrpde.report.convergence.page import study_cells, write_study_report
from wfrpde.report.files import write_json, write_rows
from wfrpde.studies.convergence.study import ConvergenceStudy, Row

SUMMARY = "convergence.json"


def write_study(study: ConvergenceStudy, folder: Path, *, figures: bool = True) -> None:
    """Write ``convergence.json``, ``runs.csv``, ``orders.csv``, figures and ``report.html``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(_content(study), folder / SUMMARY)
    with atomic(folder / "runs.csv") as stream:
        names = [field.name for field in fields(Row)]
        rows = [[getattr(row, name) for name in names] for row in study.table]
        write_rows(stream, [names, *rows])
    with atomic(folder / "orders.csv") as stream:
        write_rows(stream, _orders(study))
    write_study_report(study, folder, figures=figures)


def _content(study: ConvergenceStudy) -> dict[str, Any]:
    return {
        "title": study.title,
        "version": __version__,
        "passed": study.passed,
        "complete": study.complete,
        "studies": [asdict(result) for result in study.studies],
    }


def _orders(study: ConvergenceStudy) -> Iterator[list[Any]]:
    yield ["study", "order", "low", "high", "expected", "within", "verdict", "truth"]
    for result in study.studies:
        fit = result.fit
        numbers = ("", "", "") if fit is None else (fit.order, fit.low, fit.high)
        expected = "" if result.expected is None else result.expected
        yield [result.name, *numbers, expected, result.within, result.verdict, result.truth]


def study_table(study: ConvergenceStudy) -> str:
    """Tabulate the orders and verdicts, for the screen."""
    from wfrpde.report.terminal import table

    rows = []
    for result in study.studies:
        name, *cells, _ = study_cells(result)
        errors = [row.error for row in result.rows if row.used]
        span = f"{errors[0]:.1e} → {errors[-1]:.1e}" if errors else ""
        rows.append([name, span, *cells, result.verdict])
    heading = ["study", "error", "order", "95 %", "expected", "verdict"]
    parts = [table(heading, rows)]
    parts += [f"{r.name}: {r.reason}" for r in study.studies if r.verdict != "passed"]
    truths = sorted({r.truth for r in study.studies})
    kinds = {r.vary == "particles" for r in study.studies}
    words = {False: "of the density in L2, relative",
             True: "of averages, in standard deviations of the observable"}  # fmt: skip
    what = "; ".join(words[kind] for kind in sorted(kinds))
    parts.append(f"Errors: {what}; the truth is {' or '.join(truths)}.")
    return "\n\n".join(parts)
