"""The report of a validation: one HTML page that says in words what the numbers say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.comparison.metrics import METRICS
from wfrpde.numbers import MISSING, duration, number, pretty, with_error
from wfrpde.report.pages import Table, write_report

if TYPE_CHECKING:
    from wfrpde.comparison import Row, ValidationReport
    from wfrpde.comparison.results import BiasSplit, Fit
    from wfrpde.report.drawing import Drawing

MARKS = {"consistent": "✓", "biased": "✗", "undecided": "?", "failed": "✗"}


def drawings(report: ValidationReport) -> Iterator[Drawing | None]:
    """Draw every figure that the report has the numbers for, in the order to look at them."""
    from wfrpde.report.validation.bias import draw_bias
    from wfrpde.report.validation.distances import draw_distances
    from wfrpde.report.validation.particles import draw_particles
    from wfrpde.report.validation.paths import draw_differences, draw_paths

    for draw in (draw_differences, draw_paths, draw_bias, draw_distances, draw_particles):
        yield draw(report)


def write_validation_report(
    report: ValidationReport, folder: Path, *, figures: bool = True
) -> list[Path]:
    """Draw the figures, and write ``report.html`` of a validation. Not collective."""
    case, facts = report.case, report.facts
    spec = case.validation
    words: dict[str, Any] = {
        "kicker": f"Samplers against the Eulerian flow in {case.dim}-D",
        "incomplete": not report.complete,
        "unexpected": report.unexpected,
        "samplers": [
            {
                "name": s.name,
                "claims": s.claims,
                "particles": s.particles,
                "replicates": s.replicates,
                "mark": MARKS[s.verdict],
                "verdict": "; warning: ".join((s.words, *s.warnings)),
                "class": {"consistent": "passed", "undecided": ""}.get(s.verdict, "failed"),
                "seconds": duration(s.seconds),
            }
            for s in report.samplers
        ],
        "equations": equation_sentences(report),
        "splits": split_sentences(report),
        "tables": [_rows_of(report, s.name) for s in report.samplers if report.rows(s.name)],
        "distances": _distances(report),
        "biases": _biases(report),
        "candidates": _candidates(report),
        "level": f"{100 * spec.level:g}",
        "power": f"{100 * spec.power:g}",
        "resolution": f"{spec.resolution:g}",
        "rows": len(report.table),
    }
    rows = [
        ("wall time", duration(float(facts.get("wall_time", np.nan)))),
        ("MPI ranks", str(facts.get("ranks", 1))),
        ("replicates computed", str(facts.get("replicates_computed", ""))),
        ("replicates found on the disk", str(facts.get("replicates_reused", ""))),
    ]
    drawn = drawings(report) if figures else ()
    if figures:
        from wfrpde.report.validation.explorer import validation_explorer

        words["explorer"] = validation_explorer(report)
    return write_report(folder, "validation.html.j2", case, drawn, rows, **words)


def time_text(t: float) -> str:
    """Time of a row; samples of π are judged against π."""
    return "π" if np.isinf(t) else pretty(number(t, 4, trim=True))


def equation_sentences(report: ValidationReport) -> list[str]:
    """Say which equation each sampler solves."""
    return [f"{d.sampler}: {d.conclusion}." for d in report.diagnoses]


def split_sentences(report: ValidationReport) -> list[str]:
    """Say where the bias of each sampler comes from, in its clearest row at the last time."""
    sentences = []
    for sampler in dict.fromkeys(split.sampler for split in report.splits):
        own = [split for split in report.splits if split.sampler == sampler]
        last = max(split.time for split in own)
        split = max((s for s in own if s.time == last), key=_clarity)
        sentences.append(f"{sampler}, {split.observable} at t = {time_text(last)}: {_parts(split)}")
    return sentences


def _clarity(split: BiasSplit) -> float:
    value, error = split.total
    return abs(value) / error if error > 0 else 0.0


def _parts(split: BiasSplit) -> str:
    text = f"bias {_pair(split.total)}"
    if np.isfinite(split.limit_step):
        left = split.total[0] - split.limit_step - split.limit_rest
        text += (
            f". For infinitely many particles, computed on the mesh, the time step makes "
            f"{pretty(number(split.limit_step, 2))} and the method "
            f"{pretty(number(split.limit_rest, 2))}; so the finite number of particles, and "
            f"chance, make {_pair((left, split.total[1]))}"
        )
    measured = []
    if np.isfinite(split.step[0]):
        measured.append(f"time step {_pair(split.step)}{_order(split.order_dt, 'dt', '')}")
    if np.isfinite(split.finite_n[0]):
        measured.append(f"∝ 1/N {_pair(split.finite_n)}{_order(split.order_n, 'N', '−')}")
    if np.isfinite(split.rest[0]):
        measured.append(f"rest {_pair(split.rest)}")
    if measured:
        text += f". From the ladders: {', '.join(measured)}"
    return text + "."


def _order(fit: Fit, symbol: str, sign: str) -> str:
    if not np.isfinite(fit.value):
        return ""
    top = "∞" if np.isinf(fit.high) else f"{fit.high:.2g}"
    return f" (fitted order {symbol}^{sign}{fit.value:.2g}, {fit.low:.2g} to {top})"


def _pair(pair: tuple[float, float]) -> str:
    return pretty(with_error(pair[0], pair[1]))


def _rows_of(report: ValidationReport, sampler: str) -> Table:
    own = report.rows(sampler)
    header = ("observable", "t", "sampler", "Eulerian", "p-value", "verdict")
    if all(row.ess is None for row in own):
        return Table(sampler, header, tuple(_cells(row) for row in own))
    mixing = [(pretty(number(row.ess, 3)), pretty(number(row.r_hat, 4))) for row in own]
    rows = tuple((*_cells(row), *more) for row, more in zip(own, mixing, strict=True))
    return Table(sampler, (*header, "ESS", "R̂"), rows)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.observable,
        time_text(row.time),
        pretty(with_error(row.mean, row.standard_error)),
        pretty(with_error(row.reference, row.reference_error, 7)),
        pretty(number(row.p_value, 2)),
        row.words,
    )


def _distances(report: ValidationReport) -> list[Table]:
    tables = []
    for sampler in dict.fromkeys(m.sampler for m in report.metrics):
        own = [m for m in report.metrics if m.sampler == sampler]
        rows = tuple(
            (
                METRICS[m.metric].symbol if m.metric in METRICS else m.metric,
                time_text(m.time),
                pretty(with_error(m.value, m.standard_error)),
                pretty(number(m.floor, 3)),
                pretty(number(m.excess, 2)),
            )
            for m in own
        )
        header = ("distance", "t", "sampler", "noise floor", "excess")
        tables.append(Table(sampler, header, rows))
    return tables


def _biases(report: ValidationReport) -> list[Table]:
    if not report.splits:
        return []
    rows = tuple(
        (
            s.sampler,
            s.observable,
            time_text(s.time),
            *(_pair(p) if np.isfinite(p[0]) else MISSING for p in _measured(s)),
            pretty(number(s.limit_step, 2)),
            pretty(number(s.limit_rest, 2)),
            pretty(number(s.limit_order, 2)),
        )
        for s in report.splits
    )
    header = (
        "sampler", "observable", "t", "bias", "time step", "finite N", "rest",
        "step, N = ∞", "rest, N = ∞", "order, N = ∞",
    )  # fmt: skip
    return [Table("Where the bias comes from", header, rows)]


def _measured(split: BiasSplit) -> tuple[tuple[float, float], ...]:
    return split.total, split.step, split.finite_n, split.rest


def _candidates(report: ValidationReport) -> list[Table]:
    tables = []
    for d in report.diagnoses:
        rows = tuple(
            (c.words, pretty(number(c.misfit, 2)), "yes" if c.explains else "no")
            for c in d.candidates
        )
        title = f"{d.sampler}, which claims {d.claims}"
        tables.append(Table(title, ("equation", "misfit [σ]", "explains the path"), rows))
    return tables
