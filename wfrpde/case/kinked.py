"""Which functions of a problem may have kinks, and the lines along which they are looked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.terms import EMPTY
from wfrpde.domain.kinks import Kinks, kinks_of

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem

Function = Callable[[Array], Array]

LINES = 4
"""Lines through random points, and through seeds, on which kinks are looked for in the plane and
in space."""


def kinks_in(problem: Problem) -> Kinks:
    """Kinks of V, log ρ₀, U, D and a drift in the box, and of a V that moves at several times."""
    box, dim = problem.box, problem.dim
    seeds = problem.landscape.seeds_in(box)
    middle, half = box.mean(axis=1), np.ptp(box, axis=1) / 2
    others = middle + half * np.random.default_rng(0).uniform(-0.3, 0.3, (LINES, dim))
    lines = others[:1] if dim == 1 else np.concatenate([seeds[:LINES], others])
    functions = _functions(problem)
    potential = [] if problem.target.known_smooth else functions[:1]
    formula = problem.target.expression
    arguments: tuple[Function, ...] = ()
    if formula is not None and potential:
        from wfrpde.fields.switches import switches

        arguments = switches(formula, dim)
    found = kinks_of(functions, box, lines, torn=potential, arguments=arguments)
    path = problem.equation.path
    if path is None or path.formula is None:
        return found
    at = [path.at(t) for t in problem.looks]
    moments = [kinks_of([v], box, lines, torn=[v]) for v in at]
    return found.with_moving(moments, box)


def _functions(problem: Problem) -> list[Function]:
    functions: list[Function] = []
    if not problem.target.known_smooth:
        functions.append(problem.target.potential)
    if problem.initial.gradient is None:  # else it is a Gaussian
        functions.append(lambda x: _known_surprise(problem, x))
    if problem.equation.rate is not None:
        functions.append(problem.rate_on_average)
    dynamics = problem.equation.dynamics
    if dynamics is None:
        return functions
    if dynamics.diffusion is not None and not dynamics.diffusion.constant:
        functions += [_entry(dynamics.diffusion, k) for k in range(problem.dim**2)]
    if dynamics.drift is not None:
        functions += [_entry(dynamics.drift, k) for k in range(problem.dim)]
    return functions


def _entry(field: Function, k: int) -> Function:
    return lambda x: np.asarray(field(x).reshape(len(x), -1)[:, k])


def _known_surprise(problem: Problem, x: Array) -> Array:
    """−log ρ₀ at points ``(n, d)``, up to a constant, as far up as floating point knows it."""
    with np.errstate(all="ignore"):
        value = -problem.initial.log_density(x)
    return np.where(np.isfinite(value), value, -EMPTY)
