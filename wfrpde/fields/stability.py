"""Logarithms of sums of exponentials, kept finite where the sum itself would underflow.

Far from every mode of a mixture Σ w_i exp(−q_i(x)) all terms underflow and log 0 = −∞, although
the potential is a harmless quadratic there. `logarithm` recognises such sums in an expression and
returns a `LogSumExp` of their exponents instead.
"""

from __future__ import annotations

import math

import sympy

from wfrpde.fields.functions import LogSumExp
from wfrpde.fields.numbers import number

# A product of sums is expanded term by term only up to this many terms.
MAX_TERMS = 64


def logarithm(argument: sympy.Expr) -> sympy.Expr:
    """Return log(argument), with positive sums of exponentials turned into `LogSumExp`.

    Factors that cannot be written as such a sum stay under an ordinary logarithm, so that the
    result equals log(argument) wherever both can be evaluated.
    """
    exact = exponents(argument)
    if exact is not None:
        return LogSumExp(*exact)
    total: sympy.Expr = sympy.S.Zero
    rest: list[sympy.Expr] = []
    for factor in sympy.Mul.make_args(argument):
        terms = exponents(factor)
        if terms is None:
            rest.append(factor)
        else:
            total += LogSumExp(*terms)
    return total + sympy.log(sympy.Mul(*rest))


def exponents(expression: sympy.Expr) -> list[sympy.Expr] | None:
    """Return a_1, …, a_k with expression = Σ exp(a_i), or None where there is no such form."""
    if expression.is_Number:
        return [number(math.log(expression))] if expression.is_positive else None
    if isinstance(expression, sympy.exp):
        return [expression.args[0]]
    if isinstance(expression, sympy.cosh):
        half = number(math.log(0.5))
        return [half + expression.args[0], half - expression.args[0]]
    if expression.is_Add:
        return _of_sum(expression)
    if expression.is_Mul:
        return _of_product(expression)
    if expression.is_Pow and expression.exp.is_Number:
        base = exponents(expression.base)
        if base is not None:
            return [expression.exp * LogSumExp(*base)]
    return None


def _of_sum(expression: sympy.Expr) -> list[sympy.Expr] | None:
    terms: list[sympy.Expr] = []
    for term in expression.args:
        own = exponents(term)
        if own is None or len(terms) + len(own) > MAX_TERMS:
            return None
        terms.extend(own)
    return terms


def _of_product(expression: sympy.Expr) -> list[sympy.Expr] | None:
    terms: list[sympy.Expr] = [sympy.S.Zero]
    plain: list[sympy.Expr] = []
    for factor in expression.args:
        own = exponents(factor)
        if own is not None and len(terms) * len(own) <= MAX_TERMS:
            terms = [a + b for a in terms for b in own]
        elif factor.is_nonnegative:  # x**2 exp(−q) = exp(log x**2 − q); −∞ at its zeros is right
            plain.append(factor)
        else:
            return None
    if not plain:
        return terms
    if terms == [sympy.S.Zero]:
        return None
    prefactor = sympy.log(sympy.Mul(*plain))
    return [a + prefactor for a in terms]
