"""Shares of distances of runs that are not nested: by polynomials of more or fewer degrees.

How much of what two of them say differently is the error of the finer one.
"""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.extrapolation import prolong
from wfrpde.discretisation.tensor_interpolation import Polynomials, TensorInterpolation
from wfrpde.flow.decay import left_by_elements
from wfrpde.flow.ladder import Ladder
from wfrpde.flow.outcome import Share
from wfrpde.flow.sizes import sizes

CAUTION = 4.0
"""Factor on what a geometric series leaves."""

OF_SMOOTH, MENDED = 1 / 2, 1e-10
"""Least share of the distance of spectral elements of degrees p − 1 and p, with steps of order 4
twice as long in the former (.44 was needed where steps are few); and the mass that nodes were given
from which all of it counts."""

OF_SMOOTH_LOGARITHM = 1 / 4
"""The same of the log-density form on a line without a tolerance, where V is smooth: of 220 numbers
of 36 random lines .22 was needed. Two bends within an element leave 1/3."""

AT_A_POINT = 4.0
"""Power of a degree p with which errors of elements fall at least where there is a kink in a point
(5.8 where elements meet in it): with p = 7 and 8 .7 and .95 of the last distance were left."""

ACROSS = 2.5
"""The same where a second derivative of V jumps within elements, and so a third of u: so fall
errors of slopes. With p = 5 1.2 of the last distance was left."""

NOTHING, LEAST = 1 / 100, 1 / 8
"""What the last two degrees of elements in space hold, in units of the distance of two log-density
runs, below which steps make all of it; and the least share of it that is told then."""


def shares_of_elements(problem: Problem, ladder: Ladder, fields: list[Array]) -> list[Share]:
    """Return the share of the distance of each other run from the finest that is its error."""
    if len(fields) > 2:
        least = ladder.share
        kinks, degree = problem.kinks, ladder.runs[-1].degree
        if kinks.point or kinks.bent:
            power = ACROSS if kinks.bent else AT_A_POINT
            least = max(least, 1 / ((degree / (degree - 1)) ** power - 1))
        share = np.clip(_trend(problem, ladder, fields), least, max(least, 1.0))
        return [np.minimum(share, _of_steps(problem, ladder, fields)), None]
    if problem.dim > 1 and problem.tolerance is None:
        return [1.0]
    if problem.dim == 1 and ladder.steps is not None:
        smooth = problem.tolerance is None and told_by_coefficients(problem, 0.0)
        least = min(ladder.share, OF_SMOOTH_LOGARITHM) if smooth else ladder.share
        return [np.clip(_of_elements(problem, ladder, fields), least, 1.0)]
    spectral = "cured_mass" in ladder.runs[-1].facts and ladder.runs[-1].degree > 2
    stays = problem.equation.path is None
    if problem.dim == 1 and problem.tolerance is None and spectral and stays:
        return [_of_spectral(problem, ladder, fields)]
    return [ladder.share]


def _of_elements(
    problem: Problem, ladder: Ladder, fields: list[Array], *, logarithm: bool = True
) -> Array:
    """Return what coefficients of the finest run tell ``(T,)`` on a line; 0 if there are none."""
    (before, nodes), degree = ladder.interpolations, ladder.runs[-1].degree
    if degree < 3:
        return np.zeros(len(fields[-1]))
    gap = fields[-1] - prolong(before, fields[-2], nodes)
    x = nodes.nodes
    return left_by_elements(
        fields[-1], gap, problem.potential(x), x[:, 0], degree, logarithm=logarithm
    )


def _of_spectral(problem: Problem, ladder: Ladder, fields: list[Array]) -> Array:
    """Return the same for spectral elements whose numerics the case sets ``(T,)``.

    Where V has kinks within them, or nodes had turned negative, no less than all of the distance.
    """
    mended = float(ladder.runs[-1].facts.get("cured_mass", 0.0))
    least = OF_SMOOTH if told_by_coefficients(problem, mended) else 1.0
    return np.maximum(_of_elements(problem, ladder, fields, logarithm=False), least)


def told_by_coefficients(problem: Problem, mended: float) -> bool:
    """Whether coefficients tell all that spectral elements on a line leave.

    Not where kinks are within or between them, or where so much was given to nodes that had turned
    negative.
    """
    kinks = problem.kinks
    return not (kinks.any or kinks.bent or kinks.point or kinks.jumps) and mended <= MENDED


def _of_steps(problem: Problem, ladder: Ladder, fields: list[Array]) -> Array:
    """Return what steps leave ``(T,)`` of the last distance in space, where they make all of it.

    Elements leave no more than what the last two degrees hold, nothing where u is quadratic;
    elsewhere nothing bounds the share.
    """
    before, nodes = ladder.interpolations[-2:]
    u, steps, unknown = fields[-1], ladder.steps, np.full(len(fields[-1]), np.inf)
    if steps is None or problem.dim < 3 or problem.kinks.any:
        return unknown
    if not isinstance(nodes, TensorInterpolation) or nodes.degree < 4:
        return unknown
    fewer = Polynomials(nodes.grid, nodes.degree - 2)
    size = sizes(problem, nodes, u)
    # what has been left at a time stays
    held = np.maximum.accumulate(size(u - prolong(fewer, prolong(nodes, u, fewer), nodes)))
    apart = size(u - prolong(before, fields[-2], nodes))
    return np.where(held < NOTHING * apart, np.maximum(steps.share, LEAST), unknown)


def _trend(problem: Problem, ladder: Ladder, fields: list[Array]) -> Array:
    """Return the share ``(T,)`` of the last run's distance to the one before that is its error.

    Where runs converge geometrically their distances fall by one factor r < 1 after the other, and
    r/(1 − r) of the last one is left; `CAUTION` times as much is told.
    """
    nodes = ladder.interpolations[-3:]
    where = nodes[2] if ladder.parts is None else TensorInterpolation(ladder.parts, 1)
    coarse, middle, fine = (
        prolong(nodes[k], fields[k - 3], where) if nodes[k] is not where else fields[k - 3]
        for k in range(3)
    )
    size = sizes(problem, where, fine)
    before, last = size(middle - coarse), size(fine - middle)
    ratio = np.divide(last, before, out=np.ones_like(last), where=before > 0)
    return np.asarray(CAUTION * ratio / np.maximum(1 - ratio, 0.1))
