"""How much of what nested runs tell counts as error, where many random problems say how much it is.

It does where runs meet a tolerance by all of what they tell: it makes bars shorter, and no solution
worse.
"""

from __future__ import annotations

import numpy as np

from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.domain.grid import TensorGrid
from wfrpde.flow.hops import hops_alone
from wfrpde.flow.ladder import Ladder
from wfrpde.flow.outcome import Outcome, is_free
from wfrpde.flow.unresolved import steepness

COUNTED, RESOLVES = 1 / 2, 3 / 8
"""Share that counts of three or four runs, and up to how many shortest lengths cells of the finest
have on a line. Of 1500 numbers of 85 random problems there 1 % needed more than .47, and of 2000 of
66 others more than .65, half of them less than .05; on wider cells, on which runs agree by chance
beside narrow wells, 1.4."""

OF_HOPS = 3 / 4
"""The share where masses change by hops over barriers alone: beside a well of width .01 (to 1e-4)
.62 was needed of what runs tell, beside one of .09 (to 1e-6) 1.25 at one of four times. All of it
counts beside kinks where no reaction makes errors forgotten: |x| to 1e-6 needed .8."""

FLAT = 1 / 2
"""Largest change of log(ρ/π) from node to node, should slopes lie along the axis of the widest
cells. Where starts are several times as wide as π what runs tell is needed (9 tenths of it at 1);
random planes have less than .4."""


def counted(problem: Problem, ladder: Ladder) -> float:
    """Return the share of what runs tell that counts as the error of the best."""
    dynamics, grid = problem.equation.dynamics, ladder.runs[-1].grid
    if dynamics is None or problem.dim > 2 or not (ladder.nested and is_free(problem)):
        return 1.0
    reversible = dynamics.reversible and problem.equation.path is None
    walled = problem.absorption is not None or any(problem.sides.closed)
    walled = walled or problem.domain.box is not None  # which may be felt
    kinks = problem.kinks.jumps or problem.kinks.oblique
    if len(ladder.runs) < 3 or not reversible or walled or kinks:
        return 1.0
    if not isinstance(grid, TensorGrid):
        return 1.0
    widest = np.diff(grid.breaks[0]).max()
    equal = problem.grading is None and widest <= RESOLVES * problem.scales.min()
    if problem.dim == 1 and not equal:
        return 1.0
    if problem.equation.beta == 0 and problem.kinks.any:
        return 1.0
    return OF_HOPS if hops_alone(problem) else COUNTED


def flat(outcome: Outcome, numbers: Functionals) -> bool:
    """Whether log(ρ/π) hardly changes from node to node at any time."""
    return bool(steepness(outcome, numbers, of=max).max() <= FLAT)
