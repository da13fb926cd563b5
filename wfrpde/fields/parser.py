"""Text to SymPy through a whitelist: Python's syntax tree is walked, nothing is evaluated as code.

Accepted are numbers, the coordinates, ``pi`` and ``e``, ``+ - * / **`` and the functions of
`FUNCTIONS`. Everything else raises `InputError` with the place marked. Sub-expressions without a
coordinate are folded in floating point at once, and exponents, length and nesting are bounded, so
that no formula, however it was meant, can keep SymPy busy.
"""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Callable, Sequence
from typing import NoReturn

import sympy

from wfrpde.fields.functions import Absolute, Maximum, Minimum, Sign
from wfrpde.fields.numbers import number, representable
from wfrpde.fields.source import Source
from wfrpde.fields.stability import logarithm

MAX_DEPTH = 40
MAX_EXPONENT = 1_000

CONSTANTS = {"pi": math.pi, "e": math.e}
_COORDINATES = sympy.symbols("x y z", real=True)
TIME = sympy.Symbol("t", real=True)


def _sign(value: float) -> float:
    return math.copysign(1.0, value) if value else 0.0


# name: (fewest and most arguments, value of constants, SymPy constructor)
FUNCTIONS: dict[str, tuple[int, int, Callable[..., float], Callable[..., sympy.Expr]]] = {
    "exp": (1, 1, math.exp, sympy.exp),
    "log": (1, 1, math.log, logarithm),
    "sqrt": (1, 1, math.sqrt, sympy.sqrt),
    "sin": (1, 1, math.sin, sympy.sin),
    "cos": (1, 1, math.cos, sympy.cos),
    "tan": (1, 1, math.tan, sympy.tan),
    "sinh": (1, 1, math.sinh, sympy.sinh),
    "cosh": (1, 1, math.cosh, sympy.cosh),
    "tanh": (1, 1, math.tanh, sympy.tanh),
    "erf": (1, 1, math.erf, sympy.erf),
    "abs": (1, 1, abs, Absolute),
    "sign": (1, 1, _sign, Sign),
    "atan2": (2, 2, math.atan2, sympy.atan2),
    "min": (2, 20, min, Minimum),
    "max": (2, 20, max, Maximum),
}

# What people write for a name of the whitelist.
_SYNONYMS = {
    "ln": "log",
    "fabs": "abs",
    "Abs": "abs",
    "PI": "pi",
    "π": "pi",
    "Min": "min",
    "Max": "max",
}

# What a formula cannot contain, and why.
_ABSENT = {
    "t": "This formula does not depend on time.",
    "time": "Time is t, in formulas that may depend on it.",
    "w": "There are three dimensions at most: x, y and z.",
    "r": "Write sqrt(x**2 + y**2) for the distance from the origin.",
}
_NOT_FINITE = (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)


def coordinates(dim: int) -> tuple[sympy.Symbol, ...]:
    """Return the real symbols x, y, z, the first ``dim`` of them."""
    return tuple(_COORDINATES[:dim])


def parse_expression(text: str, dim: int, where: str, *, timed: bool = False) -> sympy.Expr:
    """Read a formula in the coordinates x, y, z, and in the time t.

    Parameters
    ----------
    text
        The formula, e.g. ``"8*(x**2 - 1)**2 + 0.5*x"``.
    dim
        Dimension, 1 to 3: the first ``dim`` coordinates may be used.
    where
        Key of the case file that an error names.
    timed
        Whether t may be used.

    Returns
    -------
    sympy.Expr
        In the symbols of `coordinates` and `TIME`; finite constants only. Logarithms of
        sums of exponentials come back as `LogSumExp`.

    Raises
    ------
    InputError
        For whatever is not arithmetic of the whitelist.
    """
    source = Formula(text, dim, where, timed)
    tree = source.parse()
    return source.guarded(tree, lambda: source.arithmetic(tree, 0))


