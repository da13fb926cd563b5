"""The log of the normalising constant of a linear reaction over time."""

from __future__ import annotations

import numpy as np

from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import NORMALISATION, FlowRun

__all__ = ["draw_growth"]


def draw_growth(run: FlowRun) -> Drawing | None:
    """Draw log γ_t(1) with its estimated errors; ``None`` where it is not known."""
    flow, equation = run.solution, run.equation
    if NORMALISATION not in flow.series:
        return None
    figure = style.new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    growth = flow.estimated(NORMALISATION)
    axes.errorbar(
        flow.times, growth.value, yerr=np.nan_to_num(growth.error), fmt="o-", ms=4.5, lw=1.2,
        capsize=3, color=style.flow_colour(equation.label),
    )  # fmt: skip
    style.time_axis(axes, float(flow.times[-1]))
    axes.set_ylabel("log γₜ(1)")
    return Drawing(
        "growth",
        figure,
        "Log of the normalising constant over time",
        "Log of the mass that the flow would have if it were not normalised, at the saved times "
        "(dots, with estimated errors as bars where they can be seen). In the long run it is a "
        "straight line"
        + ("." if equation.beta else ", whose slope is the principal eigenvalue of αL + U."),
    )
