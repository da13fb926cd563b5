"""Exact Fisher–Rao steps on the logarithm of the nodal mass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def fisher_rao(log_mass: Array, log_target: Array, beta: float, dt: float) -> Array:
    """Return the nodal log mass after ``∂_t ρ = −β ρ log(ρ/π)`` for a time `dt`, not normalised.

    ``ρ_{t+s} = ρ_t^{θ} π^{1−θ}`` with θ = e^{−βs}, exact and pointwise; the mean of the reaction
    only shifts the logarithm, and normalising restores it.
    """
    theta = np.exp(-beta * dt)
    return np.asarray(theta * log_mass + (1 - theta) * log_target)
