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

WELLS = 6_000.0
"""Ratio of a line to the shortest length in a narrow well of V from which equal cells, of which
there are 4,000 at most to begin with, do not follow it: with a well two cells wide all numbers were
off by 3 to 33 bars. Up to 5,000 equal ones do."""


def graded(problem: Problem) -> Grading | None:
    """Return how cells of a line or a plane are graded; None where equal ones do.

    Of a line only where it is long beside what is narrow on it; without a tolerance only there.
    """
    wanted = problem.numerics.cells is None and (problem.tolerance is not None or problem.dim == 1)
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
    if equation.dynamics is None or equation.dynamics.terms:
        return None
    landscape, width = problem.landscape, float(np.ptp(problem.box))
    powers = tail_powers(landscape.potential, problem.box)
    well, start = (
        width / float(np.min(coarse_reach(f, landscape.seeds)))
        for f in (landscape.potential, landscape.surprise)
    )
    # four times as many are no fewer than the lengths
    if 4 * well > WELLS and powers.min() >= HEAVY and not problem.kinks.bind:
        alone = Grading.of_line(replace(landscape, surprise=landscape.potential), problem.box)
        if width > WELLS * alone.narrowest:
            return Grading.of_line(landscape, problem.box)
    if problem.tolerance is None or not equation.descends:
        return None
    # a reaction lets grow what little there is between a start far out and the rest
    bottom = landscape.potential(problem.target.seeds)
    first = landscape.potential(problem.initial.seeds)
    far = equation.beta != 0 and first.max(initial=-np.inf) > bottom.min() + BULK
    long = LONG[bool(powers.min() < HEAVY and not far)]
    if 4 * max(well, start) < long:
        return None
    found = Grading.of_line(landscape, problem.box)
    if width < long * found.narrowest or problem.kinks.bind:
        return None
    return found if width > WORTH_IT * found.lengths[0] * found.narrowest else None
