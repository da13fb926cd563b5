"""Starts that depend on the distance from the origin alone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from wfrpde.starts.initial import InitialDensity, InitialParameters
from wfrpde.targets.radial import RadialFormula

Array = npt.NDArray[np.float64]


class RadialInitial(RadialFormula, InitialParameters):
    """ρ₀ ∝ e^{−u(|x|)}, ``potential`` being u as a formula in ``r``, in the target's dimension."""

    kind: ClassVar[str] = "radial"

    def check_dimension(self, dim: int) -> None:
        """Accept every dimension."""

    def build(self, dim: int, box: Array | None) -> InitialDensity:
        """Return the density in ``dim`` dimensions."""
        value, _ = self.functions("initial.potential")

        def log_density(x: Array) -> Array:
            return -value(np.linalg.norm(x, axis=1))

        words = f"∝ exp(−({self.potential})) with r = |x|"
        return InitialDensity(dim, self.kind, words, np.zeros((1, dim)), log_density, False)
