"""Mass that a target that moves gives to each mode, beside that of the flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.setup import make_problem
from wfrpde.comparison.density import density_of
from wfrpde.equation import Path
from wfrpde.flow.solution import Solution


@dataclass(frozen=True)
class _OnPath:
    """π_t up to its constant."""

    path: Path
    t: float
    dim: int

    def log_density(self, x: Array) -> Array:
        """Return −V_t ``(n,)`` at points ``(n, d)``."""
        return -self.path.potential(x, self.t)


def path_mode_mass(solution: Solution) -> dict[str, Array]:
    """Return the mass ``(T,)`` that π_t gives to each mode; nothing where the target stays."""
    if solution.case.path.kind is None:
        return {}
    path = make_problem(solution.case).equation.path
    assert path is not None
    regions, found = dict(solution.target.regions), []
    for t in map(float, solution.times):
        density = density_of(solution, t)
        points, mass = density.of(_OnPath(path, t, density.dim)).atoms(list(regions.values()))
        found.append([float(mass @ np.asarray(region(points))) for region in regions.values()])
    return dict(zip(regions, np.array(found).T, strict=True))
