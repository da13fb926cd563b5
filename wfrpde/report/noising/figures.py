"""Figures of a score-based process: its law over time, beside that of the noised data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.numbers import number
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.pictures import spread_evenly

POINTS = {1: 601, 2: 181}
"""Points along an axis of a picture."""


def drawings(solution: NoisingSolution) -> Iterator[Drawing | None]:
    """Draw every figure that suits, in the order to look at them."""
    if solution.dim == 1:
        yield _curves(solution)
    elif solution.dim == 2:
        yield _maps(solution)
    yield _distances(solution)


def window(solution: NoisingSolution, indices: Iterable[int]) -> Array:
    """Box ``(d, 2)`` of what is to be seen: four standard deviations of the laws at some times."""
    chosen = list(indices)
    mean = solution.mean[chosen]
    spread = 4 * np.sqrt(np.einsum("tii->ti", solution.covariance[chosen]))
    return np.stack([(mean - spread).min(axis=0), (mean + spread).max(axis=0)], axis=1)


def _curves(solution: NoisingSolution) -> Drawing:
    indices = spread_evenly(len(solution.times), 6)
    columns = min(3, len(indices))
    figure = style.new_figure(10.5, 5.4)
    panels = style.panels(figure, len(indices), columns)
    for axes, k in zip(panels, indices, strict=True):
        t = float(solution.times[k])
        low, high = window(solution, [k])[0].tolist()
        x = np.linspace(low, high, POINTS[1])
        exact = np.exp(solution.log_exact_density(t, x[:, None]))
        axes.fill_between(x, exact, color="0.85", lw=0)
        axes.plot(x, solution.density(t, x[:, None]), color=style.flow_colour("W"), lw=1.8)
        axes.set_title(f"t = {number(t, 3, trim=True)}")
        axes.set_ylim(bottom=0)
    for k, axes in enumerate(panels):
        if k % columns == 0:
            axes.set_ylabel("density")
        if k + columns >= len(indices):
            axes.set_xlabel("x")
    return Drawing(
        "density", figure, "Density at successive times over that of the noised data",
        "The law at some of the saved times (line), over that of the data with as much noise "
        "(grey): where line and grey part, the score or the start is wrong.",
    )  # fmt: skip


def _maps(solution: NoisingSolution) -> Drawing:
    indices = spread_evenly(len(solution.times), 6)
    columns = min(3, len(indices))
    figure = style.new_figure(10.5, 3.4 * -(-len(indices) // columns), maps=True)
    for axes, k in zip(style.panels(figure, len(indices), columns), indices, strict=True):
        t = float(solution.times[k])
        box = window(solution, [k])
        x, y = (np.linspace(float(box[i, 0]), float(box[i, 1]), POINTS[2]) for i in (0, 1))
        points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
        values = solution.density(t, points).reshape(len(x), len(y))
        axes.pcolormesh(x, y, values.T, cmap=style.density_map(), rasterized=True)
        exact = np.exp(solution.log_exact_density(t, points)).reshape(len(x), len(y))
        levels = exact.max() * np.array([0.05, 0.5])
        axes.contour(x, y, exact.T, levels=levels, colors="0.4", linewidths=0.8)
        axes.set_title(f"t = {number(t, 3, trim=True)}")
        axes.set(aspect="equal", xlabel="x", ylabel="y")
    return Drawing(
        "maps", figure, "Density at successive times with contours of the noised data",
        "The law at some of the saved times (colours), and contours of the data with as much "
        "noise at 5 % and 50 % of their maximum (grey).",
    )  # fmt: skip


def _distances(solution: NoisingSolution) -> Drawing | None:
    if not solution.process.reverse:
        return None
    figure = style.new_figure(7.2, 4.2)
    axes = figure.add_subplot()
    words = {"reverse_kl": "KL(p‖ρ)", "kl": "KL(ρ‖p)", "l1": "∫|ρ − p|"}
    colours = {"reverse_kl": "WFR", "kl": "W", "l1": "FR"}
    for name, label in words.items():
        entry = solution.estimated(name)
        seen = entry.value > entry.error
        if not seen.any():
            continue
        axes.errorbar(
            solution.times[seen], entry.value[seen], yerr=entry.error[seen], fmt="o-", ms=4,
            lw=1.4, color=style.flow_colour(colours[name]), label=label,
        )  # fmt: skip
    if not axes.has_data():
        return None
    style.log_scale(axes, "y")
    axes.set_xlabel("time of the reverse process")
    axes.set_ylabel("distance to the noised data p")
    axes.legend(frameon=False)
    return Drawing(
        "distance", figure, "Distances between the law and the noised data over time",
        "How far the law ρ is from the data with as much noise, p: in relative entropy both ways, "
        "and in L1. Numbers below their error bars are left out.",
    )  # fmt: skip
