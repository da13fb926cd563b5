"""The view of a case: the keys that were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wfrpde.case import Case
from wfrpde.numbers import shortened
from wfrpde.report.pages import Table
from wfrpde.report.views.view import Card, View


def _card(case: Case) -> Card:
    equation = case.equation
    rows = tuple(_rows("", case.model_dump(exclude_unset=True, mode="json")))
    return Card(
        case.title or f"Case {case.name!r}",
        (f"{equation.words} ({equation.label}) in {case.dim}-D.",),
        (Table("", ("key", "value"), rows),),
    )


def _columns(case: Case) -> Mapping[str, Any]:
    rows = list(_rows("", case.model_dump(mode="json")))
    return {"key": [key for key, _ in rows], "value": [value for _, value in rows]}


def _rows(before: str, value: Any) -> Iterator[tuple[str, str]]:
    """Flatten tables to dotted keys."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if (before, key) != ("", "title"):
                yield from _rows(f"{before}.{key}" if before else key, entry)
    elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
        for number, entry in enumerate(value):
            yield from _rows(f"{before}[{number}]", entry)
    else:
        yield before, shortened(str(value), 300)  # characters of a value that are shown


CASE = View(_card, _columns)
