"""The edge-averaged formulation: the same flow on nested grids, extrapolated on logarithms.

Two grids, a coarse one and the same with every cell halved, give the extrapolated result. A third
run on twice as wide cells costs little and gives a second extrapolated result, whose distance from
the first is its error: the distance of the pair itself would be that of the finer run, ten times
too much.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.case.problem import Grid, Problem
from wfrpde.discretisation.extrapolation import coarse_positions, extrapolate, prolong
from wfrpde.discretisation.interpolation import (
    Interpolation,
    SimplexInterpolation,
    TensorInterpolation,
)
from wfrpde.domain.grid import SimplexGrid
from wfrpde.flow.control import LadderControl, Replay
from wfrpde.flow.march import March
from wfrpde.flow.outcome import MOST_NODES, Context, Outcome, Share, is_free
from wfrpde.flow.schedule import uniform
from wfrpde.flow.schemes.relative_density import RunFacts, run
from wfrpde.parallel import Stopped

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

LEAST_CELLS_FOR_TOLERANCE = {1: 24, 2: 12, 3: 8}
"""The same, where a tolerance decides."""

AT_DEFAULT = 8e-5
"""Worst relative error of a number at the default resolution of two dimensions."""

REGULAR, IRREGULAR = 1 / 12, 1 / 4
"""Share of the distance between the solution that is extrapolated twice and the coarser of those
that are extrapolated once which covers the error of the former: where the runs converge with the
second order, by `ORDER_WITHIN`, and extrapolation gains by it, so that the coarser one is twice as
near to the finer one as the finest run is; and where they do not."""

ORDER_WITHIN = 0.2

DRAFT_NODES = 12_000
"""Nodes beyond which a person who stopped the run is given the result on the coarser grid."""


@dataclass(frozen=True)
class Fineness:
    """What the coarser runs of a case are made of; see the constants of the same names."""

    resolution: float
    least_cells: int
    log_change: float
    dt: float


def fineness(problem: Problem, runs: int = 3) -> Fineness:
    """Return the fineness for the tolerance of the case, or the default.

    By measurement the worst of the relative errors of mode masses and other numbers is about
    `AT_DEFAULT` at `RESOLUTION` in 2-D, and falls with the fifth power or faster when cells and
    steps shrink together.
    """
    dim, tolerance = problem.dim, problem.tolerance
    change = LOG_CHANGE[runs][dim - 1]
    if tolerance is None:
        dt = default_dt(problem)
        return Fineness(RESOLUTION[dim], LEAST_CELLS[dim], change, dt)
    size = float(np.clip((tolerance / AT_DEFAULT) ** 0.2, 0.1, 2.2))
    return Fineness(
        RESOLUTION[2] * size,
        LEAST_CELLS_FOR_TOLERANCE[dim],
        float(np.clip(4.0 * size, 0.5, 6.0)),
        default_dt(problem, size),
    )


def default_cells(problem: Problem) -> tuple[int, ...]:
    """Even numbers of cells of the pair's coarse grid, from the length scales and the budget."""
    dim, fine = problem.dim, fineness(problem)
    width = problem.box[:, 1] - problem.box[:, 0]
    wanted = np.maximum(width / (fine.resolution * problem.scales), fine.least_cells)
    wanted = np.minimum(wanted, 4_000 if dim > 1 else CELL_BUDGET[1])
    cells = tuple(2 * int(np.ceil(w / 2)) for w in wanted)
    for _ in range(20):
        active = problem.tensor_grid(cells).n_cells
        if active <= CELL_BUDGET[dim]:
            return cells
        shrink = (CELL_BUDGET[dim] / active) ** (1 / dim) * 0.98
        cells = tuple(max(8, 2 * int(c * shrink / 2)) for c in cells)
    return cells


def default_dt(problem: Problem, size: float = 1.0) -> float:
    """Largest step of the coarse run of the pair, short on the time scale of the reaction."""
    slowest = problem.t_end / 20
    rate = problem.reaction_rate
    dim = 2 if problem.tolerance is not None else problem.dim
    return size * (min(slowest, LARGEST_REACTION[dim] / rate) if rate > 0 else slowest)


def interpolation_of(grid: Grid, coarse: Grid | None) -> Interpolation:
    """Interpolation on a grid of degree 1; for simplices quadratic on the coarse cells."""
    if isinstance(grid, SimplexGrid):
        return SimplexInterpolation(grid, coarse if isinstance(coarse, SimplexGrid) else None)
    return TensorInterpolation(grid, 1)


@dataclass(frozen=True)
class _Nested:
    """Runs on nested grids, from coarse to fine."""

    grids: tuple[Grid, ...]
    runs: tuple[tuple[March, RunFacts], ...]


