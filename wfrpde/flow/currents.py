r"""The probability current of a flow.

.. math:: j = \alpha\,(b\rho - \nabla\cdot(D\rho))
            = \alpha\rho\,(v + f - D\nabla u), \qquad u = \log(\rho/\pi),\quad v = -J\nabla V
              + \operatorname{div} J,

with ∇·(Dρ)_i = Σ_j ∂_j(D_ij ρ): transport alone is ∂_t ρ = −∇·j. At equilibrium, u = 0, what is
left is the circulation πv, which has no divergence.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.fields.schedules import value_at

if TYPE_CHECKING:
    from wfrpde.discretisation.interpolation import Interpolation
    from wfrpde.domain.absorption import Absorption
    from wfrpde.equation import Dynamics
    from wfrpde.targets import Target


STEP = 1e-6
"""Step, relative to the box, of the slope of a distance from a wall."""


def velocity_of_mass(dynamics: Dynamics, target: Target, t: float, x: Array, slope: Array) -> Array:
    """``j/ρ = α(v + f − D∇u)`` ``(n, d)`` at points ``(n, d)`` where ∇u is `slope` ``(n, d)``."""
    spread = np.einsum("nij,nj->ni", dynamics.diffusion_at(x), slope)
    velocity = dynamics.circulating(x, target.gradient(x)) - spread
    if dynamics.drift is not None:
        velocity = velocity + dynamics.drift(x)
    return np.asarray(value_at(dynamics.alpha, t) * velocity)


def slopes(interpolation: Interpolation, field: Array, x: Array) -> Array:
    """Slopes ``(n, d)`` of a nodal field at points ``(n, d)``; NaN outside the mesh."""
    result = np.empty_like(x)
    # points whose stencils are made at a time
    for a, b in pairwise([*range(0, len(x), 4_096), len(x)]):
        stencil = interpolation.locate(x[a:b])
        result[a:b] = stencil.gradient(np.ascontiguousarray(field[stencil.number]))
    return result


def slope_of_distance(absorption: Absorption, x: Array) -> Array:
    """Slope ``(n, d)`` of the log of the distance from what absorbs, by differences."""
    result = np.empty_like(x)
    for axis, width in enumerate(np.ptp(absorption.box, axis=1)):
        step = STEP * width * np.eye(x.shape[1])[axis]
        with np.errstate(invalid="ignore"):
            rise = absorption.log_distance(x + step) - absorption.log_distance(x - step)
        result[:, axis] = rise / (2 * STEP * width)
    return result
