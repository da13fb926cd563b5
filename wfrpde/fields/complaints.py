"""Complaints about the tables of a case, each as one `InputError` that names the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from wfrpde.errors import InputError
from wfrpde.fields.parameters import plain

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], data: Mapping[str, Any], where: str) -> Model:
    """Return the model of some keys and values; an error names the key ``where.<key>``."""
    data = plain(dict(data))
    try:
        return model.model_validate(data)
    except InputError as error:
        raise error.at(f"{where}.{error.where}") from None
    except ValidationError as error:
        raise input_error(error, model, data, where) from None


def choose(kind: str, known: Iterable[str], where: str, own: str = "") -> str:
    """Return ``kind`` if it is one of ``known``; raise `InputError` with the list otherwise.

    ``own`` says how something of the user's is named.
    """
    names = sorted(known)
    if isinstance(kind, str) and kind in names:
        return kind
    needed = f"one of {', '.join(names)}"
    raise InputError(where, repr(kind), f"{needed}; {own}" if own else needed, meant(kind, names))


def check_length(where: str, value: Any, dim: int) -> None:
    """Raise `InputError` unless ``value`` has one entry for each of ``dim`` axes.

    A bare number counts as one entry.
    """
    if isinstance(value, int | float):
        value = [value]
    if not isinstance(value, list | tuple) or len(value) != dim:
        size = f"{len(value)} entries" if isinstance(value, list | tuple) else repr(value)
        raise InputError(where, size, f"{dim}, as the target is {dim}-dimensional")


_ABSENT = {
    "force": "A force that is not the gradient of a potential is dynamics.drift.",
    "temperature": "Potentials are in kT: divide V by the temperature.",
}
"""What there is no key for, and why."""


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
    where = f"{section}.{key}" if section else key
    homes = {path for path in elsewhere if path.rpartition(".")[2] == key} - {where}
    return InputError(
        where,
        f"an unknown key{f' {because}' if because else ''}",
        f"one of {', '.join(known)}" if known else "no parameters",
        _ABSENT.get(key) or meant(key, known) or _belongs(key, homes),
    )


def meant(word: Any, names: Iterable[str]) -> str:
    """Ask for the name that a misspelt word is closest to; empty if none is close."""
    match = difflib.get_close_matches(str(word), list(names), n=1)
    return f"Did you mean {match[0]}?" if match else ""


def _belongs(key: str, homes: Iterable[str]) -> str:
    """Say in which tables a key would have been right."""
    lists = sorted(path.removesuffix(f"[].{key}") for path in homes if "[]" in path)
    places = sorted(path for path in homes if "[]" not in path)
    if lists and not places:
        return f"{key} is a key of each {' and '.join(f'[[{name}]]' for name in lists)}."
    places += [f"{key} of [[{name}]]" for name in lists]
    return f"Did you mean {' or '.join(places)}?" if places else ""


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


def input_error(
    error: ValidationError, model: type[BaseModel], data: Any, where: str = ""
) -> InputError:
    """Put pydantic's first complaint in plain words, and name further wrong keys.

    Parameters
    ----------
    model, data
        What refused, and what was refused: its own keys may be what a wrong one was meant to be.
        A field's description says what is needed, its first example is shown where it is missing.
    where
        Key of the whole model in the case.
    """
    problems = error.errors(include_url=False)
    first = problems[0]
    kind, context = first["type"], first.get("ctx", {})
    table, info, depth = _field(model, first["loc"])
    description = (info.description or "") if info is not None else ""
    found, advice = short(first["input"]), ""
    if kind == "extra_forbidden":
        section = _key_path(first["loc"][:-1], where)
        keys = _dotted_keys(model, data)
        complaint = unknown_key(section, str(first["loc"][-1]), table.model_fields, "", keys)
        found, needed, advice = complaint.found, complaint.needed, complaint.do
    elif kind == "missing":
        found, needed = "nothing", description or "a value"
        examples = (info.examples or ()) if info is not None else ()
        advice = f"For example: {examples[0]}." if examples else ""
    elif description and _model_in(info) is None:
        # what the field is for says more than pydantic's message, which names a branch of a union
        found, needed = short(reduce(lambda d, k: d[k], first["loc"][:depth], data)), description
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
    paths = list(dict.fromkeys(_shown(model, p["loc"], where) for p in problems))
    if others := sorted(paths[1:]):
        advice = f"{advice} Also wrong: {', '.join(others)}.".strip()
    return InputError(paths[0], found, needed, advice)


def _field(
    model: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[type[BaseModel], FieldInfo | None, int]:
    """Return the innermost table of a location, its field there, and the parts down to it."""
    info = None
    for depth, part in enumerate(location, start=1):
        if isinstance(part, int):
            continue  # of a list of tables
        info = model.model_fields.get(part)
        inner = _model_in(info)
        if inner is None:
            return model, info, depth
        model = inner
    return model, info, len(location)


def _model_in(info: FieldInfo | None) -> type[BaseModel] | None:
    """Return the model of a table, or of each table of a list; None for anything else."""
    annotation = None if info is None else info.annotation
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _shown(model: type[BaseModel], location: tuple[int | str, ...], where: str) -> str:
    _, info, depth = _field(model, location)
    described = info is not None and info.description and _model_in(info) is None
    return _key_path(location[:depth] if described else location, where)


def _dotted_keys(model: type[BaseModel], data: Any) -> set[str]:
    """Collect ``table.key`` of every key that the tables of ``model`` and ``data`` have.

    A key of each of several tables is ``table[].key``.
    """
    keys = set()
    for name, field in model.model_fields.items():
        inner = _model_in(field)
        table = name if inner is field.annotation else f"{name}[]"
        if inner is not None:
            keys |= {f"{table}.{key}" for key in set(inner.model_fields) - {"parameters"}}
        own = data.get(name) if isinstance(data, Mapping) else None
        if isinstance(own, Mapping):
            keys |= {f"{name}.{key}" for key in own}
    return keys


def _key_path(location: tuple[int | str, ...], path: str = "") -> str:
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def short(value: Any) -> str:
    """Return what a message says was found."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
