"""Targets that depend on the distance from the origin alone, in any dimension."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wfrpde.fields.parameters import Parameters
from wfrpde.targets.target import Target, TargetParameters

Array = npt.NDArray[np.float64]

POTENTIAL = 'a formula in r, as "r**2/2"'


class RadialFormula(Parameters):
    """A function of r = |x|."""

    potential: str = Field(description=POTENTIAL)

    def text(self) -> str:
        """Return the formula in x, which stands for r ≥ 0."""
        return re.sub(r"\br\b", "x", self.potential)

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

    def build(self) -> Target:
        """Return the target with these parameters."""
        value, slope = self.functions("target.potential")

        def potential(x: npt.ArrayLike) -> Array:
            return value(np.linalg.norm(np.asarray(x, dtype=float), axis=1))

        def gradient(x: npt.ArrayLike) -> Array:
            points = np.asarray(x, dtype=float)
            r = np.linalg.norm(points, axis=1)
            return np.asarray(points * (slope(r) / np.maximum(r, 1e-300))[:, None])

        return Target(
            dim=self.dim,
            name=self.kind,
            description=f"V = {self.potential} with r = |x| in {self.dim} dimensions",
            seeds=np.zeros((1, self.dim)),
            value=potential,
            slope=gradient,
        )
