"""Rates as levels: what Langevin dynamics has, and what the reaction makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import LogLocator

from wfrpde.numbers import number, pretty
from wfrpde.report import style
from wfrpde.report.drawing import Drawing

if TYPE_CHECKING:
    from wfrpde.studies.spectral.study import SpectralStudy


def draw_levels(study: SpectralStudy) -> Drawing | None:
    """Draw αλ and αλ + β on a logarithmic axis; None if there is no positive rate."""
    spectrum, flow = study.spectrum, study.case.flow
    free = spectrum.absorbing is None
    rates = spectrum.rates[1:] if free else spectrum.rates
    if len(rates) == 0 or flow.alpha == 0:
        return None
    slow = flow.alpha * rates
    columns = [("W", slow)]
    if free and flow.beta > 0:
        columns.append(("WFR", slow + flow.beta))
    figure = style.new_figure(7.2, 4.4)
    axes = figure.add_subplot()
    style.log_scale(axes, "y")
    for k, (label, values) in enumerate(columns):
        axes.hlines(values, k + 0.1, k + 0.9, color=style.flow_colour(label), lw=2.2)
    if len(columns) > 1:
        for low, high in zip(*(values for _, values in columns), strict=True):
            axes.plot([0.9, 1.1], [low, high], color="#aaaaaa", lw=0.8, zorder=1)
        axes.axhline(flow.beta, color=style.TARGET, ls=(0, (1, 1.5)), lw=1.2, zorder=1)
    lowest, highest = float(slow.min()), float((slow + flow.beta).max())
    axes.set_ylim(lowest / 2.5, highest * 2)
    names = {"W": "Langevin\nαλ" if free else "exit and relaxation\nαλ", "WFR": "WFR\nαλ + β"}
    axes.set_xticks([k + 0.5 for k in range(len(columns))], [names[n] for n, _ in columns])
    axes.tick_params(axis="x", length=0, labelsize=10.5)
    axes.set_xlim(0, len(columns))
    axes.grid(False, axis="x")
    axes.yaxis.set_major_locator(LogLocator(numticks=9))
    axes.set_ylabel("rate  [per unit time]")
    last = columns[-1][1]
    to_axes = axes.transData + axes.transAxes.inverted()
    ends: list[tuple[float, str, object]] = []
    first_name = 1 if free else 0
    previous = -1.0
    for i, value in enumerate(last):
        height = float(to_axes.transform((0.0, value))[1])
        if height - previous > 0.05 or i < 1:  # crowded levels go without a name
            colour = style.flow_colour(columns[-1][0])
            text = f"mode {first_name + i}: {pretty(number(float(value), 4))}"
            ends.append((float(value), text, colour))
            previous = height
    style.label_ends(axes, ends, gap=0.05)
    if len(columns) > 1:
        axes.annotate(
            f"αλ₁ = {pretty(number(lowest, 4))}", (0.5, lowest), xytext=(0, -5),
            textcoords="offset points", ha="center", va="top", fontsize=9.5,
            color=style.flow_colour("W"),
        )  # fmt: skip
    return Drawing("levels", figure, "Rates as levels on a logarithmic axis", _caption(study))


def _caption(study: SpectralStudy) -> str:
    spectrum, flow = study.spectrum, study.case.flow
    if spectrum.absorbing is not None:
        return "The lowest level is the rate of exit from the quasi-stationary density."
    words = "Each level is the rate at which one mode dies out."
    rates = spectrum.rates
    if len(rates) > 2 and rates[2] > 10 * rates[1]:
        ratio = pretty(number(float(rates[2] / rates[1]), 2))
        words += f" The slowest is {ratio} times slower than the next."
    if flow.beta > 0:
        words += " The reaction lifts every one of them by β (dotted), however high the barrier is."
    return words
