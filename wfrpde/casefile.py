"""Case files: TOML on disk, or shipped with the package.

A case is named by the path of its file or, for those that ship with the package, by its name
(``wfrpde cases`` lists them).
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

from wfrpde.errors import InputError

SHIPPED_FOLDER = Path(__file__).parent / "cases"


def shipped_cases() -> dict[str, Path]:
    """Name and file of every case that ships with the package."""
    return {path.stem: path for path in sorted(SHIPPED_FOLDER.glob("*.toml"))}


def case_titles() -> dict[str, str]:
    """Name and title of every case that ships with the package."""
    return {name: str(read_toml(path).get("title", "")) for name, path in shipped_cases().items()}


def find_case(case: str | Path) -> Path:
    """Path of the file of ``case``, a path or the name of a shipped case."""
    path = Path(case).expanduser()
    if path.is_file():
        return path
    shipped = shipped_cases()
    if str(case) in shipped:
        return shipped[str(case)]
    close = difflib.get_close_matches(str(case), shipped, n=1)
    advice = f"Did you mean {close[0]}?" if close else "'wfrpde cases' lists the shipped cases."
    raise InputError(
        str(case),
        "a folder" if path.is_dir() else "no such file or shipped case",
        "a case file (TOML) or the name of a shipped case",
        advice,
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read the tables of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            str(path),
            f"TOML that cannot be read ({error})",
            "a valid TOML file",
            "Text needs quotes, lists square brackets.",
        ) from None
    except UnicodeDecodeError:
        raise InputError(str(path), "bytes that are not UTF-8 text", "a TOML file") from None
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error), "a readable file") from None


def parse_assignment(text: str) -> tuple[str, Any]:
    """``key=value`` as key and value; values are TOML values, bare words are text."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or not equals or not value:
        raise InputError("--set", repr(text), "key=value", "For example: --set flow.beta=0.")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError as error:
        if value[0] in "[{\"'":
            raise InputError(
                f"--set {key}",
                f"a broken TOML value, {value} ({str(error).partition(' (')[0]})",
                "a whole one, e.g. [1, 2]",
                "In a shell, quotes and spaces need '...' around key=value.",
            ) from None
        return key, value
    return key, parsed["value"] if list(parsed) == ["value"] else value
