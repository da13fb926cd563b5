"""Rates that vary in time, given as formulas in t."""

from __future__ import annotations

from functools import cache
from typing import Self

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.parser import TIME, parse_expression
from wfrpde.fields.protocols import Formula

NODES = 8
"""Gauss points of an integral over one step."""


class Schedule(float):
    """A rate ``a(t) ≥ 0`` per unit time as a formula; as a number it is its largest value.

    That number is what steps, boxes and grids are chosen by. What needs the rate itself asks for
    its value at a time (`value_at`) or its integral (`integral`).

    Attributes
    ----------
    text
        The formula in t.
    end
        Time up to which it is looked at.
    """

    text: str
    end: float
    _formula: Formula

    def __new__(cls, text: str, end: float, where: str) -> Self:
        """Read a formula; raise `InputError` where it is negative or not finite up to `end`."""
        formula = Formula(text, 0, where, timed=True)
        # times at which a schedule is looked at for its largest value and its sign
        times: Array = np.asarray(np.linspace(0.0, end, 1001), dtype=float)
        values = _values(formula, times)
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            raise InputError(
                where,
                f"{text!r}, which is {values[bad][0]:g} at t = {times[bad][0]:g}",
                f"a finite rate ≥ 0 up to t = {end:g}",
            )
        made = super().__new__(cls, values.max())
        made.text, made.end, made._formula = text, end, formula
        return made

    def __call__(self, t: float) -> float:
        """Return a(t)."""
        return float(_values(self._formula, np.array([t]))[0])

    def integral(self, t: float, dt: float) -> float:
        """``∫_t^{t+dt} a ds``, by one Gauss rule."""
        places, weights = _rule(NODES)
        return dt * float(weights @ _values(self._formula, t + dt * places))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and (self.text, self.end) == (other.text, other.end)

    def __ne__(self, other: object) -> bool:
        return not self == other  # float has one of its own

    def __hash__(self) -> int:
        return hash((self.text, self.end))

    def __reduce__(self) -> tuple[type[Schedule], tuple[str, float, str]]:
        return Schedule, (self.text, self.end, self._formula.where)

    def __repr__(self) -> str:
        return f"Schedule({self.text!r})"


def rate_of(text: str, end: float, where: str) -> float:
    """Return the rate that a formula in t gives: a number where it does not contain t."""
    expression = parse_expression(text, 0, where, timed=True)
    schedule = Schedule(text, end, where)
    return schedule if TIME in expression.free_symbols else float(schedule)


def is_moving(rate: float) -> bool:
    """Whether a rate depends on time."""
    return isinstance(rate, Schedule)


def value_at(rate: float, t: float) -> float:
    """Return a rate at time t."""
    return rate(t) if isinstance(rate, Schedule) else rate


def written(rate: float) -> float | str:
    """Return a rate as a case file has it: a number, or the formula."""
    return rate.text if isinstance(rate, Schedule) else rate


def integral(rate: float, t: float, dt: float) -> float:
    """``∫_t^{t+dt} a ds`` of a rate."""
    return rate.integral(t, dt) if isinstance(rate, Schedule) else rate * dt


def gauss(t: float, dt: float, nodes: int = NODES) -> list[tuple[float, float]]:
    """Return times and weights of Gauss' rule for ``∫_t^{t+dt}``."""
    places, weights = _rule(nodes)
    return [(t + dt * float(x), dt * float(w)) for x, w in zip(places, weights, strict=True)]


@cache
def _rule(nodes: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(nodes)
    return (1 + x) / 2, w / 2


def _values(formula: Formula, times: Array) -> Array:
    return formula(np.zeros((len(times), 0)), times)
