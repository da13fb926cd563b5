"""Currents in the plane: where probability flows, as streamlines over the density."""

from __future__ import annotations

import numpy as np

from wfrpde.flow.solution import Solution
from wfrpde.numbers import number
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun
from wfrpde.report.paraview import circulates

POINTS = 48
"""Points along each axis at which the current is taken."""


def draw_currents(run: FlowRun) -> Drawing | None:
    """Draw the current of dynamics that are not reversible, at up to three times."""
    solution = run.solution
    if not isinstance(solution, Solution) or solution.dim != 2 or not circulates(solution):
        return None
    pictures, names = run.pictures, solution.case.coordinates
    shown = pictures.spread(3)
    x, y = (np.linspace(axis[0], axis[-1], POINTS) for axis in pictures.axes)
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    figure = style.new_figure(10.5, 3.6, maps=True)
    grid = figure.subplots(1, len(shown), squeeze=False, sharex=True, sharey=True)
    for axes, k in zip(grid.flat, shown, strict=True):
        t = float(pictures.times[k])
        log_density = pictures.log_density[run.equation.label][k]
        values = np.exp(log_density - np.nanmax(log_density))
        extent = tuple(float(end) for axis in pictures.axes for end in (axis[0], axis[-1]))
        axes.imshow(
            values.T, origin="lower", extent=(extent[0], extent[1], extent[2], extent[3]),
            cmap=style.density_map(), vmin=0, vmax=1, interpolation="bilinear", aspect="auto",
        )  # fmt: skip
        current = solution.current(t, points).reshape(POINTS, POINTS, 2)
        size = np.linalg.norm(current, axis=2)
        # share of the largest current below which there are no lines
        visible = size > 1e-3 * size.max(initial=0.0)
        if visible.any():
            u, v = (np.where(visible, current[..., i], np.nan).T for i in (0, 1))
            width = 0.3 + 1.7 * np.sqrt(size.T / size.max())
            axes.streamplot(
                x, y, u, v, density=1.1, color="#444444", linewidth=width, arrowsize=0.8
            )
        axes.set_xlim(x[0], x[-1])
        axes.set_ylim(y[0], y[-1])
        axes.grid(False)
        axes.set_title(f"t = {number(t, 3, trim=True)}")
        axes.set_xlabel(names[0])
    grid[0, 0].set_ylabel(names[1])
    return Drawing(
        "currents",
        figure,
        "Streamlines of the probability current over the density at successive times",
        "Where probability flows: lines follow the current j = α(bρ − ∇·(Dρ)), wider where it is "
        "larger, over the density. What has come to rest still circulates.",
    )
