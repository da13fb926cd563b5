"""Functions that SymPy lacks, or evaluates too eagerly for formulas that come from a file.

SymPy's own ``Max`` and ``Abs`` compare and expand their arguments when they are built, which can
take for ever, and differentiate into real and imaginary parts when an argument is not known to be
real. The ones here stay as they are written and have the almost-everywhere derivative.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sympy
from sympy.core.function import ArgumentIndexError


class _RealFunction(sympy.Function):  # type: ignore[misc]
    """Base: real for real arguments."""

    def _eval_is_extended_real(self) -> bool | None:
        return True if all(a.is_extended_real for a in self.args) else None

    def _argument(self, index: int) -> sympy.Expr:
        if not 1 <= index <= len(self.args):
            raise ArgumentIndexError(self, index)
        return self.args[index - 1]


class _OfSeveral(_RealFunction):
    """Base of functions that are their argument where there is only one."""

    @classmethod
    def eval(cls, *args: sympy.Expr) -> sympy.Expr | None:
        """Return the argument itself where there is only one."""
        return args[0] if len(args) == 1 else None


class LogSumExp(_OfSeveral):
    r"""LogSumExp(a_1, …, a_k) = log(exp a_1 + … + exp a_k), rendered without overflow or underflow.

    Its derivative in a_i is the `Softmax` weight, which lies in [0, 1]: a mixture's potential and
    gradient stay finite however far the point is from every mode.
    """

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative in argument number ``argindex``."""
        self._argument(argindex)
        return Softmax(sympy.Integer(argindex), *self.args)

    def _sympystr(self, printer: Any) -> str:
        return f"log({' + '.join(f'exp({printer._print(a)})' for a in self.args)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        terms = " + ".join(printer._print(sympy.exp(a)) for a in self.args)
        body = rf"\log\left({terms}\right)"
        return body if exp is None else rf"\left({body}\right)^{{{exp}}}"


class Softmax(_RealFunction):
    r"""Softmax(i, a_1, …, a_k) = exp a_i / Σ exp a_j, with i counted from 1.

    Rendered with the largest exponent taken out. The shorter exp(a_i − LogSumExp(a)) would lose
    the digits that a_i and the logarithm have in common, and with them the sum of one.
    """

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative in argument number ``argindex``, s_i (δ_ij − s_j)."""
        self._argument(argindex)
        if argindex == 1:
            return sympy.S.Zero
        own = sympy.S.One if self.args[0] == argindex - 1 else sympy.S.Zero
        return self * (own - Softmax(sympy.Integer(argindex - 1), *self.args[1:]))


class _Named(_RealFunction):
    """Base of functions that are printed by the name which they have in expressions."""

    word: ClassVar[str]

    def _sympystr(self, printer: Any) -> str:
        return f"{self.word}({', '.join(printer._print(a) for a in self.args)})"


class Absolute(_Named):
    """|a|, with derivative sign(a)."""

    nargs, word = 1, "abs"

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative in argument number ``argindex``."""
        return Sign(self._argument(argindex))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        body = rf"\left|{printer._print(self.args[0])}\right|"
        return body if exp is None else f"{body}^{{{exp}}}"


class _Flat(_Named):
    """Base of functions of one argument whose derivative is 0 almost everywhere."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative in argument number ``argindex``."""
        self._argument(argindex)
        return sympy.S.Zero


class Sign(_Flat):
    """sign(a): −1, 0 or 1."""

    word = "sign"


class Step(_Flat):
    """1 for a > 0, 1/2 at a = 0, 0 for a < 0: the weight of an argument of a minimum or maximum."""

    word = "step"


class _Extreme(_Named, _OfSeveral):
    """Base of the largest and the smallest of some arguments."""

    sense: ClassVar[int]

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        """Return the derivative in argument number ``argindex``: 1 where it is chosen, else 0."""
        own = self._argument(argindex)
        rest = type(self)(*(a for k, a in enumerate(self.args) if k != argindex - 1))
        return Step(own - rest if self.sense > 0 else rest - own)


class Maximum(_Extreme):
    """max(a_1, …, a_k)."""

    word, sense = "max", 1


class Minimum(_Extreme):
    """min(a_1, …, a_k)."""

    word, sense = "min", -1