def solve_edge_averaged(context: Context) -> Outcome:
    """Solve on two nested grids, and on a coarser one for the error, and extrapolate (collective).

    Where the cells cannot be widened (odd numbers of them, meshes from files, simplices) the two
    must do, and the error is that of the finer run.
    """
    problem = context.problem
    numerics, dim = problem.numerics, problem.dim
    cells = numerics.cells or (default_cells(problem) if problem.mesh is None else ())
    dt = numerics.dt or fineness(problem).dt
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
            change = fineness(problem, levels).log_change
            policy = LadderControl(problem.save, dt, change, _rungs(problem, dt))
        phase = ("grid", f"grid {level + 1} of {levels}")[levels > 1]
        runs.append(run(context, grid, policy, phase=phase, share=float(cost[level] / cost.sum())))
        grids.append(grid)
        if not runs[-1][0].complete:
            break
    return _combined(context, _Nested(tuple(grids), tuple(runs)), cells)


def _refined(context: Context, nested: _Nested, cells: tuple[int, ...]) -> Outcome:
    """Add a run on the finest grid halved, and let the coarsest go (collective)."""
    grid = nested.grids[-1].refined()
    context.done = 0.0
    policy = Replay(nested.runs[-1][0].schedule.halved())
    finest = run(context, grid, policy, phase="finer grid", share=1.0)
    tensor = not isinstance(grid, SimplexGrid)
    kept = slice(-2 if tensor else -1, None)
    longer = _Nested((*nested.grids[kept], grid), (*nested.runs[kept], finest))
    return _combined(context, longer, cells)


def _trusted_share(
    problem: Problem, interpolations: list[Interpolation], fields: list[Array]
) -> Array:
    """Return the share ``(T,)`` that `REGULAR` and `IRREGULAR` tell of."""
    coarse, middle, fine = interpolations[-3:]
    once = coarse_positions(coarse, middle)
    twice = coarse_positions(middle, fine)[once]
    u, middle_u = fields[-1][:, twice], fields[-2][:, once]
    log_mass = u - problem.potential(coarse.nodes)
    mass = np.exp(log_mass - log_mass.max(axis=1, keepdims=True))

    def size(gap: Array) -> Array:
        return np.asarray(np.sqrt((mass * gap**2).sum(axis=1)))

    first, second = middle_u - fields[-3], u - middle_u
    improved = size(u + second / 3 - (middle_u + first / 3))
    with np.errstate(divide="ignore", invalid="ignore"):
        order = np.log2(size(first) / size(second))
    regular = (np.abs(order - 2) < ORDER_WITHIN) & (improved < size(second) / 6)
    return np.where(regular, REGULAR, IRREGULAR)


def _rungs(problem: Problem, dt: float) -> int:
    """How often the step may be halved: down to the time in which the shortest length relaxes."""
    relaxation = float(problem.scales.min()) ** 2 / problem.equation.alpha
    needed = np.ceil(np.log2(max(dt / (RELAXED * relaxation), 1.0)))
    return int(np.clip(needed, LADDER[problem.dim], MOST_RUNGS))


def _can_widen(problem: Problem, cells: tuple[int, ...]) -> bool:
    tensor = problem.mesh is None and problem.domain.cell != "simplex"
    return tensor and all(n % 2 == 0 and n >= 8 for n in cells)


def _combined(context: Context, nested: _Nested, cells: tuple[int, ...]) -> Outcome:
    """Extrapolate what all runs reached; an interrupted finest run shortens the result.

    The coarser of two nested grids holds extrapolated values, too: that is the draft.
    """
    problem = context.problem
    grids, runs = nested.grids, nested.runs
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
            others: tuple[tuple[Array, Share], ...] = ((fields[-1], 1.0),)
            if len(improved) > 1:
                # even at half its order the finer extrapolated value is four times closer to the
                # truth; where the two agree by chance, the distance of the finer run itself speaks
                second = prolong(interpolations[-2], improved[-2], interpolations[-1])
                others = ((second, 1 / 3), (fields[-1], 1 / 20))
            best, growth = improved[-1], outcome.growth
            if len(improved) > 1 and problem.tolerance is not None:
                best = extrapolate(
                    interpolations[-2], improved[-2], interpolations[-1], best, order=4
                )
                share = _trusted_share(problem, interpolations, fields)
                others = ((second, share), (fields[-1], None))
                once, twice = improved_growths
                growth = np.array([twice + (twice - once) / 15, once, growths[-1]])
    except Stopped:
        assert draft is not None
        return draft
    next_nodes = 2**problem.dim * len(interpolations[-1].nodes)
    refine = None
    if is_free(problem) and next_nodes <= MOST_NODES[problem.dim]:
        refine = partial(_refined, context, nested, cells)
    return replace(outcome, best=best, others=others, growth=growth, draft=draft, refine=refine)
