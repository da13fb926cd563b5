"""How far a solution's numbers may be off: from other solutions, another quadrature, and the rest.

What two solutions, or two rules of quadrature, say differently is part of a number's error; what
all of them have in common (a start that the nodes misrepresent, nodes that were mended, a box that
was cut) is added.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.case.problem import Problem
from wfrpde.discretisation.interpolation import evaluate
from wfrpde.discretisation.pieces import Evaluated, Functionals
from wfrpde.flow.bars import TINY, Comparison, about, bars_of, smoothed
from wfrpde.flow.defects import mended_defect, misplaced_mass, start_defect, unrelaxed, with_mended
from wfrpde.flow.doubts import (
    NO_LUCK,
    OF_FINEST,
    WEIGHED,
    Runs,
    averages_of,
    density_error,
    doubt_of,
    doubted_by_kinks,
    luck,
    share_by_chance,
    widened,
)
from wfrpde.flow.empty_regions import unseen_masses
from wfrpde.flow.hops import misjudged_hops
from wfrpde.flow.limits import half_widths, within_limits
from wfrpde.flow.normalisation import estranged
from wfrpde.flow.outcome import Outcome, Share
from wfrpde.flow.saved import ErrorEstimate
from wfrpde.flow.unresolved import unresolved
from wfrpde.flow.wide_start import missed

ON_LINES = 1 / 8
"""Share of the density's error that every number of the log-density form on a line has besides its
own, in its standard deviations, or what `step_errors` tells where that is more: of 325 numbers of
random problems, on some of which two runs agree by chance, at most .80 of bars with both were
needed, and 8 times bars without."""

CAPPED = 20.0
"""Largest multiple of the L2 distance of two runs that what nodes were mended by counts."""


def by_another_rule(
    numbers: Functionals, shift: Array, integrals: Functionals, other: Array
) -> Comparison:
    """Compare with the integrals of another rule of quadrature, normalised by `other`."""
    # what normalises ρ and π is an integral, too
    constants = np.abs((shift - numbers.log_normalisation) - (other - integrals.log_normalisation))
    # share of the distance to another quadrature that covers the error of the first: a rule with a
    # point more is nearer to the truth by far, so that the distance alone would be all of the error
    return integrals, constants, np.full(len(shift), 1.5)


def estimated(
    problem: Problem,
    outcome: Outcome,
    numbers: Functionals,
    cut: tuple[Array, Array],
    comparisons: list[Comparison],
    rule: Comparison | None,
    counted: float = 1.0,
) -> ErrorEstimate | None:
    """Return the errors that the case asks for, with what `cut_off` tells.

    They are known if there is a comparison with another `rule` of quadrature. Of what other
    solutions tell a share is `counted`.
    """
    nothing = np.zeros(len(outcome.times))
    if not problem.numerics.certify:
        return None
    if rule is None:
        nobody: list[Comparison] = [(numbers, nothing, nothing)]
        return bars_of(numbers, nobody, nothing, problem, cut, *4 * [nothing]).unknown()
    runs = Runs(problem, outcome, len(comparisons))
    before = comparisons
    # by default steps are short enough for their errors to be small beside those of the elements;
    # beyond it a Gaussian has none of these (at early times it was off by 5 bars)
    steps = outcome.steps if comparisons else None
    if steps is not None and not runs.to_tolerance:
        steps = replace(steps, least=0.0)
    if runs.log_density:
        comparisons = [(other, about(l2, l2), share) for other, l2, share in comparisons]
    elif steps is not None and runs.to_tolerance:
        comparisons = [(other, smoothed(l2), share) for other, l2, share in comparisons]
    every = [*comparisons, rule]
    mended = mended_defect(problem, outcome)
    if comparisons:  # what is not known of the fields at all
        mended = np.minimum(mended, CAPPED * comparisons[0][1])
    missing = missed(problem, outcome)
    lost = missing.get("mass", nothing)
    started = start_defect(problem, outcome)
    moved: Array = nothing
    if outcome.start_moments is not None:
        moved = outcome.start_moments.later(problem, outcome.times, numbers.covariance)
    held_back: Array = missing.get("kl", nothing)
    held_back = held_back + unrelaxed(problem, outcome, numbers.kl, started + moved)
    missing = {**missing, "kl": held_back}
    mended = mended + min(outcome.smeared, 1.0) * (outcome.times > 0) + lost
    if runs.dim == 1 and not runs.nested:
        cut = with_mended(outcome, cut)
    misplaced, apart = misplaced_mass(problem, outcome), None
    if misplaced.any():
        told = problem.told or problem
        seeds = np.concatenate([told.target.seeds, told.initial.seeds])
        mended, apart = mended + misplaced, np.ptp(seeds, axis=0)
    doubted: Array = nothing
    if comparisons and (runs.set_by_case or runs.refined):
        doubt = doubt_of(numbers, comparisons)
        wider = widened(runs, numbers, comparisons, doubt)
        every = [*((other, l2, share * wider) for other, l2, share in comparisons), rule]
        if runs.set_by_case or runs.dim == 1:
            doubted = NO_LUCK * doubt * wider * density_error(comparisons)
        if runs.set_by_case and runs.nested and runs.dim == 1:
            mended = mended + unresolved(problem, outcome, numbers, doubt)
    if comparisons and runs.dim == 1 and problem.equation.weighs and not runs.to_tolerance:
        weighed = WEIGHED * doubt_of(numbers, comparisons) * density_error(comparisons)
        doubted = np.maximum(doubted, weighed)
    if comparisons:
        doubted = doubted + outcome.shared * density_error(comparisons)
    if comparisons and runs.refined and runs.extrapolated and runs.dim > 1:
        doubted = doubted + misjudged_hops(problem, outcome)
    doubted = np.maximum(doubted, doubted_by_kinks(runs, comparisons))
    if comparisons and problem.kinks.oblique:
        # two rules are no nearer to the truth than to each other
        integrals, constants, times = rule
        every[-1] = integrals, constants, 2 * times
    every = [*((other, l2, counted * share) for other, l2, share in every[:-1]), every[-1]]
    doubted = counted * doubted
    averages, density = averages_of(runs, numbers, every), density_error(every)
    untold: Array = nothing
    if steps is not None:
        _, distance, share = comparisons[0]
        by_chance = (distance > before[0][1]) & (not runs.log_density)
        untold = steps.untold(distance, share, by_chance)
    if runs.log_density:
        untold = np.maximum(untold, ON_LINES * density_error(comparisons))
    if runs.ordered and not runs.hops:
        other, l2, share = every[1]
        every[1] = other, l2, share * OF_FINEST
    error = bars_of(
        numbers, every, density, problem, cut,
        started, mended, doubted, untold,
        chance=share_by_chance(runs), luck=luck(runs, numbers),
        apart=apart, averages=averages, missing=missing, moved=moved,
    )  # fmt: skip
    masses = dict(error.mode_mass)
    for name, most in unseen_masses(problem, outcome, numbers).items():
        masses[name] = masses[name] + most
    error = _in_widths_of_the_box(problem, numbers, replace(error, mode_mass=masses))
    return within_limits(problem, outcome.times, numbers, error, cut[0])


def _in_widths_of_the_box(
    problem: Problem, numbers: Functionals, error: ErrorEstimate
) -> ErrorEstimate:
    """Add to errors what may be wrong where runs are `estranged`: all of the box."""
    lost = estranged(problem, error.density)
    if not lost.any():
        return error
    half = half_widths(problem)
    return replace(
        error,
        series={
            name: bar + 2 * lost * np.abs(getattr(numbers, name))
            for name, bar in error.series.items()
        },
        mean=error.mean + lost[:, None] * half,
        covariance=error.covariance + lost[:, None, None] * np.outer(half, half),
        mode_mass={name: bar + lost for name, bar in error.mode_mass.items()},
    )


def compared(found: Evaluated, shifts: list[Array], shares: list[Share]) -> list[Comparison]:
    """Return the numbers of other solutions, with their L2 distances from the best and shares."""
    comparisons: list[Comparison] = []
    for k, share in enumerate(shares, start=1):
        distance = found.l2_difference(k, shifts[0], shifts[k])
        if share is None:
            share = _share_of_finest(comparisons[0], distance)
        other = found.functionals(k, shifts[k])
        comparisons.append((other, distance, share * np.ones(len(distance))))
    return comparisons


def _share_of_finest(first: Comparison, distance: Array) -> Array:
    """Share ``(T,)`` of a `distance` in L2 that makes it that of the first comparison.

    At a time at which these two agree by chance, too, the geometric mean over the later times
    counts.
    """
    _, closer, share = first
    ratio = np.minimum(closer, distance) / np.maximum(distance, TINY)
    usual = np.exp(np.mean(np.log(np.maximum(ratio[1:], TINY)))) if len(ratio) > 1 else 0.0
    ratio[1:] = np.maximum(ratio[1:], usual)
    return np.asarray(share * ratio)


def spread_of_smallest(outcome: Outcome, shown: Outcome, smallest: Array, node: Integers) -> Array:
    """Distance of the smallest density at nodes to what the other solutions make of it.

    The nodes are those on which the solution is `shown`.
    """
    row = np.arange(len(node))
    spread = np.zeros(len(node))
    few, which = np.unique(node, return_inverse=True)
    for other, share in outcome.others:
        if share is None:
            continue
        if shown.interpolation is outcome.interpolation:
            there = other[:, few]
        else:
            there, _ = evaluate(outcome.interpolation, other, shown.interpolation.nodes_at(few))
        gap = there[row, which] - shown.best[row, node]
        ratio = np.expm1(np.clip(gap, -50.0, 50.0))
        spread = np.maximum(spread, share * smallest * np.abs(ratio))
    return spread
