"""One SymPy expression, rendered as vectorised NumPy value and gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy
from sympy.printing.numpy import NumPyPrinter

from wfrpde.arrays import Array
from wfrpde.fields.blocks import in_blocks
from wfrpde.fields.exponentials import exp_above
from wfrpde.fields.parser import TIME, coordinates

Field = Callable[[npt.ArrayLike], Array]

# Relative step of central differences, and what a kink's one-sided slopes are averaged over.
_STEP = float(np.finfo(float).eps ** (1 / 3))


IN_CACHE = 8_192
"""Points at which what a formula needs on its way stays in the processor's cache."""


def numpy_function(expression: sympy.Expr, dim: int) -> Field:
    """Return x (n, d) -> (n,), the values of ``expression`` at n points.

    Overflow and undefined values come back as inf and nan without a warning: the caller knows
    whether they matter.
    """
    compiled = _compile((expression,), dim)

    def some(points: Array) -> Array:
        (result,) = compiled(*points.T)
        return _broadcast(result, len(points))

    def value(x: npt.ArrayLike) -> Array:
        with np.errstate(all="ignore"):
            return in_blocks(some, as_points(x, dim), IN_CACHE)

    return value


def timed_function(
    expression: sympy.Expr, dim: int
) -> Callable[[npt.ArrayLike, float | Array], Array]:
    """Return (x (n, d), t) -> (n,), as `numpy_function`, of an expression in t, too."""
    compiled = _compile((expression,), dim, TIME)

    def value(x: npt.ArrayLike, t: float | Array) -> Array:
        points = as_points(x, dim)
        with np.errstate(all="ignore"):
            (result,) = compiled(*points.T, np.asarray(t, dtype=float)[()])
            return _broadcast(result, len(points))

    return value


def numpy_gradient(expression: sympy.Expr, dim: int) -> Field:
    """Return x (n, d) -> (n, d), the gradient of ``expression`` from its symbolic derivatives.

    Where a derivative is undefined although the value is finite (|x| at the origin), the central
    difference stands in for it: 0 at the symmetric kink.
    """
    compiled = _compile(tuple(expression.diff(s) for s in coordinates(dim)), dim)
    value = numpy_function(expression, dim)

    def gradient(x: npt.ArrayLike) -> Array:
        points = as_points(x, dim)
        with np.errstate(all="ignore"):
            parts = compiled(*points.T)
            result = np.stack([_broadcast(p, len(points)) for p in parts], axis=1)
        undefined = ~np.isfinite(result).all(axis=1)
        if undefined.any():
            # Only where the value itself is finite; elsewhere there is no gradient to give.
            rows = np.flatnonzero(undefined)
            rows = rows[np.isfinite(value(points[rows]))]
            result[rows] = central_difference(value, points[rows])
        return result

    return gradient


def central_difference(value: Field, x: npt.ArrayLike) -> Array:
    """Return the gradient (n, d) of ``value`` at x (n, d) by second-order central differences."""
    points = np.asarray(x, dtype=float)
    result = np.empty_like(points)
    for axis in range(points.shape[1]):
        step = _STEP * np.maximum(1.0, np.abs(points[:, axis]))
        forward, backward = points.copy(), points.copy()
        forward[:, axis] += step
        backward[:, axis] -= step
        with np.errstate(all="ignore"):
            width = forward[:, axis] - backward[:, axis]
            result[:, axis] = (value(forward) - value(backward)) / width
    return result


def as_points(x: npt.ArrayLike, dim: int) -> Array:
    """Return x as an (n, d) array of floats; raise ValueError for any other shape."""
    points = np.asarray(x, dtype=float)
    if points.ndim != 2 or points.shape[1] != dim:
        raise ValueError(f"points of shape {points.shape} given, (n, {dim}) needed")
    return points


def _broadcast(value: Any, n: int) -> Array:
    """Return a copy: a formula that is one coordinate would give a view of the points."""
    result = np.array(value, dtype=float)
    return result if result.shape == (n,) else np.full(n, result)


class _Printer(NumPyPrinter):  # type: ignore[misc]
    """NumPy code with full-precision constants; what NumPy lacks is called by its SymPy name."""

    def _print_Float(self, expr: sympy.Float) -> str:
        return repr(float(expr))

    def _print_Heaviside(self, expr: sympy.Heaviside) -> str:
        return f"Step({self._print(expr.args[0])})"

    def _print_DiracDelta(self, expr: sympy.DiracDelta) -> str:
        return "0.0"  # almost everywhere

    def _print_erf(self, expr: sympy.erf) -> str:
        return f"erf({self._print(expr.args[0])})"


def _log_sum_exp(*terms: Any) -> Any:
    largest = functools.reduce(np.maximum, terms)
    finite = np.isfinite(largest)
    shift = np.where(finite, largest, 0.0)  # −∞ − (−∞) would be nan
    return np.where(finite, shift + np.log(sum(exp_above(t - shift) for t in terms)), largest)


def _softmax(index: int, *terms: Any) -> Any:
    largest = functools.reduce(np.maximum, terms)
    return np.exp(terms[index - 1] - largest) / sum(exp_above(t - largest) for t in terms)


def _erf(argument: Any) -> Any:
    from scipy.special import erf

    return erf(argument)


# What `functions` adds, and a function of another package, by the name of its SymPy class.
CALLS: dict[str, Callable[..., Any]] = {
    "LogSumExp": _log_sum_exp,
    "Softmax": _softmax,
    "Maximum": lambda *a: functools.reduce(np.maximum, a),
    "Minimum": lambda *a: functools.reduce(np.minimum, a),
    "Absolute": np.abs,
    "Sign": np.sign,
    "Step": lambda a: np.heaviside(a, 0.5),
    "erf": _erf,
}


def _compile(
    expressions: Sequence[sympy.Expr], dim: int, *further: sympy.Symbol
) -> Callable[..., Any]:
    settings = {
        "fully_qualified_modules": False,
        "inline": True,
        "allow_unknown_functions": True,
    }
    function: Callable[..., Any] = sympy.lambdify(
        (*coordinates(dim), *further),
        tuple(expressions),
        modules=[CALLS, "numpy"],
        printer=_Printer(settings),
        cse=True,
    )
    return function
