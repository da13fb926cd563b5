"""``solution.npz``: pictures of the density and histories of steps, to draw a run again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from wfrpde.errors import InputError
from wfrpde.report.flow.record import RunRecord
from wfrpde.report.flow.snapshots import Snapshots
from wfrpde.report.flow.summary import flow_from_summary

__all__ = ["read_run", "write_archive"]


def write_archive(record: RunRecord, path: Path) -> Path:
    """Write what figures need beyond the summary."""
    pictures = record.snapshots
    arrays: dict[str, Any] = {f"axis_{i}": axis for i, axis in enumerate(pictures.axes)}
    arrays |= {"times": pictures.times, "log_target": pictures.log_target}
    # Flows by number: a label may hold anything.
    for number, (label, flow) in enumerate(record.flows.items()):
        arrays[f"flow_{number}_log_density"] = pictures.log_density[label]
        for name, values in flow.history.items():
            arrays[f"flow_{number}_history_{name}"] = values
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    os.replace(temporary, path)
    return path


def read_run(folder: Path) -> RunRecord:
    """Read a run's folder back.

    Parameters
    ----------
    folder
        A folder that `write_run` made.

    Returns
    -------
    RunRecord
        What `record_run` made of the solution.

    Raises
    ------
    InputError
        If the folder holds no readable run.
    """
    folder = Path(folder)
    needed = "the folder of a run, as 'wfrpde solve' writes it"
    if not folder.exists():
        raise InputError(str(folder), "no such folder", needed)
    if not folder.is_dir():
        raise InputError(str(folder), "a file", needed)
    missing = [name for name in ("summary.json", "solution.npz") if not (folder / name).is_file()]
    if missing:
        inner = sorted(path.parent.name for path in folder.glob("*/summary.json"))
        raise InputError(
            str(folder),
            f"a folder that holds no run (no {' and no '.join(missing)})",
            needed,
            f"It holds runs: {', '.join(str(folder / name) for name in inner)}." if inner else "",
        )
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        with np.load(folder / "solution.npz", allow_pickle=False) as data:
            arrays = dict(data)
        return _assemble(summary, arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            str(folder),
            f"a run that cannot be read ({type(error).__name__}: {error})",
            needed,
        ) from error


def _assemble(summary: dict[str, Any], arrays: dict[str, Any]) -> RunRecord:
    flow_keys = summary["case"]["flow"]
    own_rates = {k: flow_keys.get(k) for k in ("alpha", "beta", "reaction")}
    facts = {summary["flow"]: summary | own_rates}
    facts |= summary["companions"]
    flows, densities = {}, {}
    for number, (label, fact) in enumerate(facts.items()):
        mark = f"flow_{number}_history_"
        history = {k.removeprefix(mark): v for k, v in arrays.items() if k.startswith(mark)}
        flows[label] = flow_from_summary(label, fact, history)
        densities[label] = arrays[f"flow_{number}_log_density"]
    own = flows.pop(summary["flow"])
    dim = int(summary["dimension"])
    return RunRecord(
        title=summary["title"],
        case=summary["case"],
        target_name=summary["target"]["name"],
        target_description=summary["target"]["description"],
        dim=dim,
        flow=own,
        companions=flows,
        snapshots=Snapshots(
            axes=tuple(arrays[f"axis_{i}"] for i in range(dim)),
            times=arrays["times"],
            log_density=densities,
            log_target=arrays["log_target"],
        ),
        created=summary["created"],
        ranks=int(summary["ranks"]),
        versions=summary["versions"],
    )
