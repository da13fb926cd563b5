"""The flow without transport (α = 0): known at every point, so that only integrals need a mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.case.terms import EMPTY
from wfrpde.discretisation.interpolation import interpolation_of
from wfrpde.errors import InputError
from wfrpde.flow.ladder import Ladder, Run
from wfrpde.flow.march import March
from wfrpde.flow.normalisation import without_transport
from wfrpde.flow.outcome import Context
from wfrpde.flow.schemes.edge_averaged import default_cells
from wfrpde.flow.schemes.scheme import Fit, Scheme

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem


class ClosedForm(Scheme):
    """``u = θ (log ρ₀ + V) + G`` up to a constant; see `GeometricMean`."""

    name = "fisher-rao"
    fallback = None
    follows = True

    def suits(self, problem: Problem) -> Fit:
        """Whether there is no transport."""
        still = problem.equation.dynamics is None
        return Fit(still, "alpha = 0: the flow is known in closed form at every point")

    def objection(self, problem: Problem) -> InputError | None:
        """Return what forbids it: transport. Without it no side and no step matters."""
        if problem.equation.dynamics is None:
            return None
        return InputError("flow.alpha", f"{problem.equation.alpha:g}", "0 for the closed form")

    def runs(self, context: Context) -> Ladder:
        """Evaluate at the saved times."""
        problem = context.problem
        cells = problem.numerics.cells or (default_cells(problem) if problem.mesh is None else ())
        coarse = problem.grid(cells)
        grid = coarse.refined()
        times = np.array([0.0, *problem.save])
        nodes = interpolation_of(grid, 1, coarse).nodes
        fields = [without_transport(problem, float(t))(nodes) for t in times]
        mass, nothing = np.ones(len(times)), np.zeros(len(times))
        march = March(times, np.maximum(fields, EMPTY), mass, nothing, nothing, nothing)
        shape = list(cells) or [coarse.n_cells]
        return Ladder((Run(grid, 1, march, {}),), None, shape, coarsest=coarse)