class Formula(Source):
    """Text that is arithmetic of the whitelist."""

    functions = FUNCTIONS

    def allowed(self) -> str:
        """Return what an expression may contain, for error messages."""
        names = ", ".join("xyz"[: self.dim] + "t" * self.timed)
        return (
            f"arithmetic (+ - * / **) with {names}, numbers, pi, e and the functions "
            + ", ".join(FUNCTIONS)
        )

    def arithmetic(self, node: ast.expr, depth: int) -> sympy.Expr:
        """Return the SymPy expression of ``node``."""
        if depth > MAX_DEPTH:
            self.fail(node, f"nesting deeper than {MAX_DEPTH} levels", "a flatter expression")
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                terms = [
                    value if plus else self._product(node, [sympy.S.NegativeOne, value])
                    for plus, value in self._chain(node, (ast.Add, ast.Sub), depth)
                ]
                return self._sum(node, terms)
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                factors = [
                    value if times else self._power(node, value, sympy.S.NegativeOne)
                    for times, value in self._chain(node, (ast.Mult, ast.Div), depth)
                ]
                return self._product(node, factors)
            case ast.BinOp(op=ast.Pow()):
                base = self.arithmetic(node.left, depth + 1)
                return self._power(node, base, self.arithmetic(node.right, depth + 1))
            case ast.UnaryOp(op=ast.USub()):
                value = self.arithmetic(node.operand, depth + 1)
                return self._product(node, [sympy.S.NegativeOne, value])
            case ast.UnaryOp(op=ast.UAdd()):
                return self.arithmetic(node.operand, depth + 1)
            case ast.Call():
                return self._call(node, depth)
            case ast.BinOp(op=ast.BitXor()):
                self.fail(node.right, "the operator ^", "** for powers")
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                self.fail(node, "a comparison", "", "Comparisons belong in regions (modes).")
            case ast.Attribute():
                self.fail(node, f"attribute access '.{node.attr}'")
        self.fail(node, f"{_WORDS.get(type(node), 'something that is not arithmetic')}")

    def _chain(
        self, node: ast.BinOp, kinds: tuple[type, type], depth: int
    ) -> list[tuple[bool, sympy.Expr]]:
        """Flatten a op b op c …, which Python nests to the left: a long sum is not deep."""
        reverse: list[tuple[bool, ast.expr]] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, kinds):
            reverse.append((isinstance(left.op, kinds[0]), left.right))
            left = left.left
        reverse.append((True, left))
        return [(direct, self.arithmetic(n, depth + 1)) for direct, n in reversed(reverse)]

    def _constant(self, node: ast.Constant) -> sympy.Expr:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(node, f"{value!r}, which is not a real number")
        return self._folded(node, lambda: float(value))

    def _name(self, node: ast.Name) -> sympy.Expr:
        name = node.id
        if name in CONSTANTS:
            return number(CONSTANTS[name])
        if name in ("x", "y", "z"):
            index = "xyz".index(name)
            if index < self.dim:
                return _COORDINATES[index]
            needed = f"only {', '.join('xyz'[: self.dim])} in {self.dim} dimension(s)"
            if self.dim == 0:
                needed = "a formula in the time t alone"
            self.fail(node, f"the coordinate {name}", needed)
        if name == "t" and self.timed:
            return TIME
        if name in FUNCTIONS:
            self.fail(node, f"the function {name} without arguments", f"{name}(…)")
        self._unknown(node, name)

    def _unknown(self, node: ast.AST, name: str) -> NoReturn:
        known = [*"xyz"[: self.dim], *"t"[: self.timed], *CONSTANTS, *FUNCTIONS]
        close = difflib.get_close_matches(name.lower(), known, n=1)
        guess = _SYNONYMS.get(name) or (close[0] if close else "")
        shown = name if len(name) <= 40 else name[:40] + "…"
        hint = _ABSENT.get(name, f"Did you mean {guess}?" if guess else "")
        self.fail(node, f"the unknown name '{shown}'", do=hint)

    def _call(self, node: ast.Call, depth: int) -> sympy.Expr:
        if not isinstance(node.func, ast.Name):
            if isinstance(node.func, ast.Attribute):
                self.fail(node.func, f"attribute access '.{node.func.attr}'")
            self.fail(node, "a call of something that is not a function", do="Is a * missing?")
        name = node.func.id
        if name not in FUNCTIONS:
            if name in ("x", "y", "z", *"t"[: self.timed], *CONSTANTS):
                self.fail(node, f"a call of {name}", do=f"Is a * missing after {name}?")
            self._unknown(node.func, name)
        fewest, most, value, build = FUNCTIONS[name]
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            self.fail(node, f"an unusual argument of {name}", f"plain arguments: {name}(…)")
        if not fewest <= len(node.args) <= most:
            count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
            self.fail(node, f"{len(node.args)} argument(s) of {name}", f"{count}")
        args = [self.arithmetic(a, depth + 1) for a in node.args]
        if all(a.is_Number for a in args):
            return self._folded(node, lambda: value(*(float(a) for a in args)))
        if name == "exp":
            self._check_powers(node, args[0])
        return self._checked(node, build(*args))

    # ------------------------------------------------------------------ building
    def _sum(self, node: ast.AST, terms: Sequence[sympy.Expr]) -> sympy.Expr:
        if all(t.is_Number for t in terms):
            return self._folded(node, lambda: sum(float(t) for t in terms))
        return self._checked(node, sympy.Add(*terms))

    def _product(self, node: ast.AST, factors: Sequence[sympy.Expr]) -> sympy.Expr:
        if all(f.is_Number for f in factors):
            return self._folded(node, lambda: math.prod(float(f) for f in factors))
        return self._checked(node, sympy.Mul(*factors))

    def _power(self, node: ast.AST, base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        if exponent.is_Number and abs(exponent) > MAX_EXPONENT:
            self.fail(node, f"the exponent {exponent}", f"an exponent of at most {MAX_EXPONENT}")
        if base.is_zero and not exponent.is_Number:
            self.fail(node, "a power of zero", "a positive base of a variable exponent")
        if base.is_Number and exponent.is_Number:
            return self._folded(node, lambda: math.pow(float(base), float(exponent)))
        return self._checked(node, sympy.Pow(base, exponent))

    def _check_powers(self, node: ast.AST, argument: sympy.Expr) -> None:
        """Bound n in exp(n log f): SymPy writes it f**n and multiplies out constants of f."""
        for term in sympy.Add.make_args(argument):
            coefficient = term.as_coeff_Mul()[0]
            if abs(coefficient) > MAX_EXPONENT and term.has(sympy.log):
                self.fail(node, f"the exponent {coefficient}", f"at most {MAX_EXPONENT}")

    def _folded(self, node: ast.AST, value: Callable[[], float]) -> sympy.Expr:
        try:
            result = value()
        except (ArithmeticError, ValueError) as error:
            self.fail(node, f"a constant without a finite value ({error})", "finite constants")
        if not math.isfinite(result):
            self.fail(node, "a constant that is not finite", "finite constants")
        return number(result)

    def _checked(self, node: ast.AST, result: sympy.Expr) -> sympy.Expr:
        """Return ``result`` when every constant that this step can have made is finite and real."""
        if not result.free_symbols and not result.is_Number:
            value = complex(result)
            if value.imag:
                self.fail(node, "an expression that is not real", "real values")
            return self._folded(node, lambda: value.real)
        grown = (result, *result.args, *(b for a in result.args for b in a.args))
        for part in grown:
            if part in _NOT_FINITE or (part.is_Number and not representable(part)):
                needed = "constants between 1e-308 and 1e308"
                self.fail(node, "a constant beyond floating-point numbers", needed)
            if part.is_number and not part.is_Number and complex(part).imag:
                self.fail(node, "an expression that is not real", "real values")
        return result


_WORDS: dict[type, str] = {
    ast.Subscript: "a subscript",
    ast.Lambda: "a lambda",
    ast.IfExp: "a conditional",
    ast.List: "a list",
    ast.Tuple: "a comma",
    ast.Dict: "a dictionary",
    ast.Set: "a set",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.JoinedStr: "a string",
    ast.NamedExpr: "an assignment",
    ast.BinOp: "an operator other than + - * / **",
    ast.UnaryOp: "an operator other than + - * / **",
}
