"""`Result`: what cannot be changed, and can be kept: saved, loaded and pickled.

A result is a frozen dataclass of numbers, text, arrays, cases, densities and further dataclasses.
What the annotations of a type say decides how it is read back, so that a result needs no code of
its own. Targets and starts are made anew from what the case says of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NoReturn, Self, TypeVar, Union, get_args, get_origin, get_type_hints
from zipfile import BadZipFile

import numpy as np

from wfrpde.case.case import Case
from wfrpde.errors import InputError
from wfrpde.parallel import collectively
from wfrpde.parallel.files import atomic
from wfrpde.starts.initial import InitialDensity
from wfrpde.starts.registry import initial_again
from wfrpde.targets import Target
from wfrpde.targets.registry import target_again
from wfrpde.views import Shown

T = TypeVar("T")

ARRAY = "__array__"
"""Key under which packed data give the name of an array."""

KIND = "__kind__"
"""Key under which packed data give the name of a dataclass."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)
"""What reading something else than a stored result raises."""


class Result(Shown):
    """Base of the frozen dataclasses that results are.

    Arrays are read-only, mappings cannot be changed, and lists become tuples.
    """

    def __post_init__(self) -> None:
        own: Any = self
        for entry in fields(own):
            object.__setattr__(self, entry.name, frozen(getattr(self, entry.name)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_arrays, (self.arrays(),)

    def arrays(self) -> dict[str, Any]:
        """Return everything as named arrays of numbers and text, without any code."""
        arrays: dict[str, Any] = {}
        content = json.dumps(_packed(self, arrays), default=str)
        return {"content": np.array(content), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """Make a result from its `arrays`.

        Raises
        ------
        ValueError, KeyError, TypeError
            If they are not those of such a result.
        """
        data = json.loads(str(arrays["content"]))
        if data[KIND] != cls.__name__:
            raise ValueError(f"it holds a {data[KIND]}")
        return revived(cls, data, arrays)

    def save(self, path: str | Path, comm: Any = None) -> Path:
        """Write everything into one file, which appears once it is complete.

        Parameters
        ----------
        path
            The file, an ``.npz`` of numbers and text without any code.
        comm
            MPI communicator: then the call is collective, rank 0 writes, and all ranks learn
            whether it could. Without one the calling process writes; a result is the same on
            every rank, so that one of them, or each, may.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        with collectively(comm):
            if comm is None or comm.rank == 0:
                with atomic(Path(path), "wb") as stream:
                    np.savez(stream, allow_pickle=False, **self.arrays())
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; the file of the case is not needed. Not collective.

        A target that is Python code is imported when its potential is first needed.

        Raises
        ------
        InputError
            If the file holds no such result.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                return cls.from_arrays(dict(data))
        except UNREADABLE as error:
            raise InputError(
                str(path),
                f"a file that cannot be read ({type(error).__name__}: {error})",
                f"one that {cls.__name__}.save of this version of wfrpde has written",
            ) from error


def kind_of(path: str | Path) -> str:
    """Return the name of the kind of result that a file holds, "" if it holds none."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return str(json.loads(str(data["content"]))[KIND])
    except UNREADABLE:
        return ""


class Frozen(dict[Any, Any]):
    """A mapping that cannot be changed; JSON and comparisons take it for a dictionary."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a result cannot be changed: dataclasses.replace makes another one")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return Frozen, (dict(self),)


UNCHANGING = frozenset({float, int, str, bool, NoneType, Frozen, Case})
"""Types of what nobody can change."""


def frozen(value: Any) -> Any:
    """Return what equals `value` and cannot be changed, down to the entries of mappings."""
    if type(value) in UNCHANGING:  # most of what results hold
        return value
    if isinstance(value, np.ndarray):
        if type(value) is np.ndarray and not value.flags.writeable and value.base is not None:
            return value
        view = value.view()
        view.setflags(write=False)
        return view
    if isinstance(value, Mapping):
        return Frozen({key: frozen(entry) for key, entry in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    return value


def revived(kind: type[T], data: Any, arrays: Mapping[str, Any] | None = None) -> T:
    """Make an object of a type from plain data.

    Parameters
    ----------
    kind
        A dataclass of numbers, text, arrays, cases, densities, lists, tuples, mappings and
        dataclasses.
    data
        What JSON gave: arrays as lists or by their name, mappings as such or as pairs. JSON has no
        NaN: a number that is null is NaN.
    arrays
        The arrays that have names.
    """
    made: T = _revived(kind, data, arrays or {})
    return made


def _packed(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, Case):
        source = None if value.source is None else str(value.source.resolve())
        data = value.model_dump(mode="json", exclude_unset=True)
        if value.target.python is not None:
            data["target"]["dim"] = value.dim  # known without the user's code
        return {"source": source, "data": data}
    if isinstance(value, Target | InitialDensity):
        if value.recipe is None:
            raise TypeError(f"{value.name} was made by hand: only what a case gives can be kept")
        told = {"description": value.description, "seeds": value.seeds.tolist()}
        return {**told, "recipe": _packed(value.recipe, arrays)}
    if is_dataclass(value):
        entries = {field.name: _packed(getattr(value, field.name), arrays)
                   for field in fields(value)}  # fmt: skip
        return {KIND: type(value).__name__, **entries}
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _packed(entry, arrays) for key, entry in value.items()}
        return [[_packed(key, arrays), _packed(entry, arrays)] for key, entry in value.items()]
    if isinstance(value, list | tuple):
        return [_packed(entry, arrays) for entry in value]
    return value.item() if isinstance(value, np.generic) else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, localns={"Case": Case, "Target": Target})


def _origin(kind: Any) -> Any:
    """Return what a generic type is made of: of NumPy's NDArray, an alias since 2.5, np.ndarray."""
    origin = get_origin(kind)
    return get_origin(origin.__value__) if type(origin).__name__ == "TypeAliasType" else origin


def _revived(kind: Any, data: Any, arrays: Mapping[str, Any]) -> Any:
    origin, arguments = _origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if data is None:
            return None
        kinds = [argument for argument in arguments if argument is not NoneType]
        if len(kinds) > 1:
            kinds = [argument for argument in kinds if argument.__name__ == data[KIND]]
        return _revived(kinds[0], data, arrays)
    if kind is Case:
        source = data["source"]
        return Case.from_stored(data["data"], None if source is None else Path(source))
    if kind is Target:
        return target_again(**{**data, "recipe": _revived(Any, data["recipe"], arrays)})
    if kind is InitialDensity:
        return initial_again(**_revived(Any, data["recipe"], arrays))
    if is_dataclass(kind):
        own: Any = kind
        known = _hints(own)
        # what a result of an earlier version lacks has its default, if it has one
        optional = {f.name for f in fields(kind) if f.default is not MISSING}
        names = [f.name for f in fields(kind) if f.name in data or f.name not in optional]
        entries = {name: data[name] for name in names}
        return own(**{name: _revived(known[name], v, arrays) for name, v in entries.items()})
    if origin is np.ndarray:
        return arrays[data[ARRAY]] if isinstance(data, dict) else np.array(data, dtype=float)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        pairs = data.items() if isinstance(data, dict) else data
        return {_revived(arguments[0], k, arrays): _revived(arguments[1], v, arrays)
                for k, v in pairs}  # fmt: skip
    if origin is tuple and arguments[-1] is not Ellipsis:
        pair = zip(arguments, data, strict=True)
        return tuple(_revived(argument, entry, arrays) for argument, entry in pair)
    if origin in (list, tuple, Sequence):
        return tuple(_revived(arguments[0], entry, arrays) for entry in data)
    if kind is Any:
        return _plain(data, arrays)
    return float("nan") if kind is float and data is None else data


def _plain(data: Any, arrays: Mapping[str, Any]) -> Any:
    """Return what has no type but that of its data."""
    if isinstance(data, dict):
        if ARRAY in data:
            return arrays[data[ARRAY]]
        return {key: _plain(entry, arrays) for key, entry in data.items()}
    return [_plain(entry, arrays) for entry in data] if isinstance(data, list) else data
