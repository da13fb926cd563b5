"""The view of a validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfrpde.comparison import ValidationReport
from wfrpde.numbers import pretty, with_error
from wfrpde.report.pages import Table
from wfrpde.report.validation.files import flat
from wfrpde.report.validation.page import (
    MARKS,
    drawings,
    equation_sentences,
    split_sentences,
    time_text,
)
from wfrpde.report.views.view import Card, View


def _card(report: ValidationReport) -> Card:
    samplers = tuple(
        (
            s.name,
            s.claims,
            str(s.particles),
            str(s.replicates),
            f"{MARKS[s.verdict]} {pretty(s.words)}",
        )
        for s in report.samplers
    )
    worst = sorted(report.table, key=lambda row: (row.verdict != "biased", row.p_value))
    rows = tuple(
        (
            row.sampler,
            row.observable,
            pretty(time_text(row.time)),
            pretty(with_error(row.mean, row.standard_error)),
            pretty(with_error(row.reference, row.reference_error, 7)),
            pretty(row.words),
        )
        # rows of the table that a card shows: those that are least likely for a correct sampler
        for row in worst[:12]
    )
    left = len(report.table) - len(rows)
    tables = [Table("", ("sampler", "claims", "N", "replicates", "verdict"), samplers)]
    if rows:
        header = ("sampler", "observable", "t", "average", "Eulerian", "verdict")
        title = f"The clearest of {len(report.table)} rows" if left else ""
        tables.append(Table(title, header, rows))
    stopped = () if report.complete else ("It was stopped before its end.",)
    return Card(
        report.case.title or report.case.name,
        (*equation_sentences(report, pretty), *split_sentences(report, pretty)),
        tuple(tables),
        (*stopped, *(f"{s.name}: {text}" for s in report.samplers for text in s.warnings)),
        ("plot()", "to_dataframe()"),
    )


def _columns(report: ValidationReport) -> Mapping[str, Any]:
    rows = [flat(row) for row in report.table]
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


REPORT = View(_card, _columns, drawings)
