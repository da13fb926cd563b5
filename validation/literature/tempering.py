"""Whether a target that moves from the start to the target speeds a gradient flow up.

Crucinio and Pathiraja (2025), arXiv:2506.05905, and arXiv:2604.20301 find that it does not: towards
pi_t ~ pi_0^{1-s} pi^s the Fisher-Rao flow is pi_0^{1-c} pi^c with c < 1 - exp(-t), whatever the
schedule s. Here the exponent from the solver, and all three flows into two wells, where transport
alone behaves otherwise.

    tools/env python validation/literature/tempering.py [folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import page
from scipy.integrate import quad

import wfrpde
from wfrpde.report import style

SCHEDULES = {"t/T": lambda s: s, "1 − (1 − t/T)²": lambda s: s * (2 - s), "(t/T)²": np.square}
FORMULAS = {"t/T": "t/{0}", "1 − (1 − t/T)²": "1 - (1 - t/{0})**2", "(t/T)²": "(t/{0})**2"}
COLOURS = dict(zip(SCHEDULES, ("#E69F00", "#CC79A7", "#56B4E9"), strict=True))
DURATIONS = (0.5, 1.0, 2.0, 5.0)

WELL = "8*(x**2 - 1)**2 + x/2"
START = {"mean": [0.0], "covariance": [[0.64]]}
FLOWS = {"FR": {"alpha": 0.0}, "WFR": {}, "W": {"beta": 0.0}}
TIMES = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
TEMPERED = (2.0, 8.0, 32.0)
TOLD = (2.0, 8.0, 32.0)
ROUND_OFF = 1e-16
"""KL below which nothing is said."""


def exponent(duration: float, schedule: str) -> float:
    """Read c off the density of the tempered Fisher-Rao flow at the end of its schedule."""
    solution = wfrpde.solve(wfrpde.Case.model_validate({
        "target": {"potential": WELL},
        "initial": START,
        "path": {"kind": "temper", "schedule": FORMULAS[schedule].format(duration)},
        "flow": {"alpha": 0.0, "save": [duration]},
    }))  # fmt: skip
    x = np.linspace(-1.5, 1.5, 41)
    rise = x**2 / 1.28 - (8 * (x**2 - 1) ** 2 + x / 2)
    gained = solution.log_density(duration, x) + x**2 / 1.28
    return float(np.polyfit(rise, gained, 1)[0])


def closed_form(duration: float, schedule: str) -> float:
    """Return c = ∫ exp(t - T) s(t) dt over [0, T]."""
    course = SCHEDULES[schedule]
    return quad(lambda u: duration * np.exp(duration * (u - 1)) * course(u), 0, 1,
                epsabs=1e-14, epsrel=1e-13)[0]  # fmt: skip


def kl(
    flow: str, tempered: float | None, times: tuple[float, ...] = TIMES, cells: int = 160,
    *, certify: bool = True, start: dict[str, object] = START,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """KL to the target at the times, and its bars, of a flow into two wells."""
    tables = {
        "target": {"potential": WELL},
        "initial": start,
        "domain": {"box": [[-3.5, 3.5]], "cut_off_share": 1e-4},
        "flow": {**FLOWS[flow], "save": times},
        "numerics": {"cells": [cells], "certify": certify},
    }
    if tempered is not None:
        tables["path"] = {"kind": "temper", "schedule": f"t/{tempered}"}
        if flow != "FR":
            tables["numerics"]["dt"] = 0.05
    solution = wfrpde.solve(wfrpde.Case.model_validate(tables))
    bars = solution.error.series["kl"] if certify else np.zeros(len(times) + 1)
    return solution.series["kl"][1:], bars[1:]


def main() -> None:
    """Compute the tables, and draw."""
    place = page.folder()
    exponents = [
        {"schedule s": schedule, "T": duration, "c, solver": exponent(duration, schedule),
         "c, closed form": closed_form(duration, schedule), "untempered": -np.expm1(-duration)}
        for schedule in SCHEDULES for duration in DURATIONS
    ]  # fmt: skip
    formats = {"schedule s": "", "T": "g", "c, solver": ".10f", "c, closed form": ".10f",
               "untempered": ".4f"}  # fmt: skip
    page.write("tempering-exponents", exponents, formats, place)
    curves, rows = {}, []
    for flow in FLOWS:
        for tempered in (None, *TEMPERED):
            curves[flow, tempered], bars = kl(flow, tempered)
            row: dict[str, str | float] = {
                "flow": flow, "tempered until": "–" if tempered is None else f"{tempered:g}",
            }  # fmt: skip
            for t in TOLD:
                value = float(curves[flow, tempered][TIMES.index(t)])
                row[f"KL at t = {t:g}"] = value if value > ROUND_OFF else f"< {ROUND_OFF:g}"
                row[f"± at {t:g}"] = float(bars[TIMES.index(t)])
            rows.append(row)
    formats = {"flow": "", "tempered until": ""}
    for t in TOLD:
        formats[f"KL at t = {t:g}"] = ".3g"
    page.write("tempering", rows, formats, place)
    draw(exponents, curves, place)


def draw(
    exponents: list[page.Row], curves: dict[tuple[str, float | None], np.ndarray], place: Path
) -> None:
    """Exponents against the duration, and KL of the flows against time."""
    with style.look():
        figure = style.new_figure(10.5, 3.9)
        panels = figure.subplots(1, 3)
        fine = np.linspace(0.01, 6.0, 80)
        panels[0].plot(fine, -np.expm1(-fine), color=style.TARGET, lw=2.4, label="untempered")
        for schedule, colour in COLOURS.items():
            exact = [closed_form(t, schedule) for t in fine]
            panels[0].plot(fine, exact, color=colour, label=f"s = {schedule}")
            own = [row for row in exponents if row["schedule s"] == schedule]
            panels[0].plot([row["T"] for row in own], [row["c, solver"] for row in own], "o",
                           color=colour, ms=6)  # fmt: skip
        panels[0].plot([], [], "o", color=style.TARGET, label="solver")
        panels[0].set_xlabel("duration T")
        panels[0].set_ylabel("exponent c of ρ ∝ π₀¹⁻ᶜ πᶜ at t = T")
        panels[0].set_title("Fisher–Rao, any target")
        panels[0].legend(fontsize=8.5)
        dashes = {None: "-", 2.0: (0, (5, 1.5)), 8.0: (0, (3, 1.5, 1, 1.5)), 32.0: ":"}
        for axes, flows in ((panels[1], ("FR", "WFR")), (panels[2], ("W",))):
            for flow in flows:
                for tempered, dash in dashes.items():
                    words = "untempered" if tempered is None else f"tempered until {tempered:g}"
                    label = f"{flow}, {words}" if flow != "FR" else None
                    axes.plot(TIMES, curves[flow, tempered], ls=dash, label=label,
                              color=style.flow_colour(flow))  # fmt: skip
            style.log_scale(axes, "xy")
            axes.set_xlabel("flow time t")
        panels[1].plot([], [], color=style.flow_colour("FR"), label="FR, the same")
        panels[1].set_ylim(1e-9, 20)
        panels[2].set_ylim(0.015, 20)
        panels[1].set_ylabel("KL(ρ‖π) [nats]")
        panels[1].set_title("two wells, with a reaction")
        panels[2].set_title("two wells, transport alone")
        panels[1].legend(fontsize=8, loc="lower left")
        panels[2].legend(fontsize=8, loc="upper right")
        page.draw("tempering", figure, place)


if __name__ == "__main__":
    main()
