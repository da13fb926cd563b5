"""What else a flow tells over time: how it grows, what survives, work along a path."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from wfrpde.arrays import Array
from wfrpde.flow.saved import Estimated
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import NORMALISATION, FlowRun


def draw_growth(run: FlowRun) -> Drawing | None:
    """Draw log γ_t(1) with its estimated errors; ``None`` where it is not known."""
    flow, equation = run.solution, run.equation
    if NORMALISATION not in flow.series:
        return None
    figure = style.new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    colour = style.flow_colour(equation.label)
    _with_bars(axes, flow.times, flow.estimated(NORMALISATION), ms=4.5, color=colour)
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


def draw_survival(run: FlowRun) -> Drawing | None:
    """Draw survival and first-passage density of every flow; ``None`` where nothing absorbs."""
    flows = {label: flow for label, flow in run.flows.items() if "survival" in flow.series}
    if not flows:
        return None
    figure = style.new_figure(7.2, 5.6)
    above, below = figure.subplots(2, sharex=True)
    for label, flow in flows.items():
        for axes, name in ((above, "survival"), (below, "first_passage_density")):
            colour = style.flow_colour(label)
            _with_bars(axes, flow.times, flow.estimated(name), ms=4.5, color=colour, label=label)
    above.set_ylabel("share that is left")
    above.legend(frameon=False)
    below.set_ylabel("absorbed per unit time")
    style.time_axis(below, float(run.solution.times[-1]))
    return Drawing(
        "survival",
        figure,
        "What is left, and what is absorbed",
        "Share that has not been absorbed at the saved times, and the rate at which it falls "
        "(dots, with estimated errors as bars where they can be seen). All densities, moments and "
        "masses are those of what is left.",
    )


def draw_work(run: FlowRun) -> Drawing | None:
    """Draw work, free energy and the effective sample size; ``None`` where none is told."""
    flow = run.solution
    if "work" not in flow.series:
        return None
    weighted = "ess" in flow.series
    figure = style.new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    for name, label, colour in (
        ("work", "work ⟨W⟩", "#D55E00"),
        ("free_energy", "free energy −log Zₜ/Z₀", "#0072B2"),
        ("dissipated", "dissipated", style.INK),
    ):
        if name in flow.series:
            _with_bars(axes, flow.times, flow.estimated(name), ms=4, color=colour, label=label)
    style.time_axis(axes, float(flow.times[-1]))
    axes.set_ylabel("energy  [kT]")
    axes.legend(loc="best")
    moves = "free_energy" in flow.series
    words = "Mean of W = −log w of the weights w."
    if moves:
        words = (
            "Work that the moving target does, the free energy, and their difference, which is "
            "dissipated and never negative."
        )
    if weighted:
        beside = axes.twinx()
        told = flow.estimated("ess")
        known = np.isfinite(told.error)
        beside.plot(flow.times, told.value, "--", lw=1.0, color="#009E73")
        for some, face in ((known, "#009E73"), (~known, "white")):
            beside.plot(
                flow.times[some], told.value[some], "s", ms=4, mfc=face, color="#009E73"
            )  # fmt: skip
        beside.set_ylabel("ESS / N", color="#009E73")
        beside.set_ylim(0.0, 1.05)
        words += (
            " Of the particles without weights; the squares, on the right, are the effective "
            "sample size of the weights as a share of N, without resampling."
        )
        if not known.all():
            words += (
                " Where they are open the weights have no second moment: what is drawn is that of "
                "the box, and no number of particles reaches it."
            )
    title = "Work and weights along the path" if moves else "Weights of the reaction"
    return Drawing("work", figure, title, words)


def _with_bars(axes: Axes, times: Array, found: Estimated, **look: Any) -> None:
    axes.errorbar(
        times, found.value, yerr=np.nan_to_num(found.error), fmt="o-", lw=1.2, capsize=3, **look
    )
