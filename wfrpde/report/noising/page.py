"""The report of a score-based process: one page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wfrpde.flow.noising.budget import Part
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.flow.saved import Estimated
from wfrpde.numbers import (
    MISSING,
    Polish,
    column,
    duration,
    number,
    pretty,
    shortened,
    with_error,
)
from wfrpde.report import pages
from wfrpde.report.flow.page import last_of, numerics_rows
from wfrpde.report.noising.explorer import noising_explorer
from wfrpde.report.noising.figures import drawings
from wfrpde.report.pages import Table


def write_report(solution: NoisingSolution, folder: Path, *, figures: bool = True) -> list[Path]:
    """Draw the figures, and write ``report.html``. Not collective."""
    facts = [("wall time", duration(solution.wall_time)), ("MPI ranks", str(solution.ranks))]
    return pages.write_report(
        folder,
        "noising.html.j2",
        solution.case,
        drawings(solution) if figures else (),
        facts,
        kicker=kicker(solution),
        explorer=noising_explorer(solution) if figures else None,
        warnings=solution.warnings,
        result=result_sentences(solution),
        tables=tables(solution),
        numerics=numerics_rows(solution.numerics),
    )


def kicker(solution: NoisingSolution) -> str:
    """Say what was solved."""
    spec = solution.case.noising
    kind = "" if spec is None else spec.kind.upper()
    way = "reverse process" if solution.process.reverse else "noise"
    target = solution.case.build_target()
    data = shortened(target.description or target.name) if solution.process.reverse else "[initial]"
    return f"{kind} {way} in {solution.dim}-D, data: {data}"


def result_sentences(solution: NoisingSolution) -> list[str]:
    """Say what came out."""
    last = pretty(number(float(solution.times[-1]), 4, trim=True))
    if not solution.process.reverse:
        words = solution.numerics["formulation"]
        return [f"The noised data at {len(solution.times)} times up to t = {last}: {words}."]
    kl, gap = solution.estimated("reverse_kl"), solution.estimated("l1")
    depth = ""
    if np.isfinite(solution.depth[-1]):
        deep = pretty(number(float(solution.depth[-1]), 2))
        depth = f", and log ρ down to {deep} kT below its maximum at the last"
    return [
        f"At t = {last} the data with as much noise have the relative entropy KL(p‖ρ) = "
        f"{last_of(kl)} to the law ρ of the process, at an L1 distance of "
        f"{last_of(gap)}.",
        f"The density is right to {pretty(number(float(solution.density_error.max()), 1))} in L1 "
        f"at every saved time{depth}.",
    ]


def tables(solution: NoisingSolution, polish: Polish = pretty) -> list[Table]:
    """Give the numbers at the saved times; `polish` is applied to each number."""
    wanted = {"KL(p‖ρ)": "reverse_kl", "KL(ρ‖p)": "kl", "L1": "l1"}
    entries = {}
    if solution.process.reverse:
        entries = {words: solution.estimated(name) for words, name in wanted.items()}
        weighed = {"ESS/N": "ess", "log E w": "log_normalising_constant"}
        entries |= {w: solution.estimated(n) for w, n in weighed.items() if n in solution.series}
    mean = solution.estimated("mean")
    masses = {f"mass of {n}": solution.estimated("mode_mass", n) for n in solution.mode_mass}
    masses |= {f"mean {x}": mean[:, i] for i, x in enumerate("xyz"[: solution.dim])}
    titles = {"Distances to the noised data": entries, "Masses and means": masses}
    found = [_over_time(solution, title, kept, polish) for title, kept in titles.items() if kept]
    if solution.budget:
        rows = tuple(_budget_row(part, polish) for part in solution.budget)
        header = ("", "KL", "L1", "Girsanov's bound of KL")
        found.insert(0, Table("Error budget: each part alone, and all together", header, rows))
    return found


def _over_time(
    solution: NoisingSolution, title: str, entries: Mapping[str, Estimated], polish: Polish
) -> Table:
    cells = [[polish(c) for c in column(e.value, e.error, 7)] for e in entries.values()]
    times = [polish(number(float(t), 4, trim=True)) for t in solution.times]
    return Table(title, ("t", *entries), tuple(zip(times, *cells, strict=True)))


_WORDS = {
    "start": "start: not the noised data",
    "score": "score: not that of the data",
    "steps": "steps of Euler and Maruyama",
    "stopping": "stopping before the data",
    "together": "all together",
}


def _budget_row(part: Part, polish: Polish) -> tuple[str, ...]:
    bound = MISSING if not np.isfinite(part.bound) else polish(number(part.bound, 3))
    pairs = ((part.kl, part.kl_error), (part.l1, part.l1_error))
    return (_WORDS[part.name], *(polish(with_error(*pair, 4)) for pair in pairs), bound)
