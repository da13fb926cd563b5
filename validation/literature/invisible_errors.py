"""How much of a score's error is seen in the samples? KL against Girsanov's bound.

Khelifa, Turner and Venkataramanan (2026), arXiv:2606.06179: an error e of the score with
∇·(p e) = 0 changes no marginal law, however large it is; the bound by ∫E|e|² cannot tell. Here
wrong scores of both kinds, the law of the reverse process with each, and its KL beside the bound.

    tools/env python validation/literature/invisible_errors.py [folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import page

import wfrpde
from wfrpde.flow.noising.budget import Part
from wfrpde.noising import Mixture
from wfrpde.report import style

LINE = {"kind": "gaussian_mixture", "weights": [0.3, 0.7], "means": [-1.2, 1.0],
        "covariances": [0.0625, 0.16]}  # fmt: skip
PLANE = {"kind": "gaussian_mixture", "weights": [0.3, 0.7],
         "means": [[-1.2, 0.5], [1.0, -0.3]], "covariances": [0.16, 0.16]}  # fmt: skip

WRONG = {
    "weights .3 → .5": (1, {"weights": [0.5, 0.5]}),
    "means + 0.1": (1, {"shift": 0.1}),
    "spread × 1.2": (1, {"spread": 1.2}),
    "score × 1.1": (1, {"scale": 1.1}),
    "score + 0.3 sin 8x": (1, {"ripple": 0.3}),
    "score × 1.5, plane": (2, {"scale": 1.5}),
    "score + J∇log p, plane": (2, {"rotation": 1.0}),
    "score + 3 J∇log p, plane": (2, {"rotation": 3.0}),
}
"""Dimension, and what is wrong with the score."""

NOTED = {"weights .3 → .5": (0.0815, 0.0818), "means + 0.1": (0.0364, 0.0364),
         "spread × 1.2": (0.0223, 0.0223), "score × 1.1": (0.0080, 0.0337),
         "score + 0.3 sin 8x": (0.00115, 0.1345)}  # fmt: skip
"""KL and bound from an independent prototype."""


def score_part(name: str, cells: int | None = None) -> Part:
    """Solve for what the wrong score costs, alone."""
    dim, score = WRONG[name]
    line = dim == 1
    solution = wfrpde.solve(wfrpde.Case.from_dict({
        "target": LINE if line else PLANE,
        "noising": {"kind": "ou", "stop": 0.01 if line else 0.1},
        "score": score,
        "flow": {"t_end": 3.0 if line else 2.0, "save": [1.0]},
        "numerics": {} if cells is None else {"cells": [cells] * dim},
    }))  # fmt: skip
    return next(part for part in solution.budget if part.name == "score")


def main() -> None:
    """Compute the table, and draw."""
    place = page.folder()
    rows = []
    for name in WRONG:
        part = score_part(name)
        rows.append({
            "score": name, "KL(p‖ρ)": part.kl, "± ": part.kl_error, "Girsanov": part.bound,
            "share": part.kl / part.bound,
        })  # fmt: skip
    formats = {"score": "", "KL(p‖ρ)": ".3g", "± ": ".0e", "Girsanov": ".4g", "share": ".2g"}
    page.write("invisible-errors", rows, formats, place)
    draw(rows, place)


def draw(rows: list[page.Row], place: Path) -> None:
    """Draw an invisible error as a field, and KL against the bound."""
    with style.look():
        figure = style.new_figure(10.5, 4.3)
        field, chart = figure.subplots(1, 2, width_ratios=[1, 1.25])
        data = Mixture(np.array(PLANE["weights"]), np.array(PLANE["means"]),
                       np.array([c * np.eye(2) for c in PLANE["covariances"]])).at(0.1)  # fmt: skip
        x, y = np.linspace(-2.4, 2.2, 160), np.linspace(-1.7, 1.7, 130)
        points = np.stack(np.meshgrid(x, y), axis=-1)
        flat = points.reshape(-1, 2)
        density = np.exp(data.log_density(flat)).reshape(points.shape[:2])
        score = data.score(flat).reshape(points.shape)
        field.pcolormesh(x, y, density, cmap=style.density_map(), rasterized=True, shading="auto")
        field.streamplot(x, y, -score[..., 1], score[..., 0], color="#D55E00", density=0.9,
                         linewidth=0.9, arrowsize=0.9)  # fmt: skip
        field.set_title("the error J∇log p turns along the levels of p")
        field.set_xlabel("x")
        field.set_ylabel("y")
        field.grid(visible=False)
        both = np.array([1e-9, 1e2])
        chart.plot(both, both, "--", color=style.TARGET, lw=1.2)
        chart.text(1.1e-2, 6e-2, "KL = bound", color=style.TARGET, fontsize=9)
        for row in rows:
            hidden = "J∇" in str(row["score"])
            kl, bar = float(row["KL(p‖ρ)"]), float(row["± "])
            bound = float(row["Girsanov"])
            colour = "#D55E00" if hidden else "#0072B2"
            # what is not seen is 0, within the bar of the lattice
            low = 0.0 if hidden else min(bar, 0.9 * kl)
            chart.errorbar([bound], [kl], [[low], [bar]], fmt="v" if hidden else "o", color=colour,
                           ms=7, lw=1.2)  # fmt: skip
            right = bound < 2.0
            chart.annotate(str(row["score"]), (bound, kl), xytext=(8 if right else -8, -3),
                           textcoords="offset points", ha="left" if right else "right",
                           fontsize=8.5, color=colour)  # fmt: skip
        style.log_scale(chart, "xy")
        chart.set_xlim(1e-2, 1e2)
        chart.set_ylim(3e-9, 3)
        chart.set_xlabel("Girsanov's bound ∫ E|e|² dt [nats]")
        chart.set_ylabel("KL(p‖ρ) of the samples [nats]")
        chart.set_title("paid (●), and not seen (▼: 0 within its bar)")
        page.draw("invisible-errors", figure, place)


if __name__ == "__main__":
    main()
