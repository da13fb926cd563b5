"""How far fields are apart at nodes, weighted by a density."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.interpolation import Interpolation


def sizes(
    problem: Problem, nodes: Interpolation, u: Array, *, centred: bool = False
) -> Callable[[Array], Array]:
    """Return what tells L2 norms ``(T,)`` at nodes, weighted by the density ρ of `u`.

    Or deviations: a constant, `centred` away, is no change of a density, which is normalised. Where
    coarse nodes miss a well that is empty so far, all that runs seem to change by is a constant.
    """
    log_mass = u - problem.potential(nodes.nodes)
    mass = np.exp(log_mass - log_mass.max(axis=1, keepdims=True))
    share = mass / mass.sum(axis=1, keepdims=True)

    def size(gap: Array) -> Array:
        if centred:
            gap = gap - (share * gap).sum(axis=1, keepdims=True)
        return np.asarray(np.sqrt((mass * gap**2).sum(axis=1)))

    return size
