"""The spectral formulation: GLL elements of degree p, certified by degree p − 1."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from wfrpde.case.problem import Problem
from wfrpde.discretisation.extrapolation import prolong
from wfrpde.discretisation.fluxes import STEEP_LINE
from wfrpde.discretisation.interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import InputError
from wfrpde.flow.control import LadderControl, Replay
from wfrpde.flow.march import March, StepPolicy
from wfrpde.flow.outcome import MOST_NODES, Context, Outcome, Share, is_free
from wfrpde.flow.schedule import uniform
from wfrpde.flow.schemes.relative_density import RunFacts, run

Array = npt.NDArray[np.float64]

DEFAULT_DEGREE = {1: 8, 2: 6, 3: 4}
"""Degree by dimension, where the case names none."""

NODES_PER_LENGTH = {1: 4.0, 2: 4.0, 3: 2.5}
"""Nodes along an axis per shortest length scale, by dimension."""

RESOLVED = 25.0
"""Levels (kT) up to which no cell may be steep; beyond, the hybrid flux is good enough."""

MAX_NODES = {1: 4_000, 2: 30_000, 3: 300_000}
"""Nodes beyond which the automatic choice leaves a problem to the edge-averaged scheme."""

LOCAL_ERROR = {1: 1e-7, 2: 1e-6, 3: 5e-5}
"""L1 distance between one step and two half steps up to which a step of the coarser run is taken
(order 4), by dimension. The finer run halves the steps, which makes its error 16 times smaller."""

LADDER = {1: 10, 2: 8, 3: 5}
"""How often the largest step may be halved, by dimension."""

LOCAL_SHARE = 1.0
"""With a tolerance ε, the local error of the second order is kept below this times ε^(3/5), which
makes that of the fourth order proportional to ε."""

NODES_PER_DIGIT = 0.32
"""Nodes along the shortest length for each digit of a tolerance."""

MOST_DEGREE = 8

MOST_STEEP = 4
"""How often cells are made smaller because they are too steep."""

FINER = 1.4
"""How many more nodes along each axis a refinement has."""

FINE_SHARE = 1 / 6
"""Share of the distance of a run to a coarser one, of one degree less and steps twice as long, that
covers its error."""


def default_degree(problem: Problem) -> int:
    """Degree for the tolerance of the case, or that of the dimension."""
    tolerance = problem.tolerance
    if tolerance is None:
        return DEFAULT_DEGREE[problem.dim]
    wanted = round(2.0 - 0.8 * np.log10(tolerance))
    return int(np.clip(wanted, 4, MOST_DEGREE if problem.dim < 3 else 6))


def default_cells(problem: Problem, degree: int) -> tuple[int, ...]:
    """Cells from the nodes along the shortest length, at least eight along an axis.

    With a tolerance each digit costs `NODES_PER_DIGIT`, and four cells will do.
    """
    width, tolerance = problem.box[:, 1] - problem.box[:, 0], problem.tolerance
    nodes, least = NODES_PER_LENGTH[problem.dim], 8
    if tolerance is not None:
        nodes, least = 0.95 - NODES_PER_DIGIT * float(np.log10(tolerance)), 4
    wanted = nodes * width / (problem.scales * degree)
    for _ in range(MOST_STEEP):
        cells = tuple(int(np.ceil(w)) for w in np.clip(wanted, least, 200))
        if tolerance is None or not _too_steep(problem, problem.tensor_grid(cells)):
            break
        wanted = 1.2 * np.maximum(wanted, least)
    return cells


def suits(problem: Problem) -> bool:
    """Whether spectral elements resolve the problem: one basin, no steep cell, few nodes.

    With several basins the small masses between them decide, and those the edge-averaged scheme
    keeps in every component.
    """
    if problem.mesh is not None or problem.domain.cell == "simplex":
        return False
    if len(problem.target.seeds) != 1 or len(problem.initial.seeds) != 1:
        return False
    degree = default_degree(problem)
    grid = problem.tensor_grid(problem.numerics.cells or default_cells(problem, degree))
    if grid.n_cells * degree**problem.dim > MAX_NODES[problem.dim]:
        return False
    return not _too_steep(problem, grid)


def _too_steep(problem: Problem, grid: TensorGrid) -> bool:
    """Whether a cell that has to be resolved is so steep that the flux there is of low order."""
    tolerance = problem.tolerance
    resolved = RESOLVED
    if tolerance is not None:
        resolved = min(RESOLVED, 8.0 - 1.5 * float(np.log(tolerance)))
    vertices = grid.vertices()
    points = vertices.reshape(-1, problem.dim)
    value = problem.potential(points).reshape(vertices.shape[:-1])
    value[problem.landscape.levels(points).reshape(value.shape) > resolved] = np.nan
    steps = [np.abs(np.diff(value, axis=axis)) for axis in range(problem.dim)]
    return any(np.nanmax(step, initial=0.0) > STEEP_LINE for step in steps)


def default_dt(problem: Problem) -> float:
    """Largest step of the fourth-order integrator."""
    flow, tolerance = problem.case.flow, problem.tolerance
    if tolerance is not None:  # the step control decides
        return flow.t_end / 2
    return min(flow.t_end / 8, 0.125 / max(problem.reaction_rate, 1e-9))


@dataclass(frozen=True)
class _Run:
    """A run and what it was made on."""

    grid: TensorGrid
    degree: int
    march: March
    facts: RunFacts

    @property
    def interpolation(self) -> TensorInterpolation:
        return TensorInterpolation(self.grid, self.degree)


def solve_spectral(context: Context) -> Outcome:
    """Solve at degree p, and at degree p − 1 with coarser steps for the error (collective)."""
    problem = context.problem
    numerics = problem.numerics
    degree = numerics.degree or default_degree(problem)
    if problem.mesh is not None or problem.domain.cell == "simplex":
        raise InputError(
            "numerics.formulation",
            "spectral elements on simplices",
            "a box of intervals, quadrilaterals or hexahedra, or formulation = 'edge-averaged'",
        )
    grid = problem.tensor_grid(numerics.cells or default_cells(problem, degree))
    order = numerics.time_order or 4
    dt = numerics.dt or default_dt(problem)
    coarse_degree = max(1, degree - 1)
    certify = numerics.certify and degree > 1
    work = np.array([2.0 * degree**problem.dim, coarse_degree**problem.dim])[: 1 + certify]
    save = np.array(problem.save)
    policy: LadderControl | Replay
    if numerics.dt is not None:
        policy = Replay(uniform(save, 2 * dt if certify else dt))
    else:
        policy = _control(problem, order, dt, certify=certify)
    if not certify:
        return _outcome(context, order, _run(context, grid, degree, order, policy, 1.0))
    share = float(work[1] / work.sum())
    coarse = _run(context, grid, coarse_degree, order, policy, share)
    if not coarse.march.complete:
        return _outcome(context, order, coarse)
    # the steps halved: the distance of the two runs then shows the error in time, too
    halved = coarse.march.schedule.halved()
    policy = Replay(uniform(save, dt) if numerics.dt is not None else halved)
    return _outcome(context, order, _run(context, grid, degree, order, policy, 1.0 - share), coarse)


def _control(problem: Problem, order: int, dt: float, *, certify: bool) -> LadderControl:
    """Return the step control of the first run; without a second, what that one would take."""
    limit, levels = LOCAL_ERROR[problem.dim], LADDER[problem.dim]
    if not certify:
        dt, limit = dt / 2, limit / 16
    if order != 4:
        return LadderControl(problem.save, dt / 4, 1.0, levels=levels)
    tolerance = problem.tolerance
    if tolerance is None:
        return LadderControl(problem.save, dt, limit, levels=levels, growth=8.0)
    limit = LOCAL_SHARE * tolerance**0.6
    # the first step: no longer than the shortest length takes to relax
    relaxation = float(problem.scales.min()) ** 2 / problem.equation.alpha
    start = int(np.clip(np.ceil(np.log2(max(dt / relaxation, 1.0))), 0, LADDER[1]))
    return LadderControl(problem.save, dt, limit, levels=LADDER[1], growth=8.0, start=start)


def _run(
    context: Context, grid: TensorGrid, degree: int, order: int, policy: StepPolicy, share: float
) -> _Run:
    march, facts = run(
        context,
        grid,
        policy,
        degree=degree,
        stepper={2: "strang", 4: "extrapolated"}[order],
        phase=f"degree {degree}",
        share=share,
    )
    return _Run(grid, degree, march, facts)


def _refined(context: Context, order: int, coarse: _Run) -> Outcome:
    """Add a run with more nodes along each axis and every step halved (collective)."""
    problem = context.problem
    context.done = 0.0
    degree = min(coarse.degree + 1, MOST_DEGREE)
    growth = FINER * coarse.degree / degree
    cells = tuple(int(np.ceil(growth * n)) for n in coarse.grid.active.shape)
    policy = Replay(coarse.march.schedule.halved())
    fine = _run(context, problem.tensor_grid(cells), degree, order, policy, 1.0)
    return _outcome(context, order, fine, coarse)


def _outcome(context: Context, order: int, fine: _Run, coarse: _Run | None = None) -> Outcome:
    problem = context.problem
    runs = [asdict(r.facts) for r in (coarse, fine) if r is not None]
    increase = max(r.march.kl_increase for r in (coarse, fine) if r is not None)
    if coarse is not None and len(fine.march.times) < 2:
        # interrupted: what there is, without an error estimate
        fine = replace(coarse, march=replace(coarse.march, complete=False))
        coarse = None
    march, interpolation = fine.march, fine.interpolation
    others: tuple[tuple[Array, Share], ...] = ()
    growths = [march.growth]
    if coarse is not None:
        growths.append(coarse.march.growth[: len(march.times)])
        second = prolong(coarse.interpolation, coarse.march.u[: len(march.times)], interpolation)
        others = ((second, 1.0 if problem.tolerance is None else FINE_SHARE),)
    refine = None
    next_nodes = FINER**problem.dim * len(interpolation.nodes)
    if is_free(problem) and next_nodes <= MOST_NODES[problem.dim] / 4:
        refine = partial(_refined, context, order, fine)
    return Outcome(
        march.times,
        interpolation,
        march.u,
        others,
        march.mass,
        march.history.arrays(),
        {
            "degree": fine.degree,
            "cells": list(fine.grid.active.shape),
            "runs": runs,
            "time_order": order,
            "extrapolated": order == 4,
        },
        increase,
        march.complete,
        start_defect=fine.facts.start_defect,
        growth=np.array(growths),
        refine=refine,
    )
