"""What can be asked at points: fields such as V and U, and densities, also moving ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from wfrpde.arrays import Array


@runtime_checkable
class Field(Protocol):
    """A function of x, such as V or U."""

    def __call__(self, x: Array) -> Array:
        """Return the values ``(n,)`` at points ``(n, d)``."""


@runtime_checkable
class Density(Protocol):
    """What knows its log density at points: a target, a start, a flow at one time, a law."""

    @property
    def dim(self) -> int:
        """Dimension d."""

    def log_density(self, x: Array) -> Array:
        """Return log ρ ``(n,)`` at points ``(n, d)``, with respect to Lebesgue measure.

        Up to a constant where the normalisation is not known; −∞ where ρ = 0.
        """


@runtime_checkable
class Path(Protocol):
    """A density that moves: a flow that was solved, the law of a sampler."""

    def at(self, t: float) -> Density:
        """Return the density at time t."""


@dataclass(frozen=True)
class Formula:
    """A field that is given as text in x, y, z and perhaps t; two are equal if their texts are.

    Attributes
    ----------
    text
        The formula.
    dim
        Dimension d of the space.
    where
        Key of the case that it comes from, for messages.
    timed
        Whether the text may contain t.
    """

    text: str
    dim: int
    where: str = field(default="", compare=False)
    timed: bool = field(default=False, compare=False)

    def __call__(self, x: Array, t: float | Array = 0.0) -> Array:
        """Return the values ``(n,)`` at points ``(n, d)``; what is undefined is NaN.

        `t` is the time, one for all or one for each point.
        """
        return self._function(x, t)

    @property
    def moving(self) -> bool:
        """Whether the values depend on t."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[Callable[[Array, float | Array], Array], bool]:
        from wfrpde.fields.parser import TIME, parse_expression
        from wfrpde.fields.rendering import timed_function

        expression = parse_expression(self.text, self.dim, self.where, timed=self.timed)
        return timed_function(expression, self.dim), TIME in expression.free_symbols

    @property
    def _function(self) -> Callable[[Array, float | Array], Array]:
        return self._read[0]

    def gradient(self, x: Array, t: float = 0.0) -> Array:
        """Return the gradients ``(n, d)`` at points ``(n, d)``, from symbolic derivatives."""
        return self._slope(x, t)

    @cached_property
    def _slope(self) -> Callable[[Array, float], Array]:
        from wfrpde.fields.parser import coordinates, parse_expression
        from wfrpde.fields.rendering import numpy_gradient, timed_function

        formula = parse_expression(self.text, self.dim, self.where, timed=self.timed)
        if not self.moving:
            slope = numpy_gradient(formula, self.dim)
            return lambda x, t: slope(x)
        parts = [timed_function(formula.diff(s), self.dim) for s in coordinates(self.dim)]
        return lambda x, t: np.stack([part(x, t) for part in parts], axis=1)

    def __getstate__(self) -> dict[str, Any]:
        return {"text": self.text, "dim": self.dim, "where": self.where, "timed": self.timed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def checked(self) -> Self:
        """Return itself, if the text can be read.

        Raises
        ------
        InputError
            If it cannot; the message names ``where``.
        """
        _ = self._function
        return self
