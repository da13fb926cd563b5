"""Figures with the words that belong to them, as they are drawn and as they lie on the disk."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure, and what it shows.

    Parameters
    ----------
    name
        File name without its ending.
    figure
        The Matplotlib figure.
    alt
        What is seen, for those who cannot see it.
    caption
        What to look at.
    """

    name: str
    figure: Figure
    alt: str
    caption: str


@dataclass(frozen=True)
class Picture:
    """A drawing on the disk."""

    path: Path
    alt: str
    caption: str

    @property
    def data(self) -> str:
        """The PNG file as a ``data:`` address."""
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode("ascii")

    @property
    def width(self) -> int:
        """The width in CSS pixels at which every figure's text has the same size on a page."""
        from wfrpde.report.style import shown_width

        return shown_width(self.path.read_bytes())


def saved(drawings: Iterable[Drawing | None], folder: Path) -> list[Picture]:
    """Write figures as PNG files into a folder, each as soon as it is drawn."""
    from wfrpde.report import style  # Matplotlib is slow to import, and most commands draw nothing

    folder.mkdir(parents=True, exist_ok=True)
    with style.look():
        return [
            Picture(style.save(d.figure, folder / f"{d.name}.png"), d.alt, d.caption)
            for d in drawings
            if d is not None
        ]
