"""The edge-averaged formulation: the same flow on nested grids, extrapolated on logarithms.

Two grids, a coarse one and the same with every cell halved, give the extrapolated result. A third
run on twice as wide cells costs little and gives a second extrapolated result, whose distance from
the first is its error: the distance of the pair itself would be that of the finer run, ten times
too much.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.extrapolation import coarse_positions, extrapolate, prolong
from wfrpde.discretisation.interpolation import (
    Interpolation,
    SimplexInterpolation,
    TensorInterpolation,
)
from wfrpde.domain.grid import SimplexGrid
from wfrpde.flow.control import LadderControl, Replay
from wfrpde.flow.march import March
from wfrpde.flow.outcome import Context, Outcome
from wfrpde.flow.relative_density import RunFacts, run
from wfrpde.flow.schedule import uniform
from wfrpde.parallel import Stopped
from wfrpde.problem import Grid, Problem

Array = npt.NDArray[np.float64]

LOG_CHANGE = {1: (0.5, 2.0, 2.0), 2: (1.0, 4.0, 4.0), 3: (1.0, 6.0, 6.0)}
"""Largest change of log ρ by transport in a step of the coarsest run, by number of runs and
dimension."""

LADDER = {1: 12, 2: 8, 3: 6}
"""How often the largest step may be halved at least, by dimension."""

RELAXED = 0.1
"""Smallest step in units of ℓ²/α, with the shortest length ℓ."""

MOST_RUNGS = 18

RESOLUTION = {1: 0.1, 2: 0.7, 3: 1.0}
"""Cell size of the coarse grid of the pair in units of the shortest length scale, by dimension."""

CELL_BUDGET = {1: 4_000, 2: 18_000, 3: 40_000}
"""Cells of the coarse grid of the pair beyond which the default resolution is given up."""

LARGEST_REACTION = {1: 0.025, 2: 0.05, 3: 0.05}
"""Largest β Δt of the coarse run of the pair, by dimension."""

LEAST_CELLS = {1: 480, 2: 32, 3: 16}
"""Fewest cells along an axis of the box, by dimension."""

DRAFT_NODES = 12_000
"""Nodes beyond which a person who stopped the run is given the result on the coarser grid."""


def default_cells(problem: Problem) -> tuple[int, ...]:
    """Even numbers of cells of the pair's coarse grid, from the length scales and the budget."""
    dim = problem.dim
    width = problem.box[:, 1] - problem.box[:, 0]
    wanted = np.maximum(width / (RESOLUTION[dim] * problem.scales), LEAST_CELLS[dim])
    wanted = np.minimum(wanted, 4_000 if dim > 1 else CELL_BUDGET[1])
    cells = tuple(2 * int(np.ceil(w / 2)) for w in wanted)
    for _ in range(20):
        active = problem.tensor_grid(cells).n_cells
        if active <= CELL_BUDGET[dim]:
            return cells
        shrink = (CELL_BUDGET[dim] / active) ** (1 / dim) * 0.98
        cells = tuple(max(8, 2 * int(c * shrink / 2)) for c in cells)
    return cells


def default_dt(problem: Problem) -> float:
    """Largest step of the coarse run of the pair, short on the time scale of the reaction."""
    slowest = problem.case.flow.t_end / 20
    rate = problem.reaction_rate
    return min(slowest, LARGEST_REACTION[problem.dim] / rate) if rate > 0 else slowest


def interpolation_of(grid: Grid, coarse: Grid | None) -> Interpolation:
    """Interpolation on a grid of degree 1; for simplices quadratic on the coarse cells."""
    if isinstance(grid, SimplexGrid):
        return SimplexInterpolation(grid, coarse if isinstance(coarse, SimplexGrid) else None)
    return TensorInterpolation(grid, 1)


