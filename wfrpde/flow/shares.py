"""Shares of distances: how much of what two opinions say differently is the error of the best.

By how values change from run to run. The letters are those of `wfrpde.flow.certificate`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.ndimage import maximum_filter1d

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.extrapolation import coarse_positions, extrapolate, prolong
from wfrpde.discretisation.interpolation import Interpolation
from wfrpde.flow.element_shares import shares_of_elements
from wfrpde.flow.ladder import Ladder
from wfrpde.flow.outcome import Share
from wfrpde.flow.sizes import sizes

REGULAR, WARY, IRREGULAR, ORDER_WITHIN = 1 / 12, 1 / 4, 1 / 3, 0.2
"""Least s where the observed order is 2 up to ORDER_WITHIN, there at kinks and after a first try
that did not do (what was found to be needed is 1/5), and s elsewhere; errors in h⁴ leave 1/16."""

OF_FIRST_ORDER = 1.5
"""Share of |c' − b'| where V jumps: of errors of first order c' has as much as that."""

TOO_FAST, OVERTAKEN = 2.3, 1.5
"""Order from which, without a tolerance, changes fall from run to run because the coarsest is far
off, and how much of |c' − b'| counts then: where slopes push mass over more than a cell at once,
the density was off by .8 of it, a mass by 1.2."""

GAINS = 1 / 50
"""Largest |c' − b'|, in units of |c − b|, up to which extrapolation gains on graded lines by
default. Later narrow wells relax within a step, and up to 1.6 of |c' − b'| was left (4.9 bars)."""

UNSEEN = 2.0
"""Largest s where changes hardly fall from run to run, as across a barrier whose top lies within a
cell: all runs hop at wrong rates."""

SETTLED, UNSETTLED, SETTLES = 1 / 10, 1 / 3, {1: 1 / 8, 2: 1 / 5, 3: 1 / 5}
"""s of |c'' − b''| where |c' − b'| is below the third share of |b' − a'|, by dimension, and
elsewhere: with order 6 it is 1/63, with order 4 it is 1/15."""

ODD, FINE = 1 / 7, 1e-5
"""Least s of |d'' − c''| on a line without a reaction, and below so large a tolerance of the
density: rational steps leave odd powers of Δt, too, and Δt³, all there is in the end, falls by 8.
It is met: .14 for densities of two wells to 1e-7."""

OF_ONCE = 1 / 4
"""On a line with |d' - c'| < |c' - b'|/16 the error of d'' is at most so much of |d' - c'|, twice
what d' leaves at most, |d' - c'|/15, and what d'' adds. |d'' - c''| tells of a alone there."""

OF_EXTRAPOLATION = 1.25
"""Share of |d'' − d'| on a line. Where one rate decides all numbers d'' and c'' agree by chance on
all of them, which were off by 1.6 bars for starts in upper wells; and where the coarsest run is far
off d'' is no better than d', by 2.8 bars beside a narrow well."""

BY_CHANCE, ON_LINES = 1 / 20, 1 / 60
"""Least share of |c' − c| that is c''s error, should c' and b' agree by chance; and on lines, where
they hardly do in L2: densities by default were known 17 times as well as was told."""


def shares_of(problem: Problem, ladder: Ladder, fields: list[Array]) -> list[Share]:
    """Return the share of the distance of each other opinion from the best that is its error."""
    if not ladder.nested:
        return shares_of_elements(problem, ladder, fields)
    if len(fields) == 2:
        return [1.0]
    if problem.kinks.jumps or (problem.kinks.cusps and problem.tolerance is None):
        return [OF_FIRST_ORDER, BY_CHANCE]
    if irregular(problem):
        return [1.0, BY_CHANCE]
    if problem.tolerance is None:  # kinks within cells leave no order to count on
        if problem.kinks.oblique:
            return [1.0, BY_CHANCE]
        by_chance = BY_CHANCE if problem.dim > 1 else ON_LINES
        of_order = problem.dim > 1 and not problem.by_hand and problem.mesh is None
        # in a well that relaxes within a step half a step of U is left, an error of first order
        stiff = problem.dim == 1 and problem.grading is not None
        if stiff:
            return [_beside_wells(problem, ladder, fields), by_chance]
        if problem.dim == 1 and problem.equation.weighs and _outlasts(problem, ladder):
            return [1.0, by_chance]
        return [_by_order(problem, ladder, fields) if of_order else 1 / 3, by_chance]
    if len(fields) > 3:
        settled = _settled(problem, ladder.interpolations, fields)
        return [settled, None, *[OF_EXTRAPOLATION] * (problem.dim == 1)]
    return [_regularity(problem, ladder, fields), None]


