"""The report of a run: one HTML page that says in words what the numbers say.

It is made from a `FlowRun` and the figures drawn from it, and needs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.fields.schedules import written
from wfrpde.numbers import duration, number, pretty, shortened, with_error
from wfrpde.report import pages
from wfrpde.report.dynamics import dynamics_sentence
from wfrpde.report.flow.report_tables import main_tables, more_tables
from wfrpde.report.flow.run import NORMALISATION, FlowRun

if TYPE_CHECKING:
    from wfrpde.equation import Equation
    from wfrpde.flow.product.solution import AnySolution
    from wfrpde.flow.saved import Estimated
    from wfrpde.report.drawing import Drawing

PARAVIEW_TIPS = {
    1: "For a curve, use Filters ▸ Plot Data.",
    2: "Filters ▸ Warp By Scalar turns the map into a landscape.",
    3: "Filters ▸ Contour draws iso-surfaces, Slice cuts through them.",
}


def drawings(run: FlowRun) -> Iterator[Drawing | None]:
    """Draw every figure that suits the run, in the order to look at them."""
    from wfrpde.report.flow import density1d, density2d, density3d
    from wfrpde.report.flow.currents import draw_currents
    from wfrpde.report.flow.dissipation import draw_dissipation
    from wfrpde.report.flow.kl import draw_kl
    from wfrpde.report.flow.marginals import draw_marginals
    from wfrpde.report.flow.modes import draw_modes
    from wfrpde.report.flow.series import draw_growth, draw_survival, draw_work

    planar = {
        1: (density1d.draw_density, density1d.draw_comparison),
        2: (density2d.draw_maps, density2d.draw_log_maps),
        3: (density3d.draw_rendering, density3d.draw_marginals),
    }
    densities = (draw_marginals,) if run.is_product else planar[run.solution.dim]
    steps = () if run.is_product else (draw_dissipation,)
    curves = (draw_growth, draw_work, draw_survival, draw_kl, draw_modes)
    for draw in (*densities, draw_currents, *curves, *steps):
        yield draw(run)


def write_report(run: FlowRun, folder: Path, *, figures: bool = True) -> list[Path]:
    """Draw the figures of a run, and write ``report.html`` into its folder. Not collective."""
    flow, equation = run.solution, run.equation
    checks = _checks(flow)
    failed = sum(not check["passed"] for check in checks)
    target = flow.target.description or flow.target.name
    way = "towards" if equation.reaches_target else "over"
    words: dict[str, Any] = {
        "title": run.title,
        "flow": equation.label,
        "kicker": f"{equation.words} in {flow.dim}-D {way} {shortened(target)}",
        "incomplete": "" if flow.complete else _incomplete(run),
        "failed": f"{failed} of {len(checks)} checks failed." if failed else "",
        # That it was interrupted stands above them.
        "warnings": [text for text in flow.warnings if not text.startswith("interrupted")],
        "result": result_sentences(run),
        "alpha": written(equation.alpha),
        "general": bool(equation.dynamics and equation.dynamics.terms),
        "dynamics": dynamics_sentence(run.solution.case),
        "beta": written(equation.beta),
        "linear": _rate_in_words(equation),
        "conserves_mass": equation.conserve,
        "meaning": _meaning(run),
        "error_note": _error_note(flow),
        "tables": main_tables(run),
        "more_tables": more_tables(run),
        "checks": checks,
        "method": _method(flow),
        "numerics": numerics_rows(flow.numerics),
        "paraview": PARAVIEW_TIPS.get(flow.dim, "") if (folder / "solution.pvd").is_file() else "",
    }
    facts = [
        ("date", run.created.replace("T", " ").replace("+00:00", " UTC")),
        ("wall time", duration(flow.wall_time)),
        *((f"wall time of {k}", duration(c.wall_time)) for k, c in run.companions.items()),
        ("MPI ranks", str(run.ranks)),
    ]
    if figures:
        from wfrpde.report.flow.explorer import flow_explorer

        words["explorer"] = flow_explorer(run)
    drawn = drawings(run) if figures else ()
    return pages.write_report(
        folder, "report.html.j2", flow.case, drawn, facts, run.versions, **words
    )


def result_sentences(run: FlowRun) -> list[str]:
    """Say what came out, in two to four plain sentences."""
    flow = run.solution
    last = pretty(number(float(flow.times[-1]), 4, trim=True))
    since = "down from" if run.equation.descends else "after"
    sentences = [
        f"At t = {last} the {run.equation.label} flow has KL divergence "
        f"{last_of(flow.estimated('kl'))} to the target, "
        f"{since} {pretty(number(float(flow.series['kl'][0]), 4))} at the start."
    ]
    if NORMALISATION in flow.series:
        growth = last_of(flow.estimated(NORMALISATION))
        sentences.append(f"The log of the normalising constant is then {growth}.")
    mode = run.far_mode
    if mode is not None:
        goal = run.target_mode_mass.get(mode)
        aim = "" if goal is None else f" (the target: {pretty(number(goal, 4))})"
        first = pretty(number(float(flow.mode_mass[mode][0]), 2))
        sentences.append(
            f"The mode “{mode}”, which held {first} of the mass "
            f"at first, now holds {last_of(flow.estimated('mode_mass', mode))}{aim}."
        )
    for other in run.companions.values():
        parts = [f"is at KL {pretty(number(float(other.series['kl'][-1]), 3))}"]
        there = np.nan if mode is None else float(other.mode_mass[mode][-1])
        if np.isfinite(there):
            parts.append(f"has {pretty(number(there, 2))} of the mass in “{mode}”")
        then = pretty(number(float(other.times[-1]), 4, trim=True))
        when = "then" if then == last else f"at t = {then}"
        sentences.append(f"{_alone(other.case.equation)} {' and '.join(parts)} {when}.")
    return sentences


def last_of(quantity: Estimated) -> str:
    """Write a number at the last time with its error."""
    return pretty(with_error(float(quantity.value[-1]), float(quantity.error[-1]), 7))


def _alone(equation: Equation) -> str:
    """Name an equation as part of another one."""
    if equation.reaction is None:
        return f"Transport alone ({equation.label}, Langevin)"
    return f"{'Both' if equation.dynamics else 'Reaction alone'} ({equation.label})"


def _incomplete(run: FlowRun) -> str:
    reached = number(float(run.solution.times[-1]), 4, trim=True)
    end = number(float(run.solution.case.flow.save[-1]), 4, trim=True)
    if np.isfinite(run.solution.density_error).any():
        errors = "The numbers hold for the times that they are given for."
    else:
        errors = (
            "The numbers come from the coarser of two solutions, and their errors were not "
            "estimated."
        )
    return f"It was stopped before its end: saved up to t = {reached} of {end}. {errors}"


def _rate(rate: float) -> str:
    text = written(rate)
    return text if isinstance(text, str) else number(text, 6, trim=True)


def _meaning(run: FlowRun) -> str:
    equation = run.equation
    rates = f"Here α = {_rate(equation.alpha)} and β = {_rate(equation.beta)}"
    moves = ", while transport moves it down the potential V (in kT) and lets it diffuse"
    words = {
        "WFR": "transport moves mass down the potential V (in kT) and lets it diffuse, while the "
        "reaction removes it where there is more than the target wants, and multiplies it where "
        "there is less",
        "W": "only transport acts: Langevin dynamics, which must wait for rare jumps over barriers",
        "FR": "only the reaction acts: mass is reweighted where it already is, and goes nowhere",
        "FK": "mass multiplies at the rate U where it is" + moves * (equation.dynamics is not None),
    }[equation.label]
    mass = "" if equation.conserve else " The total mass is free to change."
    if equation.killed:
        mass = " What arrives where the domain absorbs is gone; the law is that of what is left."
    if equation.path is not None:
        led = "behind it"
        if equation.annealed:
            exact = "the law of the target at each time, if it begins with it"
            power = equation.annealed.power
            led = exact if power == 1 else f"with weights to the power {power:g}"
        return f"{rates}: {words}. The target moves, and the flow follows it: {led}.{mass}"
    if not equation.reaches_target:
        return f"{rates}: {words}. The flow does not lead to the target.{mass}"
    return f"{rates}: {words}. The flow descends KL(ρ‖π), the free energy in excess.{mass}"


def _rate_in_words(equation: Equation) -> str:
    """Write the rate of the linear reaction, or nothing where there is none."""
    if equation.annealed:
        power = equation.annealed.power
        return "−∂V/∂t" if power == 1 else f"−{power:g} ∂V/∂t"
    return "" if equation.rate is None else shortened(equation.rate.text)


def _error_note(flow: AnySolution) -> str:
    errors = flow.density_error[np.isfinite(flow.density_error)]
    if not errors.size:
        return "The errors of this run were not estimated, so nothing stands behind a ±."
    return (
        "What follows ± is the solver's own estimate of its error, from a second, independent "
        "computation. The density itself is estimated to be right to "
        f"{pretty(number(float(errors.max()), 1))} in relative L² norm at every saved time."
    )


def _method(flow: AnySolution) -> str:
    facts = flow.numerics
    because = shortened(str(facts["reason"])).rstrip(".")
    return f"The {facts['formulation']} formulation was used, because: {because}."


def numerics_rows(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Flatten what the solver says about itself to name and value."""
    told_elsewhere = {"formulation", "reason", "checks", "target_mode_mass"}
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        if key not in told_elsewhere:
            rows += _rows(key.replace("_", " "), value)
    return [row for row in rows if row[1]]


def _rows(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [
            row for k, v in value.items() for row in _rows(f"{name}: {str(k).replace('_', ' ')}", v)
        ]
    if isinstance(value, list | tuple):
        if not value or len(value) > 12 or any(isinstance(v, dict) for v in value):
            return []
        return [(name, ", ".join(_plain(v) for v in value))]
    return [(name, _plain(value))]


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if isinstance(value, float):
        return pretty(number(value, 3, trim=True))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return shortened(str(value))


def _checks(flow: AnySolution) -> list[dict[str, Any]]:
    return [
        {
            "name": str(check.get("name", "")),
            "value": _plain(check.get("value")),
            "limit": _plain(check.get("limit")),
            "passed": bool(check.get("passed")),
        }
        for check in flow.numerics.get("checks") or []
    ]
