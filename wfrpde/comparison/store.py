"""Finished replicates on the disk: each appears as a whole, and is found again by ``--resume``."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from wfrpde.comparison.replicates import Replicate

if TYPE_CHECKING:
    from wfrpde.case import Case


@dataclass(frozen=True)
class Store:
    """A folder of replicates; one file each, written by the rank that computed it."""

    folder: Path

    def load(self, key: str) -> Replicate | None:
        """Return a replicate, or None if there is none that can be read."""
        path = self.folder / f"{key}.npz"
        unreadable = suppress(OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)
        with unreadable, np.load(path, allow_pickle=False) as file:
            return Replicate.of({name: file[name] for name in file.files})
        return None

    def save(self, key: str, replicate: Replicate) -> None:
        """Write a replicate; the file appears only once it is complete."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{key}.npz"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        with temporary.open("wb") as stream:
            np.savez(stream, **replicate.arrays())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)


def replicate_key(name: str, digest: str, number: int) -> str:
    """File name of a replicate: readable, and different wherever the inputs are."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "sampler"
    return f"{slug}-{digest}-{number:05d}"


def digest_of(case: Case, sampler: dict[str, Any], **further: Any) -> str:
    """Twelve hexadecimal digits that change with anything a replicate depends on.

    That is the case without what only concerns the judgement or the output, the sampler's own
    table, and the files that it names: the code of a Python object, a program, recorded samples.
    """
    from wfrpde import __version__

    data = case.model_dump(mode="json")
    for section in ("title", "output", "spectrum", "sampler", "validation", "convergence"):
        data.pop(section, None)
    content = {
        "case": data,
        "sampler": {
            key: value
            for key, value in sampler.items()
            if key not in ("replicates", "expected", "time_limit")
        },
        "files": _fingerprints(case, sampler),
        "version": __version__,
        **further,
    }
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _fingerprints(case: Case, sampler: dict[str, Any]) -> list[str]:
    folder = case.source.parent if case.source is not None else Path.cwd()
    paths = [folder / str(word) for word in (sampler.get("command") or ())]
    if sampler.get("samples"):
        paths.append(folder / str(sampler["samples"]))
    for code in (sampler.get("python"), case.target.python):
        with suppress(ImportError, ValueError):
            found = importlib.util.find_spec(str(code).partition(":")[0]) if code else None
            if found is not None and found.origin:
                paths.append(Path(found.origin))
    return [
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.is_file() and path.stat().st_size < 1 << 30
    ]
