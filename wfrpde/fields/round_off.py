"""How large the numbers are that a formula is made of: what rounding leaves of its values.

cos² x + sin² x − 1 is made of ones, and is 0 to the round-off of ones.
"""

from __future__ import annotations

import sympy

from wfrpde.fields.functions import Absolute


def made_of(expression: sympy.Expr) -> sympy.Expr:
    """Return s, so that rounding changes values of the expression by a few units of eps s at most.

    With all arguments a_i of f off by shares of s(a_i), and f itself by one of its value, to first
    order: s(f) = |f| + Σ |∂f/∂a_i| s(a_i); of numbers and coordinates it is their size.
    """
    if not expression.args:
        return Absolute(expression)
    if expression.is_Add:
        return sympy.Add(*(made_of(term) for term in expression.args))
    names = [a if a.is_Number else sympy.Dummy(real=True) for a in expression.args]
    plain, values = expression.func(*names), dict(zip(names, expression.args, strict=True))
    parts = (
        Absolute(plain.diff(name).xreplace(values)) * made_of(argument)
        for name, argument in values.items()
        if not name.is_Number
    )
    return sympy.Add(Absolute(expression), *parts)
