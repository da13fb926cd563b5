"""Whether the cells of a problem are graded: equal ones do unless lengths differ much."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.domain.extent import tail_powers
from wfrpde.domain.grading import Grading
from wfrpde.domain.landscape import BULK
from wfrpde.targets.reach import coarse_reach

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem

WORTH_IT, LONG, HEAVY = 1.5, {False: 20_000.0, True: 400.0}, 20.0
"""Ratio of the numbers of equal and graded cells from which cells are graded, and of a line to what
is narrow on it: otherwise, and on tails of a power below the last."""


def graded(problem: Problem) -> Grading | None:
    """Return how cells of a line or a plane are graded for a tolerance; None where equal ones do.

    Of a line only where it is long beside what is narrow on it.
    """
    wanted = problem.tolerance is not None and problem.numerics.cells is None
    tensor = problem.mesh is None and problem.lengths is None and problem.domain.cell != "simplex"
    if problem.dim > 2 or not (wanted and tensor) or any(problem.sides.closed):
        return None
    if problem.equation.path is not None or problem.absorption is not None:
        return None
    if problem.dim == 1:
        return _on_a_line(problem)
    if problem.kinks.bind:
        return None
    found = Grading.of(problem.landscape, problem.box)
    equal = np.ptp(problem.box, axis=1) / problem.scales
    return found if np.prod(equal) > WORTH_IT * np.prod(found.lengths) else None


def _on_a_line(problem: Problem) -> Grading | None:
    equation = problem.equation
    if equation.dynamics is None or equation.dynamics.terms or not equation.descends:
        return None
    landscape, width = problem.landscape, float(np.ptp(problem.box))
    powers = tail_powers(landscape.potential, problem.box)
    # a reaction lets grow what little there is between a start far out and the rest
    bottom = landscape.potential(problem.target.seeds)
    first = landscape.potential(problem.initial.seeds)
    far = equation.beta != 0 and first.max(initial=-np.inf) > bottom.min() + BULK
    long = LONG[bool(powers.min() < HEAVY and not far)]
    near = [coarse_reach(f, landscape.seeds) for f in (landscape.potential, landscape.surprise)]
    if width < long * float(np.min(near)) / 4:  # a quarter of it is no more than a length
        return None
    found = Grading.of_line(landscape, problem.box)
    if width < long * found.narrowest or problem.kinks.bind:
        return None
    alone = replace(landscape, surprise=landscape.potential)
    if powers.min() >= HEAVY and width > long * Grading.of_line(alone, problem.box).narrowest:
        return None  # a narrow well, which equal cells follow
    return found if width > WORTH_IT * found.lengths[0] * found.narrowest else None
