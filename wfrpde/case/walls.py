"""Walls that a case gives and its tolerance does not feel: it is solved as without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wfrpde.case.problem import UNFELT, Problem
from wfrpde.domain.extent import held

OF_WALLS = 1 / 20
"""Share of a tolerance that walls may change at most where they are not felt."""


def without_walls(problem: Problem) -> Problem:
    """Return the problem in all of space, if its tolerance asks for nothing that walls change.

    Neither π, nor ρ₀, nor what a reaction makes of both has anything to speak of there or beyond:
    what is cut off adds to the errors, as that of an automatic box does. The box is then what
    matters of the given one.
    """
    equation, dynamics = problem.equation, problem.equation.dynamics
    if problem.tolerance is None or problem.dim == 1 or problem.mesh is not None:
        return problem
    if dynamics is None or not (dynamics.reversible and equation.descends):
        return problem
    if problem.absorption is not None or not problem.sides.reflecting.all():
        return problem
    cut = sum(problem.facts["cut_off_share"].values())
    depth = -np.log(cut) if cut > 0 else 0.0  # KL out there is of that size
    felt = OF_WALLS * problem.tolerance
    if cut * (1.0 + depth) > felt:
        return problem
    box, highest = held(problem.landscape, problem.box)
    if np.exp(-highest) > felt:
        return problem
    problem.facts.update(box=box.tolist(), walls=UNFELT)
    if np.array_equal(box, problem.box):
        return problem
    return replace(problem, box=box)
