"""Code of the user that a case names: ``"module:object"``."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from wfrpde.errors import InputError


def told(error: BaseException) -> str:
    """Say what a user's code raised, and where."""
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return message
    return f"{message} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


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
        raise InputError(where, message, "an importable module", do) from error
    finally:
        sys.path.remove(here)
    for part in path.split("."):
        if not hasattr(thing, part):
            public = ", ".join(n for n in dir(thing) if not n.startswith("_"))
            raise InputError(where, f"no {path} in {module_name}", f"one of {public or 'nothing'}")
        thing = getattr(thing, part)
    return thing
