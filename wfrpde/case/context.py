"""From a case to what its samplers may know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wfrpde.case.setup import make_problem
from wfrpde.samplers.context import SamplerContext, drawable

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.samplers.oracle import SavedFlow


def sampler_context(
    case: Case, solution: SavedFlow | None = None, comm: Any = None
) -> SamplerContext:
    """Make what the samplers of a case need; see `SamplerContext.of`."""
    problem = make_problem(case)
    return SamplerContext(
        problem.equation,
        problem.target,
        drawable(problem.initial, problem.box),
        problem.box,
        problem.scales,
        solution,
        comm,
        case.model_dump(mode="json", exclude_unset=True, include={"target", "initial"}),
        None if case.source is None else case.source.resolve().parent,
    )
