"""Formulas that are the same in all directions around a point, as those of the distance from it."""

from __future__ import annotations

import functools

import sympy

from wfrpde.fields.parser import coordinates


@functools.lru_cache(maxsize=64)
def in_distance(expression: sympy.Expr, centre: tuple[float, ...]) -> str | None:
    """Return an expression in x, y, z as a text in r = |x − centre|; None if it is not one.

    Its derivative along rotations has to vanish identically, which SymPy may not see of all that
    are.
    """
    symbols = coordinates(len(centre))
    r = sympy.Symbol("r", positive=True)
    (first, origin), *others = zip(symbols, map(sympy.nsimplify, centre), strict=True)
    exact = sympy.nsimplify(expression, rational=True)
    for symbol, middle in others:
        turned = (first - origin) * exact.diff(symbol) - (symbol - middle) * exact.diff(first)
        if turned != 0 and sympy.simplify(turned) != 0:
            return None
    return str(exact.subs({first: origin + r, **dict(others)}))
