"""HTML pages that need nothing but themselves: pictures, data and scripts are inside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.numbers import pretty
from wfrpde.parallel.files import atomic
from wfrpde.parallel.places import plain
from wfrpde.report.drawing import Drawing, saved
from wfrpde.report.files import json_ready
from wfrpde.report.versions import software_versions

if TYPE_CHECKING:
    from wfrpde.case import Case


@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    title
        What it holds.
    header
        Names of the columns.
    rows
        One a saved time.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def write_report(
    folder: Path,
    template: str,
    case: Case,
    drawings: Iterable[Drawing | None],
    facts: Iterable[tuple[str, str]],
    versions: Mapping[str, str] | None = None,
    *,
    explorer: Mapping[str, Any] | None = None,
    **words: Any,
) -> list[Path]:
    """Write ``figures/*.png``, and ``report.html`` that shows them; both are returned.

    Parameters
    ----------
    drawings
        In the order to show them; a generator draws them one by one. Empty for none.
    facts
        Of the run, by name; `versions` of software follow them, by default today's.
    explorer
        The data of the page's explorer; its ``kind`` names the script that draws them.
    words
        What else the template asks for.
    """
    pictures = saved(drawings, folder / "figures") if drawings else []
    versions = software_versions() if versions is None else versions
    data = case.model_dump(mode="json")
    context = {
        "title": case.title or case.name,
        "pictures": pictures,
        "explorer": json_ready(explorer),
        "case": json.dumps(data, indent=2, ensure_ascii=False, default=str),
        "facts_rows": [*facts, *((f"{name} version", v) for name, v in versions.items())],
        **words,
    }
    page = write_page(folder / "report.html", template, context)
    return [*(picture.path for picture in pictures), page]


def write_page(path: Path, template: str, context: dict[str, Any]) -> Path:
    """Fill a template and write the page; it appears only once it is complete."""
    text = filled(template, context)
    with atomic(path) as stream:
        stream.write(text)
    return path


def filled(template: str, context: dict[str, Any]) -> str:
    """Fill a template of this package.

    Everything that comes from a user (titles, names of modes, warnings) is escaped, and what steers
    a screen is written out.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("wfrpde.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: type(value)(plain(value)) if isinstance(value, str) else value,
    )
    environment.filters["pretty"] = pretty
    return environment.get_template(template).render(**context)
