"""What the digits of a computation depend on: by it a run that goes on knows its own parts.

It is kept beside the parts as plain text, so that a refusal can say what is different.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.errors import InputError
from wfrpde.parallel.tasks import Store

if TYPE_CHECKING:
    from wfrpde.case import Case

JUDGEMENT = ("title", "output", "sampler", "validation", "convergence")
"""Tables of a case that change no digit of a flow or a spectrum."""

Origin = dict[str, Any]
"""Dotted key → value."""


def origin_of(case: Case, **further: Any) -> Origin:
    """Return all that decides the digits of what is computed from a case.

    That is the case without its `JUDGEMENT`, its mesh and the module of its target, the version of
    this package, and whatever else the caller knows, such as the number of ranks.
    """
    from wfrpde import __version__

    data = case.model_dump(mode="json", exclude=set(JUDGEMENT))
    origin = {"version of wfrpde": __version__, **further, **_flat(data)}
    files = {"the mesh": case.mesh_path, "the target's module": _module(case.target.python)}
    for name, path in files.items():
        if path is not None and path.is_file():
            origin[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    # as it comes back from a file
    back: Origin = json.loads(json.dumps(origin, default=str))
    return back


def check_origin(folder: Path, name: str, origin: Origin) -> None:
    """See that what a folder keeps under a name comes from the same, if it keeps anything.

    Raises
    ------
    InputError
        If it comes from something else.
    """
    known = _store(folder).load(f"{name}-origin")
    if known is not None and known != origin:
        raise InputError(
            f"resume: {folder}",
            f"what another computation has left ({difference(known, origin)})",
            "the same case, version and number of ranks",
            "Use another folder, or begin anew (on the command line with --force).",
        )


def note_origin(folder: Path, name: str, origin: Origin) -> None:
    """Note in a folder where that comes from which is kept there under a name."""
    _store(folder).save(f"{name}-origin", origin)


def _store(folder: Path) -> Store[Origin]:
    return Store(
        folder,
        lambda origin: {"origin": json.dumps(origin)},
        lambda file: json.loads(str(file["origin"])),
        sync=False,
    )


def difference(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in what two origins differ: the first two things."""
    keys = [k for k in {**known, **wanted} if known.get(k) != wanted.get(k)]
    told = []
    for key in keys[:2]:
        one, other = (str(origin.get(key, "not set"))[:60] for origin in (known, wanted))
        told.append(f"{key}: {one} there, {other} here")
    return "; ".join([*told, *(["…"] if len(keys) > 2 else [])])


def _flat(data: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(data, Mapping):
        return {prefix: data}
    parts = (_flat(value, f"{prefix}.{key}".strip(".")) for key, value in data.items())
    return {key: value for part in parts for key, value in part.items()}


def _module(reference: str | None) -> Path | None:
    with suppress(ImportError, ValueError):
        found = importlib.util.find_spec(reference.partition(":")[0]) if reference else None
        if found is not None and found.origin:
            return Path(found.origin)
    return None
