"""Asked, estimated and true: what `[accuracy] tolerance` delivers.

    OMP_NUM_THREADS=1 tools/env python validation/tolerance/measure.py
    OMP_NUM_THREADS=1 tools/env python validation/tolerance/measure.py --cases wells-8 --again

Each case is solved for each tolerance, and compared with a closed form, with finite volumes that
share nothing with wfrpde, or, where neither is known, with another formulation. Every number at
every saved time is a pair of an estimate and a true error, both relative as in
`wfrpde.flow.accuracy.relative_errors`. Where the truth itself is not known to a third of the
estimate, nothing is concluded, and the pair is left out. Errors below 1e-11 are round-off: they
count as covered, and have no ratio.

What is measured goes to docs/measured at once: solves to ``tolerance.csv``, their numbers to
``tolerance-numbers.csv``, and at the end a summary to ``tolerance.md``, for the docs. What is there
already is not measured again, unless ``--again`` is given. A solve that has spent its limit of CPU
time is stopped as by Ctrl-C, and what it has by then counts.
"""

from __future__ import annotations

import argparse
import csv
import logging
import os
import platform
import signal
import sys
import time
from dataclasses import asdict, dataclass, fields
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "validation" / "benchmarks"))
from cases import PROBES, Probe  # noqa: E402
from machine import machine  # noqa: E402
from truths import Truth  # noqa: E402

import wfrpde  # noqa: E402
from wfrpde.errors import AccuracyError, SolverError  # noqa: E402
from wfrpde.flow.accuracy import RATES, relative_errors, worst_error  # noqa: E402
from wfrpde.flow.solution import Solution  # noqa: E402

ROUND_OFF = 1e-11
SOLVES = ROOT / "docs" / "measured" / "tolerance.csv"
NUMBERS = SOLVES.with_name("tolerance-numbers.csv")
PAGE = SOLVES.with_suffix(".md")


@dataclass(frozen=True)
class Solve:
    """One solve: what was asked, estimated and found, of the numbers that are aimed at."""

    case: str
    digits: int
    estimated: float
    true: float
    met: bool
    attempts: int
    nodes: int
    formulation: str
    cpu: float
    worst: str
    truth: str
    day: str


@dataclass(frozen=True)
class Pair:
    """A number at a time: its estimated and its true relative error."""

    case: str
    digits: int
    number: str
    time: float
    estimated: float
    true: float


def pairs(name: str, digits: int, solution: Solution, truth: Truth) -> list[Pair]:
    """Every number after the start that can be judged."""
    estimated, found = relative_errors(solution), relative_errors(solution, truth.errors(solution))
    known = {} if truth.own is None else relative_errors(solution, truth.own)
    result = []
    for number, values in estimated.items():
        for k in range(1, len(solution.times)):
            own = known[number][k] if number in known else 0.0
            if np.isfinite([found[number][k], values[k]]).all() and own <= values[k] / 3:
                error = float(found[number][k])
                result.append(
                    Pair(name, digits, number, float(solution.times[k]), float(values[k]), error)
                )
    return result


class Limit:
    """Asks the solver to stop, once, when the CPU time is spent."""

    def __init__(self, seconds: float) -> None:
        self._end = time.process_time() + seconds
        self._asked = False

    def __call__(self, _event: Any) -> None:
        """Look at the clock."""
        if not self._asked and time.process_time() > self._end:
            self._asked = True
            os.kill(os.getpid(), signal.SIGINT)


def measured(
    name: str, probe: Probe, digits: int, truth: Truth, limit: float
) -> tuple[Solve, list[Pair]]:
    """Solve and compare."""
    began, tolerance = time.process_time(), 10.0**-digits
    case = probe.case(**{"accuracy.tolerance": tolerance})
    try:
        solution = wfrpde.solve(case, observer=Limit(limit), on_stop="return")
    except (SolverError, AccuracyError) as error:
        spent, day = round(time.process_time() - began, 2), date.today().isoformat()
        why = str(error).splitlines()[0][:80]
        failed = Solve(
            name, digits, np.inf, np.nan, False, 0, 0, "fails", spent, why, truth.name, day
        )
        return failed, []
    spent = time.process_time() - began
    estimate, what = worst_error(solution)
    found = pairs(name, digits, solution, truth) if solution.complete else []
    solve = Solve(
        name,
        digits,
        estimate,
        max((p.true for p in found if p.number not in RATES), default=np.nan),
        bool(estimate <= tolerance),
        len(solution.numerics["accuracy"]["attempts"]),
        len(solution.nodes),
        solution.numerics["formulation"],
        round(spent, 2),
        what,
        truth.name,
        date.today().isoformat(),
    )
    return solve, found


def load(path: Path, row: Any) -> list[Any]:
    """Read what was measured before."""
    if not path.exists():
        return []
    kinds = {"int": int, "float": float, "bool": lambda text: text == "True", "str": str}
    with path.open(newline="") as stream:
        return [
            row(**{f.name: kinds[str(f.type)](entry[f.name]) for f in fields(row)})
            for entry in csv.DictReader(stream)
        ]


