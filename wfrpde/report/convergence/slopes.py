"""Errors of the runs of a study, with the slopes that are expected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.report.drawing import Drawing
from wfrpde.studies.convergence.study import ConvergenceStudy, StudyResult

LABELS = {
    "h": "cells along an axis",
    "p": "degree",
    "dt": "time step",
    "domain": "size of the box",
    "particles": "number of particles",
}


def error_label(result: StudyResult) -> str:
    """Say what the errors of a study are errors of."""
    if result.vary == "particles":
        return "error in standard deviations"
    return "relative L2 error of the density"


def expected_errors(result: StudyResult) -> Array:
    """Errors of the used runs as the expected order has them; their own without such an order.

    The line goes through the run whose error is known best, or the last one.
    """
    rows = [row for row in result.rows if row.used]
    value = np.array([row.value for row in rows])
    error = np.abs([row.error for row in rows])
    bars = np.array([row.standard_error for row in rows])
    if not result.algebraic or result.expected is None:
        return error
    power = result.expected if result.vary == "dt" else -result.expected
    best = int(np.argmin(bars / error)) if np.isfinite(bars).all() else -1
    return np.asarray(error[best] * (value / value[best]) ** power)


def drawings(study: ConvergenceStudy) -> Iterator[Drawing]:
    """Draw one figure for each thing that is varied, with the slopes that are expected."""
    from wfrpde.report import style

    for vary, label in LABELS.items():
        results = [r for r in study.studies if r.vary == vary and any(x.used for x in r.rows)]
        if results:
            figure = style.new_figure(5.6, 4.2)
            _draw(figure.add_subplot(), results, label, study.title)
            yield Drawing(
                vary, figure, f"Errors against the {label}",
                "Errors of the runs (dots), and the orders that are expected (lines).",
            )  # fmt: skip


def _draw(axes: Any, results: list[StudyResult], label: str, title: str) -> None:
    for number, result in enumerate(results):
        rows = [row for row in result.rows if row.used]
        value = np.array([row.value for row in rows])
        error = np.abs([row.error for row in rows])
        bars = np.array([row.standard_error for row in rows])
        name = result.name
        if result.fit is not None:
            unit = "" if result.algebraic else " decades per unit"
            name += f": {result.fit.order:.2f}{unit}"
        (line,) = axes.plot(value, error, "o", color=f"C{number % 10}", label=name)
        if np.isfinite(bars).all():
            axes.errorbar(value, error, 1.96 * bars, fmt="none", color=line.get_color(), capsize=3)
        axes.plot(value, expected_errors(result), "-", lw=1, color=line.get_color())
    axes.set_yscale("log")
    if results[0].algebraic:
        axes.set_xscale("log")
        ticks = sorted({row.value for result in results for row in result.rows})
        if results[0].vary in ("h", "particles"):
            axes.set_xticks(_apart(ticks), [f"{tick:g}" for tick in _apart(ticks)])
            axes.set_xticks([], minor=True)
    elif results[0].vary == "p":
        axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(label)
    axes.set_ylabel(error_label(results[0]))
    axes.set_title(title)
    heading = "lines: expected order; numbers: observed" if results[0].algebraic else None
    axes.legend(title=heading, fontsize=8, title_fontsize=8)


def _apart(ticks: list[float], factor: float = 1.3) -> list[float]:
    """Thin out ticks that would overlap on a logarithmic axis."""
    chosen = [ticks[0]]
    for tick in ticks[1:]:
        if tick >= factor * chosen[-1]:
            chosen.append(tick)
    return chosen
