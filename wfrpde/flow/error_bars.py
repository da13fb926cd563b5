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
from wfrpde.fields.schedules import integral
from wfrpde.flow.accuracy import RATES, SMALL
from wfrpde.flow.bars import ROUND_OFF, TINY, Averages, Comparison, bars_of, smoothed
from wfrpde.flow.certificate import ODD
from wfrpde.flow.empty_regions import unseen_masses
from wfrpde.flow.exact import blur_defect
from wfrpde.flow.hops import misjudged_hops
from wfrpde.flow.normalisation import estranged
from wfrpde.flow.outcome import Outcome, Share
from wfrpde.flow.saved import ErrorEstimate
from wfrpde.flow.unresolved import steepness, unresolved
from wfrpde.flow.wide_start import left_out, missed, outside, remembered

NO_LUCK = 1 / 4
"""Share of the density's relative error that every other number on a line has besides its own,
where three or four runs are extrapolated to a tolerance: of its spread under ρ (means, covariances)
or of itself (KL, masses). Extrapolations that agree on a number by chance know no more of it than
that."""

OF_ORDER, OF_FINEST = 1 / 10, 1 / 2
"""The same on averaged edges, beside so much of the distance to the finest run by itself, whose
share makes it that of densities. With a quarter and all of it bars were 1.6 times as long."""

BY_HAND = 1 / 32
"""The same of three runs in the plane or in space whose numerics the case sets: a covariance whose
error changed its sign was off by 3 bars."""

ALIKE, ACROSS_KINKS, SELDOM = 1 / 5, 1 / 3, {2: 1 / 8, 3: 1 / 16}
"""Else, in the plane and in space, the share of what the worst of its like is off by that every
average has, see `Averages`; where kinks cross the cells, so that no order is to be counted on; and
without a tolerance, where more is told of each number anyway. Without it 4 % of the numbers of
random problems were not covered, with it 1 %; a share of the density's error that covered as many
made bars half as long again."""

OF_KL = 1 / 2
"""As much of that counts for KL, where no kinks cross the cells."""

OF_ELEMENTS = 1 / 8
"""The same of spectral elements that a case asks for on a line: of 400 numbers 3 % were off."""

OF_TWO = {"kl": 1 / 16, **dict.fromkeys(RATES, NO_LUCK)}
"""Shares of the density's error where two runs are all there is in the plane or in space. Their L2
distance is what both have in common; KL and its rates, which far tails decide, agree at some time
by chance."""

ROUGH, ROUGHLY = 0.35, 3e-4
"""Largest share of the distance of two runs of the log-density form on a line, whose elements are
large to a loose tolerance, and the distance in L2 from which it counts: of distances of 2e-3 they
left .3, of 7e-4 .25, of 5e-4 .19, of 2e-4 .23. With 1/8 densities to 1e-2 were off by 2.4 bars."""

NO_MATTER, GROWS, GUESSED, REMEMBERED, CAPPED = 1e-11, 1e-13, 20.0, 20.0, 20.0
"""Mended share of the mass from which it may be in another mode, and from which a reaction lets it
matter at all (7e-13 in tails that fall like e^{−|x|} made a variance wrong by 4e-5), and what then
counts: see `_mended_defect`; it is no more than so many times the L2 distance of two runs."""

COARSE, WIDER, WIDEST = 0.01, 3.5, 5.0
"""Distance of runs, in L2 or relative in KL, from which no order is to be counted on, where a
tolerance is met by extrapolation on nested grids (KL of wide starts is then off by 1.5 distances at
1e-2), or a case or its mesh sets the resolution; how many times wider bars of two and three runs
are then, and later; and how many where a case or its mesh sets it, and densities are half of that
apart.
`NO_LUCK` counts there as well. On random problems with 10 to 60 cells densities are off by 4
distances, in one of a dozen by 8, which is told as a density that is known to 10 %."""

UNCOUNTED = 1 / 4
"""Least share there, in the plane and in space, of the distance of two solutions that are
extrapolated twice. Four runs tell where they do not converge; where they seem to, faster than their
order lets them, it is the coarsest that is far off: with wide starts and 1/10 means, covariances
and KL were off by 1.3 bars."""

