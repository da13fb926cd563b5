"""Results as plain data: dataclasses packed into JSON and arrays, and made again from them.

What a type's annotations say decides how it is read back, so that a result needs no code of its
own. JSON has no NaN: a number that is null is NaN.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from wfrpde.case import Case

__all__ = ["read_stored", "revived", "write_stored"]

T = TypeVar("T")

ARRAY = "array"
"""Key under which packed data give the number of an array."""


def write_stored(result: Any, path: Path) -> Path:
    """Write a dataclass, and those in it, as an ``.npz`` of numbers and text."""
    arrays: dict[str, Any] = {}
    content = json.dumps(_packed(result, arrays), default=str)
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as stream:
        np.savez_compressed(stream, content=np.array(content), **arrays)
    os.replace(temporary, path)
    return path


def read_stored(kind: type[T], path: Path) -> T:
    """Read what `write_stored` wrote.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If the file is no such one.
    """
    with np.load(path, allow_pickle=False) as data:
        arrays = dict(data)
    return revived(kind, json.loads(str(arrays.pop("content"))), arrays)


def revived(kind: type[T], data: Any, arrays: Mapping[str, Any] | None = None) -> T:
    """Make an object of a type from plain data.

    Parameters
    ----------
    kind
        A dataclass of numbers, text, arrays, cases, lists, tuples, mappings and dataclasses.
    data
        What JSON gave: arrays as lists or by their number, mappings as such or as pairs.
    arrays
        The arrays that have numbers.
    """
    made: T = _revived(kind, data, arrays or {})
    return made


def _packed(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, Case):
        source = None if value.source is None else str(value.source)
        return {"source": source, "data": value.model_dump(mode="json")}
    if is_dataclass(value):
        return {field.name: _packed(getattr(value, field.name), arrays) for field in fields(value)}
    if isinstance(value, np.ndarray):
        name = f"{ARRAY}_{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, Mapping):
        return [[_packed(key, arrays), _packed(entry, arrays)] for key, entry in value.items()]
    if isinstance(value, list | tuple):
        return [_packed(entry, arrays) for entry in value]
    return value.item() if isinstance(value, np.generic) else value


def _revived(kind: Any, data: Any, arrays: Mapping[str, Any]) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if data is None:
            return None
        (kind,) = (argument for argument in arguments if argument is not NoneType)
        return _revived(kind, data, arrays)
    if kind is Case:
        source = data["source"]
        return Case.from_dict(data["data"], None if source is None else Path(source))
    if is_dataclass(kind):
        known = get_type_hints(kind, localns={"Case": Case})
        entries = {f.name: data[f.name] for f in fields(kind)}
        made: Any = kind
        return made(**{name: _revived(known[name], v, arrays) for name, v in entries.items()})
    if origin is np.ndarray:
        return arrays[data[ARRAY]] if isinstance(data, dict) else np.array(data, dtype=float)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        pairs = data.items() if isinstance(data, dict) else data
        return {_revived(arguments[0], k, arrays): _revived(arguments[1], v, arrays)
                for k, v in pairs}  # fmt: skip
    if origin is tuple and arguments[-1] is not Ellipsis:
        pair = zip(arguments, data, strict=True)
        return tuple(_revived(argument, entry, arrays) for argument, entry in pair)
    if origin in (list, tuple):
        return origin(_revived(arguments[0], entry, arrays) for entry in data)
    return float("nan") if kind is float and data is None else data
