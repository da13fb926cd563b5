"""Regions of space: comparisons of formulas, joined by ``and``, ``or`` and ``not``."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt
import sympy

from wfrpde.arrays import Array, Flags
from wfrpde.fields.parser import Formula
from wfrpde.fields.rendering import Field, as_points, numpy_function


@dataclass(frozen=True)
class Region:
    """The set of points where ``text`` holds.

    Attributes
    ----------
    text
        The condition, e.g. ``"-1 < x < 1 and y >= 0"``.
    dim
        Dimension of the points.
    """

    text: str
    dim: int
    _member: Callable[[Array], Flags] = field(repr=False, compare=False)
    _level: Field = field(repr=False, compare=False)
    _sides: Callable[[], tuple[Field, ...]] = field(repr=False, compare=False, default=tuple)

    def __call__(self, x: npt.ArrayLike) -> Flags:
        """Return (n,) booleans: which of the points x (n, d) belong to the region."""
        points = as_points(x, self.dim)
        member = self._member(points)
        return member if len(member) == len(points) else np.broadcast_to(member, (len(points),))

    def level(self, x: npt.ArrayLike) -> Array:
        """Return (n,) values of a continuous function, positive inside and negative outside.

        Its zero set is the boundary of the region, for quadrature that cuts cells there. It is the
        difference of the compared sides; ``and`` takes the minimum, ``or`` the maximum.
        """
        points = as_points(x, self.dim)
        return np.broadcast_to(self._level(points), (len(points),))

    @property
    def comparisons(self) -> tuple[Field, ...]:
        """Levels of what is compared in the region, each by itself, as far as they are known."""
        return self._sides()

    @property
    def planes(self) -> tuple[tuple[int, float], ...]:
        """Axes and places of the planes across an axis that bound the region, as ``x < 2``."""
        return _planes(self.text, self.dim)[0]

    @property
    def straight(self) -> bool:
        """Whether nothing but these planes bounds the region."""
        return _planes(self.text, self.dim)[1]

    def __reduce__(self) -> tuple[Callable[..., Region], tuple[str, int, str]]:
        return parse_region, (self.text, self.dim, "region")


@functools.lru_cache(maxsize=128)
def parse_region(text: str, dim: int, where: str) -> Region:
    """Read a region such as ``"x < 0"`` or ``"-1 < x < 1 and not y > 2"``.

    Comparisons are ``<``, ``<=``, ``>``, ``>=``; their sides are formulas as `parse_expression`
    reads them. ``&``, ``|`` and ``~`` may stand for ``and``, ``or`` and ``not`` around
    comparisons in parentheses.

    Raises
    ------
    InputError
        For everything else, with the place marked.
    """
    source = Formula(text, dim, where)
    tree = source.parse()
    member, level, sides = source.guarded(tree, lambda: _condition(source, tree, 0))
    return Region(source.line, dim, member, level, lambda: sides)


def region_read_later(text: str, dim: int, where: str) -> Region:
    """Return a region whose text is known to be right: it is read when somebody asks for points."""
    return Region(
        text,
        dim,
        lambda x: parse_region(text, dim, where)(x),
        lambda x: parse_region(text, dim, where).level(x),
        lambda: parse_region(text, dim, where).comparisons,
    )


@functools.lru_cache(maxsize=128)
def _planes(text: str, dim: int) -> tuple[tuple[tuple[int, float], ...], bool]:
    """Planes across axes that comparisons of a region speak of, and whether all of them do."""
    source, names = Formula(text, dim, "region"), "xyz"[:dim]
    planes, straight = [], True
    for node in ast.walk(source.parse()):
        if not isinstance(node, ast.Compare):
            continue
        for pair in pairwise((node.left, *node.comparators)):
            moving = [
                side
                for side in pair
                if any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(side))
            ]
            if len(moving) == 1 and isinstance(moving[0], ast.Name):
                (place,) = (source.arithmetic(s, 0) for s in pair if s is not moving[0])
                planes.append((names.index(moving[0].id), float(place)))
            else:
                straight = False
    return tuple(dict.fromkeys(planes)), straight


_Parts = tuple[Callable[[Array], Flags], Field, tuple[Field, ...]]
_NEEDED = "comparisons (< <= > >=) of formulas, joined by and, or, not"


def _condition(source: Formula, node: ast.expr, depth: int) -> _Parts:
    if depth > 40:
        source.fail(node, "too deeply nested a region", _NEEDED)
    match node:
        case ast.Compare():
            return _comparison(source, node)
        case ast.BoolOp(op=ast.And()):
            return _joined([_condition(source, v, depth + 1) for v in node.values], every=True)
        case ast.BoolOp(op=ast.Or()):
            return _joined([_condition(source, v, depth + 1) for v in node.values], every=False)
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
            parts = [_condition(source, n, depth + 1) for n in (node.left, node.right)]
            return _joined(parts, every=isinstance(node.op, ast.BitAnd))
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            member, level, sides = _condition(source, node.operand, depth + 1)
            return (lambda x: ~member(x)), (lambda x: -level(x)), sides
    source.fail(node, "something that is not a comparison", _NEEDED)


def _comparison(source: Formula, node: ast.Compare) -> _Parts:
    sides = [_side(source, n) for n in (node.left, *node.comparators)]
    parts = []
    for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
        match op:
            case ast.Lt() | ast.LtE():
                parts.append(_ordered(left, right, strict=isinstance(op, ast.Lt)))
            case ast.Gt() | ast.GtE():
                parts.append(_ordered(right, left, strict=isinstance(op, ast.Gt)))
            case _:
                source.fail(node, "a comparison other than < <= > >=", _NEEDED)
    return _joined(parts, every=True)


def _side(source: Formula, node: ast.expr) -> Field:
    for inner in ast.walk(node):
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.BitAnd | ast.BitOr):
            found = "& or | that binds tighter than the comparisons beside it"
            do = "Put each comparison in parentheses, or write and, or."
            source.fail(inner, found, _NEEDED, do)
    return _compiled(source.arithmetic(node, 0), source.dim)


# Cells of nearest means have one formula for both of a pair.
@functools.lru_cache(maxsize=2048)
def _compiled(expression: sympy.Expr, dim: int) -> Field:
    if isinstance(expression, sympy.Integer | sympy.Float):  # nothing that takes time to compile
        constant = float(expression)
        return lambda x: np.full(len(as_points(x, dim)), constant)
    return numpy_function(expression, dim)


def _ordered(low: Field, high: Field, *, strict: bool) -> _Parts:
    compare = np.less if strict else np.less_equal

    def level(x: npt.ArrayLike) -> Array:
        return np.asarray(high(x) - low(x))

    return (lambda x: compare(low(x), high(x))), level, (level,)


def _joined(parts: list[_Parts], *, every: bool) -> _Parts:
    members, levels, sides = zip(*parts, strict=True)
    both = np.logical_and if every else np.logical_or
    nearest = np.minimum if every else np.maximum
    return (
        lambda x: functools.reduce(both, (m(x) for m in members)),
        lambda x: functools.reduce(nearest, (f(x) for f in levels)),
        tuple(chain.from_iterable(sides)),
    )
