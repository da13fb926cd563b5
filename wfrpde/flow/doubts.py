"""What runs may agree on by chance: shares of the density's error, of distances, and of their like.

Which of them count depends on what sort of runs there are, and on who chose their numerics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.flow.accuracy import RATES, SMALL
from wfrpde.flow.bars import TINY, Averages, Comparison
from wfrpde.flow.element_shares import told_by_coefficients
from wfrpde.flow.hops import hops_alone
from wfrpde.flow.outcome import Outcome
from wfrpde.flow.unresolved import steepness
from wfrpde.flow.wide_start import left_out

NO_LUCK = 1 / 4
"""Share of the density's relative error that every other number on a line has besides its own,
where three or four runs are extrapolated to a tolerance: of its spread under ρ (means, covariances)
or of itself (KL, masses). Extrapolations that agree on a number by chance know no more of it than
that."""

OF_ORDER, OF_FINEST = 1 / 10, 1 / 2
"""The same on averaged edges with equal cells, of four runs or where nothing hops; there beside
so much of the distance to the finest run by itself, whose share makes it that of densities. With a
quarter and all of it bars were 1.6 times as long. Where masses hop all of it is needed: beside a
narrow well on a barrier KL was off by 1.3 bars."""

BY_HAND = 1 / 32
"""The same of three runs in the plane or in space whose numerics the case sets: a covariance whose
error changed its sign was off by 3 bars."""

ALIKE, ACROSS_KINKS, SELDOM = 1 / 5, 1 / 3, {2: 1 / 8, 3: 1 / 16}
"""Else, in the plane and in space, the share of what the worst of its like is off by that every
average has, see `Averages`; where kinks cross the cells, so that no order is to be counted on; and
without a tolerance, where more is told of each number anyway, unless cells end at kinks (a mean was
off by 1.07 bars). Without it 4 % of the numbers of random problems were not covered, with it 1 %; a
share of the density's error that covered as many made bars half as long again."""

BY_ALL_DEGREES = 3 / 4
"""The same of spectral elements where V is not smooth within them, or up to their sides: sums over
nodes miss much the same whatever the degree. A covariance was off by 1.6 bars with 1/8."""

OF_BRANCHES = 1 / 5
"""Share of what is told across kinks that is told of elements which end at branches |x − c|^q."""

OF_KL = 1 / 2
"""As much of that counts for KL, where no kinks cross the cells."""

OF_ELEMENTS = 1 / 8
"""The same of spectral elements that a case asks for on a line: of 400 numbers 3 % were off."""

WEIGHED = 1 / 8
"""The same of linear reactions on a line without a tolerance, as far as runs are apart: of 20x the
variance was off by 1.4 bars while it changed its sign."""

OF_TWO = {"kl": 1 / 16, **dict.fromkeys(RATES, NO_LUCK)}
"""Shares of the density's error where two runs are all there is in the plane or in space. Their L2
distance is what both have in common; KL and its rates, which far tails decide, agree at some time
by chance."""

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


@dataclass(frozen=True)
class Runs:
    """The runs that tell errors: `others` of their results are compared with the best."""

    problem: Problem
    outcome: Outcome
    others: int

    @property
    def dim(self) -> int:
        """Dimension of space."""
        return self.problem.dim

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.outcome.facts["runs"])

    @property
    def to_tolerance(self) -> bool:
        """Whether they end when a tolerance is met."""
        return self.problem.tolerance is not None

    @property
    def extrapolated(self) -> bool:
        """Whether the best is no run itself."""
        return bool(self.outcome.facts["extrapolated"])

    @property
    def nested(self) -> bool:
        """Whether each halves the cells of the one before."""
        return "degree" not in self.outcome.facts

    @property
    def refined(self) -> bool:
        """Whether they are nested, and as fine as a tolerance needs."""
        return self.nested and self.to_tolerance

    @property
    def elements(self) -> bool:
        """Whether they are spectral elements, of more than degree 1."""
        return self.outcome.facts.get("degree", 1) > 1 and self.outcome.steps is None

    @property
    def log_density(self) -> bool:
        """Whether they are those of the log-density form on a line."""
        return self.dim == 1 and self.outcome.steps is not None

    @property
    def by_coefficients(self) -> bool:
        """Whether those of polynomials tell what elements on a line leave, also if it is much.

        Without a tolerance, which takes less of the distance of two runs.
        """
        degree, mended = self.outcome.facts.get("degree", 1), self.outcome.mended
        stays = self.problem.equation.path is None
        elements = self.elements and stays and told_by_coefficients(self.problem, mended)
        fine = self.dim == 1 and degree > 2 and not self.to_tolerance
        return fine and (self.log_density or elements)

    @property
    def set_by_case(self) -> bool:
        """Whether the case or its mesh sets the resolution."""
        return self.problem.by_hand or self.problem.mesh is not None

    @property
    def alike(self) -> bool:
        """Whether averages are told by their like: on edges, or with heat kernels."""
        averaged = self.nested or self.outcome.shared > 0
        return self.others > 0 and self.dim > 1 and averaged and not self.set_by_case

    @property
    def ordered(self) -> bool:
        """Whether they are on equal cells of a line, and nothing has an order of its own.

        That do hops over barriers, which four runs tell, a seam, and what absorbs.
        """
        if not (self.dim == 1 and self.refined and self.extrapolated and self.others > 1):
            return False
        problem = self.problem
        plain = problem.absorption is None and not any(problem.sides.closed)
        told = not self.hops or self.count > 3
        return plain and told and problem.grading is None and not self.set_by_case

    @property
    def hops(self) -> bool:
        """Whether masses change by hops over barriers alone."""
        return hops_alone(self.problem)


