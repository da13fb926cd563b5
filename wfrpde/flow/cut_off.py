"""What lies beyond a box that stands for all of space, and what numbers owe to it."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.flow.accuracy import SMALL
from wfrpde.flow.outcome import Outcome


def cut_off(problem: Problem, outcome: Outcome, shift: Array) -> tuple[Array, Array]:
    """Return the shares ``(T,)`` of the mass beyond a box that stands for all of space, and depths.

    With `shift` the best field is log(ρ/π). A depth is what each of it adds to KL at most, or
    log(ρ/π) out there. Walls that a case gives and a tolerance does not feel hold back of ρ what
    they cut off of π times the mean of s = ρ/π on the sides at that time, and of KL that of φ(s) =
    s log s − s + 1: on its way a start may come closer to them than both ends of its flow do.
    """
    nothing = np.zeros(len(outcome.times))
    shares = problem.facts["cut_off_share"]
    cut = float(sum(shares.values())) if problem.endless else 0.0
    if cut == 0.0:
        return nothing, nothing
    depth = nothing - np.log(cut)
    if problem.domain.box is None:
        return nothing + cut, depth
    nodes, (low, high) = outcome.interpolation.nodes, problem.box.T
    sides = ((nodes == low) | (nodes == high)).any(axis=1)
    if not sides.any():  # cells there are left out: nothing comes so far up
        return nothing + cut, depth
    log_target = -problem.potential(nodes[sides])
    target = np.exp(log_target - log_target.max())
    u = outcome.best[:, sides] + shift[:, None]
    held = np.exp(u + log_target - log_target.max())
    held, more = (x @ np.ones(len(target)) / target.sum() for x in (held, held * u - held + target))
    crowded = cut + shares["target"] * np.maximum(held - 1, 0.0)
    added = (cut + shares["target"] * more) / crowded
    unseen = not np.array_equal(problem.box, problem.domain.box)
    return crowded, np.maximum(added, depth) if unseen else added


def walls_change(problem: Problem, numbers: Functionals, cut: tuple[Array, Array]) -> float:
    """Return the largest relative error of KL and covariances that walls left out make alone."""
    kl, (share, depth), wanted = np.abs(numbers.kl), cut, problem.case.accuracy.of
    reach = float(np.ptp(problem.box, axis=1).max()) / 2
    variance = np.einsum("tii->ti", numbers.covariance).min(axis=1)
    made = {
        "kl": share * (kl + depth) / np.maximum(kl, SMALL * kl.max()),
        "covariance": share * (1 + reach**2 / variance),
    }
    asked = (error for name, error in made.items() if wanted is None or name in wanted)
    return max((float(error.max()) for error in asked), default=0.0)
