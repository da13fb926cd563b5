"""Plain-text tables of a solution, for the screen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.numbers import column, number, shortened
from wfrpde.parallel.screen import screen_width

if TYPE_CHECKING:
    from wfrpde.flow.product.solution import AnySolution

ENGINES = {"scipy": "SciPy", "petsc": "PETSc"}
"""`numerics.engine`, for people."""


PROSE = 24
"""Characters of a cell from which it is prose, and may be wrapped."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None) -> str:
    """Align columns, the first to the right and the others to the left.

    A table that is wider than ``width``, by default that of the terminal, has its last column
    wrapped between words if that is prose. If it is too wide still, it is cut into tables one below
    the other, which all begin with the first column.
    """
    most = screen_width() if width is None else width
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    if widths[-1] > PROSE:
        widths[-1] = min(widths[-1], max(PROSE, most - sum(widths[:-1]) - GAP * len(widths[1:])))
    blocks: list[list[int]] = [[0]]
    for k in range(1, len(header)):
        taken = sum(widths[i] + GAP for i in blocks[-1])
        if taken + widths[k] > most and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(k)
    return "\n\n".join(_block(lines, widths, block) for block in blocks)


GAP = 2
"""Blanks between columns."""


def _block(lines: list[list[str]], widths: list[int], columns: list[int]) -> str:
    """Write some columns below one another; cells that are too wide take several lines."""
    written = []
    for line in lines:
        cells = [textwrap.wrap(line[k], widths[k]) if len(line[k]) > widths[k] else [line[k]]
                 for k in columns]  # fmt: skip
        for parts in zip_longest(*cells, fillvalue=""):
            padded = [
                part.rjust(widths[k]) if k == 0 else part.ljust(widths[k])
                for k, part in zip(columns, parts, strict=True)
            ]
            written.append((" " * GAP).join(padded).rstrip())
    return "\n".join(written)


def solution_table(solution: AnySolution) -> str:
    """Tabulate KL and the masses of the modes at the saved times, with their errors."""
    columns = {"KL": solution.estimated("kl")}
    if not solution.case.flow.conserve_mass:
        columns["mass"] = solution.estimated("mass")
    if "log_normalising_constant" in solution.series:
        columns["log γ(1)"] = solution.estimated("log_normalising_constant")
    if "survival" in solution.series:
        columns["survival"] = solution.estimated("survival")
    for name in solution.mode_mass:
        columns[f"mass {name}"] = solution.estimated("mode_mass", name)
    cells = [aligned(column(entry.value, entry.error, 9)) for entry in columns.values()]
    return table(["t", *columns], zip(_times(solution), *cells, strict=True))


def _times(solution: AnySolution) -> list[str]:
    return [f"{float(t):.4g}" for t in solution.times]


def aligned(cells: list[str]) -> list[str]:
    """Put decimal points, and the signs of the errors, below one another."""
    pairs = [cell.partition(" ± ") for cell in cells]
    before = [len(value.partition("e")[0].partition(".")[0]) for value, _, _ in pairs]
    values = [
        " " * (max(before, default=0) - n) + value
        for n, (value, _, _) in zip(before, pairs, strict=True)
    ]
    width = max(map(len, values), default=0)
    return [
        f"{value.ljust(width)}{sign}{error}"
        for value, (_, sign, error) in zip(values, pairs, strict=True)
    ]


def run_summary(solution: AnySolution) -> str:
    """Say what a run computed, how, and what to be careful about."""
    case = solution.case
    parts = [f"{case.title or case.name}\n", solution_table(solution), ""]
    formulation = solution.numerics.get("formulation")
    if formulation:
        reason = shortened(str(solution.numerics.get("reason") or ""))
        parts.append(f"Formulation: {formulation}" + (f" ({reason})" if reason else ""))
    if "axes" in solution.numerics:
        rows = (
            ", ".join(number(float(a), 3, trim=True) for a in row)
            for row in solution.numerics["axes"]
        )
        fewer = solution.numerics.get("fewer_cells")
        parts.append(f"Axes of the box: {', '.join(f'({row})' for row in rows)}")
        if fewer is not None:  # of boxes of the shortest lengths; meshes differ by less
            parts.append(f"Chosen, as x and y would ask for up to {fewer:.2g} times as many cells")
    if "engine" in solution.numerics:
        parts.append(f"Linear algebra: {ENGINES[solution.numerics['engine']]}")
    if is_estimated(solution):
        parts.append("± is the estimated error of the solver.")
    elif not solution.complete and case.numerics.certify:
        parts.append(
            "Errors: not estimated, as the run was stopped before its second solution; the "
            "numbers come from the coarser one."
        )
    else:
        parts.append("Errors: not estimated, as this run has no second one to compare with.")
    # That it was interrupted is the last line.
    told = [text for text in solution.warnings if not text.startswith("interrupted")]
    parts += [f"Warning: {warning}" for warning in told]
    if not solution.complete:
        parts.append(f"Interrupted: {progress(solution)}.")
    return "\n".join(parts)


def is_estimated(solution: AnySolution) -> bool:
    """Whether errors were estimated: not of a run that was stopped before its second solution."""
    return bool(np.isfinite(solution.density_error).any())


def progress(solution: AnySolution) -> str:
    """Say how far a run that was stopped has got."""
    reached, end = float(solution.times[-1]), solution.case.flow.save[-1]
    saved = f"saved up to t = {number(reached, 4, trim=True)} of {number(end, 4, trim=True)}"
    return saved if reached < end else f"{saved}, without the flows to compare with"


def comparison_table(solutions: Mapping[str, AnySolution], mode: str) -> str:
    """Tabulate KL and the mass of one mode over time, for several flows side by side."""
    first = next(iter(solutions.values()))
    equilibrium = first.numerics["target_mode_mass"].get(mode)
    times = _times(first)
    divergences = [list(s.series["kl"]) for s in solutions.values()]
    masses = [list(s.mode_mass[mode]) for s in solutions.values()]
    if equilibrium is not None:
        times.append("target")
        divergences = [[*values, 0.0] for values in divergences]
        masses = [[*values, float(equilibrium)] for values in masses]
    cells = [aligned(column(values, digits=3)) for values in (*divergences, *masses)]
    header = ["t", *(f"KL {n}" for n in solutions), *(f"{mode} {n}" for n in solutions)]
    return table(header, zip(times, *cells, strict=True))
