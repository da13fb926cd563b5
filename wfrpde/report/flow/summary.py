"""``summary.json``: a run's inputs, facts and every reported number, as strict JSON.

JSON has no NaN and no infinity: both are written as ``null``, and read back as NaN.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfrpde.report.flow.record import Estimated, FlowRecord, RunRecord

__all__ = ["flow_from_summary", "json_ready", "summarise", "write_json", "write_summary"]

FORMAT = 1
"""Raised when the meaning of a key changes."""


def summarise(record: RunRecord) -> dict[str, Any]:
    """Give the summary of a run as JSON-ready data."""
    flow = record.flow
    content = {
        "format": FORMAT,
        "title": record.title,
        "flow": flow.label,
        "dimension": record.dim,
        "complete": flow.complete,
        "created": record.created,
        "wall_time": flow.wall_time,
        "ranks": record.ranks,
        "versions": record.versions,
        "target": {"name": record.target_name, "description": record.target_description},
        "case": record.case,
        "numerics": flow.numerics,
        "warnings": list(flow.warnings),
        "results": _results(flow),
        "companions": {
            label: {
                "alpha": other.alpha,
                "beta": other.beta,
                "complete": other.complete,
                "wall_time": other.wall_time,
                "numerics": other.numerics,
                "warnings": list(other.warnings),
                "results": _results(other),
            }
            for label, other in record.companions.items()
        },
    }
    return dict(json_ready(content))


def write_summary(record: RunRecord, path: Path) -> Path:
    """Write the summary; the file appears only once it is complete."""
    return write_json(summarise(record), path)


def write_json(content: Mapping[str, Any], path: Path) -> Path:
    """Write strict JSON; the file appears only once it is complete."""
    text = json.dumps(json_ready(content), indent=1, ensure_ascii=False, allow_nan=False)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path


def flow_from_summary(
    label: str, facts: Mapping[str, Any], history: Mapping[str, NDArray[np.float64]]
) -> FlowRecord:
    """Rebuild a flow's record from its part of the summary and its stored history.

    Parameters
    ----------
    label
        Label of the flow.
    facts
        ``alpha``, ``beta``, ``complete``, ``wall_time``, ``numerics``, ``warnings``, ``results``,
        and ``reaction`` where it is linear.
    history
        Named arrays, one entry a step.
    """
    results = facts["results"]
    times = _array(results["times"])
    wall_time = facts["wall_time"]
    return FlowRecord(
        label=label,
        alpha=float(facts["alpha"]),
        beta=float(facts["beta"]),
        times=times,
        scalars={name: _estimate(pair) for name, pair in results["series"].items()},
        mean=_estimate(results["mean"]),
        covariance=_estimate(results["covariance"]),
        mode_mass={name: _estimate(pair) for name, pair in results["mode_mass"].items()},
        density_error=_array(results["density_error"]),
        history=dict(history),
        numerics=dict(facts["numerics"]),
        warnings=tuple(facts["warnings"]),
        complete=bool(facts["complete"]),
        wall_time=float("nan") if wall_time is None else float(wall_time),
        linear=facts.get("reaction") or "",
    )


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


def _results(flow: FlowRecord) -> dict[str, Any]:
    return {
        "times": flow.times,
        "series": {name: _pair(quantity) for name, quantity in flow.scalars.items()},
        "mean": _pair(flow.mean),
        "covariance": _pair(flow.covariance),
        "mode_mass": {name: _pair(mass) for name, mass in flow.mode_mass.items()},
        "density_error": flow.density_error,
    }


def _pair(quantity: Estimated) -> dict[str, Any]:
    return {"value": quantity.value, "error": quantity.error}


def _array(entries: Any) -> NDArray[np.float64]:
    # NumPy turns None into NaN for floating-point arrays, at any depth.
    return np.array(entries, dtype=float)


def _estimate(pair: Mapping[str, Any]) -> Estimated:
    return Estimated(_array(pair["value"]), _array(pair["error"]))
