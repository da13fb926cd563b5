r"""One certificate: from runs, coarse to fine, to a best value and what tells its error.

Let a, b, c be values of nested runs, with cells and steps halved from one to the next, whose errors
are even powers of both. Extrapolated once and twice they are

.. math:: b' = b + \frac{b - a}{3},\qquad c' = c + \frac{c - b}{3},\qquad
          c'' = c' + \frac{c' - b'}{15}.

Where a tolerance is asked for, :math:`s\,|c'' - b'|` is the error of c''. With order 2 and
:math:`g = |c' - b'|/|c - b|`, small where extrapolation gains, s is 5g/2, from 1/12 (1/4 at kinks,
and where a first try had to be refined) to 1/3; and 1/3 elsewhere. Without a tolerance, c' is
taken: even at half its order it is four times nearer to the truth than b' is. Of two runs b' is
taken, and :math:`|b' - b|` is its error.
Runs that are not nested give the finest, and a share of its distance to the one before: a constant,
or what a geometric series leaves where there are three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.extrapolation import coarse_positions, extrapolate, prolong
from wfrpde.discretisation.quadrature import usual_points
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid
from wfrpde.flow.calibration import counted
from wfrpde.flow.ladder import Ladder, Run
from wfrpde.flow.outcome import Context, Outcome, is_free
from wfrpde.flow.shares import irregular, shares_of
from wfrpde.flow.start_moments import StartMoments
from wfrpde.parallel import Stopped

LIFTED = 10.0
"""Largest rise (kT) of a log density by extrapolation, beside a third of its depth below the
highest."""


def opinions(
    values: Sequence[Array],
    improved: Callable[[int, Array, Array, int], Array],
    brought: Callable[[Array], Array],
    *,
    nested: bool,
    twice: bool,
    beside: bool = False,
) -> list[Array]:
    """Return the best value, then others whose distances from it tell its error.

    Parameters
    ----------
    values
        One of each run, coarse to fine.
    improved
        ``(k, a, b, p)`` → ``b + (b − a)/(2^p − 1)`` for values on runs k and k + 1.
    brought
        From the last run but one to the finest.
    nested, twice
        Whether values are extrapolated at all, and twice where there are three.
    beside
        Whether, of four runs, what is extrapolated once tells as well.
    """
    if len(values) == 1 or not nested:
        return [values[-1], *(brought(value) for value in values[-2:-1])]
    once = [improved(k, a, b, 2) for k, (a, b) in enumerate(pairwise(values))]
    if len(once) == 1:
        return [once[0], values[-1]]
    if not twice:
        return [once[-1], brought(once[-2]), values[-1]]
    more = [improved(k, a, b, 4) for k, (a, b) in enumerate(pairwise(once), 1)]
    found = [more[-1], brought(once[-2] if len(more) == 1 else more[-2]), values[-1]]
    return [*found, *once[-1:]] if beside and len(more) > 1 else found


def opinions_on_numbers(values: Sequence[Array], **which: bool) -> list[Array]:
    """Return `opinions` of numbers."""
    return opinions(
        values,
        lambda _, a, b, order: b + (b - a) / (2**order - 1),
        lambda value: value,
        **which,
    )


def certified(context: Context, ladder: Ladder) -> Outcome:
    """Return what all runs reached, and what tells how good it is (collective).

    The coarser of two nested grids holds extrapolated values, too: that is the draft.
    """
    complete = ladder.runs[-1].march.complete
    ladder = ladder.reached
    runs, problem = ladder.runs, context.problem
    *_, finest = runs
    count = min(len(run.march.times) for run in runs)
    fields = [run.march.u[:count] for run in runs]
    twice = problem.tolerance is not None and not irregular(problem)
    which = {"nested": ladder.nested, "twice": twice, "beside": problem.dim == 1}
    growth, left, killing = (
        np.array(opinions_on_numbers(values, **which))
        for values in (
            [run.march.growth[:count] for run in runs],
            [_left(run, count) for run in runs],
            [run.march.killing[:count] for run in runs],
        )
    )
    tallies = {
        name: np.array(
            opinions_on_numbers([run.march.tallies[name][:count] for run in runs], **which)
        )
        for name in finest.march.tallies
    }
    starts = [float(run.facts.get("start_defect", 0.0)) for run in runs]
    left_of = left_by_extrapolation if ladder.nested else itemgetter(-1)
    outcome = Outcome(
        finest.march.times[:count],
        ladder.interpolations[-1],
        fields[-1],
        (),
        finest.march.mass[:count],
        finest.march.history,
        ladder.facts,
        max(run.march.kl_increase for run in runs),
        complete,
        _warnings(finest),
        left_of(starts),
        growth,
        left,
        killing,
        tallies,
    )
    outcome = replace(
        outcome,
        start_moments=StartMoments.left([StartMoments.of(run.facts) for run in runs], left_of),
        mended=float(finest.facts.get("cured_mass", 0.0)),
        smeared=float(finest.facts.get("flux", {}).get("smeared", 0.0)),
        parts=ladder.parts,
        points=ladder.points,
        mass_defect=ladder.mass_defect,
        steps=ladder.steps,
        shared=ladder.shared,
        counted=counted(problem, ladder),
        wider=ladder.wider,
    )
    if len(runs) == 1:
        return outcome
    if ladder.opinions is not None:
        (chosen, _), *rest = ladder.opinions(fields)
        # Gauss points that cells of wide and smooth grids have beyond the usual ones on each axis
        points = ladder.points or usual_points(finest.degree) + 2
        outcome = replace(outcome, points=points)
        return replace(outcome, best=chosen, others=tuple(rest))
    draft = None
    if _has_draft(ladder):
        coarse, fine = ladder.interpolations[-2:]
        here = fields[-1][:, coarse_positions(coarse, fine)]
        best = here + (here - fields[-2]) / 3
        draft = replace(outcome, interpolation=coarse, best=best, complete=False)
        if not complete:
            return draft
    try:
        with context.at_once() if draft is not None else nullcontext():
            best, *others = _fields(problem, ladder, fields, **which)
            shares = shares_of(problem, ladder, fields)
    except Stopped:
        assert draft is not None
        return draft
    before = runs[-2].grid
    if len(runs) == 4 and is_free(problem) and isinstance(before, TensorGrid):
        # to a tolerance ρ is smooth on such cells: 9 points there do as well as 16 in their parts
        outcome = replace(outcome, wider=before, points=3)
    return replace(outcome, best=best, others=tuple(zip(others, shares, strict=True)), draft=draft)


def left_by_extrapolation(found: Sequence[float]) -> float:
    """Return what is left, extrapolated, of defects of runs from coarse to fine that fall as h².

    It is not below a sixteenth of that of the runs before, and no more than what the finest has.
    """
    if len(found) < 3:
        return found[-1]
    before, last = (abs(4 * b - a) / 3 for a, b in pairwise(found[-3:]))
    return min(found[-1], max(last, before / 16))


def _left(run: Run, count: int) -> Array:
    """Return the log of what is not absorbed, times the mass of the start at the nodes, if known.

    What the nodes next to a wall miss of a start that does not vanish there is of first order: see
    `wfrpde.flow.normalisation.killed`.
    """
    left = run.march.left[:count]
    alive = float(run.facts.get("start_log_mass", 0.0))
    return np.asarray(left + np.where(run.march.times[:count] > 0, alive, 0.0))


def _fields(problem: Problem, ladder: Ladder, fields: list[Array], **which: bool) -> list[Array]:
    nodes = ladder.interpolations

    def improved(k: int, a: Array, b: Array, order: int) -> Array:
        best = extrapolate(nodes[k], a, nodes[k + 1], b, order=order)
        linear = problem.equation.rate is not None
        return _kept_low(best, b, problem.potential(nodes[k + 1].nodes)) if linear else best

    def brought(u: Array) -> Array:
        return prolong(nodes[-2], u, nodes[-1])

    found = opinions(fields, improved, brought, **which)
    if not ladder.nested and len(fields) > 2:  # it seldom agrees by chance as well
        found.append(prolong(nodes[-3], fields[-3], nodes[-1]))
    return found


def _kept_low(best: Array, u: Array, potential: Array) -> Array:
    """Return extrapolated fields ``(T, n)`` that raise nothing out of depths where `u` has nothing.

    A reaction of 20x leaves a coarse run e^{−3400} where the next one has e^{−900}: a third of that
    difference more, and all of the mass would lie there.
    """
    log_density = u - potential
    depth = log_density.max(axis=1, keepdims=True) - log_density
    most = LIFTED + depth / 3
    return np.where(best - u > most, u + most, best)


def _has_draft(ladder: Ladder) -> bool:
    tensor = isinstance(ladder.interpolations[-1], TensorInterpolation)
    # nodes beyond which a person who stopped the run is given the result on the coarser grid
    return ladder.nested and tensor and ladder.runs[-1].march.u.shape[1] > 12_000


def _warnings(finest: Run) -> list[str]:
    obtuse = finest.facts.get("flux", {}).get("obtuse_edges")
    if not obtuse:
        return []
    return [
        f"{obtuse:.0f} edges of the mesh have a negative conductance (obtuse cells): positivity "
        "is not guaranteed there"
    ]
