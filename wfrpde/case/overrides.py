"""Keys of nested tables by their dotted names, as ``"flow.beta"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfrpde.errors import InputError


def apply_overrides(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Copy of nested tables with the values at dotted keys (``"flow.beta"``) replaced."""
    result: dict[str, Any] = _copied_tables(data)
    for path, value in overrides.items():
        *tables, key = path.split(".")
        table = result
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise InputError(path, f"'{name}', which is not a table", "table.key")
        table[key] = value
    return result


def _copied_tables(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copied_tables(v) if isinstance(v, Mapping) else v for k, v in data.items()}
