"""What numbers can be at most: no bar is longer than that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.flow.saved import ErrorEstimate

BEYOND = 1e-3
"""Share of the mass beyond the box from which means and variances may lie anywhere."""


def half_widths(problem: Problem) -> Array:
    """Return how far ``(d,)`` the box reaches from its middle along x, y and z."""
    half = np.ptp(problem.box, axis=1) / 2
    if problem.frame is not None:
        half = np.abs(problem.frame.matrix.T) @ half
    return np.asarray(half)


def within_limits(
    problem: Problem, numbers: Functionals, error: ErrorEstimate, cut: Array
) -> ErrorEstimate:
    """Return errors none of which is longer than what the number can be is wide.

    With h the box's `half_widths` means lie within 2h and covariances within ±hᵢhⱼ, unless much is
    `cut` off ``(T,)``; masses are at most that of the start, where nothing makes mass, and KL is at
    most KL(0), where it falls along the flow.
    """
    equation, half, kl = problem.equation, half_widths(problem), numbers.kl
    held = np.where(cut < BEYOND, 1.0, np.inf)
    whole = problem.initial_mass if equation.rate is None or equation.conserve else np.inf
    series = dict(error.series)
    if equation.descends:
        most = held * (kl[0] + series["kl"][0])
        series["kl"] = np.minimum(series["kl"], np.fmax(kl, most - kl))
    return replace(
        error,
        series=series,
        mean=np.minimum(error.mean, 2 * held[:, None] * half),
        covariance=np.minimum(error.covariance, 2 * held[:, None, None] * np.outer(half, half)),
        mode_mass={
            name: np.minimum(
                bar, np.maximum(numbers.mode_mass[name], whole - numbers.mode_mass[name])
            )
            for name, bar in error.mode_mass.items()
        },
    )
