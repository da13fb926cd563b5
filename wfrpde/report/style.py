"""One look for every figure: colours that colour-blind readers tell apart, quiet axes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, MaxNLocator
from matplotlib.transforms import offset_copy

from wfrpde.numbers import SUPERSCRIPTS, number
from wfrpde.parallel.files import atomic

INK = "#222222"
TARGET = "#555555"
"""Colour of everything that belongs to the target."""
FLOW_COLOURS = {"WFR": "#0072B2", "W": "#D55E00", "FR": "#009E73", "FK": "#0072B2"}
"""Okabe and Ito's palette, which survives every common colour blindness."""
DENSITY_STEPS = ("#ffffff", "#cfe3f2", "#86bbdd", "#3a87bd", "#135a8f", "#0a2f52")
"""The map of densities, from 0 to the highest."""
CEILING = 1.03
"""Highest place of a name beside the axes, as a share of their height."""
CYCLE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31",
)  # fmt: skip
"""Colours of what has none of its own, in turn."""
_SPARE = ("#CC79A7", "#E69F00", "#56B4E9")

RC: dict[str, Any] = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "figure.facecolor": "white",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
}


def look() -> AbstractContextManager[None]:
    """Give the settings of the house, for the duration of a ``with`` block."""
    settings: Any = RC
    return mpl.rc_context(settings)


def new_figure(width: float, height: float, *, maps: bool = False) -> Figure:
    """Make an empty figure (inches) that arranges its own margins and knows no global state.

    With ``maps``, panels keep their own aspect and move together.
    """
    figure = ShownFigure(figsize=(width, height), layout="compressed" if maps else "constrained")
    FigureCanvasAgg(figure)
    return figure


