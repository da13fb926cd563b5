"""The dissipation identity −dKL/dt = α I + β Var, and how well the steps obey it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.fields.schedules import value_at
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun

if TYPE_CHECKING:
    from wfrpde.flow.product.solution import AnySolution


def decay_rate(flow: AnySolution) -> tuple[Array, Array]:
    """Estimate −dKL/dt from neighbouring steps, at their midpoints.

    Differences that are no larger than the round-off of KL itself are left out.
    """
    t, kl = flow.history.get("t"), flow.history.get("kl")
    if t is None or kl is None or t.size < 2:
        return np.zeros(0), np.zeros(0)
    dt, drop = np.diff(t), -np.diff(kl)
    certain = (dt > 0) & (drop > 1e-9 * np.abs(kl[:-1])) & (drop > 1e-13)
    return 0.5 * (t[1:] + t[:-1])[certain], drop[certain] / dt[certain]


def draw_dissipation(run: FlowRun) -> Drawing | None:
    """Draw both sides of the identity; ``None`` where mass changes or a linear reaction acts."""
    flow, equation = run.solution, run.equation
    if not equation.descends or not equation.conserve:
        return None
    if equation.alternation is not None:
        return None  # one of the two acts at a time
    figure = style.new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    colour = style.flow_colour(equation.label)
    t, rate = decay_rate(flow)
    axes.plot(t, rate, color=colour, lw=2, label="−dKL/dt from the steps")
    alpha, beta = (
        np.array([value_at(rate, t) for t in flow.times])
        for rate in (equation.alpha, equation.beta)
    )
    transport = alpha * flow.series["fisher_information"]
    reaction = beta * flow.series["reaction_variance"]
    total = transport + reaction
    axes.plot(
        flow.times, total, "o", mfc="white", mec=style.INK, mew=1.4, ms=9.5, label="α I + β Var",
        zorder=4,
    )  # fmt: skip
    if equation.dynamics and equation.reaction:
        # Where one of them is nearly everything it stands within the circle.
        axes.plot(
            flow.times, transport, "^", color="#D55E00", ms=5, label="α I (transport)", zorder=6
        )
        axes.plot(
            flow.times, reaction, "s", color="#009E73", ms=4.2, label="β Var (reaction)", zorder=5
        )
    shown = np.concatenate([rate, total, transport[transport > 0], reaction[reaction > 0]])
    shown = shown[shown > 0]
    style.log_scale(axes, "y")
    if shown.size:
        axes.set_ylim(max(shown.min() / 3, shown.max() * 1e-18), shown.max() * 3)
    style.time_axis(axes, float(flow.times[-1]))
    axes.set_ylabel("dissipation  [kT per unit flow time]")
    axes.legend(loc="upper right")
    return Drawing(
        "dissipation",
        figure,
        "Rate of decrease of KL compared with the dissipation identity",
        "The rate at which KL falls from step to step (line) against αI + βVar computed from the "
        "density itself (circles): the circles must lie on the line. Triangles and squares show "
        "how much of it is transport and how much is reaction; one within a circle is nearly all.",
    )
