"""What a script leaves for the page "Published results": a table and a picture.

The table is written twice: for readers (Markdown, which the page includes) and with all digits
(CSV, which the tests read).
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from wfrpde.report import style

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "measured" / "literature"

Row = Mapping[str, str | float]


def folder() -> Path:
    """Return the folder of the command line, by default that of the documentation."""
    return Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER


def write(name: str, rows: Sequence[Row], formats: Mapping[str, str], place: Path) -> None:
    """Write a table; ``formats`` has the format of each column that readers see, if any."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
        written = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        written.writeheader()
        written.writerows(rows)
    if not formats:
        return
    lines = [list(formats), ["---:" if form else "---" for form in formats.values()]]
    lines += [[shown(row[column], form) for column, form in formats.items()] for row in rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    (place / f"{name}.md").write_text(text, encoding="utf-8")
    print(text)


def shown(value: str | float, form: str) -> str:
    """Return a number in a format, or a word as it is; nothing for what is no number."""
    if isinstance(value, str):
        return value
    return "" if value != value else format(value, form).replace("e-0", "e-").replace("e+0", "e")


def read(name: str, place: Path = FOLDER) -> list[dict[str, Any]]:
    """Read the table that is shipped, numbers as numbers."""
    with (place / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return [{key: _value(text) for key, text in row.items()} for row in csv.DictReader(stream)]


def _value(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def draw(name: str, figure: Figure, place: Path) -> None:
    """Keep a picture."""
    place.mkdir(parents=True, exist_ok=True)
    print(style.save(figure, place / f"{name}.png"))
