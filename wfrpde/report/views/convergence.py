"""The view of a convergence study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from wfrpde.report.convergence.page import study_cells
from wfrpde.report.convergence.slopes import drawings
from wfrpde.report.pages import Table
from wfrpde.report.views.view import Card, View
from wfrpde.studies.convergence.study import ConvergenceStudy, Row


def _card(study: ConvergenceStudy) -> Card:
    header = ("study", "order", "95 %", "expected", "verdict")
    return Card(
        study.title or "Convergence",
        (),
        (Table("", header, tuple(map(study_cells, study.studies))),),
        tuple(f"{s.name}: {s.reason}" for s in study.studies if s.verdict != "passed"),
        ("plot()", "to_dataframe()"),
    )


def _columns(study: ConvergenceStudy) -> Mapping[str, Any]:
    names = [field.name for field in fields(Row)]
    return {name: [getattr(row, name) for row in study.table] for name in names}


STUDY = View(_card, _columns, drawings)
