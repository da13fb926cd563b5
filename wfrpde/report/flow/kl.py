"""KL divergence to the target over time, for every flow of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun

if TYPE_CHECKING:
    from wfrpde.flow.product.solution import AnySolution


def draw_kl(run: FlowRun) -> Drawing:
    """Draw KL(ρ_t‖π) of all flows on one logarithmic axis, with the band of estimated errors."""
    figure = style.new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    ends = []
    dashed: list[str] = []
    lowest, highest = np.inf, 0.0
    for label, flow in run.flows.items():
        colour = style.flow_colour(label)
        kl = flow.estimated("kl")
        good = kl.value > 0
        t, value, error = flow.times[good], kl.value[good], np.nan_to_num(kl.error[good])
        if not t.size:
            continue
        own = flow is run.solution
        path_t, path_kl, every_step = path_of(flow)
        # A dashed line only leads the eye from one saved time to the next.
        line = {"lw": 2.2 if own else 1.6} if every_step else {"lw": 1.0, "ls": (0, (4, 3))}
        axes.plot(path_t, path_kl, color=colour, zorder=3 if own else 2, **line)
        if not every_step:
            dashed.append(label)
        axes.plot(t, value, "o", color=colour, ms=4.5 if own else 3.5, zorder=5 if own else 4)
        # The lower edge of the band may reach zero, which a logarithmic axis cannot show.
        low = np.maximum(value - error, value * 1e-6)
        axes.fill_between(t, low, value + error, color=colour, alpha=0.22, lw=0)
        ends.append((float(value[-1]), label, colour))
        lowest = min(lowest, value.min(), path_kl.min())
        highest = max(highest, value.max(), path_kl.max())
    style.log_scale(axes, "y")
    if highest > 0:
        axes.set_ylim(max(lowest / 3, 1e-18 * highest), highest * 3)
    style.time_axis(axes, float(max(flow.times[-1] for flow in run.flows.values())))
    axes.set_ylabel("KL(ρ‖π)  [nats = kT of excess free energy]")
    style.label_ends(axes, ends, gap=0.05)
    others = list(run.companions)
    goal = "equilibrium" if run.equation.descends else "the target"
    guide = (
        f" Dashed ({', '.join(dashed)}): known at the dots alone, which the line joins as a guide."
        if dashed
        else ""
    )
    against = f", against {' and '.join(others)}," if others else ""
    return Drawing(
        "kl",
        figure,
        f"Logarithmic plot of the KL divergence over time for {', '.join(run.flows)}",
        f"Distance to {goal} of {run.equation.label}{against} on a logarithmic axis: a "
        "straight solid line is exponential decay. Dots are saved times; the shaded band is the "
        "estimated error (where it is not to be seen, it is thinner than the line)." + guide,
    )


def path_of(flow: AnySolution) -> tuple[Array, Array, bool]:
    """Give the curve through every step, or, where none was kept, through the saved times.

    The last entry says which: whether there are more points than saved times.
    """
    t, kl = flow.history.get("t"), flow.history.get("kl")
    every_step = t is not None and kl is not None and t.size > flow.times.size
    if t is None or kl is None or not every_step:
        t, kl = flow.times, flow.series["kl"]
    else:
        # The history need not hold the start.
        start = flow.times[:1], flow.series["kl"][:1]
        if t[0] > start[0][0]:
            t, kl = np.concatenate([start[0], t]), np.concatenate([start[1], kl])
    good = kl > 0
    return t[good], kl[good], every_step
