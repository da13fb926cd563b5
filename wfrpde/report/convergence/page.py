"""The report of a convergence study: one HTML page of errors, orders and verdicts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from wfrpde.flow.saved import Estimated
from wfrpde.numbers import MISSING, column, duration, number, pretty
from wfrpde.report.convergence.slopes import LABELS, drawings, error_label, expected_errors
from wfrpde.report.drawing import saved
from wfrpde.report.explorer import points
from wfrpde.report.files import json_ready
from wfrpde.report.pages import Table, write_page
from wfrpde.report.versions import software_versions
from wfrpde.studies.convergence.study import ConvergenceStudy, StudyResult

MARKS = {"passed": "✓", "failed": "✗", "unfinished": "?"}


def write_study_report(
    study: ConvergenceStudy, folder: Path, *, figures: bool = True
) -> list[Path]:
    """Draw the figures, and write ``report.html`` of a study. Not collective."""
    pictures = saved(drawings(study), folder / "figures") if figures else []
    classes = {"passed": "passed", "failed": "failed", "unfinished": ""}
    context: dict[str, Any] = {
        "title": study.title or "Convergence",
        "incomplete": not study.complete,
        "result": _sentence(study),
        "explorer": json_ready({"kind": "curves", "plots": _plots(study)}) if figures else None,
        "pictures": pictures,
        "studies": [
            {"cells": study_cells(r), "class": classes[r.verdict], "reason": r.reason}
            for r in study.studies
        ],
        "truths": sorted({r.truth for r in study.studies}),
        "tables": [_runs(r) for r in study.studies if r.rows],
        "facts_rows": [(f"{name} version", v) for name, v in software_versions().items()],
    }
    page = write_page(folder / "report.html", "convergence.html.j2", context)
    return [*(picture.path for picture in pictures), page]


def _sentence(study: ConvergenceStudy) -> str:
    passed = sum(r.verdict == "passed" for r in study.studies)
    if passed == len(study.studies):
        return f"All {passed} studies show what is expected." if passed > 1 else (
            "The study shows what is expected."
        )  # fmt: skip
    return f"{passed} of {len(study.studies)} studies show what is expected."


def study_cells(result: StudyResult) -> tuple[str, ...]:
    """Give study, order, its interval, what is expected, and the verdict."""
    fit = result.fit
    known = fit is not None and math.isfinite(fit.low)
    return (
        result.name,
        MISSING if fit is None else f"{fit.order:.3f}",
        f"{fit.low:.2f} to {fit.high:.2f}" if fit is not None and known else "",
        "falls" if result.expected is None else f"{result.expected:g} ± {result.within:g}",
        f"{MARKS[result.verdict]} {result.verdict}",
    )


def _runs(result: StudyResult) -> Table:
    """Every run of a study."""
    particles = result.vary == "particles"
    bars = [row.standard_error for row in result.rows]
    columns = {
        LABELS[result.vary]: [number(row.value, 6, trim=True) for row in result.rows],
        "unknowns": [f"{row.unknowns:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
                     for row in result.rows],
        "error": column([row.error for row in result.rows], bars if particles else None, 4),
        "relative error of KL": column([row.kl_error for row in result.rows], digits=3),
        "order from the run before": [number(row.local, 3) for row in result.rows],
        "wall time": [duration(row.seconds) for row in result.rows],
        "": [row.failure or ("" if row.used else "too small to count")
             for row in result.rows],
    }  # fmt: skip
    if particles:
        del columns["relative error of KL"], columns["unknowns"]
    if all(not cell for cell in columns[""]):
        del columns[""]
    rows = tuple(tuple(map(pretty, row)) for row in zip(*columns.values(), strict=True))
    return Table(result.name, tuple(columns), rows)


def _plots(study: ConvergenceStudy) -> list[dict[str, Any]]:
    """One plot for each thing that is varied."""
    from wfrpde.report import style  # Matplotlib is slow to import, or may be missing

    plots = []
    for vary, label in LABELS.items():
        results = [r for r in study.studies if r.vary == vary and any(x.used for x in r.rows)]
        if results:
            series, expected = zip(*map(_series, results, style.CYCLE * 99), strict=False)
            plots.append(
                {
                    "title": f"Errors against the {label}",
                    "x": {"label": label, "log": results[0].algebraic},
                    "y": {"label": error_label(results[0]), "log": True},
                    "series": series,
                    "expected": expected,
                    "words": "Lines: the order that is expected." if results[0].algebraic else "",
                }
            )
    return plots


def _series(result: StudyResult, colour: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the runs of a study that count, and the errors that are expected of them."""
    rows = [row for row in result.rows if row.used]
    values = [row.value for row in rows]
    bars = np.array([row.standard_error for row in rows], dtype=float)
    estimated = Estimated(np.abs([row.error for row in rows]), bars)
    name = result.name
    if result.fit is not None:
        unit = "" if result.algebraic else " decades per unit"
        name += f": {'order ' if result.algebraic else ''}{result.fit.order:.2f}{unit}"
    names = [pretty(number(value, 5, trim=True)) for value in values]
    line = list(zip(values, map(float, expected_errors(result)), strict=True))
    shown = points(values, estimated, names)
    return (
        {"label": name, "colour": colour, "points": shown, "joined": False},
        {"colour": colour, "points": line},
    )
