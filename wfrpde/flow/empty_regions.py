"""Regions that hold no point of the mesh: their mass is 0, what they may hold is its bar."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.domain.landscape import lattice
from wfrpde.flow.cut_off import ORDINARY
from wfrpde.flow.outcome import Outcome
from wfrpde.flow.wide_start import outside, remembered

AROUND, ALONG = 30.0, {1: 20_001, 2: 201, 3: 41}
"""How many times wider than the box regions are looked for, at how many points along an axis."""


def unseen_masses(problem: Problem, outcome: Outcome, numbers: Functionals) -> dict[str, Array]:
    """Return what regions of mass 0 may hold at most ``(T,)``, by name.

    One that lies beyond the cells holds what these leave out. Of one that is found nowhere, not in
    a box many times as wide either, no more is known than that it fits between nodes: it may hold
    what one of them does.
    """
    empty = [name for name, mass in numbers.mode_mass.items() if not mass.any()]
    if not empty:
        return {}
    beyond = ORDINARY * np.exp(-problem.landscape.level)
    beyond = beyond + outside(outcome) * remembered(problem, outcome)
    middle, half = problem.box.mean(axis=1), AROUND * np.ptp(problem.box, axis=1) / 2
    axes = [
        m + h * np.linspace(-1, 1, ALONG[problem.dim]) for m, h in zip(middle, half, strict=True)
    ]
    around = lattice(axes)
    within = ((around >= problem.box[:, 0]) & (around <= problem.box[:, 1])).all(axis=1)
    log_mass = outcome.best - problem.potential(outcome.interpolation.nodes)
    of_node = np.exp(log_mass.max(axis=1) - logsumexp(log_mass, axis=1))
    found = {name: np.asarray(problem.target.regions[name](around)) for name in empty}
    return {
        name: beyond + (0.0 if there.any() and not there[within].any() else of_node)
        for name, there in found.items()
    }