def share_by_chance(runs: Runs) -> float:
    """Return the share of the density's error that every other number has besides its own."""
    if runs.others == 0 and runs.problem.by_hand:  # two rules agree by chance as well: by 10 bars
        return NO_LUCK
    if runs.elements and runs.dim == 1:
        return OF_ELEMENTS
    if not runs.extrapolated or runs.alike or not (runs.dim == 1 or runs.count == 3):
        return 0.0
    if runs.to_tolerance:
        return OF_ORDER if runs.ordered else NO_LUCK
    return BY_HAND if runs.dim > 1 else 0.0


def luck(runs: Runs, numbers: Functionals) -> dict[str, Array]:
    """Return what the density's error adds by name, in units of it."""
    found: dict[str, Array] = {}
    beyond = runs.to_tolerance and runs.dim > 1
    if beyond and runs.others == 1:
        found = {name: part * np.abs(getattr(numbers, name)) for name, part in OF_TWO.items()}
    elif runs.alike or runs.ordered:
        found = {name: NO_LUCK * np.abs(getattr(numbers, name)) for name in RATES}
    # all averages miss the same part of a start; and far tails decide these, elsewhere by an order
    # of their own
    tails = runs.extrapolated and not runs.alike and runs.count != 3
    beyond = beyond and (tails or left_out(runs.outcome) > 0)
    if beyond:
        found["covariance"] = NO_LUCK * numbers.covariance_spread
    if beyond or (runs.elements and runs.dim == 1 and not runs.to_tolerance):
        found["kl"] = NO_LUCK * np.sqrt(np.maximum(numbers.reaction_variance, 0.0))
    if runs.log_density and runs.to_tolerance:
        # moments of elements are far better than the density, masses that end within one are not:
        # one was off by 2.1 bars
        found = {
            f"mass of {name}": NO_LUCK * np.maximum(m * (1 - m), 0.0)
            for name, m in numbers.mode_mass.items()
        }
    return found


def doubt_of(numbers: Functionals, comparisons: list[Comparison]) -> Array:
    """Return how far runs are apart ``(T,)``: from 0 to 1, where no order is to be counted on."""
    scale = np.maximum(np.abs(numbers.kl), SMALL * np.abs(numbers.kl).max())
    apart = [share * np.abs(numbers.kl - other.kl) / scale for other, _, share in comparisons]
    furthest = np.maximum(density_error(comparisons), np.max(apart, axis=0))
    return np.maximum.accumulate(np.minimum(furthest / COARSE, 1.0))


def widened(runs: Runs, numbers: Functionals, comparisons: list[Comparison], doubt: Array) -> Array:
    """Return how many times wider bars are ``(T,)`` where runs are as far apart as `doubt` says."""
    _, _, share = comparisons[0]
    if runs.by_coefficients:
        return np.ones(len(share))
    far = np.maximum.accumulate(density_error(comparisons)) >= COARSE / 2
    wider = np.where(far & (not runs.refined), WIDEST, WIDER)
    of_four = runs.refined and runs.dim > 1 and runs.count > 3
    if of_four:
        wider = np.maximum(UNCOUNTED / np.maximum(share, TINY), 1.0)
    found = 1 + (wider - 1) * doubt
    if of_four:
        steep = np.minimum(STEEP * steepness(runs.outcome, numbers), 1.0)
        found = np.maximum(found, steep / np.maximum(share, TINY))
    if runs.refined and runs.dim == 1 and runs.problem.grading is not None:
        found *= UNEQUAL
    return np.asarray(found)


def doubted_by_kinks(runs: Runs, comparisons: list[Comparison]) -> Array | float:
    """Return what of the density's error counts in all other numbers where V has kinks.

    Of elements also where a higher derivative jumps within them, or is not bounded at their sides.
    """
    kinks = runs.problem.kinks
    across = kinks.oblique or (kinks.bent and not runs.nested)
    up_to = kinks.branches and runs.dim > 1 and not runs.nested
    if not comparisons or runs.alike or not (kinks.any or across or up_to):
        return 0.0
    # no order is to be counted on across kinks (a mean was off by 8 bars), nor one with certainty,
    # to a tolerance, where cells end at them (by 1.5)
    irregular = across or runs.problem.kinks.jumps
    part = 1.0 if irregular else 0.5 * (runs.to_tolerance and runs.dim > 1)
    part = max(part, OF_BRANCHES * up_to)
    _, distance, share = comparisons[0]
    return np.asarray(NO_LUCK * part * distance * share)


def averages_of(runs: Runs, numbers: Functionals, every: list[Comparison]) -> Averages | None:
    """Return what tells averages by their like, if anything does."""
    if runs.alike:
        oblique = runs.problem.kinks.oblique
        share = ACROSS_KINKS if oblique else ALIKE
        kinked = runs.problem.kinks.any and not oblique
        share = share if runs.to_tolerance or kinked else SELDOM[runs.dim]
        return Averages.of(numbers, every, share, share * (1.0 if oblique else OF_KL))
    # of log-density runs in space and their rules single covariances agree as well (by 1.2 bars)
    in_space = runs.dim == 3 and runs.outcome.steps is not None
    if runs.others and runs.dim > 1 and (runs.elements or in_space):
        kinks, share = runs.problem.kinks, SELDOM[runs.dim]
        if runs.elements and (kinks.bent or kinks.oblique or kinks.branches):
            share = BY_ALL_DEGREES
        return Averages.of(numbers, every, share, share)
    if not runs.others and runs.dim > 1 and runs.problem.kinks.oblique:
        return Averages.of(numbers, every, 1.0, 1.0)  # two rules are all there is
    return None


def density_error(comparisons: list[Comparison]) -> Array:
    """Return the error of the density in L2 ``(T,)`` that comparisons tell."""
    return np.asarray(np.max([share * l2 for _, l2, share in comparisons], axis=0))
