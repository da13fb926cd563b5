"""The report of a run: one HTML page that says in words what the numbers say.

It is made from a `RunRecord` and the figures drawn from it, and needs nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wfrpde.numbers import duration, number, pretty, shortened, with_error
from wfrpde.report.flow.figures import Picture
from wfrpde.report.flow.record import NORMALISATION, FlowRecord, RunRecord
from wfrpde.report.flow.report_tables import main_tables, more_tables
from wfrpde.report.pages import embed, page_width, write_page

__all__ = ["numerics_rows", "result_sentences", "write_report"]

FLOW_NAMES = {
    "WFR": "Wasserstein–Fisher–Rao flow",
    "W": "Langevin (Wasserstein) flow",
    "FR": "Fisher–Rao flow",
    "FK": "Feynman–Kac flow",
}
ALONE = {"W": "Transport alone (W, Langevin)", "FR": "Reaction alone (FR)", "WFR": "Both (WFR)"}
PARAVIEW_TIPS = {
    1: "For a curve, use Filters ▸ Plot Data.",
    2: "Filters ▸ Warp By Scalar turns the map into a landscape.",
    3: "Filters ▸ Contour draws iso-surfaces, Slice cuts through them.",
}


def write_report(record: RunRecord, folder: Path, pictures: Sequence[Picture]) -> Path:
    """Write ``report.html`` into a run's folder. Not collective.

    Parameters
    ----------
    record
        The run.
    folder
        The run's folder.
    pictures
        The figures, in the order to show them; they are put into the page itself.

    Returns
    -------
    Path
        The page.
    """
    flow = record.flow
    checks = _checks(flow)
    failed = sum(not check["passed"] for check in checks)
    name = FLOW_NAMES.get(flow.label, flow.label)
    target = record.target_description or record.target_name
    way = "over" if flow.linear else "towards"
    context = {
        "title": record.title,
        "flow": flow.label,
        "kicker": f"{name} in {record.dim}-D {way} {shortened(target)}",
        "incomplete": "" if flow.complete else _incomplete(record),
        "failed": f"{failed} of {len(checks)} checks failed." if failed else "",
        # That it was interrupted stands above them.
        "warnings": [text for text in flow.warnings if not text.startswith("interrupted")],
        "result": result_sentences(record),
        "alpha": flow.alpha,
        "beta": flow.beta,
        "linear": shortened(flow.linear),
        "conserves_mass": record.conserves_mass,
        "meaning": _meaning(record),
        "pictures": [
            {
                "data": embed(p.path),
                "width": page_width(p.path),
                "alt": p.alt,
                "caption": p.caption,
            }
            for p in pictures
        ],
        "error_note": _error_note(flow),
        "tables": main_tables(record),
        "more_tables": more_tables(record),
        "checks": checks,
        "method": _method(flow),
        "numerics": numerics_rows(flow.numerics),
        "paraview": PARAVIEW_TIPS[record.dim] if (folder / "solution.pvd").is_file() else "",
        "case": json.dumps(record.case, indent=2, ensure_ascii=False, default=str),
        "facts_rows": _facts(record),
    }
    return write_page(folder / "report.html", "report.html.j2", context)


def result_sentences(record: RunRecord) -> list[str]:
    """Say what came out, in two to four plain sentences."""
    flow = record.flow
    last = pretty(number(float(flow.times[-1]), 4, trim=True))
    sentences = []
    if "kl" in flow.scalars:
        kl = flow.scalars["kl"]
        since = "after" if flow.linear else "down from"
        sentences.append(
            f"At t = {last} the {flow.label} flow has KL divergence "
            f"{_estimate(kl.value[-1], kl.error[-1])} to the target, "
            f"{since} {pretty(number(float(kl.value[0]), 4))} at the start."
        )
    if NORMALISATION in flow.scalars:
        growth = flow.scalars[NORMALISATION]
        sentences.append(
            "The log of the normalising constant is then "
            f"{_estimate(growth.value[-1], growth.error[-1])}."
        )
    mode = _far_mode(record)
    if mode is not None:
        mass = flow.mode_mass[mode]
        goal = record.target_mode_mass.get(mode)
        aim = "" if goal is None else f" (the target: {pretty(number(goal, 4))})"
        sentences.append(
            f"The mode “{mode}”, which held {pretty(number(float(mass.value[0]), 2))} of the mass "
            f"at first, now holds {_estimate(mass.value[-1], mass.error[-1])}{aim}."
        )
    for label, other in record.companions.items():
        parts = []
        if "kl" in other.scalars:
            parts.append(f"is at KL {pretty(number(float(other.scalars['kl'].value[-1]), 3))}")
        if mode is not None and mode in other.mode_mass:
            mass_there = pretty(number(float(other.mode_mass[mode].value[-1]), 2))
            parts.append(f"has {mass_there} of the mass in “{mode}”")
        if parts:
            then = pretty(number(float(other.times[-1]), 4, trim=True))
            when = "then" if then == last else f"at t = {then}"
            sentences.append(f"{ALONE.get(label, label)} {' and '.join(parts)} {when}.")
    return sentences


def _estimate(value: float, error: float) -> str:
    return pretty(with_error(float(value), float(error), 7))


def _far_mode(record: RunRecord) -> str | None:
    """Find the mode that the start reaches least: there the flows differ most."""
    masses = record.flow.mode_mass
    if not masses or len(record.flow.times) < 2:
        return None
    goals = record.target_mode_mass
    # A mode that the target leaves empty too is no goal.
    wanted = [name for name in masses if goals.get(name, 1.0) > 1e-3] or list(masses)
    return min(wanted, key=lambda name: float(masses[name].value[0]))


def _incomplete(record: RunRecord) -> str:
    flow = record.case.get("flow", {})
    end = (flow.get("save") or [flow.get("t_end")])[-1]
    reached = number(float(record.flow.times[-1]), 4, trim=True)
    until = f" of {number(float(end), 4, trim=True)}" if isinstance(end, int | float) else ""
    if np.isfinite(record.flow.density_error).any():
        errors = "The numbers hold for the times that they are given for."
    else:
        errors = (
            "The numbers come from the coarser of two solutions, and their errors were not "
            "estimated."
        )
    return f"It was stopped before its end: saved up to t = {reached}{until}. {errors}"


def _meaning(record: RunRecord) -> str:
    flow = record.flow
    moves = flow.alpha > 0
    rates = f"Here α = {number(flow.alpha, 6, trim=True)} and β = {number(flow.beta, 6, trim=True)}"
    words = {
        "WFR": "transport moves mass down the potential V (in kT) and lets it diffuse, while the "
        "reaction removes it where there is more than the target wants, and multiplies it where "
        "there is less",
        "W": "only transport acts: Langevin dynamics, which must wait for rare jumps over barriers",
        "FR": "only the reaction acts: mass is reweighted where it already is, and goes nowhere",
        "FK": "mass multiplies at the rate U where it is"
        + (", while transport moves it down the potential V (in kT) and lets it diffuse" * moves),
    }["FK" if flow.linear else ("WFR" if flow.beta else "W") if flow.alpha else "FR"]
    mass = "" if record.conserves_mass else " The total mass is free to change."
    if flow.linear:
        return f"{rates}: {words}. The flow does not lead to the target.{mass}"
    return f"{rates}: {words}. The flow descends KL(ρ‖π), the free energy in excess.{mass}"


def _error_note(flow: FlowRecord) -> str:
    errors = flow.density_error[np.isfinite(flow.density_error)]
    if not errors.size:
        return "The errors of this run were not estimated, so nothing stands behind a ±."
    return (
        "What follows ± is the solver's own estimate of its error, from a second, independent "
        "computation. The density itself is estimated to be right to "
        f"{pretty(number(float(errors.max()), 1))} in relative L² norm at every saved time."
    )


def _method(flow: FlowRecord) -> str:
    facts = flow.numerics
    formulation, reason = facts.get("formulation"), facts.get("reason")
    if not formulation:
        return "The solver did not say how it proceeded."
    because = f", because: {shortened(str(reason)).rstrip('.')}" if reason else ""
    return f"The {formulation} formulation was used{because}."


def numerics_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Flatten what the solver says about itself to name and value."""
    told_elsewhere = {"formulation", "reason", "checks", "target_mode_mass"}
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        if key not in told_elsewhere:
            rows += _rows(key.replace("_", " "), value)
    return rows


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
    return shortened(str(value))


def _checks(flow: FlowRecord) -> list[dict[str, Any]]:
    return [
        {
            "name": str(check.get("name", "")),
            "value": _plain(check.get("value")),
            "limit": _plain(check.get("limit")),
            "passed": bool(check.get("passed")),
        }
        for check in flow.numerics.get("checks") or []
    ]


def _facts(record: RunRecord) -> list[tuple[str, str]]:
    flow = record.flow
    rows = [
        ("date", record.created.replace("T", " ").replace("+00:00", " UTC")),
        ("wall time", duration(flow.wall_time)),
    ]
    rows += [(f"wall time of {k}", duration(c.wall_time)) for k, c in record.companions.items()]
    rows.append(("MPI ranks", str(record.ranks)))
    rows += [(f"{name} version", version) for name, version in record.versions.items()]
    return rows
