"""Targets that depend on the distance from the origin alone, in any dimension."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wfrpde.arrays import Array
from wfrpde.fields.parameters import Parameters, Positive
from wfrpde.targets.target import Target, TargetParameters

POTENTIAL = 'a formula in r, as "r**2/2"'


class RadialFormula(Parameters):
    """A function of r = |x|."""

    potential: str = Field(description=POTENTIAL)

    def text(self) -> str:
        """Return the formula in x, which stands for r ≥ 0."""
        return self.in_terms_of("x")

    def in_terms_of(self, distance: str) -> str:
        """Return the formula with another one in the place of r."""
        return re.sub(r"\br\b", distance, self.potential)

    def functions(self, where: str) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
        """Return the function of r and its derivative, of arrays ``(n,)``."""
        from wfrpde.fields import numpy_function, numpy_gradient, parse_expression

        expression = parse_expression(self.text(), 1, where)
        value, slope = numpy_function(expression, 1), numpy_gradient(expression, 1)

        def at(r: Array) -> Array:
            return np.broadcast_to(value(r[:, None]), r.shape)

        def derivative(r: Array) -> Array:
            return np.broadcast_to(slope(r[:, None])[:, 0], r.shape)

        return at, derivative


class RadialTarget(RadialFormula, TargetParameters):
    """V(x) = v(|x|) in ``dim`` dimensions, with v a formula in ``r``.

    The flow from a start that is radial, too, is that of the distance alone.
    """

    kind: ClassVar[str] = "radial"
    dim: int = Field(description="a positive number", ge=2, le=100_000)

    @property
    def formula(self) -> RadialFormula:
        """Return v(r)."""
        return RadialFormula(potential=self.potential)

    def build(self) -> Target:
        """Return the target with these parameters."""
        words = f"V = {self.potential} with r = |x| in {self.dim} dimensions"
        return radial_target(self.kind, words, self.formula, self.dim)


class StudentTarget(TargetParameters):
    r"""Student's t with ``degrees`` ν in ``dim`` dimensions: V = ½(ν + d) log(1 + r²/(ν s²)).

    Its tails fall like r^{−ν − d}: the variance is infinite for ν ≤ 2. It is radial: so must be the
    start, or a Gaussian.
    """

    kind: ClassVar[str] = "student_t"
    degrees: Positive = Field(description="a positive number, ν")
    scale: Positive = Field(default=1.0, description="a positive length, s")
    dim: int = Field(description="a positive number", ge=2, le=100_000)

    @property
    def formula(self) -> RadialFormula:
        """Return v(r)."""
        nu, square = float(self.degrees), float(self.degrees) * float(self.scale) ** 2
        return RadialFormula(potential=f"{(nu + self.dim) / 2!r}*log(1 + r**2/{square!r})")

    def build(self) -> Target:
        """Return the target with these parameters."""
        words = f"Student's t, {self.degrees:g} degrees of freedom, in {self.dim} dimensions"
        return radial_target(self.kind, words, self.formula, self.dim)


def radial_target(kind: str, words: str, formula: RadialFormula, dim: int) -> Target:
    """Return the target with V(x) = v(|x|)."""
    value, slope = formula.functions("target.potential")

    def potential(x: npt.ArrayLike) -> Array:
        return value(np.linalg.norm(np.asarray(x, dtype=float), axis=1))

    def gradient(x: npt.ArrayLike) -> Array:
        points = np.asarray(x, dtype=float)
        r = np.linalg.norm(points, axis=1)
        return np.asarray(points * (slope(r) / np.maximum(r, 1e-300))[:, None])

    return Target(
        dim=dim,
        name=kind,
        description=words,
        seeds=np.zeros((1, dim)),
        value=potential,
        slope=gradient,
    )
