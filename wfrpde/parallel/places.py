"""Paths as people type them."""

from __future__ import annotations

import os
from pathlib import Path

from wfrpde.errors import InputError


def typed_path(text: str | Path, where: str) -> Path:
    """Return the path that someone has typed, with ``~`` for the home folder.

    Raises
    ------
    InputError
        If no file can be called that; the message begins with ``where``.
    """
    shown = ascii(str(text)[:80]) + ("…" if len(str(text)) > 80 else "")
    if "\0" in str(text):
        raise InputError(where, f"NUL in {shown}", "a path")
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise InputError(
            where, f"{shown}, a home folder that is not known", "a path without ~"
        ) from None
    try:
        os.stat(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        if not isinstance(error, PermissionError | NotADirectoryError):
            found = f"{shown} ({error.strerror})"
            raise InputError(where, found, "a path that can be opened") from None
    except UnicodeEncodeError:
        raise InputError(where, f"{shown}, which is no text", "a path") from None
    return path
