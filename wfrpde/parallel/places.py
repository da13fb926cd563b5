"""Paths as people type them, and characters that a screen would obey."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Container
from pathlib import Path

from wfrpde.errors import InputError

DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
"""Characters that turn the direction of what follows them."""


def control(text: str, categories: Container[str] = ("Cc",), allowed: str = "") -> str:
    """Return the name of the first character of a text that steers a screen, "" without one."""
    for character in text:
        steers = unicodedata.category(character) in categories or character in DIRECTIONS
        if steers and character not in allowed:
            return "NUL" if character == "\0" else f"U+{ord(character):04X}"
    return ""


def plain(text: str) -> str:
    """Return a text with what steers a screen written out, but for line breaks and tabs."""
    if (text.isascii() and text.isprintable()) or not control(text, allowed="\n\t"):
        return text
    return "".join(ascii(c)[1:-1] if control(c, allowed="\n\t") else c for c in text)


def typed_path(text: str | Path, where: str) -> Path:
    """Return the path that someone has typed, with ``~`` for the home folder.

    Raises
    ------
    InputError
        If no file can be called that; the message begins with ``where``.
    """
    shown = ascii(str(text)[:80]) + ("…" if len(str(text)) > 80 else "")
    if name := control(str(text)):  # names of files are shown as they stand
        raise InputError(where, f"the control character {name} in {shown}", "a path without it")
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
