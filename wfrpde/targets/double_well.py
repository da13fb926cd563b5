"""The tilted double well, alone or with coupled transverse coordinates."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from wfrpde.fields.parameters import Positive, Real
from wfrpde.targets.target import Target, TargetParameters, symbolic_target


class DoubleWellTarget(TargetParameters):
    r"""V = a (x² − 1)² + c x + ½ κ Σ_k (y_k − g x)², with y_k the transverse coordinates.

    ``barrier`` a is the height of the barrier in kT without tilt, ``tilt`` c favours the left
    well, by 2c, where it is positive; ``stiffness`` κ and ``coupling`` g matter for ``dim`` 2
    and 3: g turns the wells out of the x axis. The marginal of x does not depend on them.
    Natural regions: ``left`` (x < 0) and ``right``.
    """

    kind: ClassVar[str] = "double_well"
    barrier: Positive = Field(default=8.0, description="a positive barrier height in kT")
    tilt: Real = Field(default=0.0, description="a number: kT per unit of x")
    dim: Literal[1, 2, 3] = Field(default=1, description="1, 2 or 3")
    stiffness: Positive = Field(default=8.0, description="a positive number: kT per unit squared")
    coupling: Real = Field(default=0.0, description="a number")

    def build(self) -> Target:
        """Return the target with these parameters."""
        import sympy

        from wfrpde.fields import coordinates
        from wfrpde.fields.numbers import number

        x, *transverse = coordinates(self.dim)
        potential = number(self.barrier) * (x**2 - 1) ** 2 + number(self.tilt) * x
        for y in transverse:
            potential += number(self.stiffness / 2) * (y - number(self.coupling) * x) ** 2
        formula = f"{self.barrier:g} (x² − 1)²"
        if self.tilt:
            formula += f" {'+' if self.tilt > 0 else '−'} {abs(self.tilt):g} x"
        for y in transverse:
            turned = f"{y} − {self.coupling:g} x" if self.coupling else f"{y}"
            formula += f" + {self.stiffness / 2:g} ({turned})²"
        minima = self._minima()
        return symbolic_target(
            sympy.sympify(potential),
            self.dim,
            name=self.kind,
            description=f"V = {formula}",
            seeds=np.column_stack([minima, *(self.coupling * minima for _ in transverse)]),
            regions={"left": "x < 0", "right": "x >= 0"},
        )

    def _minima(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the minima in x: the real roots of 4a x (x² − 1) + c with V'' > 0."""
        a, c = self.barrier, self.tilt
        roots = np.roots([4 * a, 0.0, -4 * a, c])
        real = np.sort(roots.real[np.abs(roots.imag) < 1e-6])
        return np.array(real[3 * real**2 > 1])
