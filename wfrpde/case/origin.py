"""What the digits of a computation depend on: by it a run that goes on knows its own parts.

It is kept beside the parts as plain text, so that a refusal can say what is different.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.errors import InputError
from wfrpde.fields.user_code import changed_code, load_object, loaded_files
from wfrpde.parallel.tasks import Store
from wfrpde.targets import memory

if TYPE_CHECKING:
    from wfrpde.case import Case

JUDGEMENT = ("title", "output", "sampler", "validation", "convergence")
"""Tables of a case that change no digit of a flow or a spectrum."""

MODULE = "the target's module"

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
    files = {"the mesh": case.mesh_path, MODULE: module_of(case)}
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
    found = _store(folder).load(f"{name}-origin")
    if found is None:
        return
    known, code = found
    changed = [f"{file} has changed" for file in changed_code(code)]
    if known != origin or changed:
        told = difference(known, origin) or "; ".join(changed)
        raise InputError(
            f"resume: {folder}",
            f"what another computation has left ({told})",
            "the same case, version and number of ranks",
            "Use another folder, or begin anew (on the command line with --force).",
        )


def note_origin(folder: Path, name: str, origin: Origin) -> None:
    """Note in a folder where that comes from which is kept there under a name.

    That is, besides, whatever modules of the user are loaded by now where the target is one.
    """
    code = loaded_files() if MODULE in origin else {}
    _store(folder).save(f"{name}-origin", (origin, code))


def _store(folder: Path) -> Store[tuple[Origin, dict[str, str]]]:
    return Store(
        folder,
        lambda noted: {"origin": json.dumps(noted[0]), "code": json.dumps(noted[1])},
        lambda file: (json.loads(str(file["origin"])), json.loads(str(file.get("code", "{}")))),
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


def module_of(case: Case) -> Path | None:
    """Import the module of a case's target; return its file, None where there is none.

    An object in memory is taken to come from the script that runs.
    """
    if case.target.python is None:
        return None
    with suppress(InputError):
        load_object(case.target.python, "target.python")
    name = case.target.python.partition(":")[0]
    loaded = sys.modules.get("__main__" if name == memory.__name__ else name)
    file = getattr(loaded, "__file__", None)
    return None if file is None else Path(file)
