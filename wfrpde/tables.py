"""Plain-text tables of a solution, for the screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from wfrpde.output.numbers import number, with_error

if TYPE_CHECKING:
    from wfrpde.run import Run
    from wfrpde.solution import Solution


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align columns, the first to the right and the others to the left."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k == 0 else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def solution_table(solution: Solution) -> str:
    """Tabulate KL and the masses of the modes at the saved times, with their errors."""
    error = solution.error
    columns = {"KL": (solution.series["kl"], _entry(error, "series", "kl"))}
    if not solution.case.flow.conserve_mass:
        columns["mass"] = (solution.series["mass"], _entry(error, "series", "mass"))
    for name, masses in solution.mode_mass.items():
        columns[f"mass {name}"] = (masses, _entry(error, "mode_mass", name))
    rows = [
        [
            f"{t:.4g}",
            *(
                with_error(float(values[k]), None if errors is None else float(errors[k]))
                for values, errors in columns.values()
            ),
        ]
        for k, t in enumerate(solution.times)
    ]
    return table(["t", *columns], rows)


def _entry(error: Any, kind: str, name: str) -> Any:
    entries = getattr(error, kind, None)
    return None if entries is None else entries.get(name)


def run_summary(run: Run) -> str:
    """Say what a run computed, how, and what to be careful about."""
    solution = run.solution
    parts = [f"{run.case.title or run.case.name}\n", solution_table(solution), ""]
    formulation = solution.numerics.get("formulation")
    if formulation:
        reason = solution.numerics.get("reason")
        parts.append(f"Formulation: {formulation}" + (f" ({reason})" if reason else ""))
    if run.case.numerics.certify and not run.interrupted:
        parts.append("± is the estimated error of the solver.")
    else:
        parts.append("No error was estimated, as this run has no second one to compare with.")
    parts += [f"Warning: {warning}" for warning in solution.warnings]
    if run.interrupted:
        parts.append(
            f"Interrupted: what is written is not the whole run (saved up to t = "
            f"{float(solution.times[-1]):.4g})."
        )
    return "\n".join(parts)


def comparison_table(solutions: dict[str, Solution], mode: str) -> str:
    """Tabulate KL and the mass of one mode over time, for several flows side by side."""
    first = next(iter(solutions.values()))
    rows = [
        [
            f"{float(t):.4g}",
            *(number(float(s.series["kl"][k]), 3) for s in solutions.values()),
            *(number(float(s.mode_mass[mode][k]), 3) for s in solutions.values()),
        ]
        for k, t in enumerate(first.times)
    ]
    equilibrium = (first.numerics.get("target_mode_mass") or {}).get(mode)
    if equilibrium is not None:
        count = len(solutions)
        rows.append(["target", *["0"] * count, *[number(float(equilibrium), 3)] * count])
    header = ["t", *(f"KL {n}" for n in solutions), *(f"{mode} {n}" for n in solutions)]
    return table(header, rows)
