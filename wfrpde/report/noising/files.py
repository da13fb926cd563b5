"""The folder of a score-based process: written from its solution, drawn again from its file."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wfrpde.arrays import Array
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.report.files import FORMAT, reach_code, write_columns, write_json
from wfrpde.report.noising.page import write_report
from wfrpde.report.versions import software_versions

KIND = "noising"
"""What its summary says it is."""

SOLUTION = "noising.npz"
"""File of the solution."""


def write_noising(solution: NoisingSolution, folder: Path) -> list[Path]:
    """Write numbers, solution, figures and report. Not collective.

    Raises
    ------
    OSError
        If something cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        write_json(summary(solution), folder / "summary.json"),
        write_columns(folder / "series.csv", columns(solution)),
        solution.save(folder / SOLUTION),
    ]
    return written + write_report(solution, folder, figures=solution.case.output.figures)


def plot_noising(folder: Path) -> list[Path]:
    """Draw figures and report again, from the folder alone. Not collective."""
    solution = NoisingSolution.load(folder / SOLUTION)
    reach_code(solution.case)
    return write_report(solution, folder)


def columns(solution: NoisingSolution) -> dict[str, Array]:
    """Give the columns of ``series.csv``; ``q_error`` is the estimated error of ``q``."""
    axes = "xyz"[: solution.dim]
    found: dict[str, Array] = {"t": solution.times}
    names = [(name, solution.estimated(name)) for name in solution.series]
    mean, covariance = solution.estimated("mean"), solution.estimated("covariance")
    names += [(f"mean_{x}", mean[:, i]) for i, x in enumerate(axes)]
    names += [
        (f"covariance_{axes[i]}{axes[j]}", covariance[:, i, j])
        for i in range(solution.dim)
        for j in range(i, solution.dim)
    ]
    names += [(f"mode_{n}", solution.estimated("mode_mass", n)) for n in solution.mode_mass]
    for name, entry in names:
        found[name], found[f"{name}_error"] = entry.value, entry.error
    return {**found, "density_error": solution.density_error}


def summary(solution: NoisingSolution) -> dict[str, Any]:
    """Give inputs, facts and every reported number."""

    def pair(name: str, region: str = "") -> dict[str, Any]:
        entry = solution.estimated(name, region)
        return {"value": entry.value, "error": entry.error}

    return {
        "format": FORMAT,
        "kind": KIND,
        "title": solution.case.title or solution.case.name,
        "flow": "reverse" if solution.process.reverse else "noising",
        "dimension": solution.dim,
        "complete": solution.complete,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_time": solution.wall_time,
        "ranks": solution.ranks,
        "versions": software_versions(),
        "case": solution.case.model_dump(mode="json"),
        "numerics": solution.numerics,
        "warnings": solution.warnings,
        "budget": [asdict(part) for part in solution.budget],
        "results": {
            "times": solution.times,
            "series": {name: pair(name) for name in solution.series},
            "mean": pair("mean"),
            "covariance": pair("covariance"),
            "mode_mass": {name: pair("mode_mass", name) for name in solution.mode_mass},
            "density_error": solution.density_error,
        },
    }
