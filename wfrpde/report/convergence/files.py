"""A study on the disk and on the screen: CSV, JSON, figures with the expected slopes, a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from wfrpde import __version__
from wfrpde.parallel.files import atomic
from wfrpde.report.drawing import Drawing, saved
from wfrpde.report.files import write_json, write_rows
from wfrpde.studies.convergence.study import ConvergenceStudy, Row, StudyResult

SUMMARY = "convergence.json"

LABELS = {
    "h": "cells along an axis",
    "p": "degree",
    "dt": "time step",
    "domain": "size of the box",
    "particles": "number of particles",
}


def write_study(study: ConvergenceStudy, folder: Path, *, figures: bool = True) -> None:
    """Write ``convergence.json``, ``runs.csv``, ``orders.csv`` and ``figures/*.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(_content(study), folder / SUMMARY)
    with atomic(folder / "runs.csv") as stream:
        names = [field.name for field in fields(Row)]
        rows = [[getattr(row, name) for name in names] for row in study.table]
        write_rows(stream, [names, *rows])
    with atomic(folder / "orders.csv") as stream:
        write_rows(stream, _orders(study))
    if figures:
        saved(drawings(study), folder / "figures")


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
        fit = result.fit
        order = "–" if fit is None else f"{fit.order:.3f}"
        interval = ""
        if fit is not None and math.isfinite(fit.low):
            interval = f"{fit.low:.2f} … {fit.high:.2f}"
        expected = (
            "falls" if result.expected is None else f"{result.expected:g} ± {result.within:g}"
        )
        errors = [row.error for row in result.rows if row.used]
        span = f"{errors[0]:.1e} → {errors[-1]:.1e}" if errors else ""
        rows.append([result.name, span, order, interval, expected, result.verdict])
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
        if result.algebraic and result.expected is not None:
            power = result.expected if result.vary == "dt" else -result.expected
            # through the point that is known best
            best = int(np.argmin(bars / error)) if np.isfinite(bars).all() else -1
            slope = error[best] * (value / value[best]) ** power
            axes.plot(value, slope, "-", lw=1, color=line.get_color())
        else:
            axes.plot(value, error, "-", lw=1, color=line.get_color())
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
    particles = results[0].vary == "particles"
    axes.set_ylabel(
        "error in standard deviations" if particles else "relative L2 error of the density"
    )
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
