"""The folder of a validation: CSV tables, ``validation.json``, figures and the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.parallel.files import atomic
from wfrpde.report.files import write_json, write_rows
from wfrpde.report.validation.page import write_validation_report
from wfrpde.report.versions import software_versions

if TYPE_CHECKING:
    from wfrpde.comparison import Row, ValidationReport

FORMAT = 1
"""Raised when the meaning of a key changes."""

REPORT = "validation.npz"
"""The whole report, from which figures can be drawn again."""


def write_validation(report: ValidationReport, folder: Path, *, figures: bool = True) -> list[Path]:
    """Write everything a validation leaves behind. Not collective.

    Parameters
    ----------
    report
        The outcome.
    folder
        Where to write; made if missing. Files of the same names are replaced.
    figures
        Whether to draw figures.

    Returns
    -------
    list of Path
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        _write_json(report, folder / "validation.json"),
        _write_csv(folder / "validation.csv", map(flat, report.table)),
    ]
    tables: dict[str, list[dict[str, Any]]] = {
        "distances.csv": [{**_plain(m), "excess": m.excess} for m in report.metrics],
        "bias.csv": [_plain(split) for split in report.splits],
        "ladders.csv": [_plain(point) for point in report.ladders],
    }
    for name, rows in tables.items():
        if rows:
            written.append(_write_csv(folder / name, rows))
    written.append(report.save(folder / REPORT))
    return written + write_validation_report(report, folder, figures=figures)


def flat(row: Row) -> dict[str, Any]:
    """Give a row of the table by the names of its columns."""
    return {**_plain(row), "difference": row.difference, "words": row.words}


def _plain(item: Any) -> dict[str, Any]:
    """Flatten a dataclass: pairs and intervals get a column for each of their numbers."""
    result: dict[str, Any] = {}
    for name, value in dataclasses.asdict(item).items():
        if isinstance(value, dict):
            result |= {f"{name}_{key}": entry for key, entry in value.items()}
        elif isinstance(value, tuple) and len(value) == 2 and name == "interval":
            result |= {"interval_low": value[0], "interval_high": value[1]}
        elif isinstance(value, tuple) and len(value) == 2:
            result |= {name: value[0], f"{name}_error": value[1]}
        else:
            result[name] = value
    return result


def _write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    with atomic(path) as stream:
        header: list[str] = []
        for row in rows:
            if not header:
                header = list(row)
                write_rows(stream, [header])
            write_rows(stream, [[_cell(row[name]) for name in header]])
    return path


def _cell(value: Any) -> str:
    if isinstance(value, bool | str | int):
        return str(value)
    # repr keeps every digit; an empty field is the CSV way to say "not known"
    return "" if value is None or value != value else repr(float(value))


def _write_json(report: ValidationReport, path: Path) -> Path:
    content = {
        "format": FORMAT,
        "title": report.case.title or report.case.name,
        "complete": report.complete,
        "versions": software_versions(),
        "facts": report.facts,
        "verdicts": report.verdicts,
        "failed": report.failed,
        "unexpected": report.unexpected,
        "samplers": [dataclasses.asdict(s) for s in report.samplers],
        "table": [flat(row) for row in report.table],
        "distances": [_plain(m) for m in report.metrics],
        "bias": [_plain(split) for split in report.splits],
        "ladders": [_plain(point) for point in report.ladders],
        "equations": [dataclasses.asdict(d) for d in report.diagnoses],
        "case": report.case.model_dump(mode="json"),
    }
    return write_json(content, path)
