"""Targets that are the same all around one axis, in any dimension."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.targets.target import Target, TargetParameters

POTENTIAL = 'a formula in z and r, as "z**2/2 + r**2/4"'
NAMES = {"z": "x", "r": "y"}
"""What stands for the coordinates of a half-plane in formulas of x and y."""


class AxialTarget(TargetParameters):
    """V(x) = v(z, r) in ``dim`` dimensions: z = x₁, and r = |(x₂, …)|, the distance from that axis.

    The flow from a Gaussian that is the same all around the axis, too, is that of (z, r).
    """

    kind: ClassVar[str] = "axial"
    potential: str = Field(description=POTENTIAL)
    dim: int = Field(description="a positive number", ge=2, le=100_000)

    def text(self) -> str:
        """Return the formula in x and y, which stand for z and r ≥ 0."""
        if found := re.search(r"\b[xy]\b", self.potential):
            raise InputError("target.potential", f"the coordinate {found[0]}", POTENTIAL)
        return re.sub(r"\b[zr]\b", lambda name: NAMES[name[0]], self.potential)

    def build(self) -> Target:
        """Return the target with these parameters."""
        from wfrpde.fields import numpy_function, numpy_gradient, parse_expression

        expression = parse_expression(self.text(), 2, "target.potential")
        value, slope = numpy_function(expression, 2), numpy_gradient(expression, 2)

        def gradient(x: npt.ArrayLike) -> Array:
            points = np.asarray(x, dtype=float)
            at = half_plane(points)
            slopes = slope(at)
            around = points[:, 1:] * (slopes[:, 1] / np.maximum(at[:, 1], 1e-300))[:, None]
            return np.concatenate([slopes[:, :1], around], axis=1)

        return Target(
            dim=self.dim,
            name=self.kind,
            description=f"V = {self.potential} with z = x1, r = |(x2, …)| in {self.dim} dimensions",
            seeds=np.zeros((1, self.dim)),
            value=lambda x: value(half_plane(np.asarray(x, dtype=float))),
            slope=gradient,
        )


def half_plane(x: Array) -> Array:
    """Return (z, r) ``(n, 2)`` of points ``(n, d)``."""
    return np.stack([x[:, 0], np.linalg.norm(x[:, 1:], axis=1)], axis=1)
