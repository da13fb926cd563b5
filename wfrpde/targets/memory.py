"""Python objects that a case of this process names: ``python = "wfrpde.targets.memory:object_1"``.

A case is data. A target that is handed to it as an object is therefore kept here, and the case
holds its name; another process does not know it.
"""

from __future__ import annotations

from typing import Any

_KEPT: list[Any] = []


def name_of(thing: Any) -> str:
    """Keep an object for as long as this process lives; return ``"module:object"`` for it."""
    if not any(kept is thing for kept in _KEPT):
        _KEPT.append(thing)
    number = next(k for k, kept in enumerate(_KEPT) if kept is thing)
    return f"{__name__}:object_{number + 1}"


def __getattr__(name: str) -> Any:
    """Find an object by its name."""
    number = name.removeprefix("object_")
    if not (number.isdecimal() and 0 < int(number) <= len(_KEPT)):
        raise AttributeError(f"{name} belongs to another Python process")
    return _KEPT[int(number) - 1]
