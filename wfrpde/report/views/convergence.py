"""The view of a convergence study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from wfrpde.numbers import MISSING
from wfrpde.report.convergence.files import drawings
from wfrpde.report.pages import Table
from wfrpde.report.views.view import Card, View
from wfrpde.studies.convergence.study import ConvergenceStudy, Row, StudyResult

MARKS = {"passed": "✓", "failed": "✗", "unfinished": "?"}


def _card(study: ConvergenceStudy) -> Card:
    header = ("study", "order", "95 %", "expected", "verdict")
    return Card(
        study.title or "Convergence",
        (),
        (Table("", header, tuple(map(_cells, study.studies))),),
        tuple(f"{s.name}: {s.reason}" for s in study.studies if s.verdict != "passed"),
        ("plot()", "to_dataframe()"),
    )


def _cells(result: StudyResult) -> tuple[str, ...]:
    fit = result.fit
    known = fit is not None and math.isfinite(fit.low)
    return (
        result.name,
        MISSING if fit is None else f"{fit.order:.3f}",
        f"{fit.low:.2f} to {fit.high:.2f}" if fit is not None and known else "",
        "falls" if result.expected is None else f"{result.expected:g} ± {result.within:g}",
        f"{MARKS[result.verdict]} {result.verdict}",
    )


def _columns(study: ConvergenceStudy) -> Mapping[str, Any]:
    names = [field.name for field in fields(Row)]
    return {name: [getattr(row, name) for row in study.table] for name in names}


STUDY = View(_card, _columns, drawings)
