"""Distances of the samplers' ensembles from the Eulerian density, over the noise floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.comparison.metrics import METRICS
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.validation import palette

if TYPE_CHECKING:
    from wfrpde.comparison import ValidationReport


def drawn(name: str) -> bool:
    """Whether a metric has a panel."""
    return name not in METRICS or METRICS[name].drawn


def label(name: str) -> str:
    """Name of a metric on an axis, with its unit."""
    metric = METRICS.get(name)
    return name if metric is None else f"{metric.symbol} [{metric.unit}]".removesuffix(" []")


def draw_distances(report: ValidationReport) -> Drawing | None:
    """Draw distances over time, each with the floor of independent samples."""
    if not report.metrics:
        return None
    times = sorted({m.time for m in report.metrics})
    samplers = list(dict.fromkeys(m.sampler for m in report.metrics))
    colour, marker = palette.colours(report), palette.markers(report)
    metrics = [name for name in dict.fromkeys(m.metric for m in report.metrics) if drawn(name)]
    lines = -(-len(metrics) // 2)
    figure = style.new_figure(10.5, 2.8 * lines)
    for axes, metric in zip(style.panels(figure, len(metrics), 2), metrics, strict=True):
        for k, sampler in enumerate(samplers):
            own = [m for m in report.metrics if m.sampler == sampler and m.metric == metric]
            at = np.array([times.index(m.time) for m in own]) + 0.7 * (
                (k + 0.5) / len(samplers) - 0.5
            )
            value = np.array([m.value for m in own])
            error = np.nan_to_num([m.standard_error for m in own], posinf=0.0)
            floor = np.array([m.floor for m in own])
            half = 0.32 / len(samplers)
            axes.hlines(floor, at - half, at + half, color=style.TARGET, lw=2.2, zorder=2)
            axes.errorbar(
                at, value, error, fmt=marker[sampler], color=colour[sampler], ms=5, lw=1.1,
                zorder=3,
            )  # fmt: skip
        style.log_scale(axes, "y")
        axes.set_ylabel(label(metric))
        axes.set_xticks(range(len(times)), ["π" if np.isinf(t) else f"t = {t:.3g}" for t in times])
        axes.set_xlim(-0.55, len(times) - 0.45)
        axes.grid(axis="x", visible=False)
    palette.legend(figure, report, samplers)
    return Drawing(
        "distances",
        figure,
        "Distances from the Eulerian density at each time, with their noise floors",
        "Distances of one replicate's particles from the Eulerian density, averaged over the "
        "replicates. The dark bars are the noise floor: the same distance of as many independent "
        "draws of the Eulerian density itself. Only what rises above its bar says anything.",
    )
