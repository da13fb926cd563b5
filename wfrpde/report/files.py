"""Files of every folder: strict JSON, and CSV tables.

JSON has no NaN and no infinity: both are written as ``null``, and read back as NaN.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.parallel.files import atomic
from wfrpde.report.versions import software_versions

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.flow.noising.solution import NoisingSolution
    from wfrpde.operators import Sweep
    from wfrpde.studies.spectral.study import SpectralStudy

FORMAT = 1
"""Raised when the meaning of a key of a summary changes."""


def reach_code(case: Case) -> None:
    """Let a stored case find its target in Python: next to its file, as when it was read."""
    if case.target.python is not None and case.source is not None:
        sys.path.append(str(case.source.resolve().parent))


def facts_of(result: SpectralStudy | Sweep | NoisingSolution, kind: str) -> dict[str, Any]:
    """Give what every summary begins with: the inputs, and how they were computed."""
    case = result.case
    return {
        "format": FORMAT,
        "kind": kind,
        "title": case.title or case.name,
        "dimension": case.dim,
        "complete": result.complete,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_time": result.wall_time,
        "ranks": result.ranks,
        "versions": software_versions(),
        "case": case.model_dump(mode="json"),
        "warnings": result.warnings,
    }


def write_json(content: Mapping[str, Any], path: Path) -> Path:
    """Write strict JSON; the file appears only once it is complete."""
    text = json.dumps(json_ready(content), indent=1, ensure_ascii=False, allow_nan=False)
    with atomic(path) as stream:
        stream.write(text + "\n")
    return path


def json_ready(value: Any) -> Any:
    """Plain JSON data: arrays as lists, paths as text, NaN and infinities as ``None``."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): json_ready(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(entry) for entry in value]
    return str(value)


def write_rows(stream: IO[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write CSV rows; text that a spreadsheet would take for a formula begins with a quote mark."""
    csv.writer(stream, lineterminator="\n").writerows(map(_inert, row) for row in rows)


def _inert(value: Any) -> Any:
    if not (isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))):
        return value
    try:
        float(value)  # numbers may have a sign
    except ValueError:
        return "'" + value
    return value


def write_columns(path: Path, columns: Mapping[str, Array]) -> Path:
    """Write a CSV file, one row for each entry of the columns; NaN is an empty field."""
    with atomic(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        write_rows(stream, [columns])
        for row in zip(*columns.values(), strict=True):
            # repr keeps every digit; an empty field is the CSV way to say "not known".
            writer.writerow(["" if np.isnan(value) else repr(float(value)) for value in row])
    return path
