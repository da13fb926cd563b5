"""The report of a validation: one HTML page that says in words what the numbers say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.comparison.metrics import METRICS
from wfrpde.numbers import MISSING, Polish, column, duration, number, pretty, with_error
from wfrpde.report.pages import Table, write_report

if TYPE_CHECKING:
    from wfrpde.comparison import ValidationReport
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
                "verdict": pretty("; warning: ".join((s.words, *s.warnings))),
                "class": {"consistent": "passed", "undecided": ""}.get(s.verdict, "failed"),
                "seconds": duration(s.seconds),
            }
            for s in report.samplers
        ],
        "equations": equation_sentences(report, pretty),
        "splits": split_sentences(report, pretty),
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
    return "π" if np.isinf(t) else number(t, 4, trim=True)


def equation_sentences(report: ValidationReport, polish: Polish = str) -> list[str]:
    """Say which equation each sampler solves; `polish` is applied to what has numbers."""
    return [f"{d.sampler}: {polish(d.conclusion)}." for d in report.diagnoses]


def split_sentences(report: ValidationReport, polish: Polish = str) -> list[str]:
    """Say where the bias of each sampler comes from, in its clearest row at the last time."""
    sentences = []
    for sampler in dict.fromkeys(split.sampler for split in report.splits):
        own = [split for split in report.splits if split.sampler == sampler]
        last = max(split.time for split in own)
        split = max((s for s in own if s.time == last), key=_clarity)
        when = f"{split.observable} at t = {time_text(last)}"
        sentences.append(f"{sampler}, {polish(f'{when}: {_parts(split)}')}")
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
            f"{number(split.limit_step, 2)} and the method "
            f"{number(split.limit_rest, 2)}; so the finite number of particles, and "
            f"chance, make {_pair((left, split.total[1]))}"
        )
    measured = []
    if np.isfinite(split.step[0]):
        measured.append(f"time step {_pair(split.step)}{_order(split.order_dt, 'dt', '')}")
    if np.isfinite(split.finite_n[0]):
        measured.append(f"∝ 1/N {_pair(split.finite_n)}{_order(split.order_n, 'N', '-')}")
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
    return with_error(pair[0], pair[1])


def _rows_of(report: ValidationReport, sampler: str) -> Table:
    own = report.rows(sampler)
    columns = {
        "observable": [row.observable for row in own],
        "t": [pretty(time_text(row.time)) for row in own],
        "sampler": _column((row.mean, row.standard_error) for row in own),
        "Eulerian": _column(((row.reference, row.reference_error) for row in own), 7),
        "p-value": [_p_value(row.p_value) for row in own],
        "verdict": [pretty(row.words) for row in own],
    }
    if any(row.ess is not None for row in own):
        columns["ESS"] = _plain_column((row.ess for row in own), 3)
        columns["R̂"] = _plain_column((row.r_hat for row in own), 4)
    return _table(sampler, columns)


def _table(title: str, columns: Mapping[str, Sequence[str]]) -> Table:
    return Table(title, tuple(columns), tuple(zip(*columns.values(), strict=True)))


def _column(pairs: Iterable[tuple[float, float]], digits: int = 9) -> list[str]:
    """Write numbers with their errors in one format."""
    values, errors = zip(*pairs, strict=True)
    return [pretty(cell) for cell in column(values, errors, digits)]


def _plain_column(values: Iterable[float | None], digits: int = 2) -> list[str]:
    known = [np.nan if value is None else value for value in values]
    return [pretty(cell) for cell in column(known, digits=digits)]


def _p_value(p: float) -> str:
    return MISSING if np.isnan(p) else f"{p:.4f}" if p >= 1e-4 else "< 0.0001"


def _distances(report: ValidationReport) -> list[Table]:
    tables = []
    for sampler in dict.fromkeys(m.sampler for m in report.metrics):
        own = [m for m in report.metrics if m.sampler == sampler]
        columns = {
            "distance": [
                METRICS[m.metric].symbol if m.metric in METRICS else m.metric for m in own
            ],
            "t": [pretty(time_text(m.time)) for m in own],
            "sampler": _column((m.value, m.standard_error) for m in own),
            "noise floor": _plain_column(m.floor for m in own),
            "excess": _plain_column(m.excess for m in own),
        }
        tables.append(_table(sampler, columns))
    return tables


def _biases(report: ValidationReport) -> list[Table]:
    splits = report.splits
    if not splits:
        return []
    columns = {
        "sampler": [s.sampler for s in splits],
        "observable": [s.observable for s in splits],
        "t": [pretty(time_text(s.time)) for s in splits],
        "bias": _column(s.total for s in splits),
        "time step": _column(s.step for s in splits),
        "finite N": _column(s.finite_n for s in splits),
        "rest": _column(s.rest for s in splits),
        "step, N = ∞": _plain_column(s.limit_step for s in splits),
        "rest, N = ∞": _plain_column(s.limit_rest for s in splits),
        "order, N = ∞": _plain_column(s.limit_order for s in splits),
    }
    return [_table("Where the bias comes from", columns)]


def _candidates(report: ValidationReport) -> list[Table]:
    tables = []
    for d in report.diagnoses:
        rows = tuple(
            (pretty(c.words), misfit, "yes" if c.explains else "no")
            for c, misfit in zip(
                d.candidates, _plain_column(c.misfit for c in d.candidates), strict=True
            )
        )
        title = f"{d.sampler}, which claims {d.claims}"
        tables.append(Table(title, ("equation", "misfit [σ]", "explains the path"), rows))
    return tables
