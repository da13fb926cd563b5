"""One finished run, and the folder in which finished runs are kept."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from wfrpde.studies.convergence.field import Field


@dataclass(frozen=True)
class RunRecord:
    """What a study needs of a run.

    Attributes
    ----------
    field
        Its density at the last time; None if the run failed.
    kl
        KL(ρ‖π) then, in nats.
    estimate
        Its own estimate of the relative L2 error, NaN without one.
    cut_off
        Share of the mass of π or ρ₀ beyond the box.
    seconds
        Wall time of the solve.
    ranks
        Ranks that shared it.
    failure
        Why it failed; empty if it did not.
    """

    field: Field | None
    kl: float
    estimate: float
    cut_off: float
    unknowns: int
    seconds: float
    ranks: int
    failure: str = ""


@dataclass(frozen=True)
class RunStore:
    """A folder of finished runs; each is one file, which appears when it is complete."""

    folder: Path

    def load(self, key: str) -> RunRecord | None:
        """Return a run, or None if there is none that can be read."""
        unreadable = suppress(OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)
        with unreadable, np.load(self.folder / f"{key}.npz", allow_pickle=False) as file:
            data: dict[str, Any] = {name: file[name] for name in file.files}
            facts = json.loads(str(data.pop("facts")))
            return RunRecord(field=Field.from_arrays(data), **facts)
        return None

    def save(self, key: str, record: RunRecord) -> None:
        """Keep a run that succeeded."""
        if record.field is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        facts = {k: getattr(record, k) for k in RunRecord.__dataclass_fields__ if k != "field"}
        path = self.folder / f"{key}.npz"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        arrays: dict[str, Any] = {"facts": json.dumps(facts), **record.field.arrays()}
        with temporary.open("wb") as stream:
            np.savez(stream, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
