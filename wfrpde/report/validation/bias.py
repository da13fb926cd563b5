"""Bias against the step and against the number of particles, with slopes to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, NullLocator

from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.validation import palette

if TYPE_CHECKING:
    from wfrpde.comparison import ValidationReport
    from wfrpde.comparison.results import LadderPoint

MOST = 4
"""Samplers that are drawn."""


def draw_bias(report: ValidationReport) -> Drawing | None:
    """Draw the biases at the last time on logarithmic axes, one row a sampler."""
    samplers = [s for s in report.samplers if _levels(report, s.name)][:MOST]
    if not samplers:
        return None
    keys = [
        key
        for key in ("dt", "particles")
        if any(len({getattr(p, key) for p in _last(report, s.name)}) > 1 for s in samplers)
    ]
    figure = style.new_figure(10.5 if len(keys) > 1 else 7.2, 0.5 + 3.0 * len(samplers))
    grid = figure.subplots(len(samplers), len(keys), squeeze=False)
    for line, sampler in zip(grid, samplers, strict=True):
        points = _last(report, sampler.name)
        names = _clearest(points)
        for axes, key in zip(line, keys, strict=True):
            other = "particles" if key == "dt" else "dt"
            own = [p for p in points if getattr(p, other) == getattr(points[0], other)]
            _panel(axes, own, names, key, 1.0 if key == "dt" else -1.0)
            fixed = f"N = {sampler.particles}" if key == "dt" else f"dt = {sampler.dt:.3g}"
            axes.set_title(f"{style.text(sampler.name)}, {fixed}")
            axes.set_xlabel("dt" if key == "dt" else "N")
        line[0].set_ylabel("|bias|")
        line[0].legend(fontsize=8.5)
    return Drawing(
        "bias",
        figure,
        "Biases against the time step and the number of particles on logarithmic axes",
        "Size of the difference from the Eulerian value at the last time, for the clearest "
        "observables, with one standard error. Grey: slopes of order 1 in dt and in 1/N. Thin "
        "lines: the limit N → ∞ of the discretised scheme, computed on the mesh without noise. "
        "Where a point is lost in its error bar, it says nothing about the order.",
    )


def _levels(report: ValidationReport, name: str) -> bool:
    points = _last(report, name)
    return len({(p.dt, p.particles) for p in points}) > 1


def _last(report: ValidationReport, name: str) -> list[LadderPoint]:
    own = [p for p in report.ladders if p.sampler == name]
    last = max((p.time for p in own), default=0.0)
    return [p for p in own if p.time == last]


def _clearest(points: list[LadderPoint]) -> list[str]:
    score: dict[str, float] = {}
    for p in points:
        if p.standard_error > 0:
            score[p.observable] = max(score.get(p.observable, 0.0), abs(p.bias) / p.standard_error)
    return sorted(score, key=lambda name: -score[name])[:3]  # observables that are drawn of each


def _panel(axes: Axes, points: list[LadderPoint], names: list[str], key: str, order: float) -> None:
    values, floor = [], np.inf
    for name, colour, marker in zip(names, style.CYCLE, palette.MARKERS, strict=False):
        own = sorted((p for p in points if p.observable == name), key=lambda p: getattr(p, key))
        x = np.array([getattr(p, key) for p in own], dtype=float)
        size = np.abs([p.bias for p in own])
        error = np.array([p.standard_error for p in own])
        low = np.minimum(error, 0.999 * size)
        axes.errorbar(
            x, size, [low, error], fmt=marker, color=colour, ms=4.5, lw=1.1, capsize=2,
            label=style.text(name), zorder=3,
        )  # fmt: skip
        limit = np.abs([p.limit_bias for p in own])
        if key == "dt" and np.isfinite(limit).all():
            axes.plot(x, limit, color=colour, lw=1.0, zorder=2)
            values += list(limit)
        values += list(size)
        floor = min(floor, float(error.min()))
        clearest = int((size / error).argmax())
        if size[clearest] > 3 * error[clearest]:
            guide = size[clearest] * (x / x[clearest]) ** order
            axes.plot(x, guide, color=style.TARGET, lw=4, alpha=0.13, zorder=1)
    style.log_scale(axes, "xy")
    ticks = sorted({float(getattr(p, key)) for p in points})
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(ticks, [f"{t:.4g}" for t in ticks])
    high = max(values)
    axes.set_ylim(max(min(values) / 2, floor / 10, high * 1e-5), high * 2.5)