STEEP = 1 / 5
"""The same in units of the logarithm P by which ρ/π changes from node to node, √I h, I the Fisher
information: fluxes have no even order where that is not small. Without it early times of starts
five times as wide as π were off by 3 bars (KL), and by 5.4 (the variance of log(ρ/π), of which the
share must be P/7)."""

UNEQUAL = 3.5
"""How many times wider bars are on graded lines. Without it numbers of narrow starts were off by up
to 2.4 bars, 2 % of them by more than one; with 2, in one problem of 20 on tails by up to 1.7."""


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
) -> ErrorEstimate | None:
    """Return the errors that the case asks for, with what `cut_off` tells.

    They are known if there is a comparison with another `rule` of quadrature. Of numbers by name so
    much is `missed` after the start, relatively, as long as it is remembered.
    """
    nothing = np.zeros(len(outcome.times))
    if not problem.numerics.certify:
        return None
    if rule is None:
        nobody: list[Comparison] = [(numbers, nothing, nothing)]
        return bars_of(numbers, nobody, nothing, problem, cut, *4 * [nothing]).unknown()
    nested = "degree" not in outcome.facts
    set_by_case = problem.by_hand or problem.mesh is not None
    averaged = nested or outcome.shared > 0  # edges, or heat kernels
    alike = bool(comparisons) and problem.dim > 1 and averaged and not set_by_case
    to_tolerance, extrapolated = problem.tolerance is not None, outcome.facts["extrapolated"]
    three = len(outcome.facts["runs"]) == 3
    finest_beside = extrapolated and nested and len(comparisons) > 1
    ordered = to_tolerance and finest_beside and not set_by_case and _by_order(problem)
    by_chance, luck = 0.0, dict[str, Array]()
    if extrapolated and not alike and (problem.dim == 1 or three):
        seldom = BY_HAND if problem.dim > 1 else 0.0
        by_chance = (OF_ORDER if ordered else NO_LUCK) if to_tolerance else seldom
    elements = outcome.facts.get("degree", 1) > 1 and outcome.steps is None
    if elements and problem.dim == 1:
        by_chance = OF_ELEMENTS
    if not comparisons and problem.by_hand:  # two rules agree by chance as well: by 10 bars
        by_chance = NO_LUCK
    if to_tolerance and problem.dim > 1 and len(comparisons) == 1:
        luck = {name: part * np.abs(getattr(numbers, name)) for name, part in OF_TWO.items()}
    elif alike or ordered:
        luck = {name: NO_LUCK * np.abs(getattr(numbers, name)) for name in RATES}
    # all averages miss the same part of a start; and far tails decide these, elsewhere by an order
    # of their own
    tails = extrapolated and not alike and not three
    if to_tolerance and problem.dim > 1 and (tails or left_out(outcome) > 0):
        luck["covariance"] = NO_LUCK * numbers.covariance_spread
        luck["kl"] = NO_LUCK * np.sqrt(np.maximum(numbers.reaction_variance, 0.0))
    if to_tolerance and problem.dim == 1 and outcome.steps is not None:
        # moments of elements are far better than the density, masses that end within one are not:
        # one was off by 2.1 bars
        luck = {
            f"mass of {name}": NO_LUCK * np.maximum(m * (1 - m), 0.0)
            for name, m in numbers.mode_mass.items()
        }
    before = comparisons
    # by default steps on a line are short enough for their errors to be small beside those of the
    # elements; beyond it a Gaussian has none of these (at early times it was off by 5 bars)
    steps = outcome.steps if comparisons else None
    if steps is not None and problem.tolerance is None:
        steps = replace(steps, least=0.0) if problem.dim > 1 else None
    elif steps is not None:
        comparisons = [(other, smoothed(l2), share) for other, l2, share in comparisons]
        if problem.dim == 1:
            comparisons = [(other, l2, _of_elements(l2, share)) for other, l2, share in comparisons]
    every = [*comparisons, rule]
    mended = _mended_defect(problem, outcome)
    if comparisons:  # what is not known of the fields at all
        mended = np.minimum(mended, CAPPED * comparisons[0][1])
    missing = missed(problem, outcome)
    lost = missing.get("mass", nothing)
    mended = mended + min(outcome.smeared, 1.0) * (outcome.times > 0) + lost
    if problem.dim == 1 and not nested:
        cut = _with_mended(outcome, cut)
    misplaced, apart = misplaced_mass(problem, outcome), None
    if misplaced.any():
        told = problem.told or problem
        seeds = np.concatenate([told.target.seeds, told.initial.seeds])
        mended, apart = mended + misplaced, np.ptp(seeds, axis=0)
    doubted: Array = nothing
    refined = nested and to_tolerance
    if comparisons and (set_by_case or refined):
        distance = _told(comparisons)
        scale = np.maximum(np.abs(numbers.kl), SMALL * np.abs(numbers.kl).max())
        tails = [share * np.abs(numbers.kl - other.kl) / scale for other, _, share in comparisons]
        furthest = np.maximum(distance, np.max(tails, axis=0))
        doubt = np.maximum.accumulate(np.minimum(furthest / COARSE, 1.0))
        far = np.maximum.accumulate(distance) >= COARSE / 2
        wider = np.where(far & (not refined), WIDEST, WIDER)
        of_four = refined and problem.dim > 1 and len(outcome.facts["runs"]) > 3
        if of_four:
            wider = np.maximum(UNCOUNTED / np.maximum(comparisons[0][2], TINY), 1.0)
        widened = 1 + (wider - 1) * doubt
        if of_four:
            steep = np.minimum(STEEP * steepness(outcome, numbers), 1.0)
            widened = np.maximum(widened, steep / np.maximum(comparisons[0][2], TINY))
        if refined and problem.dim == 1 and problem.grading is not None:
            widened *= UNEQUAL
        every = [*((other, l2, share * widened) for other, l2, share in comparisons), rule]
        if set_by_case or problem.dim == 1:
            doubted = NO_LUCK * doubt * widened * distance
        if set_by_case and nested and problem.dim == 1:
            mended = mended + unresolved(problem, outcome, numbers, doubt)
    if comparisons:
        doubted = doubted + outcome.shared * _told(comparisons)
    if comparisons and refined and extrapolated and problem.dim > 1:
        doubted = doubted + misjudged_hops(problem, outcome)
    if comparisons and not alike and problem.kinks.any:
        # no order is to be counted on across kinks (a mean was off by 8 bars), nor one with
        # certainty, to a tolerance, where cells end at them (by 1.5)
        part = 1.0 if problem.kinks.oblique else 0.5 * (to_tolerance and problem.dim > 1)
        doubted = np.maximum(doubted, NO_LUCK * part * comparisons[0][1] * comparisons[0][2])
    if comparisons and problem.kinks.oblique:
        # two rules are no nearer to the truth than to each other
        integrals, constants, times = rule
        every[-1] = integrals, constants, 2 * times
    untold: Array = nothing
    if steps is not None:
        _, distance, share = comparisons[0]
        chance = distance > before[0][1]
        untold = steps.untold(distance, share, chance)
    defects = _start_defect(problem, outcome), mended, doubted, untold
    # of four runs on a line the density may fall by more than 16 from run to run; but without a
    # reaction masses beyond a barrier, and the rates that it decides, converge as ρ does there,
    # where there is little: of starts in an upper well Fisher informations were off by up to 49
    # bars, means and masses by 20 (with it, bars would be 900 times the errors where the coarsest
    # run does not see a well)
    hops = problem.dim == 1 and problem.equation.beta == 0
    least = ODD if hops and extrapolated and len(outcome.facts["runs"]) > 3 else 0.0
    averages = None
    if comparisons and problem.dim > 1 and elements:
        averages = Averages.of(numbers, every, *2 * [SELDOM[problem.dim]])
    if alike:
        of_like = ACROSS_KINKS if problem.kinks.oblique else ALIKE
        of_like = of_like if to_tolerance else SELDOM[problem.dim]
        of_kl = of_like * (1.0 if problem.kinks.oblique else OF_KL)
        averages = Averages.of(numbers, every, of_like, of_kl)
    density = _told(every)
    if ordered:
        other, l2, share = every[1]
        every[1] = other, l2, share * OF_FINEST
    error = bars_of(
        numbers, every, density, problem, cut, *defects,
        chance=by_chance, least=least, luck=luck, apart=apart, averages=averages,
        missing=missing,
    )  # fmt: skip
    masses = dict(error.mode_mass)
    for name, most in unseen_masses(problem, outcome, numbers).items():
        masses[name] = masses[name] + most
    return _in_widths_of_the_box(problem, numbers, replace(error, mode_mass=masses))