def panels(figure: Figure, count: int, columns: int, **shared: Any) -> list[Axes]:
    """Give a figure so many panels, row after row."""
    every = list(figure.subplots(-(-count // columns), columns, squeeze=False, **shared).flat)
    for axes in every[count:]:
        axes.remove()
    return every[:count]


class ShownFigure(Figure):
    """A figure that a notebook shows, also one that never imports ``matplotlib.pyplot``."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the picture, and the width at which its text has the size of the page's."""
        stream = BytesIO()
        _print(self, stream)
        return stream.getvalue(), {"width": shown_width(stream.getvalue())}


def shown_width(png: bytes) -> int:
    """Return the width in CSS pixels at which the text of a picture has the size of a page's."""
    # The header of a PNG holds its width after the eight bytes of signature and eight of chunk.
    return round(int.from_bytes(png[16:20], "big") * 0.6)


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG that appears only once it is complete."""
    with atomic(path, "wb") as stream:
        _print(figure, stream)
    return path


def _print(figure: Figure, stream: IO[bytes]) -> None:
    # panels that keep their aspect leave room around them; others fill the figure already, and
    # measuring all texts once more would take as long as drawing them
    room = any(axes.get_aspect() != "auto" for axes in figure.axes)
    figure.savefig(
        stream, format="png", bbox_inches="tight" if room else None, pad_inches=0.08,
        metadata={"Software": "wfrpde"}, pil_kwargs={"compress_level": 3},
    )  # fmt: skip


def flow_colour(label: str) -> str:
    """Give the colour of a flow, the same in every figure."""
    if label in FLOW_COLOURS:
        return FLOW_COLOURS[label]
    return _SPARE[sum(map(ord, label)) % len(_SPARE)]


def time_colours(count: int) -> list[Any]:
    """Give ``count`` colours from early (pale) to late (dark)."""
    colours: Callable[[float], Any] = mpl.colormaps["viridis_r"]
    return [colours(0.17 + 0.83 * s) for s in np.linspace(0, 1, max(count, 2))[:count]]


def time_key(axes: Axes, times: Iterable[float], colours: Iterable[Any]) -> None:
    """Say beside the axes which colour is which time, and that the target is grey."""
    entries = [("target π", TARGET)]
    words = (f"t = {number(float(t), 3, trim=True)}" for t in times)
    entries += list(zip(words, colours, strict=True))
    for row, (label, colour) in enumerate(entries):
        axes.annotate(
            label, (1.03, 1.0 - 0.092 * row), xycoords="axes fraction", color=colour, va="top",
            fontsize=9.5, fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def time_axis(axes: Axes, last: float) -> None:
    """Let flow time run along the abscissa, with room for the markers at both ends."""
    end = last or 1.0
    axes.set_xlim(-0.015 * end, 1.015 * end)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("flow time t")


class PowersOfTen(LogFormatterSciNotation):
    """Labels of a logarithmic axis in plain characters: laying out formulas takes half a second."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label at x: 10⁻³, 2×10⁻³, or nothing."""
        found = re.fullmatch(_FORMULA, str(super().__call__(x, pos)))
        if found is None:
            return ""
        factor = f"{found[1]}×" if found[1] else ""
        return f"{factor}10{found[2].translate(SUPERSCRIPTS)}"


_FORMULA = r"\$\\mathdefault\{(?:(.*)\\times)?10\^\{(-?\d+)\}\}\$"
"""What Matplotlib makes of a power of ten."""


def log_scale(axes: Axes, which: str) -> None:
    """Make the axes named in `which`, ``"x"``, ``"y"`` or both, logarithmic."""
    for name in which:
        getattr(axes, f"set_{name}scale")("log")
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(PowersOfTen())
        axis.set_minor_formatter(PowersOfTen())


def density_map() -> Colormap:
    """Give the colour map of densities: from white to blue-black, monotone in lightness."""
    return LinearSegmentedColormap.from_list("wfrpde_density", DENSITY_STEPS)


def text(label: str, longest: int = 28) -> str:
    """Make a user's name safe for Matplotlib: nothing in it is typeset, and it is not endless."""
    line = " ".join(label.split())
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    return line.replace("\\", "∖").replace("$", r"\$")


def label_ends(
    axes: Axes, entries: Sequence[tuple[float, str, Any]], *, gap: float = 0.07, size: float = 9.5
) -> None:
    """Write names beside the right edge, at the heights where curves end, without overlaps.

    Where a name had to move, a thin line leads from it to the end of its curve.

    Parameters
    ----------
    axes
        Axes whose limits are final.
    entries
        Height in data units, text, colour.
    gap
        Smallest distance of two texts, as a share of the axes' height.
    size
        Font size in points.
    """
    to_axes = axes.transData + axes.transAxes.inverted()
    right = axes.get_xlim()[1]
    placed = sorted(
        (float(np.clip(to_axes.transform((right, height))[1], 0, 1)), words, colour)
        for height, words, colour in entries
        if np.isfinite(height)
    )
    heights = spread([height for height, _, _ in placed], gap)
    moved = any(abs(y - end) > 0.02 for y, (end, _, _) in zip(heights, placed, strict=True))
    beside = offset_copy(
        axes.transAxes, fig=axes.get_figure(root=True), x=18 if moved else 5, units="points"
    )
    leader = {"arrowstyle": "-", "lw": 0.7, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
    for y, (end, words, colour) in zip(heights, placed, strict=True):
        axes.annotate(
            words, (1, end), xytext=(1, y), xycoords="axes fraction", textcoords=beside,
            color=colour, va="center", fontsize=size, annotation_clip=False,
            arrowprops={**leader, "color": colour} if moved else None,
        )  # fmt: skip


def spread(heights: list[float], gap: float) -> list[float]:
    """Move ascending heights in [0, 1] little, so that they are ``gap`` apart and in the axes."""
    result = list(heights)
    for _ in range(200):
        moved = False
        for i in range(len(result) - 1):
            lack = gap - (result[i + 1] - result[i])
            if lack > 1e-6:
                result[i] -= lack / 2
                result[i + 1] += lack / 2
                moved = True
        if not moved:
            break
    # Nothing leaves the axes at the top: what is pushed out there pushes down what is below.
    ceiling = CEILING
    for i in reversed(range(len(result))):
        result[i] = min(result[i], ceiling)
        ceiling = result[i] - gap
    return result
