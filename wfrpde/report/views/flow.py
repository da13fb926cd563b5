"""The views of a solution and of its errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.flow.saved import ErrorEstimate
from wfrpde.numbers import column, number, pretty
from wfrpde.report.flow.files import series_columns
from wfrpde.report.flow.page import drawings, result_sentences
from wfrpde.report.flow.run import FlowRun
from wfrpde.report.pages import Table
from wfrpde.report.terminal import progress
from wfrpde.report.views.lattice import flow_on_lattice
from wfrpde.report.views.view import Card, View

if TYPE_CHECKING:
    from wfrpde.flow.product.solution import AnySolution
    from wfrpde.report.drawing import Drawing


def _card(solution: AnySolution) -> Card:
    wanted = {"KL": solution.estimated("kl")}
    wanted |= {f"mass of {n}": solution.estimated("mode_mass", n) for n in solution.mode_mass}
    cells = [[pretty(c) for c in column(e.value, e.error, 7)] for e in wanted.values()]
    times = [pretty(number(float(t), 4, trim=True)) for t in solution.times]
    rows = list(zip(times, *cells, strict=True))
    # saved times that a card shows: as many at most, spread evenly
    shown = np.unique(np.linspace(0, len(rows) - 1, 12).round().astype(int))
    stopped = () if solution.complete else (f"Interrupted: {progress(solution)}.",)
    return Card(
        solution.case.title or solution.case.name,
        tuple(result_sentences(FlowRun(solution))),
        (Table("", ("t", *wanted), tuple(rows[i] for i in shown)),),
        (*stopped, *solution.warnings),
        ("plot()", "to_dataframe()", "density(t, x)"),
    )


def _drawings(solution: AnySolution) -> Iterable[Drawing | None]:
    return drawings(FlowRun(solution))


SOLUTION = View(_card, series_columns, _drawings, flow_on_lattice)


def _error_columns(error: ErrorEstimate) -> Mapping[str, Any]:
    d = error.mean.shape[1]
    axes = "xyz"[:d]
    return {
        **error.series,
        **{f"mean_{x}": error.mean[:, i] for i, x in enumerate(axes)},
        **{
            f"covariance_{axes[i]}{axes[j]}": error.covariance[:, i, j]
            for i in range(d)
            for j in range(i, d)
        },
        **{f"mode_{name}": values for name, values in error.mode_mass.items()},
        "density": error.density,
    }


def _error_card(error: ErrorEstimate) -> Card:
    rows = tuple(
        (name, *(pretty(number(float(v), 1)) for v in (values[-1], np.max(values))))
        for name, values in _error_columns(error).items()
    )
    return Card(
        "Estimated absolute errors (of the density: in L², relative)",
        tables=(Table("", ("of", "at the last time", "largest"), rows),),
        more=("to_dataframe()",),
    )


ERRORS = View(_error_card, _error_columns)
