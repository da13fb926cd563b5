"""The pure Fisher–Rao flow (α = 0): known at every point, so that only integrals need a mesh."""

from __future__ import annotations

import numpy as np

from wfrpde.flow.march import History
from wfrpde.flow.outcome import Context, Outcome
from wfrpde.flow.schemes.edge_averaged import default_cells, interpolation_of


def solve_fisher_rao(context: Context) -> Outcome:
    """Return an outcome whose fields are placeholders: `GeometricMean` gives them exactly."""
    problem = context.problem
    numerics = problem.numerics
    cells = numerics.cells or (default_cells(problem) if problem.mesh is None else ())
    coarse = problem.grid(cells)
    grid = coarse.refined()
    interpolation = interpolation_of(grid, coarse)
    times = np.array([0.0, *problem.save])
    empty = np.zeros((len(times), len(interpolation.nodes)))
    history = History()
    for t in times:
        history.append(float(t), 0.0, np.nan, 1.0)
    return Outcome(
        times,
        interpolation,
        empty,
        (),
        np.ones(len(times)),
        history.arrays(),
        {"cells": list(cells) or [coarse.n_cells], "runs": [], "extrapolated": False},
        0.0,
        True,
    )
