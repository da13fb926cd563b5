"""What cells set by hand hide on a line: all runs miss it alike, however well they agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.domain.grid import TensorGrid
from wfrpde.flow.outcome import Outcome

STEEP, PER_NODE, BENT = 0.7, 14.0, 1 / 2
"""Change of log(ρ/π) from node to node up to which two runs tell each other's error, how much more
of it leaves nothing known, and what the square of V's distance (kT) from the straight lines between
nodes counts. Waves of V two cells long had densities off by .76 on which two runs agreed to 1.5e-3;
walls of 30 kT a cell KL by six bars, at 8, 4 and 2 kT errors were 1/4, 1/5 and 1/7."""

LEAVES = 0.6
"""Power of the deviation of log(ρ/π) with which that falls later: rates are wrong as well."""

TINY = 1e-300


def steepness(
    outcome: Outcome, numbers: Functionals, *, of: Callable[[list[float]], float] = min
) -> Array:
    """Return by how much log(ρ/π) changes from node to node ``(T,)``, in the mean square.

    As if slopes lay along the axis of the smallest of the axes' widest cells; `of` chooses another.
    """
    grid = outcome.interpolation.grid
    if not isinstance(grid, TensorGrid):
        return np.zeros(len(outcome.times))
    width = of([float(np.diff(breaks).max()) for breaks in grid.breaks])
    return np.asarray(width * np.sqrt(np.maximum(numbers.fisher_information, 0.0)))


def unresolved(problem: Problem, outcome: Outcome, numbers: Functionals, doubt: Array) -> Array:
    """Return the relative errors ``(T,)`` of ρ that no distance of two runs tells, on a line.

    Fluxes have no order where log(ρ/π) is steep on the cells, and move mass at other rates where V
    is no straight line in them. What that makes wrong is a share of all that is left to relax, in
    deviations of log(ρ/π), one at most. `doubt` tells how far runs are apart, from 0 to 1: where
    they nowhere are, cells are fine.
    """
    wrong = np.maximum(steepness(outcome, numbers) - STEEP, 0.0) / PER_NODE
    wrong = np.minimum(wrong + BENT * _bends(problem, outcome), 1.0)
    deviation = np.sqrt(np.maximum(numbers.reaction_variance, 0.0))
    found = float(doubt.max()) ** 2 * wrong * np.minimum(deviation, 1.0)
    found[0] = 0.0  # a formula
    kept = np.maximum(deviation, TINY) ** LEAVES
    return np.asarray(kept * np.maximum.accumulate(found / kept))


def _bends(problem: Problem, outcome: Outcome) -> Array:
    """Return the mean square ``(T,)`` under ρ of V's distance from lines between nodes."""
    order = np.argsort(outcome.interpolation.nodes[:, 0])
    x = outcome.interpolation.nodes[order, 0]
    v = problem.potential(x[:, None])
    log_mass = outcome.best[:, order] - v
    log_mass = np.logaddexp(log_mass[:, 1:], log_mass[:, :-1]) + np.log(np.diff(x))
    share = np.exp(log_mass - logsumexp(log_mass, axis=1)[:, None])
    apart = np.zeros(len(x) - 1)
    for s in (1 / 4, 1 / 2, 3 / 4):
        between = problem.potential((x[:-1] + s * np.diff(x))[:, None])
        apart = np.maximum(apart, np.abs(between - (1 - s) * v[:-1] - s * v[1:]))
    return np.asarray(share @ np.minimum(np.nan_to_num(apart, nan=np.inf), 10.0) ** 2)
