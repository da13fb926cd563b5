"""Particles of one replicate over the Eulerian density."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from wfrpde.output.figures import style
from wfrpde.output.figures.drawing import Drawing
from wfrpde.output.validation import palette

if TYPE_CHECKING:
    from wfrpde.comparison import ValidationReport
    from wfrpde.comparison.results import Array, DensityPicture

__all__ = ["draw_particles"]

MOST_TIMES = 3
MOST_SAMPLERS = 6
BINS = 60


def draw_particles(report: ValidationReport) -> Drawing | None:
    """Draw histograms (1-D) or points (2-D), one row a sampler, one column a time."""
    claims = {s.name: s.claims for s in report.samplers}
    pictures = {(p.claims, p.time): p for p in report.pictures}
    shown = {
        name: [t for t in times if (claims[name], t) in pictures]
        for name, times in report.particles.items()
    }
    names = [name for name, times in shown.items() if times][:MOST_SAMPLERS]
    if not names:
        return None
    columns = min(max(len(shown[name]) for name in names), MOST_TIMES)
    flat = len(next(iter(pictures.values())).axes) == 1
    figure = style.new_figure(
        10.5 if columns > 1 else 6.0, 0.4 + (1.9 if flat else 2.7) * len(names)
    )
    grid = figure.subplots(len(names), columns, squeeze=False)
    colour = palette.colours(report)
    for line, name in zip(grid, names, strict=True):
        times = shown[name]
        chosen = [times[k] for k in np.unique(np.linspace(0, len(times) - 1, columns).round())
                  .astype(int)]  # fmt: skip
        for axes in line[len(chosen) :]:
            axes.remove()
        for axes, t in zip(line, chosen, strict=False):
            draw = _histogram if flat else _points
            draw(axes, pictures[claims[name], t], *report.particles[name][t], colour[name])
            when = "π" if np.isinf(t) else f"t = {t:.3g}"
            axes.set_title(f"{style.text(name)}, {when}" if axes is line[0] else when)
    for axes in grid[-1]:
        axes.set_xlabel("x")
    for axes in grid[:, 0]:
        axes.set_ylabel("density" if flat else "y")
    what = "Weighted histograms" if flat else "Points, larger where their weight is"
    return Drawing(
        "particles",
        figure,
        "Particles of one replicate of each sampler over the Eulerian density",
        f"{what} of up to 2000 particles of the first replicate over the Eulerian density (grey) "
        "that the sampler claims to follow.",
    )


def _histogram(axes: Axes, picture: DensityPicture, x: Array, weights: Array, colour: str) -> None:
    (grid,) = picture.axes
    axes.fill_between(grid, 0, picture.values, color=style.TARGET, alpha=0.28, lw=0)
    counts, edges = np.histogram(x[:, 0], BINS, (grid[0], grid[-1]), weights=weights)
    axes.stairs(counts / weights.sum() / np.diff(edges), edges, color=colour, lw=1.2)
    axes.set_xlim(grid[0], grid[-1])
    axes.set_ylim(bottom=0)


def _points(axes: Axes, picture: DensityPicture, x: Array, weights: Array, colour: str) -> None:
    first, second = picture.axes
    axes.imshow(
        picture.values.T, origin="lower", extent=(first[0], first[-1], second[0], second[-1]),
        cmap="Greys", vmin=0, vmax=1.4 * picture.values.max(), aspect="auto",
    )  # fmt: skip
    relative = weights / weights.max()
    axes.scatter(x[:, 0], x[:, 1], s=5 * relative, color=colour, alpha=0.5, lw=0)
    axes.set_xlim(first[0], first[-1])
    axes.set_ylim(second[0], second[-1])
    axes.grid(False)
