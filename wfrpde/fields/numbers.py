"""Numbers on the way from floating point to SymPy and back."""

from __future__ import annotations

import math

import sympy


def number(value: float) -> sympy.Expr:
    """Return the SymPy number of a float: exact where it is a short binary fraction."""
    if value.is_integer() and abs(value) <= 2**53:
        return sympy.Integer(int(value))
    scaled = value * 1024
    if scaled.is_integer() and abs(value) < 2**20:
        return sympy.Rational(int(scaled), 1024)
    return sympy.Float(value)


def representable(value: sympy.Expr) -> bool:
    """Return whether a SymPy number neither overflows nor vanishes as a float."""
    try:
        rounded = float(value)
    except OverflowError:
        return False
    return math.isfinite(rounded) and (rounded != 0 or bool(value.is_zero))
