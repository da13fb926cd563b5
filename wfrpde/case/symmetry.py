"""Whether a problem is the same in all directions around a point, and the case of the distance.

V is looked at in some directions first; then its formula has to say so: see `in_distance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.radial import distance_box, is_graded, is_round, reduced_case
from wfrpde.errors import InputError
from wfrpde.fields import parse_expression
from wfrpde.fields.distance import in_distance
from wfrpde.targets.radial import RadialFormula

if TYPE_CHECKING:
    from wfrpde.case.case import Case
    from wfrpde.case.problem import Problem

RADII, WAYS, CLOSE = 40, 12, 1e-9
"""Distances and directions at which V is looked at before its formula is, and by how much it may
differ there, relative to 1 + |V|."""

CAUTION = 2.0
"""Factor by which the tolerance of the line is smaller: E r² is off by twice the error of E r."""


@dataclass(frozen=True)
class Round:
    """V and −log ρ₀ as formulas in the distance r from a centre ``(d,)``."""

    centre: Array
    target: RadialFormula
    start: RadialFormula


def round_problem(problem: Problem) -> Round | None:
    """Return target and start as functions of one distance; None where they are not known so."""
    dim = problem.dim
    centre: Array = np.zeros(dim, dtype=float)
    gaussian, initial = problem.initial.gaussian, problem.case.initial
    if gaussian is not None:
        centre = gaussian[0]
        start = f"r**2/{2 * float(gaussian[1][0, 0])!r}" if is_round(gaussian[1]) else None
    elif initial.kind == "radial":
        start = str(initial.parameters["potential"])
    elif initial.kind == "expression" and "log_density" in initial.parameters:
        given = parse_expression(initial.parameters["log_density"], dim, "initial.log_density")
        start = _in_r(-given, centre) if _alike(problem.initial.log_density, centre) else None
    else:
        return None
    expression = problem.target.expression
    if start is None or expression is None or not _alike(problem.target.potential, centre):
        return None
    target = _in_r(expression, centre)
    if target is None:
        return None
    return Round(centre, RadialFormula(potential=target), RadialFormula(potential=start))


def case_of_distance(problem: Problem, found: Round, caution: float = CAUTION) -> Case:
    """Return the case of the distance r, which moves in v(r) − (d − 1) log r.

    Its tolerance is smaller by the factor `caution`.
    """
    growth = problem.dim - 1
    box = distance_box(found.target, found.start, growth, graded=is_graded(problem.case))
    line = reduced_case(
        problem.case,
        f"({found.target.text()}) - {growth}*log(x)",
        f"-({found.start.text()}) + {growth}*log(x)",
        [box],
    )
    changes: dict[str, Any] = {"numerics.formulation": "auto", "numerics.cross_check": False}
    if problem.tolerance is not None:
        changes["accuracy.tolerance"] = problem.tolerance / caution
        changes["accuracy.of"] = _wanted(problem.case.accuracy.of)
    return line.with_overrides(changes)


def _wanted(of: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the numbers of the line that those of space follow from."""
    follow = {"covariance": ("mean", "covariance"), "mode_mass": ("density",), "mean": ("density",)}
    if of is None:
        return None
    return tuple(dict.fromkeys(name for one in of for name in follow.get(one, (one,))))


def _alike(function: Any, centre: Array) -> bool:
    """Whether a function is the same in some directions around a centre, up to round-off."""
    rng = np.random.default_rng(0)
    ways = rng.standard_normal((WAYS, len(centre)))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    r = np.geomspace(1e-3, 1e2, RADII)
    points = centre + (r[:, None, None] * ways).reshape(-1, len(centre))
    value = np.asarray(function(points)).reshape(RADII, WAYS)
    known = np.isfinite(value).all(axis=1)
    gap = np.ptp(value[known], axis=1)
    return bool(known.any() and (gap <= CLOSE * (1 + np.abs(value[known]).max(axis=1))).all())


def _in_r(expression: Any, centre: Array) -> str | None:
    """Return an expression as one in r that formulas have names for; None if it is not one."""
    text = in_distance(expression, tuple(map(float, centre)))
    if text is None:
        return None
    try:
        RadialFormula(potential=text).functions("target.potential")
    except InputError:
        return None
    return text
