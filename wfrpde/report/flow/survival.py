"""The share that has not been absorbed over time, and the rate at which it falls."""

from __future__ import annotations

import numpy as np

from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun

__all__ = ["draw_survival"]


def draw_survival(run: FlowRun) -> Drawing | None:
    """Draw survival and first-passage density of every flow; ``None`` where nothing absorbs."""
    flows = {label: flow for label, flow in run.flows.items() if "survival" in flow.series}
    if not flows:
        return None
    figure = style.new_figure(7.2, 5.6)
    above, below = figure.subplots(2, sharex=True)
    for label, flow in flows.items():
        for axes, name in ((above, "survival"), (below, "first_passage_density")):
            found = flow.estimated(name)
            axes.errorbar(
                flow.times, found.value, yerr=np.nan_to_num(found.error), fmt="o-", ms=4.5, lw=1.2,
                capsize=3, color=style.flow_colour(label), label=label,
            )  # fmt: skip
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
