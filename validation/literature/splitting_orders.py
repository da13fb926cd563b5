"""Which goes first, transport or reaction? One step of either order against the flow.

Crucinio and Pathiraja (2025), arXiv:2511.18060, show in closed form for Gaussians that splitting
the Wasserstein-Fisher-Rao flow can be nearer to the target than the flow itself, and that either
order can win. Here the same from the mesh, with what the mesh adds (their open question: what does
discretisation change?), and for two wells, where there is no closed form.

    tools/env python validation/literature/splitting_orders.py [folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import page

import wfrpde
from wfrpde.flow.exact import gaussian_flow, gaussian_kl
from wfrpde.report import style

ORDERS = ("W-FR", "FR-W")
COLOURS = {"W-FR": "#D55E00", "FR-W": "#009E73", "strang": "#0072B2"}

Means = tuple[float, float, float, float]
"""Mean and variance of the target, mean and variance of the start."""

WIDE, NARROW = (20.0, 100.0, 0.0, 1.0), (20.0, 1.0, 0.0, 100.0)
STEPS = {WIDE: (0.1, 0.7, 2.0, 5.0), NARROW: (0.1, 0.3, 0.7)}
BOX = {NARROW: {"box": [[-32.0, 40.0]], "cut_off_share": 1e-3}}
"""Beyond it V is more than 1400 kT, and what starts there weighs nothing after the reaction."""

PUBLISHED = {
    (WIDE, "W-FR"): (-0.004325, -0.109963, -0.518074, -0.066539),
    (WIDE, "FR-W"): (0.004217, 0.101254, 0.455516, 0.265284),
    (NARROW, "W-FR"): (0.625768, 0.371187, 0.154851),
    (NARROW, "FR-W"): (-0.516039, -0.198534, -0.028981),
}
"""KL of a step less that of the flow, from the closed forms of the paper (3.1)-(3.6)."""

WELLS = "3*(x**2 - 1)**2 + x/2"
WELL_STEPS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
CELLS = (240, 480, 960)


def closed_form(means: Means, step: float, order: str) -> float:
    """KL after one step of the order, or of the flow for the order ``""``."""
    centre, width, m, c = means
    if order:
        for part in order.split("-"):
            if part == "W":
                decay = np.exp(-step / width)
                m, c = centre + (m - centre) * decay, width + (c - width) * decay**2
            else:
                theta = np.exp(-step)
                precision = theta / c + (1 - theta) / width
                m = (theta * m / c + (1 - theta) * centre / width) / precision
                c = 1 / precision
        mean, covariance = np.array([m]), np.array([[c]])
    else:
        mean, covariance = gaussian_flow(m, c, centre, width, step)
    return gaussian_kl(mean, covariance, np.array([centre]), np.array([[width]]))


def on_mesh(means: Means, step: float, order: str, cells: int) -> tuple[float, float]:
    """KL after one step, from the mesh, and its error bar."""
    centre, width, m, c = means
    return last_kl({
        "target": {"kind": "gaussian", "mean": [centre], "covariance": [[width]]},
        "initial": {"mean": [m], "covariance": [[c]]},
        "domain": BOX.get(means, {}),
        "flow": {"save": [step], "splitting": order},
        "numerics": {"cells": [cells], "dt": step},
    })  # fmt: skip


def in_wells(step: float, order: str) -> tuple[float, float]:
    """KL after one step of the order from the deeper one of two wells, and its bar."""
    split = {"flow.splitting": order, "numerics.dt": step} if order else {}
    case = wfrpde.Case.model_validate({
        "target": {"potential": WELLS},
        "initial": {"mean": [-1.0], "covariance": [[0.1]]},
        "flow": {"save": [step]},
        "numerics": {"cells": [480]},
    })  # fmt: skip
    return last_kl(case.with_overrides(split).model_dump(exclude_unset=True))


def last_kl(tables: dict[str, object]) -> tuple[float, float]:
    """KL at the end of a case, and its bar."""
    solution = wfrpde.solve(wfrpde.Case.model_validate(tables))
    return float(solution.series["kl"][-1]), float(solution.error.series["kl"][-1])


def row(means: Means, step: float, order: str, cells: int) -> page.Row:
    """One line of the table."""
    value, bar = on_mesh(means, step, order, cells)
    flow = closed_form(means, step, "")
    centre, width, m, c = means
    return {
        "start → target": f"N({m:g}, {c:g}) → N({centre:g}, {width:g})",
        "step": step,
        "order": order,
        "published": PUBLISHED[means, order][STEPS[means].index(step)],
        "mesh": value - flow,
        "± ": bar,
        "off by": value - flow - (closed_form(means, step, order) - flow),
    }


def well_row(step: float, order: str) -> page.Row:
    """One line of the table of two wells."""
    (value, bar), (flow, own) = in_wells(step, order), in_wells(step, "")
    return {"step": step, "order": order, "mesh": value - flow, "± ": bar + own}


def main() -> None:
    """Compute the table, and draw."""
    place = page.folder()
    rows = [
        row(means, step, order, CELLS[-1])
        for means, steps in STEPS.items() for step in steps for order in ORDERS
    ]  # fmt: skip
    formats = {"start → target": "", "step": "g", "order": "", "published": "+.6f",
               "mesh": "+.6f", "± ": ".0e", "off by": "+.0e"}  # fmt: skip
    page.write("splitting-orders", rows, formats, place)
    refined = [
        {"order": order, "cells": cells, "error": row(WIDE, 0.7, order, cells)["off by"],
         "± ": row(WIDE, 0.7, order, cells)["± "]}
        for order in ORDERS for cells in CELLS
    ]  # fmt: skip
    formats = {"order": "", "cells": "d", "error": "+.1e", "± ": ".0e"}
    page.write("splitting-orders-cells", refined, formats, place)
    wells = [well_row(step, order) for step in WELL_STEPS for order in ORDERS]
    page.write("splitting-orders-wells", wells, {"step": "g", "order": "", "mesh": "+.6f",
                                                 "± ": ".0e"}, place)  # fmt: skip
    draw(rows, wells, place)


def draw(rows: list[page.Row], wells: list[page.Row], place: Path) -> None:
    """KL of a step less that of the flow against the step, for three problems."""
    with style.look():
        figure = style.new_figure(10.5, 3.9)
        panels = figure.subplots(1, 3)
        fine = np.geomspace(0.05, 8.0, 120)
        for axes, means in zip(panels, STEPS, strict=False):
            centre, width, m, c = means
            name = f"N({m:g}, {c:g}) → N({centre:g}, {width:g})"
            for order in ORDERS:
                gap = [closed_form(means, t, order) - closed_form(means, t, "") for t in fine]
                axes.plot(fine, gap, color=COLOURS[order], label=f"{order}, closed form")
                own = [r for r in rows if r["order"] == order and r["start → target"] == name]
                axes.plot([r["step"] for r in own], [r["mesh"] for r in own], "o",
                          color=COLOURS[order], ms=6, label=f"{order}, mesh")  # fmt: skip
            axes.set_title(name)
        for order in ORDERS:
            own = [r for r in wells if r["order"] == order]
            panels[2].plot([r["step"] for r in own], [r["mesh"] for r in own], "o-",
                           color=COLOURS[order], ms=6)  # fmt: skip
        panels[2].set_title("two wells, started in the deeper one")
        for axes in panels:
            axes.axhline(0.0, color=style.TARGET, lw=1.0)
            axes.set_xscale("log")
            axes.set_xlabel("length of the step")
        panels[0].set_ylabel("KL after the step − KL of the flow [nats]")
        panels[0].legend(fontsize=8.5)
        page.draw("splitting-orders", figure, place)


if __name__ == "__main__":
    main()
