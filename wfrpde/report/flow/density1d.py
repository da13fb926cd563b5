"""Densities on a line: at the saved times over the target, and flow against flow."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from wfrpde.numbers import number
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun

LN10 = np.log(10.0)
MOST_TIMES = 10
"""Times that are drawn at most, spread evenly over the saved ones."""


def draw_density(run: FlowRun) -> Drawing:
    """Draw the densities at the saved times, linear above and logarithmic below."""
    figure = style.new_figure(8.6, 6.6)
    linear, logarithmic = figure.subplots(2, 1, sharex=True)
    _curves(linear, run, run.equation.label, log=False)
    _curves(logarithmic, run, run.equation.label, log=True)
    linear.set_ylabel("density ρ  [per unit x]")
    logarithmic.set_ylabel("log₁₀ ρ")
    logarithmic.set_xlabel("x")
    linear.set_title(f"{run.equation.label}: density")
    logarithmic.set_title("the same on a logarithmic scale: tails decide later weights")
    _key(linear, run)
    reaction = "reaction" if run.equation.rate else "Fisher–Rao reaction"
    return Drawing(
        "density",
        figure,
        f"Density of {run.equation.label} at successive times over the target",
        "Density at the saved times, from pale (early) to dark (late), over the target (grey). "
        f"Below, the same on a logarithmic scale: the {reaction} multiplies what stands in the "
        "tails, so that the next mode grows where it already is.",
    )


def draw_comparison(run: FlowRun) -> Drawing | None:
    """Draw every flow of the run side by side; nothing without companions."""
    if not run.companions:
        return None
    labels = list(run.flows)
    figure = style.new_figure(10.5, 5.4)
    grid = figure.subplots(2, len(labels), sharex=True, sharey="row", squeeze=False)
    for column, label in enumerate(labels):
        for row in range(2):
            _curves(grid[row, column], run, label, log=row == 1)
        grid[0, column].set_title(label, color=style.flow_colour(label), fontweight="bold")
        grid[1, column].set_xlabel("x")
    _key(grid[0, -1], run)
    grid[0, 0].set_ylabel("density ρ  [per unit x]")
    grid[1, 0].set_ylabel("log₁₀ ρ")
    last = number(float(run.pictures.times[-1]), 3, trim=True)
    both = "reaction alone (FR) can only reweight what is there; together (WFR) they do both"
    if run.equation.rate:
        both = "the reaction multiplies what crosses it"
    return Drawing(
        "comparison",
        figure,
        f"Densities of {', '.join(labels)} side by side",
        "The same start and the same target (grey) under each flow, from pale (t = 0) to dark "
        f"(t = {last}). Transport alone (W) must climb the barrier; {both}.",
    )


def _key(axes: Axes, run: FlowRun) -> None:
    """Say beside the axes which colour is which time."""
    shown = run.pictures.times[run.pictures.spread(MOST_TIMES)]
    style.time_key(axes, shown, style.time_colours(len(shown)))


def _curves(axes: Axes, run: FlowRun, label: str, *, log: bool) -> None:
    pictures = run.pictures
    x = pictures.axes[0]
    shown = pictures.spread(MOST_TIMES)
    curves, colours = pictures.log_density[label][shown], style.time_colours(len(shown))
    if log:
        target = pictures.log_target / LN10
        axes.plot(x, target, color=style.TARGET, lw=5, alpha=0.3, solid_capstyle="butt")
        for curve, colour in zip(curves, colours, strict=True):
            axes.plot(x, curve / LN10, color=colour)
        every = [*pictures.log_density.values(), pictures.log_target]
        finite = np.concatenate([c[np.isfinite(c)].ravel() for c in every]) / LN10
        top = finite.max()
        # decades below the maximum that the logarithmic panel shows at most
        bottom = max(finite.min(), top - 40.0)
        axes.set_ylim(bottom - 0.03 * (top - bottom), top + 0.06 * (top - bottom))
    else:
        axes.fill_between(x, 0, np.exp(pictures.log_target), color=style.TARGET, alpha=0.25, lw=0)
        for curve, colour in zip(curves, colours, strict=True):
            axes.plot(x, np.exp(curve), color=colour)
        axes.set_ylim(bottom=0)
    axes.set_xlim(x[0], x[-1])
