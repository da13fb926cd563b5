"""What no case may hold anywhere: endless tables, numbers and text that nothing can work with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfrpde.errors import InputError
from wfrpde.parallel.places import control

DEEPEST = 50
"""Levels of tables and lists in each other."""

LARGEST = 1e100
"""Largest number, and inverse of the smallest besides 0: squares of them stay finite."""

_SHOWN = ("title", "name")
"""Keys of text that is shown as it stands."""


def check_leaves(data: Any) -> None:
    """Raise `InputError` for what no key of a case can have, down to the leaves of its tables.

    That is: tables nested without end, or that hold themselves; numbers beyond `LARGEST`; control
    characters, but for line breaks and tabs within formulas.
    """
    waiting: list[tuple[str, str, Any, int]] = [("", "", data, 0)]
    while waiting:
        where, key, value, depth = waiting.pop()
        if depth > DEEPEST:
            raise InputError(
                shortened(where),
                f"tables or lists nested deeper than {DEEPEST} levels, or within themselves",
                "a flat table",
            )
        if hasattr(value, "tolist"):  # of NumPy and its like
            value = value.tolist()
        if isinstance(value, Mapping):
            for name, item in value.items():
                if isinstance(name, str):
                    check_text(where or "a key", name, shown=True)
                path = f"{where}.{name}" if where else str(name)
                waiting.append((path, str(name), item, depth + 1))
        elif isinstance(value, list | tuple):
            waiting += [(f"{where}[{k}]", key, item, depth + 1) for k, item in enumerate(value)]
        elif isinstance(value, set | frozenset):
            raise InputError(shortened(where), "a set, which has no order", "a list")
        elif isinstance(value, str):
            check_text(where, value, shown=key in _SHOWN)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            _check_number(where, value)


def check_text(where: str, text: str, *, shown: bool) -> None:
    """Raise `InputError` for control characters; ``shown`` text has no line breaks either."""
    if name := control(text, ("Cc", "Cs"), allowed="" if shown else "\n\r\t"):
        raise InputError(
            shortened(where),
            f"the control character {name} in {shortened(ascii(text))}",
            "text that can be shown" + (", on one line" if shown else ""),
        )


def _check_number(where: str, value: float) -> None:
    size = abs(value)
    if isinstance(value, int):
        if size >= 2**63:
            found = f"{value:.1e}" if size < 1e300 else "a whole number of more than 300 digits"
            raise InputError(shortened(where), found, f"a whole number below 2**63 = {2.0**63:.1e}")
    elif LARGEST < size < float("inf") or 0 < size < 1 / LARGEST:
        needed = f"0, or a number between {1 / LARGEST:g} and {LARGEST:g} in size"
        raise InputError(shortened(where), f"{value:g}", needed, "Choose other units.")


def shortened(text: str) -> str:
    """Return text as a message shows it: its beginning, where it is long."""
    return text if len(text) <= 80 else text[:80] + "…"
