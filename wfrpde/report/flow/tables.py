"""CSV tables: one row a saved time (``series.csv``), one row a step (``steps.csv``)."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfrpde.report.flow.record import FlowRecord, RunRecord

__all__ = ["series_columns", "write_columns", "write_series", "write_steps"]

Array = NDArray[np.float64]

AXES = "xyz"


def series_columns(flow: FlowRecord) -> dict[str, Array]:
    """Give the columns of ``series.csv`` by name, each with one entry a saved time.

    A quantity ``q`` is followed by ``q_error``, its estimated error (empty where there is none).
    """
    columns = {"t": flow.times}
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
        columns[name] = value
        columns[f"{name}_error"] = error
    columns["density_error"] = flow.density_error
    return columns


def write_series(record: RunRecord, path: Path) -> Path:
    """Write everything that was computed at the saved times."""
    columns = series_columns(record.flow)
    return write_columns(path, columns)


def write_steps(record: RunRecord, path: Path) -> Path:
    """Write the history of accepted steps."""
    return write_columns(path, record.flow.history)


def write_columns(path: Path, columns: Mapping[str, Array]) -> Path:
    """Write a CSV file, one row for each entry of the columns; NaN is an empty field."""
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            # repr keeps every digit; an empty field is the CSV way to say "not known".
            writer.writerow(["" if np.isnan(value) else repr(float(value)) for value in row])
    os.replace(temporary, path)
    return path
