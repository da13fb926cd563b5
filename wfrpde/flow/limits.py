"""What numbers can be at most: no bar is longer than that, but of moments that do not exist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.domain.extent import tail_powers
from wfrpde.fields.schedules import integral
from wfrpde.flow.saved import ErrorEstimate

BEYOND = 1e-3
"""Share of the mass beyond the box from which means and variances may lie anywhere."""

MARGIN, FAR = 0.01, 1e3
"""How far above k + 1 the power of a tail is where a moment of order k exists, and how many boxes
out it is told: the middle of a box of which one tail is heavy is none of this tail's."""


def half_widths(problem: Problem) -> Array:
    """Return how far ``(d,)`` the box reaches from its middle along x, y and z."""
    half = np.ptp(problem.box, axis=1) / 2
    if problem.frame is not None:
        half = np.abs(problem.frame.matrix.T) @ half
    return np.asarray(half)


def lacks_moment(problem: Problem, times: Array, order: int) -> Flags:
    """Return when ``(T,)`` the density on a line has no moment of an order.

    Where V rises like p log|x| and −log ρ₀ like p₀ log|x|, ρ_t falls like the power
    −(θp₀ + (1 − θ)p) of |x|, θ = exp(−∫β dt): diffusion leaves such tails as they are. A box that a
    case gives holds all moments.
    """
    equation = problem.equation
    plain = problem.dim == 1 and problem.endless and problem.domain.box is None
    if not plain or any(problem.sides.closed) or equation.weighs or equation.path is not None:
        return np.zeros(len(times), dtype=bool)
    # what is 0 far out has no tail
    first, last = (
        np.nan_to_num(tail_powers(function, problem.box, further=FAR), nan=1e300)
        for function in (lambda x: -problem.initial.log_density(x), problem.target.potential)
    )
    theta = np.exp([-integral(equation.beta, 0.0, float(t)) for t in times])[:, None]
    power = theta * first + (1 - theta) * last
    return np.asarray((power <= order + 1 + MARGIN).any(axis=1))


def no_moments(problem: Problem, times: Array) -> list[str]:
    """Return the warnings of means and variances that do not exist."""
    found = []
    for order, name in ((1, "mean"), (2, "variance")):
        when = times[lacks_moment(problem, times, order)]
        if len(when):
            found.append(
                f"the {name} at t = {when[0]:g}{' and later' * (len(when) > 1)} does not exist, so "
                f"slowly does the density fall: what is told is that of the box"
            )
    return found


def within_limits(
    problem: Problem, times: Array, numbers: Functionals, error: ErrorEstimate, cut: Array
) -> ErrorEstimate:
    """Return errors none of which is longer than what the number can be is wide.

    With h the box's `half_widths` means lie within 2h and covariances within ±hᵢhⱼ, unless much is
    `cut` off ``(T,)``; masses are at most that of the start, where nothing makes mass, and KL is at
    most KL(0), where it falls along the flow. Moments that do not exist are off by any length.
    """
    equation, half, kl = problem.equation, half_widths(problem), numbers.kl
    held = np.where(cut < BEYOND, 1.0, np.inf)
    whole = problem.initial_mass if equation.rate is None or equation.conserve else np.inf
    series = dict(error.series)
    if equation.descends:
        most = held * (kl[0] + series["kl"][0])
        series["kl"] = np.minimum(series["kl"], np.fmax(kl, most - kl))
    mean = np.minimum(error.mean, 2 * held[:, None] * half)
    covariance = np.minimum(error.covariance, 2 * held[:, None, None] * np.outer(half, half))
    mean[lacks_moment(problem, times, 1)] = np.inf
    covariance[lacks_moment(problem, times, 2)] = np.inf
    return replace(
        error,
        series=series,
        mean=mean,
        covariance=covariance,
        mode_mass={
            name: np.minimum(
                bar, np.maximum(numbers.mode_mass[name], whole - numbers.mode_mass[name])
            )
            for name, bar in error.mode_mass.items()
        },
    )
