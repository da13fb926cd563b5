"""θ(k) of a tilted process, and rates against a swept key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from wfrpde.report import style
from wfrpde.report.drawing import Drawing

if TYPE_CHECKING:
    from wfrpde.operators import Sweep
    from wfrpde.studies.spectral.study import SpectralStudy


def draw_cumulants(study: SpectralStudy) -> Drawing | None:
    """Draw θ(k) and its derivative, the mean of U along the tilted process."""
    found = study.cumulants
    if found is None or len(set(found.tilts)) < 2:
        return None
    from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

    _, order = np.unique(found.tilts, return_index=True)
    k, value, mean = found.tilts[order], found.values[order], found.means[order]
    colour = style.flow_colour("FK")
    figure = style.new_figure(9.0, 3.6)
    left, right = figure.subplots(1, 2)
    fine = np.linspace(k[0], k[-1], 600)
    left.plot(fine, CubicHermiteSpline(k, value, mean)(fine), color=colour)
    left.plot(k, value, "o", color=colour)
    left.set_ylabel("θ(k)  [per unit time]")
    left.set_title("scaled cumulant generating function")
    # θ is convex, and PCHIP keeps θ′ monotone
    right.plot(fine, PchipInterpolator(k, mean)(fine), color=colour)
    right.plot(k, mean, "o", color=colour)
    right.set_ylabel("θ′(k)  [per unit time]")
    right.set_title("what U averages to in the tilted process")
    for axes in (left, right):
        axes.set_xlabel("tilt k")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if k[0] < 0 < k[-1]:
            axes.axvline(0, color="#bbbbbb", lw=0.8, zorder=1)
    return Drawing(
        "cumulants",
        figure,
        "Scaled cumulant generating function and its derivative against the tilt",
        "θ(k) = lim (1/t) log E exp(k∫U dt) at the computed tilts (dots), which curves join as a "
        "guide. Its derivative is what U averages to along the trajectories that carry the weight: "
        "a steep rise means that a small tilt moves them from one well to the other.",
    )


def draw_sweep(sweep: Sweep) -> Drawing | None:
    """Draw the rates against the swept key on a logarithmic axis."""
    good = sweep.solved
    if good.sum() < 2:
        return None
    order = np.flatnonzero(good)
    x, rates = sweep.values[order], sweep.rates[order]
    free = sweep.case.absorbing is None
    first = 1 if free and rates.shape[1] > 1 else 0
    alpha, beta = sweep.case.flow.alpha, sweep.case.flow.beta
    figure = style.new_figure(7.6, 4.6)
    axes = figure.add_subplot()
    style.log_scale(axes, "y")
    ends = []
    names = "₀₁₂₃₄₅₆₇₈₉"
    for k in range(first, min(first + 5, rates.shape[1])):
        values = np.where(rates[:, k] > 0, rates[:, k], np.nan)
        slowest = k == first
        colour = style.flow_colour("W") if slowest else "#8a8a8a"
        axes.plot(
            x, values, "-o" if slowest else "-", color=colour, lw=2.0 if slowest else 1.1, ms=4,
            zorder=4 if slowest else 2,
        )  # fmt: skip
        if k < first + 2:
            more = ", …" if k > first and rates.shape[1] > k + 1 else ""
            ends.append((float(values[-1]), f"λ{names[k]}{more}", colour))
    turning = np.abs(sweep.rotations[order, first])
    if (turning > 0).any():
        turning = np.where(turning > 0, turning, np.nan)
        axes.plot(x, turning, color=style.flow_colour("W"), lw=1.2, ls=(0, (1, 1.5)), zorder=3)
        ends.append((float(turning[-1]), f"|Im λ{names[first]}|", style.flow_colour("W")))
    if np.isfinite(sweep.kramers[order]).any():
        axes.plot(x, sweep.kramers[order], color=style.INK, lw=1.2, ls=(0, (5, 3)), zorder=5)
    if free and beta > 0 and sweep.key not in ("flow.alpha", "flow.beta"):
        lifted = alpha * rates[:, first] + beta
        axes.plot(x, lifted, color=style.flow_colour("WFR"), lw=1.8, zorder=3)
        ends.append((float(lifted[-1]), f"αλ{names[first]} + β", style.flow_colour("WFR")))
    if (x > 0).all() and x.max() / x.min() > 30:
        style.log_scale(axes, "x")
    axes.set_xlabel(style.text(sweep.key, 60))
    axes.set_ylabel("rate  [per unit time]")
    style.label_ends(axes, ends, gap=0.055)
    words = f"Rates against {sweep.key}. " + (
        "The slowest one is orange" if free else "Exit is orange"
    )
    if np.isfinite(sweep.kramers[order]).any():
        words += "; dashed, the Eyring–Kramers estimate of it, which holds for high barriers"
    if np.isfinite(turning).any() and np.nanmax(turning) > 0:
        words += "; dotted, how fast it rotates"
    words += "."
    if free and beta > 0:
        words += " Blue: what the reaction makes of it, αλ₁ + β."
    return Drawing("sweep", figure, f"Rates against {sweep.key} on a logarithmic axis", words)
