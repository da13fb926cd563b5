"""Densities in the plane: maps at the saved times as small multiples, one row a flow."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from wfrpde.arrays import Array, Flags
from wfrpde.numbers import number
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.flow.run import FlowRun
from wfrpde.report.levels import enclosing_levels

CONTOUR = "#E69F00"


def draw_maps(run: FlowRun) -> Drawing:
    """Draw the density at the saved times with the target's contours."""
    percent = " and ".join(f"{100 * share:.0f}" for share in _shares(run))
    grey = " Grey: outside the mesh; nothing of the flow gets there." * bool(_outside(run).any())
    return Drawing(
        "density",
        _maps(run, log=False),
        f"Maps of the density of {', '.join(run.flows)} at successive times",
        f"{_layout(run)}Density, each panel scaled to its own maximum. Orange contours enclose "
        f"{percent} % of the target's mass, so a flow that has arrived fills them.{grey}",
    )


def draw_log_maps(run: FlowRun) -> Drawing:
    """Draw the logarithm of the density in the same way."""
    return Drawing(
        "log_density",
        _maps(run, log=True),
        "Maps of the logarithm of the density at successive times",
        f"{_layout(run)}The same on a logarithmic scale of ten decades: mass far too small for the "
        "panels above is already growing in modes that transport has not reached."
        + (" Grey: outside the mesh." if _outside(run).any() else ""),
    )


def _layout(run: FlowRun) -> str:
    return "Rows are flows, columns are times. " if run.companions else ""


def _shares(run: FlowRun) -> tuple[float, ...]:
    """Choose contours of the target: in small panels more than one would hide thin modes."""
    return (0.9,) if run.companions else (0.5, 0.95)


def _outside(run: FlowRun) -> Flags:
    """Find the points of the pictures that the mesh leaves out, remnants in corners apart."""
    from scipy.ndimage import label

    left_out = ~np.isfinite(run.pictures.log_target)
    pieces, count = label(left_out)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    # a smaller share of a panel is no hole or corner to tell of, and stays white
    large = sizes >= 0.01 * left_out.size
    large[0] = False
    return np.asarray(large[pieces])


def _maps(run: FlowRun, *, log: bool) -> Figure:
    pictures = run.pictures
    labels = list(run.flows)
    several = len(labels) > 1
    count = len(pictures.times)
    # More columns would not be legible: further times go into further rows.
    # 6: times side by side, where several flows are compared
    columns = min(count, 6 if several else 3)
    rows = len(labels) * -(-count // columns)
    x, y = pictures.axes
    names = run.solution.case.coordinates
    shape = float(np.ptp(y) / np.ptp(x))
    equal = 0.3 <= shape <= 3.0
    width = 10.5
    panel = (width - 1.3) / columns
    height = panel * (shape if equal else 1.0) + (0.12 if several else 0.3)
    figure = style.new_figure(width, max(0.75 + rows * height, 2.4), maps=True)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    image: AxesImage | None = None
    shares = _shares(run)
    top = max(np.nanmax(values) for values in pictures.log_density.values()) / np.log(10)
    for row in range(rows):
        for column in range(columns):
            axes = grid[row, column]
            block, flow = divmod(row, len(labels))
            index, label = block * columns + column, labels[flow]
            if index >= count:
                axes.remove()
                continue
            values = pictures.log_density[label][index]
            image = _map(axes, run, values, shares, (top - 10.0, top) if log else None)
            axes.set_aspect("equal" if equal else "auto")
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune="both"))
            if flow == 0:
                axes.set_title(f"t = {number(float(pictures.times[index]), 3, trim=True)}")
            if column == 0:
                axes.set_ylabel(names[1])
            if several and column == 0:
                axes.annotate(
                    label, (0, 0.5), xytext=(-44, 0), xycoords="axes fraction", ha="right",
                    textcoords="offset points", va="center", rotation=90, fontsize=11,
                    color=style.flow_colour(label), fontweight="bold", annotation_clip=False,
                )  # fmt: skip
            if flow == len(labels) - 1 and index + columns >= count:
                axes.set_xlabel(names[0])
                axes.tick_params(labelbottom=True)
    if image is not None:
        bar = figure.colorbar(image, ax=figure.axes, shrink=0.85, aspect=32, pad=0.02)
        bar.set_label("log₁₀ ρ  [ρ per unit area]" if log else "ρ / its maximum in the panel")
        bar.ax.spines["outline"].set_linewidth(0.5)
    return figure


def _map(
    axes: Axes,
    run: FlowRun,
    log_density: Array,
    shares: tuple[float, ...],
    limits: tuple[float, float] | None,
) -> AxesImage:
    x, y = run.pictures.axes
    if limits is not None:
        values, (low, high) = log_density / np.log(10), limits
    elif np.isfinite(log_density).any():
        values, (low, high) = np.exp(log_density - np.nanmax(log_density)), (0.0, 1.0)
    else:
        values, (low, high) = log_density, (0.0, 1.0)
    image = axes.imshow(
        values.T, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), cmap=style.density_map(),
        vmin=low, vmax=high, interpolation="bilinear",
    )  # fmt: skip
    outside = _outside(run)
    if outside.any():
        axes.imshow(
            np.where(outside, 1.0, np.nan).T, origin="lower", extent=(x[0], x[-1], y[0], y[-1]),
            cmap=ListedColormap(["#f0f0f0"]), interpolation="nearest", zorder=0.5,
        )  # fmt: skip
    axes.grid(False)
    target = run.pictures.log_target
    levels = enclosing_levels(target, shares)
    axes.contour(
        x, y, np.where(np.isfinite(target), target, -1e3).T, levels=levels, colors=CONTOUR,
        linewidths=[0.8, 1.0][: len(shares)], linestyles="solid",
    )  # fmt: skip
    return image
