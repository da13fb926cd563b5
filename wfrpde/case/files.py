"""Case files: TOML on disk, or shipped with the package.

A case is named by the path of its file or, for those that ship with the package, by its name
(``wfrpde cases`` lists them).
"""

from __future__ import annotations

import difflib
import math
import tomllib
from pathlib import Path
from typing import Any

from wfrpde.case.leaves import check_leaves, shortened
from wfrpde.errors import InputError
from wfrpde.parallel.places import typed_path

MOST_VALUES = 10_000
"""Values that a sweep may have."""

SHIPPED_FOLDER = Path(__file__).parent / "cases"


def shipped_cases() -> dict[str, Path]:
    """Name and file of every case that ships with the package."""
    return {path.stem: path for path in sorted(SHIPPED_FOLDER.glob("*.toml"))}


def case_titles() -> dict[str, str]:
    """Name and title of every case that ships with the package."""
    return {name: str(read_toml(path).get("title", "")) for name, path in shipped_cases().items()}


def shown_by(case: str) -> str:
    """Command that shows most of a shipped case: ``solve``, ``spectrum`` or ``validate``."""
    tables = read_toml(shipped_cases()[case])
    return "validate" if "sampler" in tables else "spectrum" if "spectrum" in tables else "solve"


def find_case(case: str | Path) -> Path:
    """Path of the file of ``case``, a path or the name of a shipped case."""
    path = typed_path(case, "the case")
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
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors begin it with a BOM
    except UnicodeDecodeError:
        raise InputError(str(path), "bytes that are not UTF-8 text", "a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            str(path),
            f"TOML that cannot be read ({error})",
            "a valid TOML file",
            "Text needs quotes, lists square brackets.",
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), _beyond(error), "shorter ones") from None
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error), "a readable file") from None
    try:
        check_leaves(data)
    except InputError as error:
        raise error.at(f"{path.name}: {error.where}") from None
    return data


def _beyond(error: ValueError | RecursionError) -> str:
    """Say which limit of Python's TOML reader a text goes beyond."""
    deep = isinstance(error, RecursionError)
    return "tables or lists nested too deeply" if deep else "a number of thousands of digits"


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
    except (ValueError, RecursionError) as error:
        raise InputError(f"--set {key}", _beyond(error), "shorter ones") from None
    return key, parsed["value"] if list(parsed) == ["value"] else value


def parse_sweep(text: str) -> tuple[str, list[float]]:
    """Values of ``key=start:stop:count``, both ends included; ``…:log`` for equal ratios.

    Raises
    ------
    InputError
        If it is anything else.
    """

    def fail(found: str) -> InputError:
        return InputError(
            "--sweep",
            shortened(found),
            "key=start:stop:count, or key=start:stop:count:log",
            "For example: --sweep target.barrier=2:40:20.",
        )

    key, equals, span = (part.strip() for part in text.partition("="))
    parts = [part.strip() for part in span.split(":")]
    if not key or not equals or len(parts) not in (3, 4) or parts[3:] not in ([], ["log"]):
        raise fail(repr(text))
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
    except ValueError:
        raise fail(repr(text)) from None
    if not (math.isfinite(start) and math.isfinite(stop)) or start == stop:
        raise fail(f"values from {start:g} to {stop:g}")
    if not 2 <= count <= MOST_VALUES:
        raise fail(f"{count} values (2 to {MOST_VALUES} are possible)")
    shares = [k / (count - 1) for k in range(count)]
    if len(parts) == 3:
        values = [start + share * (stop - start) for share in shares]
    elif start > 0 and stop > 0:
        values = [start * (stop / start) ** share for share in shares]
    else:
        raise fail(f"ratios from {start:g} to {stop:g}, which are not both positive")
    # a step of 0.1 gives 0.3, and not 0.30000000000000004
    return key, [float(f"{value:.12g}") for value in values]
