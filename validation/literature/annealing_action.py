"""Annealed importance sampling: the action of a path against the work that is really dissipated.

Guo, Tao and Chen (2025), arXiv:2502.04575, bound the time that annealing needs by the action A of
its path, A = ∫ |dπ_s/ds|²_{W2} ds; for T -> ∞ the work that is dissipated in the time T is A/T
(Sivak and Crooks, Phys. Rev. Lett. 108, 2012). Here the action, the work that Langevin particles
dissipate at any T, and the effective sample size of their weights, from N(0, 0.64) into two wells.

    tools/env python validation/literature/annealing_action.py [folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import page

import wfrpde
from wfrpde.operators.along_path import PathProfile, path_profile
from wfrpde.report import style

WELL = "8*(x**2 - 1)**2 + x/2"
NOTED = {0.25: 1.0918043, 1.0: 0.698144, 4.0: 0.35354, 16.0: 0.1569}
"""log(N/ESS) by T, from an independent prototype (701 nodes), good to 1e-4."""

DURATIONS = {0.25: 200, 1.0: 200, 4.0: 200, 16.0: 400, 64.0: 800, 256.0: 1600, 1024.0: 3200}
"""Steps by T."""

SCHEDULES = {"even": "#0072B2", "constant dissipation": "#D55E00"}


def case(duration: float, steps: int | None = None, schedule: object = None) -> wfrpde.Case:
    """Annealing into two wells in a time."""
    path = {"kind": "temper"} if schedule is None else {"kind": "temper", "schedule": schedule}
    return wfrpde.Case.model_validate({
        "target": {"potential": WELL},
        "initial": {"mean": [0.0], "covariance": [[0.64]]},
        "domain": {"box": [[-3.5, 3.5]], "cut_off_share": 1e-4},
        "path": path,
        "flow": {"reaction": "annealed", "save": [duration]},
        "numerics": {} if steps is None else {"cells": [160], "dt": duration / steps},
    })  # fmt: skip


def row(duration: float, steps: int, schedule: str, profile: PathProfile) -> page.Row:
    """Solve one annealing: what is dissipated, and what the weights are worth."""
    table = None if schedule == "even" else profile.schedule(duration)
    solution = wfrpde.solve(case(duration, steps, table))
    series, bars = solution.series, solution.error.series
    ess = float(series["ess"][-1])
    action = profile.action if schedule == "even" else profile.length**2
    return {
        "schedule": schedule,
        "T": duration,
        "dissipated": float(series["dissipated"][-1]),
        "± of it": float(bars["dissipated"][-1]),
        "T × dissipated": duration * float(series["dissipated"][-1]),
        "action": action,
        "log(N/ESS)": -float(np.log(ess)),
        "± ": float(bars["ess"][-1]) / ess,
        "Var W": float(series["work_variance"][-1]),
    }


def main() -> None:
    """Compute the table, and draw."""
    place = page.folder()
    profile = path_profile(case(1.0))
    rows = [
        row(duration, steps, schedule, profile)
        for schedule in SCHEDULES for duration, steps in DURATIONS.items()
    ]  # fmt: skip
    formats = {"schedule": "", "T": "g", "dissipated": ".5f", "± of it": ".0e",
               "T × dissipated": ".4f", "action": ".4f", "log(N/ESS)": ".5f", "± ": ".0e",
               "Var W": ".4f"}  # fmt: skip
    page.write("annealing-action", rows, formats, place)
    stations = [
        {"s": float(s), "gap": float(gap), "friction": float(friction)}
        for s, gap, friction in zip(profile.times, profile.gap, profile.friction, strict=True)
    ]
    page.write("annealing-action-path", stations, {}, place)
    draw(rows, profile, place)


def draw(rows: list[page.Row], profile: PathProfile, place: Path) -> None:
    """Dissipation times T, the price in samples, and the friction along the path."""
    with style.look():
        figure = style.new_figure(10.5, 3.9)
        panels = figure.subplots(1, 3)
        for schedule, colour in SCHEDULES.items():
            own = [row for row in rows if row["schedule"] == schedule]
            times = np.array([float(row["T"]) for row in own])
            panels[0].plot(times, [row["T × dissipated"] for row in own], "o-", color=colour,
                           label=schedule)  # fmt: skip
            panels[0].axhline(float(own[0]["action"]), color=colour, ls="--", lw=1.2)
            panels[1].plot(times, [row["log(N/ESS)"] for row in own], "o-", color=colour)
            panels[1].plot(times, 2 * float(own[0]["action"]) / times, "--", color=colour, lw=1.2)
        panels[0].text(0.25, profile.action + 0.1, "action A of the path", fontsize=9,
                       color=SCHEDULES["even"])  # fmt: skip
        panels[0].text(0.25, profile.length**2 + 0.1, "least A of any schedule", fontsize=9,
                       color=SCHEDULES["constant dissipation"])  # fmt: skip
        panels[0].set_ylim(0, profile.action + 1.0)
        panels[0].set_ylabel("T × dissipated work [kT]")
        panels[0].set_title("towards the action from below")
        panels[0].legend(title="schedule s(t)", fontsize=8.5, loc="center left",
                         bbox_to_anchor=(0.0, 0.45))  # fmt: skip
        panels[1].set_ylim(5e-3, 3)
        panels[1].set_ylabel("log(N/ESS)")
        panels[1].set_title("what weights cost; dashed: 2A/T")
        style.log_scale(panels[0], "x")
        style.log_scale(panels[1], "xy")
        for axes in panels[:2]:
            axes.set_xlabel("duration T of the annealing")
        panels[2].plot(profile.times, profile.friction, color="#009E73", label="friction")
        panels[2].plot(profile.times, profile.gap, color="#7A5195", label="gap λ₁")
        style.log_scale(panels[2], "y")
        panels[2].set_xlabel("place along the path, s")
        panels[2].set_ylabel("friction [kT], gap [per unit time]")
        panels[2].set_title("where it is dissipated")
        panels[2].legend(fontsize=8.5, loc="upper center")
        page.draw("annealing-action", figure, place)


if __name__ == "__main__":
    main()
