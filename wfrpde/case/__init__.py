"""A computation as data: the tables of a case file, their checks, and what they are made into."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfrpde.case.case import Case
    from wfrpde.case.loading import load_case
    from wfrpde.case.overrides import apply_overrides

__all__ = ["Case", "apply_overrides", "load_case"]


def __getattr__(name: str) -> Any:
    """Import the schema when it is first asked for: its files and messages stay quick."""
    if name not in __all__:
        raise AttributeError(f"module 'wfrpde.case' has no attribute {name!r}")
    value = getattr(importlib.import_module("wfrpde.case.loading"), name)
    globals()[name] = value
    return value