def irregular(problem: Problem) -> bool:
    """Whether no order is to be counted on.

    Walls cut the cells of every grid in another way; fluxes with a direction change their character
    with the size of the cells; and where V jumps errors are of first order.
    """
    dynamics = problem.equation.dynamics
    directed = dynamics is not None and not dynamics.reversible
    directed = directed or problem.kinks.jumps
    return directed or (problem.absorption is not None and problem.absorption.curved)


def _by_order(problem: Problem, ladder: Ladder, fields: list[Array]) -> Array:
    """Return s ``(T,)`` of |c' − b'|: more than a third where changes fall too slowly or fast."""
    first, second, _ = _changes(problem, ladder, fields)
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.log2(first / second)
    share = np.where(order < TOO_FAST, np.where(order > 1, 1 / 3, 1.0), OVERTAKEN)
    return _about(share)


def _outlasts(problem: Problem, ladder: Ladder) -> bool:
    """Whether a step of the finest run takes longer than the shortest length takes to relax.

    What a linear reaction makes of a narrow well or a kink then has an error of first order: .95 of
    |c' − b'| was needed, where .3 was where steps are shorter.
    """
    return bool(ladder.runs[-1].march.schedule.dt.max() * problem.relaxation_rate > 1)


def _beside_wells(problem: Problem, ladder: Ladder, fields: list[Array]) -> Array:
    """Return s ``(T,)`` of |c' − b'| on a graded line: a third where extrapolation gains much."""
    _, second, gained = _changes(problem, ladder, fields)
    usual = 1.0 if problem.equation.weighs else 1 / 3
    return _about(np.where(gained < GAINS * second, usual, UNSEEN))


def _about(share: Array) -> Array:
    """Return no less than half of what counts at the time before or after, the start aside.

    Values may fall as their order says, or fast, at one time by chance.
    """
    if len(share) > 2:
        share[1:] = np.maximum(share[1:], maximum_filter1d(share[1:], 3) / 2)
    return share


def _regularity(problem: Problem, ladder: Ladder, fields: list[Array]) -> Array:
    """Return s ``(T,)``: the order is that of L2 norms, weighted by ρ at the coarse nodes.

    On a line of deviations as well, whichever tells more.
    """
    share = _of_order(problem, ladder, _changes(problem, ladder, fields))
    if problem.dim > 1:
        return share
    others = _of_order(problem, ladder, _changes(problem, ladder, fields, centred=True))
    return np.maximum(share, others)


def _of_order(problem: Problem, ladder: Ladder, changes: tuple[Array, Array, Array]) -> Array:
    """Return s ``(T,)`` by `_changes`."""
    first, second, gained = changes
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = second / first
        order = -np.log2(ratio)
        # s in units of the share of the last change that extrapolation did not foresee
        unforeseen = 2.5 * gained / second
    wary = ladder.refined or problem.kinks.any
    share = np.clip(unforeseen, WARY if wary else REGULAR, IRREGULAR)
    share = np.where(np.abs(order - 2) < ORDER_WITHIN, share, IRREGULAR)
    return np.where(order < 1, _of_slow(ratio), share)


