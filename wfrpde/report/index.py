"""One page that leads to several runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wfrpde.report.pages import embed, write_page

__all__ = ["IndexEntry", "write_index"]

THUMBNAIL = 900
"""Width of a thumbnail in pixels."""


@dataclass(frozen=True)
class IndexEntry:
    """A run, as the entry page announces it.

    Parameters
    ----------
    title
        Heading.
    sentence
        What the run shows.
    run
        The run's folder.
    figure
        Name of the figure to show, without its ending; none is shown if the run has no such one.
    table
        Plain text in columns, shown as it is.
    """

    title: str
    sentence: str
    run: Path
    figure: str = "density"
    table: str = ""


def write_index(
    folder: Path,
    entries: Sequence[IndexEntry],
    *,
    title: str = "Results",
    introduction: str = "",
) -> Path:
    """Write ``index.html``, which links to the reports of the runs. Not collective.

    Parameters
    ----------
    folder
        Where the page goes; links are relative to it, so that it can be moved with the runs.
    entries
        The runs, in the order to read them.
    title, introduction
        Heading of the page, and a paragraph below it.

    Returns
    -------
    Path
        The page.
    """
    shown = []
    for entry in entries:
        picture = entry.run / "figures" / f"{entry.figure}.png"
        report = Path(os.path.relpath(entry.run / "report.html", folder))
        shown.append(
            {
                "title": entry.title,
                "sentence": entry.sentence,
                "table": entry.table,
                "href": report.as_posix(),
                "picture": embed(picture, THUMBNAIL) if picture.is_file() else "",
            }
        )
    context = {"title": title, "introduction": introduction, "entries": shown}
    return write_page(folder / "index.html", "index.html.j2", context)
