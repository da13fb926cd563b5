"""How high up cells are kept for a start, and how soon a reaction forgets what starts higher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from wfrpde.arrays import Array
from wfrpde.domain.landscape import LEVEL, SPAN
from wfrpde.fields.schedules import is_moving

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem

LEFT_OUT = 1e-6
"""Share of a wide start outside all cells from which it, and no narrowness, is what is told."""

FORGOTTEN = 30.0
"""−log of the share of what starts higher that may be left at the first saved time."""


def forgets(problem: Problem) -> bool:
    """Whether a reaction forgets what starts high up, by rates that stay what they are."""
    equation = problem.equation
    moving = is_moving(equation.alpha) or is_moving(equation.beta)
    return not moving and equation.descends and equation.beta > 0


def remembered_from(problem: Problem, span: float, times: Array) -> Array:
    """Return the share ``(T,)`` of mass that starts more than S = `span` kT up which is left.

    There r = log(ρ/π) exceeds its mean by S/2, if KL(0) is less, and on the way down, with
    V ∝ e^{−λt} at most, λ = 2αD/ℓ² with the shortest length ℓ, a reaction takes
    ``exp(−β S/2 · (1 − e^{−qt})/q)``, q = β + λ.
    """
    return np.asarray(np.exp(-span / 2 * _taken(problem, times)))


def remembered_above(problem: Problem, span: float, times: Array) -> Array:
    """Return the same on average over a start more than `span` kT up, as far as a lattice tells."""
    height, start = _heights(problem)
    above = (height > span) & (start > -np.inf)
    if not above.any() or not np.isfinite(height[above]).all():
        return remembered_from(problem, span, times)
    share = np.exp(start[above] - logsumexp(start[above]))
    return np.asarray(share @ np.exp(-height[above, None] / 2 * _taken(problem, times)))


def _taken(problem: Problem, times: Array) -> Array:
    """β (1 − e^{−qt})/q at times ``(T,)``."""
    beta = problem.equation.beta
    rate = beta + 2.0 * problem.relaxation_rate
    return np.asarray(beta * -np.expm1(-rate * times) / rate)


def _heights(problem: Problem) -> tuple[Array, Array]:
    """V above its minimum (kT) and log ρ₀, summed to 1, at points ``(n,)`` of the box."""
    landscape, (_, *known) = problem.landscape, problem.landscape.on(problem.box)
    seeds = landscape.seeds_in(problem.box)
    functions = landscape.potential, landscape.surprise
    height, surprise = (
        np.append(value, function(seeds)) for value, function in zip(known, functions, strict=True)
    )
    start = -surprise
    return height - np.nanmin(height), start - logsumexp(start)


def highest_start(problem: Problem) -> float:
    """Return the level (kT) of V from which what starts there needs no cells.

    To a tolerance it is the least one at which the share that is left at the first saved time is
    e^{−30}, and which exceeds KL(0) far enough, where part of the start is above `SPAN` anyway.
    """
    if problem.dim == 1 or problem.tolerance is None or not forgets(problem):
        return SPAN
    height, start = _heights(problem)
    share = np.exp(start)
    if not share[~(height < SPAN)].sum() > LEFT_OUT or not np.isfinite(height[share > 0]).all():
        return SPAN
    here = share > 0
    kl = float(share[here] @ (start + height)[here]) + float(logsumexp(-height))
    per_level = -float(np.log(remembered_from(problem, 1.0, np.array(problem.save[:1]))[0]))
    return float(min(SPAN, max(2 * (kl + LEVEL), FORGOTTEN / per_level)))
