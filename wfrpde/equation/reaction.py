"""Exact reaction steps on the logarithm of the nodal mass: Fisher–Rao, Feynman–Kac, and both."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array


def fisher_rao(log_mass: Array, log_target: Array, beta: float, dt: float) -> Array:
    """Return the nodal log mass after ``∂_t ρ = −β ρ log(ρ/π)`` for a time `dt`, not normalised.

    ``ρ_{t+s} = ρ_t^{θ} π^{1−θ}`` with θ = e^{−βs}, exact and pointwise; the mean of the reaction
    only shifts the logarithm, and normalising restores it.
    """
    theta = np.exp(-beta * dt)
    return np.asarray(theta * log_mass + (1 - theta) * log_target)


def gain(beta: float, dt: float) -> float:
    """``∫₀^s e^{−βr} dr = (1 − e^{−βs})/β``: what U is multiplied by in a time s (s if β = 0)."""
    return dt if beta == 0.0 else float(-np.expm1(-beta * dt) / beta)


def feynman_kac(
    log_mass: Array, log_target: Array, rate: Array | float, beta: float, dt: float
) -> Array:
    """Return the nodal log mass after ``∂_t ρ = ρ (U − β log(ρ/π))`` for `dt`, not normalised.

    With θ = e^{−βs},

        log ρ_{t+s} = θ log ρ_t + (1 − θ) log π + U (1 − θ)/β,

    exact and pointwise; for β = 0 ``ρ_{t+s} = ρ_t e^{sU}``. `rate` is U ``(n_owned,)``.
    """
    multiplied = gain(beta, dt) * rate
    if beta == 0.0:
        return np.asarray(log_mass + multiplied)
    return fisher_rao(log_mass, log_target, beta, dt) + multiplied
