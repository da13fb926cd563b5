"""What a replicate depends on, in a few digits: by them ``--resume`` finds it again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.errors import InputError

if TYPE_CHECKING:
    from wfrpde.case import Case


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
    for word in sampler.get("depends") or ():
        path = folder / str(word)
        if not path.exists():
            where = f"sampler {sampler.get('name')}: depends"
            raise InputError(where, f"{word}, which is not there", "a file or a folder")
        paths += sorted(path.rglob("*")) if path.is_dir() else [path]
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