def solve_edge_averaged(context: Context) -> Outcome:
    """Solve on two nested grids, and on a coarser one for the error, and extrapolate (collective).

    Where the cells cannot be widened (odd numbers of them, meshes from files, simplices) the two
    must do, and the error is that of the finer run.
    """
    problem = context.problem
    numerics, dim = problem.case.numerics, problem.dim
    cells = numerics.cells or (default_cells(problem) if problem.mesh is None else ())
    dt = numerics.dt or default_dt(problem)
    if not numerics.certify:
        grid, levels, dt = problem.grid(cells).refined(), 1, dt / 2
    elif _can_widen(problem, cells):
        grid, levels, dt = problem.grid(tuple(n // 2 for n in cells)), 3, 2 * dt
    else:
        grid, levels = problem.grid(cells), 2
    cost = np.array([2.0 ** (k * (dim + 1)) for k in range(levels)])
    grids: list[Grid] = []
    runs: list[tuple[March, RunFacts]] = []
    for level in range(levels):
        if level:
            grid = grid.refined()
        policy: LadderControl | Replay
        if level:
            policy = Replay(runs[-1][0].schedule.halved())
        elif numerics.dt is not None:
            policy = Replay(uniform(np.array(problem.save), dt))
        else:
            rungs = _rungs(problem, dt)
            policy = LadderControl(problem.save, dt, LOG_CHANGE[levels][dim - 1], rungs)
        phase = ("grid", f"grid {level + 1} of {levels}")[levels > 1]
        runs.append(run(context, grid, policy, phase=phase, share=float(cost[level] / cost.sum())))
        grids.append(grid)
        if not runs[-1][0].complete:
            break
    return _combined(context, grids, runs, cells)


def _rungs(problem: Problem, dt: float) -> int:
    """How often the step may be halved: down to the time in which the shortest length relaxes."""
    relaxation = float(problem.scales.min()) ** 2 / problem.case.flow.alpha
    needed = np.ceil(np.log2(max(dt / (RELAXED * relaxation), 1.0)))
    return int(np.clip(needed, LADDER[problem.dim], MOST_RUNGS))


def _can_widen(problem: Problem, cells: tuple[int, ...]) -> bool:
    tensor = problem.mesh is None and problem.case.domain.cell != "simplex"
    return tensor and all(n % 2 == 0 and n >= 8 for n in cells)


def _combined(
    context: Context,
    grids: list[Grid],
    runs: list[tuple[March, RunFacts]],
    cells: tuple[int, ...],
) -> Outcome:
    """Extrapolate what all runs reached; an interrupted finest run shortens the result.

    The coarser of two nested grids holds extrapolated values, too: that is the draft.
    """
    complete = runs[-1][0].complete
    if not complete and len(runs[-1][0].times) < 2 and len(runs) > 1:
        grids, runs = grids[:-1], runs[:-1]  # nothing of it is of use
    count = min(len(march.times) for march, _ in runs)
    finest, facts = runs[-1]
    interpolations = [
        interpolation_of(grid, grids[k - 1] if k else None) for k, grid in enumerate(grids)
    ]
    fields = [march.u[:count] for march, _ in runs]
    growths = [march.growth[:count] for march, _ in runs]
    improved_growths = [fine + (fine - coarse) / 3 for coarse, fine in pairwise(growths)]
    warnings = []
    if facts.flux.get("obtuse_edges"):
        warnings.append(
            f"{facts.flux['obtuse_edges']:.0f} edges of the mesh have a negative conductance "
            "(obtuse cells): positivity is not guaranteed there"
        )
    summary: dict[str, Any] = {
        "cells": list(cells) or [grids[0].n_cells],
        "runs": [asdict(run_facts) for _, run_facts in runs],
        "time_order": 2,
        "extrapolated": len(runs) > 1,
    }
    outcome = Outcome(
        finest.times[:count],
        interpolations[-1],
        fields[-1],
        (),
        finest.mass[:count],
        finest.history.arrays(),
        summary,
        max(march.kl_increase for march, _ in runs),
        complete,
        warnings,
        facts.start_defect,
        growth=np.array([*improved_growths[::-1], growths[-1]]),
    )
    if len(runs) == 1:
        return outcome
    draft = None
    tensor = isinstance(interpolations[-1], TensorInterpolation)
    if tensor and fields[-1].shape[1] > DRAFT_NODES:
        here = fields[-1][:, coarse_positions(interpolations[-2], interpolations[-1])]
        best = here + (here - fields[-2]) / 3
        draft = replace(outcome, interpolation=interpolations[-2], best=best, complete=False)
        if not complete:
            return draft
    try:
        with context.at_once() if draft is not None else nullcontext():
            improved = [
                extrapolate(interpolations[k], fields[k], interpolations[k + 1], fields[k + 1])
                for k in range(len(runs) - 1)
            ]
            # with two runs, the error of the finer one
            others: tuple[tuple[Array, float], ...] = ((fields[-1], 1.0),)
            if len(improved) > 1:
                # even at half its order the finer extrapolated value is four times closer to the
                # truth; where the two agree by chance, the distance of the finer run itself speaks
                second = prolong(interpolations[-2], improved[-2], interpolations[-1])
                others = ((second, 1 / 3), (fields[-1], 1 / 20))
    except Stopped:
        assert draft is not None
        return draft
    return replace(outcome, best=improved[-1], others=others, draft=draft)
