"""What the page of a score-based process lets people look through: its law over time."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.report import style
from wfrpde.report.explorer import points, time_text
from wfrpde.report.flow.explorer import KEPT, SHOWN, curve, view_of
from wfrpde.report.noising.figures import window

LAW, DATA = "process", "noised data"
"""Labels of the two densities."""

POINTS = {1: 1201, 2: 121}
"""Points along an axis, by dimension."""


def noising_explorer(solution: NoisingSolution) -> dict[str, Any] | None:
    """Gather the data of the explorer, JSON-ready; in space there is none."""
    dim = solution.dim
    if dim not in POINTS:
        return None
    box = window(solution, range(len(solution.times)))
    axes = tuple(np.linspace(side[0], side[1], POINTS[dim]) for side in box)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    times = [float(t) for t in solution.times]

    def logs(of: Any) -> Array:
        each = [of(t, grid.reshape(-1, dim)).reshape(grid.shape[:-1]) for t in times]
        return np.asarray(np.maximum(each, -1e4))  # nothing: below all that is kept

    densities = {DATA: logs(solution.log_exact_density)}
    last = densities[DATA][-1]
    if solution.process.reverse:
        densities = {LAW: logs(solution.log_density), **densities}
    curves = _curves(solution, next(iter(densities)))
    return {
        "kind": "flow",
        "dim": dim,
        "times": times,
        "time_texts": [time_text(t) for t in times],
        "known": [""] * len(times),
        "flows": [{"label": label, "colour": _colour(label)} for label in densities],
        "views": [view_of("xy"[:dim], axes, densities, last)],
        "goal": {
            "symbol": "p at the end",
            "words": "the noised data at the last time",
            "mass": "the noised data at the last time",
        },
        "kept": KEPT[dim],
        "shown": SHOWN,
        "colours": list(style.DENSITY_STEPS),
        "curves": curves,
        "curve": 1,
    }


def _colour(label: str) -> str:
    return style.flow_colour("W" if label == LAW else "FR")


def _curves(solution: NoisingSolution, label: str) -> list[dict[str, Any]]:
    """Distances, or means where there are none, and the mass of each mode."""

    def series(name: str, region: str = "") -> list[dict[str, Any]]:
        found = solution.estimated(name, region)
        return [{"label": label, "colour": _colour(label), "points": points(solution.times, found)}]

    if solution.process.reverse:
        curves = [curve("KL(p‖ρ)", "nats", series("reverse_kl"))]
    else:
        mean = solution.estimated("mean")[:, 0]
        at = points(solution.times, mean)
        curves = [curve("mean x", "x", [{"label": label, "colour": _colour(label), "points": at}])]
    for name in solution.mode_mass:
        own = series("mode_mass", name)
        curves.append(curve(f"mass of “{name}”", "mass", own, short=name))
    return curves
