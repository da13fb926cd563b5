"""Initial densities that are given as formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, model_validator

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.starts.initial import InitialDensity, InitialParameters
from wfrpde.targets.minima import find_minima

if TYPE_CHECKING:
    import sympy


class ExpressionInitial(InitialParameters):
    """ρ₀ as formula: exactly one of ``log_density`` and ``density``, up to a constant factor.

    Where ``density`` is zero or negative, log ρ₀ is −∞.
    """

    kind: ClassVar[str] = "expression"
    log_density: str | None = Field(default=None, description="a formula for log ρ₀")
    density: str | None = Field(default=None, description="a formula for ρ₀ ≥ 0")

    @model_validator(mode="after")
    def _check(self) -> ExpressionInitial:
        if (self.log_density is None) == (self.density is None):
            found = "neither" if self.density is None else "both"
            raise InputError("log_density", f"{found} of log_density and density", "exactly one")
        self._parsed(3, "")
        return self

    def _parsed(self, dim: int, prefix: str = "initial.") -> tuple[sympy.Expr, str]:
        """Return the formula, and the key that it stands under."""
        from wfrpde.fields import parse_expression

        key = "density" if self.log_density is None else "log_density"
        return parse_expression(getattr(self, key), dim, prefix + key), prefix + key

    def check_dimension(self, dim: int) -> None:
        """Raise `InputError` unless the parameters fit the dimension."""
        self._parsed(dim)

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        from wfrpde.fields import logarithm, numpy_function, numpy_gradient

        given, key = self._parsed(dim)
        text, expression = self.log_density or str(self.density), given
        if self.log_density is None:
            if given.is_nonpositive:
                raise InputError(key, f"{text!r}, which is nowhere positive", "a density ≥ 0")
            expression = logarithm(given)
        try:
            value, slope = numpy_function(expression, dim), numpy_gradient(-expression, dim)
            negative = None if expression is given else numpy_function(given, dim)
        except Exception as error:  # SymPy raises many kinds, from formulas that no one means
            found = f"an expression without a derivative ({type(error).__name__}: {error})"
            raise InputError(key, found, "a density with a gradient") from error

        def log_density(x: Array) -> Array:
            result = value(x)
            if negative is not None:
                # log of a product may hide the sign of its factors; a density below 0 counts as 0.
                result = np.where(negative(x) < 0, -np.inf, result)
            return result

        seeds = find_minima(
            lambda x: _barred(-log_density(np.asarray(x, dtype=float))),
            slope,
            dim,
            where=key,
            box=box,
            quantity="log density",
        )
        return InitialDensity(
            dim, self.kind, " ".join(text.split()), seeds, log_density, normalised=False
        )


def _barred(height: Array) -> Array:
    """Replace −∞ and nan by +∞: the search for maxima of ρ₀ has nothing to find there."""
    return np.where(np.isfinite(height), height, np.inf)
