"""Problems that were posed last: a sweep over rates, times and numerics looks at one box once."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from wfrpde.case.problem import Problem

if TYPE_CHECKING:
    from wfrpde.case import Case

Key = tuple[object, ...]

KEPT = 8
"""How many are kept, with their samples of V and log ρ₀: a megabyte each."""

_known: OrderedDict[Key, Problem] = OrderedDict()


def posed(case: Case, pose: Callable[[], Problem], *options: object) -> Problem:
    """Return the problem of a case, which is posed anew only if its densities or domain are new.

    Parameters
    ----------
    pose
        Looks at the densities and chooses the box.
    options
        What else that depends on.
    """
    key = _key(case, *options)
    if key is None:
        return pose()
    if key not in _known:
        _known[key] = _own(pose(), case)
    _known.move_to_end(key)
    while len(_known) > KEPT:
        _known.popitem(last=False)
    return _own(_known[key], case)


def forget() -> None:
    """Pose every problem anew from now on."""
    _known.clear()


def _own(problem: Problem, case: Case) -> Problem:
    """Return a problem with the rates and times of a case, and warnings and facts of its own."""
    return replace(
        problem,
        equation=case.equation,
        told=None if problem.told is None else replace(problem.told, equation=case.equation),
        case=case,
        save=case.flow.save,
        warnings=list(problem.warnings),
        facts=copy.deepcopy(problem.facts),
    )


def _key(case: Case, *options: object) -> Key | None:
    """Return all that a problem depends on before its flow begins; None if that is not known.

    Code, files, and whatever leads or favours a density by its own rates and times have none.
    """
    if case.is_factored:  # and refused
        return None
    equation = case.equation
    dynamics = equation.dynamics
    plain = (equation.path, equation.rate, equation.annealed) == (None, None, None)
    if case.target.python is not None or case.domain.mesh is not None or not plain:
        return None
    if dynamics is not None and not dynamics.reversible:
        return None
    sections = (case.target, case.initial, case.domain, case.dynamics, case.accuracy)
    return (
        *options,
        *(section.model_dump_json() for section in sections),
        equation.alpha == 0,
        equation.beta == 0,
        equation.descends,
        equation.moving,
        case.flow.conserve_mass,
    )
