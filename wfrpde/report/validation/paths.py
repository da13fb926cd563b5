"""Observables over time: the Eulerian curves with the samplers' averages, and the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.validation import palette

if TYPE_CHECKING:
    from wfrpde.comparison import Row, ValidationReport

LINES = ("-", "--", "-.", ":")
"""How the curves of the flows are drawn."""


def draw_paths(report: ValidationReport) -> Drawing | None:
    """Draw every observable over time, Eulerian and of each sampler."""
    rows = [row for row in report.table if np.isfinite(row.time)]
    names = [n for n in palette.shown_observables(report) if any(r.observable == n for r in rows)]
    if not names:
        return None
    figure, panels = _panels(len(names))
    samplers = list(dict.fromkeys(row.sampler for row in rows))
    colour, marker = palette.colours(report), palette.markers(report)
    claims = {s.name: s.claims for s in report.samplers}
    for axes, name in zip(panels, names, strict=True):
        last = max(row.time for row in rows)
        own_curves = [
            curve
            for curve in report.curves
            if curve.observable == name and np.isfinite(curve.times).all()
        ]
        for curve, line in zip(own_curves, LINES, strict=False):
            _curve(axes, report, curve, name, line)
        for k, sampler in enumerate(samplers):
            own = [r for r in rows if r.sampler == sampler and r.observable == name]
            shift = 0.012 * last * (k - (len(samplers) - 1) / 2)
            low = [r.mean - r.interval[0] if np.isfinite(r.interval[0]) else 0 for r in own]
            axes.errorbar(
                [r.time + shift for r in own], [r.mean for r in own], low, fmt=marker[sampler],
                color=colour[sampler], ms=4, lw=1.2, capsize=2, zorder=4,
            )  # fmt: skip
        axes.set_title(style.text(name))
        style.time_axis(axes, last)
        axes.set_xlim(-0.04 * last, 1.05 * last)
        if len(own_curves) > 1:
            ends = [(float(c.value[-1]), c.claims, style.INK) for c in own_curves]
            style.label_ends(axes, ends, size=8.5, gap=0.1)
    palette.legend(figure, report, samplers)
    flows = ", ".join(dict.fromkeys(claims[s] for s in samplers))
    return Drawing(
        "paths",
        figure,
        f"{len(names)} observables over time: Eulerian curves and averages of the samplers",
        f"Averages of each sampler over its replicates, with 95 % intervals, on the Eulerian "
        f"curves ({flows}; joined between the saved times as a guide). The grey band is the bias "
        "that matters: what the case calls its resolution.",
    )


def _curve(axes: Axes, report: ValidationReport, curve: Any, name: str, line: str) -> None:
    spread = {r.time: r.spread for r in report.table if r.observable == name}
    half = report.case.validation.resolution * np.array([spread.get(t, 0) for t in curve.times])
    t, value = curve.times, curve.value
    axes.fill_between(t, value - half, value + half, color=style.TARGET, alpha=0.16, lw=0)
    axes.plot(t, value, color=style.INK, lw=1.1, ls=line)
    axes.fill_between(t, value - curve.error, value + curve.error, color=style.TARGET, lw=0)


def draw_differences(report: ValidationReport) -> Drawing | None:
    """Draw the difference of every row from its Eulerian value, in standard deviations."""
    names = palette.shown_observables(report)
    if not names:
        return None
    figure, panels = _panels(len(names))
    samplers = list(dict.fromkeys(row.sampler for row in report.table))
    times = sorted({row.time for row in report.table})
    colour, marker = palette.colours(report), palette.markers(report)
    resolution = report.case.validation.resolution
    for axes, name in zip(panels, names, strict=True):
        axes.axhspan(-resolution, resolution, color=style.TARGET, alpha=0.14, lw=0)
        axes.axhline(0, color=style.INK, lw=0.8)
        reach = resolution
        for k, sampler in enumerate(samplers):
            shift = 0.7 * ((k + 0.5) / len(samplers) - 0.5)
            for row in report.table:
                if row.sampler == sampler and row.observable == name and row.spread > 0:
                    at = times.index(row.time) + shift
                    reach = max(reach, _difference(axes, row, at, colour, marker))
        axes.set_ylim(-1.15 * reach, 1.15 * reach)
        if reach > 8 * resolution:
            axes.set_yscale("symlog", linthresh=resolution, linscale=1.0)
        axes.set_xticks(range(len(times)), [_time(t) for t in times])
        axes.set_xlim(-0.55, len(times) - 0.45)
        axes.set_title(style.text(name))
        axes.grid(axis="x", visible=False)
    for axes in panels[:: _columns(len(names))]:
        axes.set_ylabel("(sampler − Eulerian) / σ")
    palette.legend(figure, report, samplers)
    return Drawing(
        "differences",
        figure,
        "Differences of the samplers' averages from the Eulerian values, by time and observable",
        "Each sampler's average less the Eulerian value, in standard deviations σ of the "
        "observable, with 95 % intervals, at each time. Hollow: consistent; filled: biased; faint: "
        "undecided. Within the grey band no bias matters (the case's resolution); panels with "
        "large biases are linear there and logarithmic beyond.",
    )


def _difference(
    axes: Axes, row: Row, at: float, colour: dict[str, str], marker: dict[str, str]
) -> float:
    scaled = row.difference / row.spread
    half = (row.interval[1] - row.interval[0]) / 2 / row.spread
    half = half if np.isfinite(half) else 0.0
    biased, tint = row.verdict == "biased", colour[row.sampler]
    axes.errorbar(
        [at], [scaled], [half], fmt=marker[row.sampler], color=tint, ms=4.5, lw=1.1,
        markerfacecolor=tint if biased else "white",
        alpha=0.4 if row.verdict == "undecided" else 1.0,
    )  # fmt: skip
    return float(abs(scaled) + half)


def _time(t: float) -> str:
    return "π" if np.isinf(t) else f"t = {t:.3g}"


def _columns(count: int) -> int:
    return 2 if count <= 4 else 3


def _panels(count: int) -> tuple[Any, list[Axes]]:
    columns = min(_columns(count), count)
    rows = -(-count // columns)
    figure = style.new_figure(10.5 if columns > 1 else 7.2, 0.6 + 2.6 * rows)
    return figure, style.panels(figure, count, columns)
