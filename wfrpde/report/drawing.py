"""A figure with the words that belong to it."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

__all__ = ["Drawing"]


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
