"""Numbers that vary in time, given as a formula in t or as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

from wfrpde.errors import InputError
from wfrpde.fields.parser import TIME, parse_expression
from wfrpde.fields.protocols import Formula
from wfrpde.fields.rendering import timed_function

LOOKS = 1001
"""Times at which a course is looked at for what it must not be."""


@dataclass(frozen=True)
class Course:
    """A number s(t): a formula in t, or straight lines between the points of a table.

    Attributes
    ----------
    text
        The formula; empty with a table.
    table
        Pairs (t, s), t ascending; before the first and after the last s is what it is there.
    bounds
        What s is clipped to.
    where
        Key of the case that it comes from, for messages.
    """

    text: str = ""
    table: tuple[tuple[float, float], ...] = ()
    bounds: tuple[float, float] = (-np.inf, np.inf)
    where: str = field(default="", compare=False)

    @classmethod
    def of(cls, given: Any, where: str, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Self:
        """Read a formula or a table; raise `InputError` for what is neither."""
        if isinstance(given, str):
            parse_expression(given, 0, where, timed=True)
            return cls(given, (), bounds, where)
        table = tuple((float(t), float(s)) for t, s in given)
        if len(table) < 2 or not all(a[0] < b[0] for a, b in pairwise(table)):
            found = f"{len(table)} pairs, or times that do not ascend"
            raise InputError(where, found, "pairs [t, value] with ascending times, two at least")
        return cls("", table, bounds, where)

    def checked(self, end: float, *, positive: bool = False) -> Self:
        """Return itself if it is finite (and positive) up to a time; else raise `InputError`."""
        times = np.linspace(0.0, end, LOOKS)
        values = np.array([self._free(t) for t in times])
        bad = ~np.isfinite(values) | (positive & (values <= 0))
        if bad.any():
            raise InputError(
                self.where,
                f"{values[bad][0]:g} at t = {times[bad][0]:g}",
                f"a finite {'positive ' * positive}number up to t = {end:g}",
            )
        return self

    def __call__(self, t: float) -> float:
        """Return s(t)."""
        return min(max(self._free(t), self.bounds[0]), self.bounds[1])

    def slope(self, t: float) -> float:
        """Return ds/dt; 0 where s is clipped, and that to the right at a corner of a table."""
        low, high = self.bounds
        if not low <= self._free(t) <= high:
            return 0.0
        if self.text:
            return float(self._rendered[1](np.zeros((1, 0)), t)[0])
        times, values = np.array(self.table).T
        k = int(np.searchsorted(times, t, side="right"))
        if not 0 < k < len(times):
            return 0.0
        return float((values[k] - values[k - 1]) / (times[k] - times[k - 1]))

    def corners(self, end: float) -> tuple[float, ...]:
        """Return times within (0, end) at which the slope jumps, as far as they can be told."""
        found = {t for t, _ in self.table if 0 < t < end}
        times = np.linspace(0.0, end, LOOKS)
        values = np.array([self._free(t) for t in times])
        for bound in self.bounds:
            if not np.isfinite(bound):
                continue
            above = values - bound
            for k in np.flatnonzero(above[:-1] * above[1:] < 0):
                found.add(self._crossing(times[k], times[k + 1], bound))
            # one that rests there turns where it begins and ends to rest alone
            moving = (above[:-2] != 0) | (above[2:] != 0)
            found |= {float(t) for t in times[1:-1][(above[1:-1] == 0) & moving]}
        return tuple(sorted(t for t in found if 0 < t < end))

    def _crossing(self, low: float, high: float, bound: float) -> float:
        from scipy.optimize import brentq

        return float(brentq(lambda t: self._free(t) - bound, low, high, xtol=1e-14))

    def _free(self, t: float) -> float:
        if self.text:
            return float(self._rendered[0](np.zeros((1, 0)), t)[0])
        times, values = zip(*self.table, strict=True)
        return float(np.interp(t, times, values))

    @cached_property
    def _rendered(self) -> Any:
        expression = parse_expression(self.text, 0, self.where, timed=True)
        return timed_function(expression, 0), timed_function(expression.diff(TIME), 0)

    def __getstate__(self) -> dict[str, Any]:
        names = ("text", "table", "bounds", "where")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __str__(self) -> str:
        return self.text or f"a table of {len(self.table)} times"


def in_time(formula: Formula) -> Any:
    """Return the derivative in time of a formula, as a function of points ``(n, d)`` and t."""
    expression = parse_expression(formula.text, formula.dim, formula.where, timed=True)
    return timed_function(expression.diff(TIME), formula.dim)
