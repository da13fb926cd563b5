"""Code of the user that a case names: ``"module:object"``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError


def reals(value: Any) -> Array:
    """Return what a user's code gave as numbers; raise TypeError where they are complex."""
    array = np.asarray(value)
    if np.iscomplexobj(array):
        raise TypeError("complex numbers, where real ones are needed")
    return np.asarray(array, dtype=float)


def told(error: BaseException) -> str:
    """Say what a user's code raised, and where."""
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return message
    return f"{message} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def signature_of(make: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function or class by name; none where it has no signature."""
    try:
        return inspect.signature(make).parameters
    except (NameError, TypeError, ValueError):
        return {}


def load_object(reference: str, where: str) -> Any:
    """Import the object that ``"module:object"`` names.

    Modules are looked for on Python's path and in the current folder.

    Raises
    ------
    InputError
        Names ``where``, the key that holds the reference, and what went wrong.
    """
    module_name, colon, path = reference.partition(":")
    if not (colon and module_name and path):
        raise InputError(where, repr(reference), "'module:object'")
    here = os.getcwd()
    sys.path.append(here)  # a console script does not search the folder that it runs in
    try:
        thing: Any = importlib.import_module(module_name)
    except Exception as error:  # the user's module may raise anything
        message = f"{module_name}, which cannot be imported: {type(error).__name__}: {error}"
        do = f"Modules are looked for on PYTHONPATH and in {here}."
        if module_name.endswith(".py"):
            do = f"Write {module_name.removesuffix('.py')}:{path}, without .py. {do}"
        raise InputError(where, message, "an importable module", do) from error
    finally:
        sys.path.remove(here)
    for part in path.split("."):
        if not hasattr(thing, part):
            public = ", ".join(n for n in dir(thing) if not n.startswith("_"))
            raise InputError(where, f"no {path} in {module_name}", f"one of {public or 'nothing'}")
        thing = getattr(thing, part)
    return thing


_hashes: dict[str, tuple[object, str]] = {}
"""Name of a module that this process has loaded → its spec, which is another one once it was loaded
again, and the hash of its file when that was seen first."""


def loaded_code() -> dict[str, str]:
    """Return what of other people's code this process has loaded.

    Path → hash of the file of each of the user's modules; ``name==`` → version of each installed
    package. Python's own library is left out, and so is this package, which has a version.
    """
    own, library = Path(__file__).parents[1], Path(sysconfig.get_path("stdlib"))
    found: dict[str, str] = {}
    installed: set[str] = set()
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None)
        if origin is None or name == "__main__":
            continue
        path = Path(origin)
        if {"site-packages", "dist-packages"} & set(path.parts):
            installed.add(name.partition(".")[0])
        elif own not in path.parents and library not in path.parents:
            spec = getattr(module, "__spec__", None)
            if name not in _hashes or _hashes[name][0] is not spec:
                _hashes[name] = spec, _hash(path)
            found[str(path)] = _hashes[name][1]
    versions = {f"{name}==": _version(name) for name in sorted(installed)}
    return {**found, **{name: version for name, version in versions.items() if version}}


def loaded_files() -> dict[str, str]:
    """Return what `loaded_code` tells of files, without packages."""
    return {name: known for name, known in loaded_code().items() if not name.endswith("==")}


def _named(path: Path) -> str:
    """Name of a module's file; of a package's that of its folder."""
    return path.parent.name if path.stem == "__init__" else path.name


def changed_code(code: Mapping[str, str]) -> list[str]:
    """Return what is not any more as `loaded_code` found it: names of files and packages.

    Where a file of the same name is loaded from elsewhere instead, it is that which counts: folders
    are moved, and copied.
    """
    changed = []
    places = [Path(name) for name in loaded_files()]
    for name, known in code.items():
        if name.endswith("=="):
            package = name.removesuffix("==")
            if _version(package) != known:
                changed.append(package)
        else:
            path = Path(name)
            others = [] if path in places else [p for p in places if _named(p) == _named(path)]
            if known == UNREADABLE or known not in map(_hash, others or [path]):
                changed.append(path.name)
    return changed


UNREADABLE = "unreadable"
"""What stands for the hash of a file that is gone; nothing equals it."""


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return UNREADABLE


@cache
def _version(module: str) -> str:
    """Return the version of the package that brings a module along, or "" if none says so."""
    packages = [module, *_packages().get(module, ())]
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return ""


@cache
def _packages() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()
