"""Work along a path of targets, or of a reaction, and what is left of the weights."""

from __future__ import annotations

import numpy as np

from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun

__all__ = ["draw_work"]


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
        if name not in flow.series:
            continue
        told = flow.estimated(name)
        axes.errorbar(flow.times, told.value, yerr=np.nan_to_num(told.error), fmt="o-", ms=4,
                      lw=1.2, capsize=3, color=colour, label=label)  # fmt: skip
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
