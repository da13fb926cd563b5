"""Colours and order of samplers and observables, the same in every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wfrpde.report import style

if TYPE_CHECKING:
    from wfrpde.comparison import ValidationReport

MARKERS = "osD^vP*Xh"
"""One more than colours, so that the pairs repeat only after 72 samplers."""

MOST_PANELS = 9


def colours(report: ValidationReport) -> dict[str, str]:
    """Colour of each sampler."""
    return {s.name: style.CYCLE[k % len(style.CYCLE)] for k, s in enumerate(report.samplers)}


def markers(report: ValidationReport) -> dict[str, str]:
    """Marker of each sampler."""
    return {s.name: MARKERS[k % len(MARKERS)] for k, s in enumerate(report.samplers)}


def shown_observables(report: ValidationReport) -> list[str]:
    """Observables that get a panel: those with the clearest differences where there are many."""
    names = list(dict.fromkeys(row.observable for row in report.table))
    if len(names) <= MOST_PANELS:
        return names
    weight = dict.fromkeys(names, 0.0)
    for row in report.table:
        if row.spread > 0:
            score = abs(row.difference) / row.spread
            weight[row.observable] = max(weight[row.observable], score)
    kept = sorted(names, key=lambda name: -weight[name])[:MOST_PANELS]
    return [name for name in names if name in kept]


def legend(figure: Figure, report: ValidationReport, names: list[str]) -> None:
    """Name the samplers above the panels."""
    colour, marker = colours(report), markers(report)
    handles = [
        Line2D([], [], color=colour[n], marker=marker[n], ls="", ms=6, label=style.text(n))
        for n in names
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(names), 4))
