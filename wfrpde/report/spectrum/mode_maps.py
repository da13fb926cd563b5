"""Modes in the plane as maps with contours of the potential; in space as their projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from wfrpde.arrays import Array
from wfrpde.numbers import number, pretty
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.spectrum.mode_curves import time_words
from wfrpde.report.spectrum.window import Window, shown_part

if TYPE_CHECKING:
    from wfrpde.operators import Committor, MetastableSets
    from wfrpde.studies.spectral.study import SpectralStudy

MODE_STEPS = ("#8a3a00", "#d55e00", "#f3b98d", "#ffffff", "#8fc3e6", "#0072b2", "#083d62")
"""The map of modes, from −1 to 1."""
MOST = 6
"""Modes that are drawn in the plane."""
CONTOURS = (1.0, 2.0, 4.0, 6.0, 9.0)
"""Levels of V above its minimum (kT) that are drawn."""


def diverging_map() -> Colormap:
    """Give the colour map of modes: blue where positive, orange where negative, white at 0."""
    return LinearSegmentedColormap.from_list("wfrpde_mode", MODE_STEPS)


def _first(study: SpectralStudy) -> int:
    spectrum = study.spectrum
    return 0 if spectrum.absorbing is not None or len(spectrum.rates) == 1 else 1


def draw_maps(study: SpectralStudy, window: Window) -> Drawing:
    """Draw the first modes in the plane."""
    spectrum, first = study.spectrum, _first(study)
    shown = range(first, min(first + MOST, len(spectrum.rates)))
    panels = []
    for i in shown:
        values, part = shown_part(study, window, i)
        rate = pretty(number(float(spectrum.rates[i]), 4))
        title = f"{part}πu,  Re λ = {rate}" if part else f"λ = {rate},  {time_words(study, i)}"
        panels.append((title, values, float(np.abs(values).max())))
    figure = _panels(
        window.axes, window.level, panels, diverging_map(), "π u / its largest value", "#333333"
    )
    return Drawing(
        "modes",
        figure,
        f"Maps of {len(panels)} modes with contours of the potential",
        "What a start has too much of (blue) and too little of (orange) compared with the target, "
        "mode by mode: each part π u of the difference dies out at its rate αλ. Contours of V at "
        f"{', '.join(f'{c:g}' for c in CONTOURS)} kT above its minimum."
        + (" They vanish in the absorbing region." if spectrum.absorbing is not None else ""),
    )


def draw_set_maps(
    window: Window, sets: MetastableSets | None, committor: Committor | None = None
) -> Drawing | None:
    """Draw memberships of metastable sets and the committor in the plane."""
    panels = []
    if sets is not None:
        for a, values in enumerate(sets(window.points).T):
            weight = pretty(number(float(sets.weights[a]), 3))
            panels.append((f"set {a}, weight {weight}", values.reshape(window.shape), 1.0))
    if committor is not None:
        values = committor(window.points).reshape(window.shape)
        panels.append(("committor", values, 1.0))
    if not panels:
        return None
    figure = _panels(
        window.axes, window.level, panels, style.density_map(), "", "#E69F00", sign=False
    )
    words = "How much each point belongs to each metastable set, from 0 (white) to 1 (dark)."
    if committor is not None:
        words += f" Committor: the probability to reach {committor.sink} before {committor.source}."
    return Drawing("sets", figure, "Maps of memberships of metastable sets", words)


def draw_projections(study: SpectralStudy, window: Window) -> Drawing:
    """Draw in space: π u integrated over one axis."""
    spectrum, first = study.spectrum, _first(study)
    shown = range(first, min(first + 3, len(spectrum.rates)))
    pairs = ((0, 1), (0, 2), (1, 2))
    figure = style.new_figure(9.6, 0.6 + 2.8 * len(shown), maps=True)
    grid = figure.subplots(len(shown), 3, squeeze=False)
    names = "xyz"
    for row, i in zip(grid, shown, strict=True):
        values, part = shown_part(study, window, i)
        for axes, (a, b) in zip(row, pairs, strict=True):
            over = 3 - a - b
            marginal = window.density.sum(axis=over)
            level = -np.log(np.maximum(marginal, 1e-300) / marginal.max())
            mean = values.sum(axis=over)
            limit = float(np.abs(mean).max())
            _map(
                axes, (window.axes[a], window.axes[b]), level, mean, diverging_map(), "#333333",
                limit, True,
            )  # fmt: skip
            axes.set_xlabel(names[a])
            axes.set_ylabel(names[b])
        rate = pretty(number(float(spectrum.rates[i]), 4))
        row[0].set_title(f"{part}πu,  Re λ = {rate}" if part else f"λ = {rate}")
        row[1].set_title(time_words(study, i))
    return Drawing(
        "modes",
        figure,
        f"{len(shown)} modes, integrated over one coordinate, as maps of the other two",
        "What a start has too much of (blue) and too little of (orange) compared with the target, "
        "one mode π u a row, integrated over the third coordinate. Contours of the free energy of "
        f"the two at {', '.join(f'{c:g}' for c in CONTOURS)} kT. The modes themselves are in "
        "modes.pvd.",
    )


def _panels(
    axes: tuple[Array, ...],
    level: Array,
    panels: list[tuple[str, Array, float]],
    colours: Colormap,
    words: str,
    contours: str,
    *,
    sign: bool = True,
) -> Figure:
    x, y = axes
    shape = float(np.ptp(y) / np.ptp(x))
    equal = 0.3 <= shape <= 3.0
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    width = 2.9 * columns + 0.9
    figure = style.new_figure(
        width, 0.5 + rows * (0.35 + 2.7 * (shape if equal else 1.0)), maps=True
    )
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    image: Any = None
    for index, place in enumerate(grid.flat):
        if index >= len(panels):
            place.remove()
            continue
        title, values, limit = panels[index]
        image = _map(place, (x, y), level, values, colours, contours, limit, sign)
        place.set_aspect("equal" if equal else "auto")
        place.set_title(title)
        if index % columns == 0:
            place.set_ylabel("y")
        if index + columns >= len(panels):
            place.set_xlabel("x")
            place.tick_params(labelbottom=True)
    if words:
        bar = figure.colorbar(image, ax=figure.axes, shrink=0.85, aspect=32, pad=0.02)
        bar.set_label(words)
        bar.ax.spines["outline"].set_linewidth(0.5)
    return figure


def _map(
    place: Axes,
    axes: tuple[Array, Array],
    level: Array,
    values: Array,
    colours: Colormap,
    contours: str,
    limit: float,
    sign: bool,
) -> Any:
    x, y = axes
    image = place.imshow(
        (values / (limit or 1.0)).T, origin="lower", extent=(x[0], x[-1], y[0], y[-1]),
        cmap=colours, vmin=-1.0 if sign else 0.0, vmax=1.0, interpolation="bilinear",
        aspect="auto",
    )  # fmt: skip
    place.grid(False)
    heights = np.where(np.isfinite(level), level, 1e3)
    place.contour(
        x, y, heights.T, levels=CONTOURS, colors=contours, linewidths=0.7, alpha=0.6,
        linestyles="solid",
    )  # fmt: skip
    return image
