"""Defects that runs have in common: a start that nodes misrepresent, nodes that were mended.

No distance of runs tells of them.
"""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.fields.schedules import integral
from wfrpde.flow.bars import ROUND_OFF
from wfrpde.flow.exact import blur_defect
from wfrpde.flow.outcome import Outcome
from wfrpde.flow.wide_start import outside, remembered

NO_MATTER, GROWS, GUESSED, REMEMBERED = 1e-11, 5e-13, 20.0, 20.0
"""Mended share of the mass from which it may be in another mode, and from which a reaction lets it
matter at all (7e-13 in tails that fall like e^{−|x|} made a variance wrong by 4e-5; Gaussians in
space with 3e-13 are right to 2e-7), and what then counts: see `mended_defect`."""


def with_mended(outcome: Outcome, cut: tuple[Array, Array]) -> tuple[Array, Array]:
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


def mended_defect(problem: Problem, outcome: Outcome) -> Array:
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


def start_defect(problem: Problem, outcome: Outcome) -> Array:
    """Return the relative errors ``(T,)`` that come from the start, or from mass that was lost.

    Not those of its moments at the nodes, where these are known. At t = 0 they are 0 but for what
    lies in no cell.
    """
    kept = remembered(problem, outcome)
    known = outcome.start_moments is not None
    defect = (0.0 if known else outcome.start_defect) * kept + outcome.mass_defect
    share = outside(outcome)
    # how far out, in squares of its own width, what is left out of a start lies at most
    missing = 100.0 * share if share > ROUND_OFF else 0.0
    defect[0] = min(outcome.start_defect * kept[0], missing)
    return defect + blur_defect(problem, outcome.times)


def unrelaxed(problem: Problem, outcome: Outcome, kl: Array, defect: Array) -> Array:
    """Return what KL may have more than at nodes that hold a start with such a `defect` ``(T,)``.

    From a half on they may find little of KL(0), which falls at least like e^{−2βt} in the end.
    """
    beta = problem.equation.beta
    theta = np.exp([-integral(beta, 0.0, float(t)) for t in outcome.times])
    missed = np.clip(2 * defect - 1, 0.0, 1.0)
    left = np.where(missed > 0, np.maximum(kl[0] - kl, 0.0), 0.0)  # KL(0) may be ∞
    return np.asarray(missed * theta**2 * left)