def _of_elements(distance: Array, share: Array) -> Array:
    """Return the share ``(T,)`` of a distance from elements of degree 6 that those of 8 leave."""
    most = max(ROUGH, float(share.max()))
    return np.asarray(np.clip(ROUGH * np.sqrt(distance / ROUGHLY), share, most))


def _by_order(problem: Problem) -> bool:
    """Whether runs are on equal cells of a line, and nothing has an order of its own.

    That do hops over barriers, which a reaction outruns, a seam, and what absorbs.
    """
    plain = problem.absorption is None and not any(problem.sides.closed)
    return problem.dim == 1 and plain and problem.grading is None and problem.equation.beta != 0


def _told(comparisons: list[Comparison]) -> Array:
    """Error of the density in L2 ``(T,)`` that comparisons tell."""
    return np.asarray(np.max([share * l2 for _, l2, share in comparisons], axis=0))


def _in_widths_of_the_box(
    problem: Problem, numbers: Functionals, error: ErrorEstimate
) -> ErrorEstimate:
    """Add to errors what may be wrong where runs are `estranged`: all of the box."""
    lost = estranged(problem, error.density)
    if not lost.any():
        return error
    half = np.ptp(problem.box, axis=1) / 2
    if problem.frame is not None:  # as far as its corners are from its middle along x, y and z
        half = np.abs(problem.frame.matrix.T) @ half
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


