"""CSV tables: one row a saved time (``series.csv``), one row a step (``steps.csv``)."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from wfrpde.output.record import FlowRecord, RunRecord

__all__ = ["series_columns", "write_series", "write_steps"]

AXES = "xyz"


def series_columns(flow: FlowRecord) -> dict[str, Sequence[float]]:
    """The columns of ``series.csv`` by name, each with one entry a saved time.

    A quantity ``q`` is followed by ``q_error``, its estimated error (empty where there is none).
    """
    columns: dict[str, Sequence[float]] = {"t": flow.times.tolist()}
    quantities = {name: (q.value, q.error) for name, q in flow.scalars.items()}
    dim = flow.mean.value.shape[1]
    for i in range(dim):
        quantities[f"mean_{AXES[i]}"] = flow.mean.value[:, i], flow.mean.error[:, i]
    for i in range(dim):
        for j in range(i, dim):
            name = f"covariance_{AXES[i]}{AXES[j]}"
            quantities[name] = flow.covariance.value[:, i, j], flow.covariance.error[:, i, j]
    for mode, mass in flow.mode_mass.items():
        quantities[f"mode_{mode}"] = mass.value, mass.error
    for name, (value, error) in quantities.items():
        columns[name] = value.tolist()
        columns[f"{name}_error"] = error.tolist()
    columns["density_error"] = flow.density_error.tolist()
    return columns


def write_series(record: RunRecord, path: Path) -> Path:
    """Write everything that was computed at the saved times."""
    columns = series_columns(record.flow)
    return _write(path, list(columns), zip(*columns.values(), strict=True))


def write_steps(record: RunRecord, path: Path) -> Path:
    """Write the history of accepted steps."""
    history = record.flow.history
    columns = [values.tolist() for values in history.values()]
    return _write(path, list(history), zip(*columns, strict=True))


def _write(path: Path, header: list[str], rows: Iterable[Sequence[float]]) -> Path:
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            # repr keeps every digit; an empty field is the CSV way to say "not known".
            writer.writerow(["" if value != value else repr(float(value)) for value in row])
    os.replace(temporary, path)
    return path