def put(path: Path, rows: list[Any], row: Any) -> None:
    """Write rows, short and in the order of the cases."""
    order = list(PROBES)
    rows = sorted(
        (r for r in rows if r.case in order), key=lambda r: (order.index(r.case), r.digits)
    )
    temporary = path.with_suffix(".part")
    with temporary.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([f.name for f in fields(row)])
        for one in rows:
            values = asdict(one).values()
            writer.writerow([f"{v:.4g}" if isinstance(v, float) else v for v in values])
    temporary.replace(path)


def judged(rows: list[Pair]) -> tuple[float, float]:
    """Share of the pairs in which the estimate holds, and the median of its ratio to the truth."""
    estimate, true = (np.array([getattr(row, k) for row in rows]) for k in ("estimated", "true"))
    seen = true > ROUND_OFF
    ratio = float(np.median(estimate[seen] / true[seen])) if seen.any() else np.nan
    return float(np.mean(true <= np.maximum(estimate, ROUND_OFF))), ratio


def page(solves: list[Solve], numbers: list[Pair]) -> str:
    """Tables for the documentation."""
    days = sorted({solve.day for solve in solves})
    rates = [pair for pair in numbers if pair.number in RATES]
    aimed = [pair for pair in numbers if pair.number not in RATES]
    lines = [
        f"{len({s.case for s in solves})} cases, {len(solves)} solves; wfrpde "
        f"{wfrpde.__version__}, DOLFINx {version('fenics-dolfinx')}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}; {machine()}; "
        f"{' to '.join(dict.fromkeys((days[0], days[-1])))}.",
        "",
        "| numbers | | estimate covers the truth | median of estimate/truth |",
        "| --- | ---: | ---: | ---: |",
    ]
    for words, rows in (
        ("all", numbers),
        ("aimed at", aimed),
        ("Fisher information and variance of the reaction", rates),
        *((f"asked: 1e-{d}", [p for p in numbers if p.digits == d]) for d in range(2, 9)),
    ):
        if rows:
            share, ratio = judged(rows)
            lines.append(f"| {words} | {len(rows)} | {share:.1%} | {ratio:.1f} |")
    lines += [
        "",
        "| case (judged by) | asked | estimated | true | CPU s | attempts | nodes | formulation "
        "| covered | median |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for name, probe in PROBES.items():
        own = [s for s in solves if s.case == name]
        for number, s in enumerate(own):
            rows = [p for p in numbers if (p.case, p.digits) == (name, s.digits)]
            share, ratio = judged(rows) if rows else (np.nan, np.nan)
            title = "" if number else f"{probe.title} ({s.truth})"
            estimated = f"{s.estimated:.1e}" + ("" if s.met else ", not met")
            covered = f"{share:.0%} of {len(rows)}" if rows else "–"
            lines.append(
                f"| {title} | 1e-{s.digits} | {estimated} | {_shown(s.true, '.1e')} "
                f"| {s.cpu:.3g} | {s.attempts} | {s.nodes} | {s.formulation} | {covered} "
                f"| {_shown(ratio, '.1f')} |"
            )
    return "\n".join(lines) + "\n"


def _shown(value: float, form: str) -> str:
    return f"{value:{form}}" if np.isfinite(value) else "–"


def main() -> None:
    """Measure what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description="Asked, estimated and true errors.")
    parser.add_argument("--cases", nargs="*", choices=list(PROBES), default=list(PROBES))
    parser.add_argument("--digits", nargs="*", type=int)
    parser.add_argument("--again", action="store_true", help="measure what is there already")
    parser.add_argument("--limit", type=float, default=240.0, help="CPU seconds of a solve")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    for name in chosen.cases:
        probe, truth = PROBES[name], None
        for digits in chosen.digits or probe.digits:
            # read anew: two of these may run at the same time, on different cases
            solves, numbers = load(SOLVES, Solve), load(NUMBERS, Pair)
            if not chosen.again and any((s.case, s.digits) == (name, digits) for s in solves):
                continue
            if truth is None:
                truth = probe.judged_by(probe)
            solve, new = measured(name, probe, digits, truth, chosen.limit)
            solves, numbers = load(SOLVES, Solve), load(NUMBERS, Pair)
            here = (name, digits)
            solves = [*(s for s in solves if (s.case, s.digits) != here), solve]
            numbers = [*(p for p in numbers if (p.case, p.digits) != here), *new]
            put(SOLVES, solves, Solve)
            put(NUMBERS, numbers, Pair)
            share, ratio = judged(new) if new else (np.nan, np.nan)
            print(
                f"{name:14s} 1e-{digits}  {solve.estimated:8.1e}  {solve.true:8.1e}  "
                f"{solve.cpu:7.2f} s  {solve.attempts}  {solve.nodes:6d}  {solve.formulation:13s} "
                f"{share:6.1%} of {len(new):3d}  {ratio:7.1f}  {solve.worst}",
                flush=True,
            )
    solves, numbers = load(SOLVES, Solve), load(NUMBERS, Pair)
    if solves:
        PAGE.write_text(page(solves, numbers), encoding="utf-8")


if __name__ == "__main__":
    main()
