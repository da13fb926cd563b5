"""HTML pages that need nothing but themselves: pictures inside, no script, no outside resource."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

__all__ = ["embed", "page_width", "write_page"]


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
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return path


def page_width(picture: Path) -> int:
    """Give the width in CSS pixels at which every figure's text has the same size on the page."""
    # The header of a PNG holds its width after the eight bytes of signature and eight of chunk.
    pixels = int.from_bytes(picture.read_bytes()[16:20], "big")
    return round(pixels * 0.6)


def embed(picture: Path, width: int | None = None) -> str:
    """Give a PNG file as a ``data:`` address, scaled down to ``width`` pixels where it is wider."""
    content = picture.read_bytes()
    if width is not None:
        from PIL import Image

        with Image.open(io.BytesIO(content)) as image:
            if image.width > width:
                small = image.convert("RGB").resize(
                    (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
                )
                stream = io.BytesIO()
                small.save(stream, "PNG", optimize=True)
                content = stream.getvalue()
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
