"""Regions of a product, by its factors: ``all(x > 0)``, ``count(x > 0) >= 50``, ``sum(x) > 80``."""

from __future__ import annotations

import ast
from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.fields.parser import parse_expression
from wfrpde.fields.regions import parse_region
from wfrpde.fields.rendering import numpy_function

NEEDED = (
    "all(R), any(R), count(R) >= k, sum(w) > c or dot([…]) > c, with R a region of one factor "
    "and w linear in its coordinates"
)
EXAMPLE = 'For example: "all(x > 0)", "count(x > 0, wells) >= 8", "sum(x) > 80".'


@dataclass(frozen=True)
class ProductRegion:
    """A set of points of a product.

    Attributes
    ----------
    text
        As it was written.
    kind
        ``count``: at least `least` and at most `most` factors lie in `region`; ``sum``: the sum of
        `form` over the factors lies above (`above`) or below `bound`; ``dot``: the same for
        Σ w_i x_i, with the `weights` w.
    names
        Names of the factors that count; none for all.
    """

    text: str
    kind: str
    names: tuple[str, ...] = ()
    region: str = ""
    least: int = 0
    most: int | None = None
    form: str = ""
    weights: tuple[float, ...] = ()
    bound: float = 0.0
    above: bool = True

    def means(self, name: str) -> bool:
        """Whether a factor of this name counts."""
        return not self.names or name in self.names


def complement(region: str) -> str:
    """Return the region of a factor where another one does not hold."""
    return f"not ({region})"


def parse_product_region(text: str, where: str) -> ProductRegion:
    """Read a region of a product.

    Raises
    ------
    InputError
        If it is something else; the message says what there is.
    """
    wrong = InputError(where, repr(text), NEEDED, EXAMPLE)
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise wrong from None
    match node:
        case ast.Call(func=ast.Name(id="all" | "any" as word)):
            inner, names = _arguments(node, wrong)
            region = ast.unparse(inner)
            if word == "any":
                return ProductRegion(text, "count", names, region, least=1)
            return ProductRegion(text, "count", names, region, least=-1)
        case ast.Compare(
            left=ast.Call(func=ast.Name(id=word)) as call, ops=[op], comparators=[end]
        ):
            bound = _number(end, wrong)
            above = isinstance(op, ast.Gt | ast.GtE)
            if not isinstance(op, ast.Gt | ast.GtE | ast.Lt | ast.LtE):
                raise wrong
            inner, names = _arguments(call, wrong)
            if word == "count":
                return _counted(text, names, ast.unparse(inner), op, bound)
            if word == "sum":
                form = ast.unparse(inner)
                return ProductRegion(text, "sum", names, form=form, bound=bound, above=above)
            if word == "dot" and isinstance(inner, ast.List) and not names:
                weights = tuple(_number(entry, wrong) for entry in inner.elts)
                if not any(weights):
                    raise InputError(where, repr(text), "weights that are not all zero")
                return ProductRegion(text, "dot", weights=weights, bound=bound, above=above)
    raise wrong


def _counted(
    text: str, names: tuple[str, ...], region: str, op: ast.cmpop, bound: float
) -> ProductRegion:
    if isinstance(op, ast.Gt | ast.GtE):
        least = int(np.floor(bound)) + 1 if isinstance(op, ast.Gt) else int(np.ceil(bound))
        return ProductRegion(text, "count", names, region, least=max(least, 0))
    most = int(np.ceil(bound)) - 1 if isinstance(op, ast.Lt) else int(np.floor(bound))
    return ProductRegion(text, "count", names, region, most=most)


def _arguments(call: ast.Call, wrong: InputError) -> tuple[ast.expr, tuple[str, ...]]:
    if not call.args or call.keywords:
        raise wrong
    inner, *others = call.args
    if not all(isinstance(other, ast.Name) for other in others):
        raise wrong
    return inner, tuple(other.id for other in others if isinstance(other, ast.Name))


def _number(node: ast.expr, wrong: InputError) -> float:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise wrong from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise wrong
    return float(value)


def check_count(region: ProductRegion, count: int, where: str) -> None:
    """Raise `InputError` for a region that asks for more than all, or less than none, of them."""
    most = count if region.most is None else region.most
    if region.kind == "count" and (region.least > count or most < 0):
        raise InputError(where, repr(region.text), f"a number of factors from 0 to {count}")


def check_factor_region(region: ProductRegion, dim: int, where: str) -> None:
    """Raise `InputError` unless the region of one factor makes sense in ``dim`` coordinates."""
    if region.kind == "count":
        if dim > 3:
            raise InputError(
                where,
                f"a region of a factor of {dim} coordinates",
                "one of factors with at most three",
                "Name the factors that count: all(x > 0, wells).",
            )
        parse_region(region.region, dim, where)
    elif region.kind == "sum":
        linear_weights(region.form, dim, where)


def linear_weights(form: str, dim: int, where: str) -> Array:
    """Return the weights ``(d,)`` of a linear form without a constant.

    With more than three coordinates x stands for each of them.

    Raises
    ------
    InputError
        If it is not linear.
    """
    size = min(dim, 3) if dim <= 3 else 1
    function = numpy_function(parse_expression(form, size, where), size)
    points = np.concatenate([np.zeros((1, size)), np.eye(size)])
    values = np.broadcast_to(function(points), (size + 1,))
    weights = np.asarray(values[1:], dtype=float)
    probes = np.random.default_rng(0).standard_normal((8, size)) * 3
    linear = np.abs(function(probes) - probes @ weights).max() <= 1e-9 * (1 + np.abs(weights).max())
    if not (linear and values[0] == 0 and weights.any()):
        raise InputError(where, repr(form), "a linear form of a factor's coordinates, as x or 2*x")
    return weights if dim <= 3 else np.full(dim, weights[0])
