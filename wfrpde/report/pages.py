"""HTML pages that need nothing but themselves: pictures inside, no script, no outside resource."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfrpde.parallel.files import atomic

__all__ = ["Picture", "Table", "embed", "page_width", "shown", "write_page"]


@dataclass(frozen=True)
class Picture:
    """A figure on disk, with the words for the report."""

    path: Path
    alt: str
    caption: str


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


def write_page(path: Path, template: str, context: dict[str, Any]) -> Path:
    """Fill a template of this package and write the page; it appears only once it is complete.

    Everything that comes from a user (titles, names of modes, warnings) is escaped.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("wfrpde.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**context)
    with atomic(path) as stream:
        stream.write(text)
    return path


def shown(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Give pictures as the templates show them."""
    return [
        {
            "data": embed(picture.path),
            "width": page_width(picture.path),
            "alt": picture.alt,
            "caption": picture.caption,
        }
        for picture in pictures
    ]


def page_width(picture: Path) -> int:
    """Give the width in CSS pixels at which every figure's text has the same size on the page."""
    # The header of a PNG holds its width after the eight bytes of signature and eight of chunk.
    pixels = int.from_bytes(picture.read_bytes()[16:20], "big")
    return round(pixels * 0.6)


def embed(picture: Path) -> str:
    """Give a PNG file as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")
