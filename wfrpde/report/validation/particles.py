"""Particles of one replicate over the Eulerian density."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from wfrpde.arrays import Array
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.pictures import spread_evenly
from wfrpde.report.validation import palette

if TYPE_CHECKING:
    from wfrpde.comparison import ValidationReport
    from wfrpde.comparison.results import DensityPicture


def draw_particles(report: ValidationReport) -> Drawing | None:
    """Draw histograms (1-D) or points, one row a sampler.

    One column a time; in 3-D one for each pair of axes, at the last time.
    """
    claims = {s.name: s.claims for s in report.samplers}
    pictures = {(p.claims, p.time): p for p in report.pictures}
    shown = {
        name: [t for t in times if (claims[name], t) in pictures]
        for name, times in report.particles.items()
    }
    names = [name for name, times in shown.items() if times][:6]
    if not names:
        return None
    dim = len(next(iter(pictures.values())).axes)
    panels = {name: _panels(shown[name], dim) for name in names}
    columns = max(map(len, panels.values()))
    figure = style.new_figure(
        10.5 if columns > 1 else 6.0, 0.4 + (1.9 if dim == 1 else 2.7) * len(names)
    )
    grid = figure.subplots(len(names), columns, squeeze=False)
    colour, coordinates = palette.colours(report), report.case.coordinates
    for line, name in zip(grid, names, strict=True):
        for axes in line[len(panels[name]) :]:
            axes.remove()
        for axes, (t, pair) in zip(line, panels[name], strict=False):
            draw = _histogram if dim == 1 else _points
            picture = _marginal(pictures[claims[name], t], pair)
            x, weights = report.particles[name][t]
            draw(axes, picture, x[:, list(pair)], weights, colour[name])
            when = "π" if np.isinf(t) else f"t = {t:.3g}"
            axes.set_title(f"{style.text(name)}, {when}" if axes is line[0] else when)
            if name == names[-1] or dim == 3:
                axes.set_xlabel(coordinates[pair[0]])
            if dim > 1 and (axes is line[0] or dim == 3):
                axes.set_ylabel(coordinates[pair[1]])
        if dim == 1:
            line[0].set_ylabel("density")
    what = "Weighted histograms" if dim == 1 else "Points, larger where their weight is,"
    over = "the marginals of the" if dim == 3 else "the"
    return Drawing(
        "particles",
        figure,
        f"Particles of one replicate of each sampler over {over} Eulerian density",
        f"{what} of up to 2000 particles of the first replicate over {over} Eulerian density "
        "(grey) that the sampler claims to follow.",
    )


def _panels(times: list[float], dim: int) -> list[tuple[float, tuple[int, ...]]]:
    """Give the time and the axes of every panel of a sampler."""
    if dim == 3:
        return [(times[-1], pair) for pair in ((0, 1), (0, 2), (1, 2))]
    return [(times[k], tuple(range(dim))) for k in spread_evenly(len(times), 3)]


def _marginal(picture: DensityPicture, pair: tuple[int, ...]) -> DensityPicture:
    """Integrate the density over the axes that are not drawn, on its regular grid."""
    values = picture.values
    for axis in reversed(range(values.ndim)):
        if axis not in pair:
            step = picture.axes[axis][1] - picture.axes[axis][0]
            values = values.sum(axis=axis) * step
    axes = tuple(picture.axes[axis] for axis in pair)
    return replace(picture, axes=axes, values=values)


def _histogram(axes: Axes, picture: DensityPicture, x: Array, weights: Array, colour: str) -> None:
    (grid,) = picture.axes
    axes.fill_between(grid, 0, picture.values, color=style.TARGET, alpha=0.28, lw=0)
    counts, edges = np.histogram(x[:, 0], 60, (grid[0], grid[-1]), weights=weights)
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
