"""The view of a score-based process."""

from __future__ import annotations

from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.report.flow.files import series_columns
from wfrpde.report.noising.figures import drawings
from wfrpde.report.noising.page import result_sentences, tables
from wfrpde.report.views.view import Card, View


def _card(solution: NoisingSolution) -> Card:
    return Card(
        solution.case.title or solution.case.name,
        tuple(result_sentences(solution)),
        tuple(tables(solution)),
        solution.warnings,
        ("plot()", "to_dataframe()", "density(t, x)"),
    )


NOISING = View(_card, series_columns, drawings)
