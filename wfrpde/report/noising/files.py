"""The folder of a score-based process: written from its solution, drawn again from its file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.report.files import facts_of, reach_code, write_columns, write_json
from wfrpde.report.flow.files import pair_of, series_columns
from wfrpde.report.noising.page import write_report

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
        write_columns(folder / "series.csv", series_columns(solution)),
        solution.save(folder / SOLUTION),
    ]
    return written + write_report(solution, folder, figures=solution.case.output.figures)


def plot_noising(folder: Path) -> list[Path]:
    """Draw figures and report again, from the folder alone. Not collective."""
    solution = NoisingSolution.load(folder / SOLUTION)
    reach_code(solution.case)
    return write_report(solution, folder)


def summary(solution: NoisingSolution) -> dict[str, Any]:
    """Give inputs, facts and every reported number."""
    return {
        **facts_of(solution, "noising"),
        "flow": "reverse" if solution.process.reverse else "noising",
        "numerics": solution.numerics,
        "budget": [asdict(part) for part in solution.budget],
        "results": {
            "times": solution.times,
            "series": {name: pair_of(solution, name) for name in solution.series},
            "mean": pair_of(solution, "mean"),
            "covariance": pair_of(solution, "covariance"),
            "mode_mass": {n: pair_of(solution, "mode_mass", n) for n in solution.mode_mass},
            "density_error": solution.density_error,
        },
    }
