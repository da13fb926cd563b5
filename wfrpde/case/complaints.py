"""Complaints about a case, each as one `InputError` that names the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from wfrpde.errors import InputError

INITIAL_EXAMPLE = 'For example: [initial] kind = "gaussian", mean = [0.0], covariance = [[0.1]].'


def unknown_key(
    section: str,
    key: str,
    known: Iterable[str],
    because: str = "",
    elsewhere: Iterable[str] = (),
) -> InputError:
    """Make the complaint about a key that ``section`` doesn't have, with a correction.

    ``elsewhere`` are the dotted keys of other tables, one of which may be meant; ``table[].key`` is
    a key of each of several tables.
    """
    known = sorted(known)
    close = difflib.get_close_matches(key, known, n=1)
    where = f"{section}.{key}" if section else key
    homes = {path for path in elsewhere if path.rpartition(".")[2] == key} - {where}
    advice = f"Did you mean {close[0]}?" if close else _belongs(key, homes)
    return InputError(
        where,
        f"an unknown key{f' {because}' if because else ''}",
        f"one of {', '.join(known)}",
        advice,
    )


def _belongs(key: str, homes: Iterable[str]) -> str:
    """Say in which tables a key would have been right."""
    lists = sorted(path.removesuffix(f"[].{key}") for path in homes if "[]" in path)
    places = sorted(path for path in homes if "[]" not in path)
    if lists and not places:
        return f"{key} is a key of each {' and '.join(f'[[{name}]]' for name in lists)}."
    places += [f"{key} of [[{name}]]" for name in lists]
    return f"Did you mean {' or '.join(places)}?" if places else ""


def check_length(where: str, value: Any, dim: int) -> None:
    """Raise `InputError` unless ``value`` has one entry for each of ``dim`` axes.

    A bare number counts as one entry.
    """
    if isinstance(value, int | float):
        value = [value]
    if not isinstance(value, list | tuple) or len(value) != dim:
        size = f"{len(value)} entries" if isinstance(value, list | tuple) else repr(value)
        raise InputError(where, size, f"{dim}, as the target is {dim}-dimensional")


_NEEDED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "dict_type": "a table",
    "tuple_type": "a list",
    "model_type": "a table",
    "finite_number": "a finite number",
}


def input_error(error: ValidationError, model: type[BaseModel], data: Any = None) -> InputError:
    """Put pydantic's first complaint in plain words, and name further wrong keys.

    ``data`` is what was refused: its own keys may be what a wrong one was meant to be.
    """
    problems = error.errors(include_url=False)
    first = problems[0]
    where, kind, context = _key_path(first["loc"]), first["type"], first.get("ctx", {})
    found, advice = short(first["input"]), ""
    if kind == "extra_forbidden":
        section, _, key = where.rpartition(".")
        table = model.model_fields[section].annotation if section else model
        fields = getattr(table, "model_fields", {})
        complaint = unknown_key(section, key, fields, elsewhere=_dotted_keys(model, data))
        found, needed, advice = complaint.found, complaint.needed, complaint.do
    elif kind == "missing":
        found = "nothing"
        needed, advice = {
            "target": ("a target", 'For example: [target] potential = "(x**2 - 1)**2".'),
            "initial": ("an initial density", INITIAL_EXAMPLE),
        }.get(where, ("a value", ""))
    elif kind == "literal_error":
        needed = f"one of {context['expected']}".replace(" or ", ", ")
    elif kind == "greater_than" and context["gt"] == 0:
        needed = "a positive number"
    elif kind == "greater_than_equal" and context["ge"] == 0:
        needed = "a number that is not negative"
    elif kind in ("too_long", "too_short", "missing_argument"):
        needed = f"{context.get('max_length', context.get('min_length'))} entries"
    else:
        needed = _NEEDED.get(kind, first["msg"].removeprefix("Input should be "))

    others = sorted({_key_path(p["loc"]) for p in problems[1:]} - {where})
    if others:
        advice = f"{advice} Also wrong: {', '.join(others)}.".strip()
    return InputError(where, found, needed, advice)


def _dotted_keys(model: type[BaseModel], data: Any) -> set[str]:
    """Collect ``table.key`` of every key that the tables of ``model`` and ``data`` have.

    A key of each of several tables is ``table[].key``.
    """
    tables: dict[str, set[str]] = {}
    several: dict[str, set[str]] = {}
    for name, field in model.model_fields.items():
        tables[name] = set(getattr(field.annotation, "model_fields", {})) - {"parameters"}
        item = next(iter(get_args(field.annotation)), None)
        several[f"{name}[]"] = set(getattr(item, "model_fields", {})) - {"parameters"}
    if isinstance(data, Mapping):
        for name in tables:
            own = data.get(name)
            tables[name] |= set(own) if isinstance(own, Mapping) else set()
    return {f"{table}.{key}" for table, keys in (tables | several).items() for key in keys}


def _key_path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def short(value: Any) -> str:
    """Return what a message says was found."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
