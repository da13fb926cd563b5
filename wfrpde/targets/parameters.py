"""What the parameters of every library target have in common, and how their errors read."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wfrpde.errors import InputError
from wfrpde.targets.target import Target

# Numbers as a case file has them: no booleans, no text, nothing infinite.
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
Vector = tuple[Real, ...]
Matrix = tuple[Vector, ...]


class Parameters(BaseModel):
    """Frozen parameters that accept NumPy arrays as well as lists, and no unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return _plain(data) if isinstance(data, Mapping) else data


class TargetParameters(Parameters, ABC):
    """Parameters of one library target; `build` makes the `Target`."""

    kind: ClassVar[str]

    @abstractmethod
    def build(self) -> Target:
        """Return the target with these parameters."""


Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], parameters: Mapping[str, Any], where: str) -> Model:
    """Return ``model(**parameters)``; an error names the key ``where.<key>``."""
    try:
        return model.model_validate(dict(parameters))
    except InputError as error:
        raise InputError(f"{where}.{error.where}", error.found, error.needed, error.do) from None
    except ValidationError as error:
        raise _readable(error, model, where) from None


def choose(kind: str, known: Iterable[str], where: str) -> str:
    """Return ``kind`` if it is one of ``known``; raise `InputError` with the list otherwise."""
    names = sorted(known)
    if isinstance(kind, str) and kind in names:
        return kind
    raise InputError(where, repr(kind), f"one of {', '.join(names)}", _closest(kind, names))


def _closest(word: Any, names: Iterable[str]) -> str:
    match = difflib.get_close_matches(str(word), list(names), n=1)
    return f"Did you mean {match[0]}?" if match else ""


def _plain(data: Any) -> Any:
    if isinstance(data, np.ndarray | np.generic):
        return data.tolist()
    if isinstance(data, Mapping):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    return data


def _readable(error: ValidationError, model: type[BaseModel], where: str) -> InputError:
    """Turn pydantic's first complaint into where / found / needed."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    fields = list(model.model_fields)
    key = path[0] if path else ""
    if first["type"] == "extra_forbidden":
        needed = f"only {', '.join(fields)}" if fields else "no parameters"
        return InputError(f"{where}.{key}", "an unknown key", needed, _closest(key, fields))
    if first["type"] == "missing":
        return InputError(f"{where}.{key}", "nothing", f"a value: {_help(model, key)}")
    value = first["input"] if len(path) <= 1 else _dig(error, key)
    message = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    # What the field is for says more than pydantic's message, which names a branch of a union.
    return InputError(f"{where}.{key}", _short(value), _help(model, key) or message)


def _dig(error: ValidationError, key: str) -> Any:
    for item in error.errors(include_url=False):
        if item["loc"][:1] == (key,) and len(item["loc"]) <= 2:
            return item["input"]
    return error.errors(include_url=False)[0]["input"]


def _help(model: type[BaseModel], key: str) -> str:
    info = model.model_fields.get(key)
    return (info.description or "") if info else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:120] + "…"
