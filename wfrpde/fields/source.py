"""Text as Python's syntax tree, and complaints that point into it."""

from __future__ import annotations

import ast
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar, NoReturn, TypeVar

from wfrpde.errors import InputError

MAX_LENGTH = 10_000
MAX_NODES = 2_000

T = TypeVar("T")

_KEYWORDS = {"and", "or", "not", "if", "else", "in", "is", "for", "lambda"}
# A number and a name with nothing between them; what stands before and after a gap.
_PRODUCT = re.compile(r"(?<![\w.])((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([^\W\d]\w*)")
_LAST = re.compile(r"(?:[\w.]+|\))(?=\s*$)")
_FIRST = re.compile(r"[\w.]+|\(")

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
_RAISED_TYPED = str.maketrans(_RAISED, "0123456789-")
_TYPED = {
    "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "√": "sqrt(…)",
    "≤": "<=", "≥": ">=", "½": "0.5", "¼": "0.25",
}  # fmt: skip


@dataclass(frozen=True)
class Source(ABC):
    """One text being read: what it may contain, and how to point into it."""

    text: str
    dim: int
    where: str
    timed: bool = False

    functions: ClassVar[Collection[str]] = ()

    def parse(self) -> ast.expr:
        """Return the syntax tree of the text, within the limits of size."""
        if not isinstance(self.text, str):
            raise InputError(self.where, repr(self.text), "an expression in quotes")
        if not self.text.strip():
            raise InputError(self.where, "an empty expression", self.allowed())
        if len(self.text) > MAX_LENGTH:
            found = f"an expression of {len(self.text)} characters"
            raise InputError(self.where, found, f"at most {MAX_LENGTH}")
        self._refuse_signs()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python's advice on odd but valid code
                tree = ast.parse(self.line, mode="eval").body
        except SyntaxError as error:
            self._explain(error)
        except (ValueError, MemoryError, RecursionError) as error:
            self._fail_at(0, f"text that cannot be read ({error or 'nested too deeply'})")
        if sum(isinstance(n, ast.expr) for n in ast.walk(tree)) > MAX_NODES:
            raise InputError(self.where, "too long an expression", f"at most {MAX_NODES} terms")
        return tree

    def _refuse_signs(self) -> None:
        """Say how signs of printed mathematics are typed."""
        line = self.line
        for column, sign in enumerate(line):
            if sign in _RAISED:
                power = "".join(takewhile(_RAISED.__contains__, line[column:]))
                typed = power.translate(_RAISED_TYPED)
                base = _LAST.search(line[:column])
                whole = f"{base[0]}**{typed}" if base and base[0] != ")" else f"(…)**{typed}"
                self._fail_at(column, f"the sign {power}", f"** for powers: write {whole}")
            if sign in _TYPED:
                self._fail_at(column, f"the sign {sign}", f"what it is typed as: {_TYPED[sign]}")

    def _explain(self, error: SyntaxError) -> NoReturn:
        """Say what Python's parser stumbled over in words of formulas."""
        line, column = self.line, (error.offset or 0) - 1
        if column < 0:  # that is how Python says that the text ends too early
            self._fail_at(len(line), "the end where something has to follow", do="It ends here:")
        for product in _PRODUCT.finditer(line):
            factor, name = product.groups()
            if name not in _KEYWORDS:
                self._no_sign(product.start(2), factor, name)
        before, after = _LAST.search(line[:column]), _FIRST.match(line[column:])
        words = {match[0] for match in (before, after) if match}
        bracket = "never closed" in error.msg or "unmatched" in error.msg
        if before and after and not bracket and not words & _KEYWORDS:
            self._no_sign(column, before[0], after[0])
        self._fail_at(column, f"a syntax error ({error.msg})")

    def _no_sign(self, column: int, left: str, right: str) -> NoReturn:
        if left in self.functions:
            call = f"its argument in brackets: write {left}({right})"
            self._fail_at(column, f"{left} without brackets", call, "Here:")
        written = f"write {left}*{right}" if left != ")" else "write *"
        self._fail_at(
            column, "two factors without a sign", f"a sign between them: {written}", "Here:"
        )

    @property
    def line(self) -> str:
        """The text on one line: a case file may break a long formula."""
        return " ".join(self.text.split())

    def guarded(self, tree: ast.expr, build: Callable[[], T]) -> T:
        """Run ``build``; whatever SymPy raises on the way becomes an `InputError`."""
        try:
            return build()
        except InputError:
            raise
        except Exception as error:  # SymPy raises many kinds; all mean: not a usable formula
            self.fail(tree, f"an expression that has no value ({type(error).__name__}: {error})")

    @abstractmethod
    def allowed(self) -> str:
        """Return what the text may contain, for error messages."""

    def fail(self, node: ast.AST, found: str, needed: str = "", do: str = "") -> NoReturn:
        """Raise `InputError` with a caret under ``node``."""
        raw = self.line.encode("utf-8", "replace")[: getattr(node, "col_offset", 0)]
        self._fail_at(len(raw.decode("utf-8", "replace")), found, needed, do)

    def _fail_at(self, column: int, found: str, needed: str = "", do: str = "") -> NoReturn:
        line = self.line
        column = min(max(column, 0), len(line))
        start = max(0, column - 60)
        excerpt = ("…" if start else "") + line[start : column + 60]
        caret = " " * (column - start + bool(start)) + "^"
        advice = f"{do}\n" if do else "Here:\n"
        raise InputError(
            self.where,
            f"{found} at column {column + 1}",
            needed or self.allowed(),
            f"{advice}    {excerpt}\n    {caret}",
        )