def _changes(
    problem: Problem, ladder: Ladder, fields: list[Array], *, centred: bool = False
) -> tuple[Array, Array, Array]:
    """Return |b − a|, |c − b| and |c' − b'| of the last three runs, at the coarsest nodes."""
    coarse, middle, fine = ladder.interpolations[-3:]
    once = coarse_positions(coarse, middle)
    twice = coarse_positions(middle, fine)[once]
    u, middle_u = fields[-1][:, twice], fields[-2][:, once]
    size = sizes(problem, coarse, u, centred=centred)
    first, second = middle_u - fields[-3], u - middle_u
    return size(first), size(second), size(u + second / 3 - (middle_u + first / 3))


def _of_slow(ratio: Array) -> Array:
    """Return s ``(T,)`` of runs whose changes fall by a `ratio` r of 1/2 or more, as in a series.

    Of the last change c − b is r/(1 − r) left, of which c' foresees 1/3, and c' − b' is
    4/3 − 1/(3r) of it.
    """
    r = np.clip(ratio, 0.5, 0.95)
    return np.asarray(np.minimum((r / (1 - r) - 1 / 3) / (4 / 3 - 1 / (3 * r)), UNSEEN))


def _settled(problem: Problem, nodes: list[Interpolation], fields: list[Array]) -> Array:
    """Return s ``(T,)`` of four runs, which |c'' − b''| tells: by how b' − a' and c' − b' fall.

    On a line at the finest nodes, since the coarsest may miss a well; else at these.
    """
    once, twice, size = (_at_finest if problem.dim == 1 else _at_coarsest)(problem, nodes, fields)
    before, last = size(once[-2] - once[-3]), size(once[-1] - once[-2])
    smooth = not problem.kinks.any
    settled = smooth & (last < SETTLES[problem.dim] * before)
    # of values that fall by R each time |d'' − c''|/(R − 1) is left, a tenth at most from
    # 11 on; what was needed where coarse cells do not see a narrow well is 2.1 times that
    left = 2.6 * last / np.maximum(before - last, 1e-300)
    odd = problem.equation.beta == 0 or (problem.tolerance or 1.0) < FINE
    least = ODD if problem.dim == 1 and odd else SETTLED
    left = np.where(11.0 * last < before, least, left)
    share = np.where(settled, np.clip(left, least, 0.9 * UNSETTLED), UNSETTLED)
    faster = smooth & (problem.dim == 1) & (last < before / 16)
    foreseen = OF_ONCE * last / np.maximum(size(twice[-1] - twice[-2]), 1e-300)
    # c' and d' may agree by chance at one time as well (a mass was off by 12 bars)
    return _about(np.where(faster, np.minimum(share, foreseen), share))


def _at_finest(
    problem: Problem, nodes: list[Interpolation], fields: list[Array]
) -> tuple[list[Array], list[Array], Callable[[Array], Array]]:
    """Return what runs are extrapolated to, once and twice, at the finest nodes, and `sizes`."""

    def improved(values: list[Array], first: int, order: int) -> list[Array]:
        return [
            extrapolate(nodes[k], a, nodes[k + 1], b, order=order)
            for k, (a, b) in enumerate(pairwise(values), first)
        ]

    def brought(values: list[Array], first: int) -> list[Array]:
        found = []
        for k, value in enumerate(values, first):
            for coarse, fine in pairwise(nodes[k:]):
                value = prolong(coarse, value, fine)
            found.append(value)
        return found

    once = improved(fields, 0, 2)
    twice = brought(improved(once, 1, 4), 2)
    return brought(once, 1), twice, sizes(problem, nodes[-1], twice[-1], centred=True)


def _at_coarsest(
    problem: Problem, nodes: list[Interpolation], fields: list[Array]
) -> tuple[list[Array], list[Array], Callable[[Array], Array]]:
    """Return the same at the coarsest nodes."""
    first, *_ = nodes
    here, values = np.arange(len(first.nodes)), [fields[0]]
    for coarse, fine, field in zip(nodes, nodes[1:], fields[1:], strict=False):
        here = coarse_positions(coarse, fine)[here]
        values.append(field[:, here])
    once = [b + (b - a) / 3 for a, b in pairwise(values)]
    twice = [b + (b - a) / 15 for a, b in pairwise(once)]
    return once, twice, sizes(problem, first, values[-1])