def _with_mended(outcome: Outcome, cut: tuple[Array, Array]) -> tuple[Array, Array]:
    """Add what nodes were given that had turned negative: it is mass that may lie anywhere."""
    share = np.where(outcome.times > 0, outcome.mended, 0.0)
    return cut[0] + share, np.maximum(cut[1], -np.log(np.where(share > 0, share, 1.0)))


def misplaced_mass(problem: Problem, outcome: Outcome) -> Array:
    """Return the shares ``(T,)`` of the mass that may be in the wrong one of several modes.

    A share m of the mass at nodes of elements that had turned negative is a guess. What it stands
    for in a far mode may be anything below m, and a reaction makes m^θ of it, θ = e^{−βt}; later
    the logarithm of what the modes hold is off by θ times that of the guess, which m bounds.
    """
    beta, m = problem.equation.beta, outcome.mended
    basins = max(len(problem.target.seeds), len(problem.initial.seeds))
    if m < NO_MATTER or beta == 0 or basins == 1 or outcome.facts.get("degree", 1) == 1:
        return np.zeros(len(outcome.times))
    theta = np.exp([-integral(beta, 0.0, float(t)) for t in outcome.times])
    # logarithm of what a guess m stands for is at most so many times log m
    share = np.minimum(m**theta, np.expm1(-2.0 * theta * np.log(m)))
    return np.asarray(np.where(outcome.times > 0, share, 0.0))


def _mended_defect(problem: Problem, outcome: Outcome) -> Array:
    """Return the relative errors ``(T,)`` of ρ that come from nodes that had turned negative.

    Where ρ₀ is far below π nodes of a coarse mesh turn negative, and what they are given is a
    guess, in all runs alike. A reaction then lets the guess grow: ρ ∝ ρ₀^θ π^{1−θ} without
    transport, θ = e^{−βt}, so that a share m of the mass becomes m^θ of it. Measured on Gaussians
    the error is 1 to 10 √m where θ < 1/2, until all is forgotten.
    """
    beta = problem.equation.beta
    if outcome.mended < GROWS or beta == 0:
        return np.zeros(len(outcome.times))
    gone = np.array([integral(beta, 0.0, float(t)) for t in outcome.times])
    theta = np.exp(-gone)
    left = np.minimum(1.0, REMEMBERED * theta) * (1 - theta)
    return np.asarray(GUESSED * outcome.mended ** np.maximum(theta, 0.5) * left)


def _start_defect(problem: Problem, outcome: Outcome) -> Array:
    """Return the relative errors ``(T,)`` that come from the start, or from mass that was lost.

    At t = 0 they are 0 but for what lies in no cell.
    """
    kept = remembered(problem, outcome)
    defect = outcome.start_defect * kept + outcome.mass_defect
    share = outside(outcome)
    # how far out, in squares of its own width, what is left out of a start lies at most
    missing = 100.0 * share if share > ROUND_OFF else 0.0
    defect[0] = min(outcome.start_defect * kept[0], missing)
    return defect + blur_defect(problem, outcome.times)


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
