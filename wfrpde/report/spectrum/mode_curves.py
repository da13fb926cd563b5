"""Modes on a line, below the potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from wfrpde.numbers import number, pretty
from wfrpde.report import style
from wfrpde.report.drawing import Drawing
from wfrpde.report.spectrum.window import Window, shown_part

if TYPE_CHECKING:
    from wfrpde.operators import Committor, MetastableSets
    from wfrpde.studies.spectral.study import SpectralStudy

PLUS, MINUS = "#0072B2", "#D55E00"
MOST = 4
"""Modes that are drawn."""
SET_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def draw_curves(study: SpectralStudy, window: Window) -> Drawing:
    """Draw V, and the first modes below it on the same axis."""
    spectrum = study.spectrum
    first = 0 if spectrum.absorbing is not None or len(spectrum.rates) == 1 else 1
    shown = range(first, min(first + MOST, len(spectrum.rates)))
    x = window.axes[0]
    figure = style.new_figure(8.6, 1.5 + 1.35 * len(shown))
    grid = figure.subplots(len(shown) + 1, 1, sharex=True, height_ratios=[1.4] + [1.0] * len(shown))
    top: Axes = grid[0]
    top.plot(x, window.level, color=style.INK)
    top.set_ylim(0, 1.05 * float(window.level.max()))
    _shade(top, window)
    top.set_ylabel("V  [kT]")
    top.set_title("potential, and the density π (grey)")
    for axes, i in zip(grid[1:], shown, strict=True):
        values, part = shown_part(study, window, i)
        axes.axhline(0, color="#bbbbbb", lw=0.8, zorder=1)
        for sign, colour in ((1, PLUS), (-1, MINUS)):
            lobe = np.maximum(sign * values, 0)
            axes.fill_between(x, 0, sign * lobe, color=colour, alpha=0.25, lw=0)
        axes.plot(x, values, color=style.INK, lw=1.4)
        limit = 1.15 * float(np.abs(values).max())
        axes.set_ylim(-limit, limit)
        axes.set_ylabel(f"{part}πu{below(i)}")
        rate = pretty(number(float(spectrum.rates[i]), 4))
        turn = pretty(number(float(spectrum.eigenvalues[i].imag), 3))
        words = f"{'Re ' * bool(part)}λ{below(i)} = {rate}\n{time_words(study, i)}"
        axes.annotate(
            words + (f"\nturns by {turn}" if part else ""),
            (1.015, 0.5), xycoords="axes fraction", va="center", fontsize=9.5,
            annotation_clip=False,
        )  # fmt: skip
    grid[-1].set_xlabel("x")
    grid[-1].set_xlim(x[0], x[-1])
    return Drawing(
        "modes",
        figure,
        f"The potential and {len(shown)} modes below it",
        "What a start has too much of (blue) and too little of (orange) compared with the target, "
        "mode by mode: each part π u of the difference dies out at its rate αλ. A mode with "
        "one sign in each well is about the weights of the wells; the others live within them."
        if spectrum.absorbing is None
        else "The parts π u of what is left of a density, each dying out at its rate αλ; they "
        "vanish in the absorbing region. The first has one sign: it is the quasi-stationary "
        "density.",
    )


def draw_sets(
    window: Window, sets: MetastableSets | None, committor: Committor | None = None
) -> Drawing | None:
    """Draw memberships of metastable sets, and the committor."""
    if sets is None and committor is None:
        return None
    x = window.axes[0]
    figure = style.new_figure(8.6, 3.2)
    axes = figure.add_subplot()
    _shade(axes, window, 1.0)
    ends = []
    if sets is not None:
        for a, values in enumerate(sets(window.points).T):
            colour = SET_COLOURS[a % len(SET_COLOURS)]
            axes.plot(x, values, color=colour)
            ends.append((float(values[-1]), f"set {a}", colour))
    if committor is not None:
        values = committor(window.points)
        axes.plot(x, values, color=style.INK, ls=(0, (4, 2)), lw=1.4)
        ends.append((float(values[-1]), "committor", style.INK))
    axes.set_ylim(-0.03, 1.05)
    axes.set_xlim(x[0], x[-1])
    axes.set_xlabel("x")
    axes.set_ylabel("membership, probability")
    style.label_ends(axes, ends, gap=0.09)
    words = []
    if sets is not None:
        words.append(
            f"How much each point belongs to each of the {len(sets)} metastable sets: nearly "
            "1 within a well, and in between on the way from one to another."
        )
    if committor is not None:
        words.append(
            "Committor (dashed): the probability to reach "
            f"{committor.sink} before {committor.source}; where it is ½ lies the "
            "transition state."
        )
    return Drawing("sets", figure, "Memberships of metastable sets", " ".join(words))


def time_words(study: SpectralStudy, i: int) -> str:
    """Time scale of a mode in words."""
    rate = study.case.flow.alpha * float(study.spectrum.rates[i])
    return f"time {pretty(number(1 / rate, 3))}" if rate > 0 else ""


def below(i: int) -> str:
    """Write a number as an index."""
    return str(i).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _shade(axes: Axes, window: Window, height: float | None = None) -> None:
    top = axes.get_ylim()[1] if height is None else height
    share = window.density / window.density.max()
    axes.fill_between(window.axes[0], 0, 0.8 * top * share, color=style.TARGET, alpha=0.2, lw=0)
