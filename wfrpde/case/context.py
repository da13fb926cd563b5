"""From a case to what its samplers may know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.case.problem import Problem
from wfrpde.case.setup import make_problem
from wfrpde.samplers.context import SamplerContext, drawable
from wfrpde.samplers.walls import Walls

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.samplers.oracle import SavedFlow


def sampler_context(
    case: Case, solution: SavedFlow | None = None, comm: Any = None
) -> SamplerContext:
    """Make what the samplers of a case need; see `SamplerContext.of`."""
    problem = make_problem(case)
    walls = walls_of(problem)
    return SamplerContext(
        problem.equation,
        problem.target,
        drawable(problem.initial, problem.box, walls),
        problem.box,
        problem.scales,
        solution,
        comm,
        case.model_dump(mode="json", exclude_unset=True, include={"target", "initial", "path"}),
        None if case.source is None else case.source.resolve().parent,
        walls,
    )


def walls_of(problem: Problem) -> Walls | None:
    """Return what the sides of a box that the case gives do to particles."""
    sink, sides = problem.absorption, problem.sides
    if problem.domain.box is None:
        if sink is None:
            return None
        nothing = np.zeros((problem.dim, 2), dtype=bool)
        return Walls(problem.box, nothing[:, 0], nothing, sink)
    return Walls(problem.box, np.array(sides.closed), sides.reflecting, sink)
