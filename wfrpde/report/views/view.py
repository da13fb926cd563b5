"""A view: the card that a notebook shows, the figures, and the columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wfrpde.errors import InputError
from wfrpde.report.pages import Table, filled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wfrpde.report.drawing import Drawing

T = TypeVar("T")

Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """What a notebook shows of an object, as text.

    Attributes
    ----------
    title
        What it is.
    sentences
        What came out.
    tables
        Its numbers.
    warnings
        What to be careful about.
    more
        Calls that show more: ``"plot()"``, or ``"(x)"`` of the result itself.
    """

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    warnings: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


def _no_drawings(_: Any) -> tuple[Drawing, ...]:
    return ()


@dataclass(frozen=True)
class View(Generic[T]):
    """How objects of one class are looked at.

    Attributes
    ----------
    card
        Gives the card of an object.
    columns
        Gives a table of it: name → numbers or words, all of one length.
    drawings
        Draws its figures one by one, the most telling first.
    arrays
        Gives the parts of a data set, on so many points along each axis; None has no such.
    """

    card: Callable[[T], Card]
    columns: Callable[[T], Columns]
    drawings: Callable[[T], Iterable[Drawing | None]] = _no_drawings
    arrays: Callable[[T, int | None], Mapping[str, Any]] | None = None

    def html(self, shown: T) -> str:
        """Return the card as a piece of HTML; what comes from a user is escaped."""
        return filled("card.html.j2", {"card": self.card(shown)})

    def figure(self, shown: T, name: str) -> Figure:
        """Draw the figure of this name, or the first one for an empty name.

        Raises
        ------
        InputError
            If there is none.
        """
        from wfrpde.report import style

        seen = []
        with style.look():
            for drawing in self.drawings(shown):
                if drawing is not None:
                    if name in ("", drawing.name):
                        return drawing.figure
                    seen.append(drawing.name)
        known = f"one of {', '.join(seen)}" if seen else "something else: it has no figures"
        raise InputError(f"plot of {type(shown).__name__}", repr(name), known)
