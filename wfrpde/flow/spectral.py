"""The spectral formulation: GLL elements of degree p, certified by degree p − 1."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.extrapolation import prolong
from wfrpde.discretisation.fluxes import STEEP_LINE
from wfrpde.discretisation.interpolation import TensorInterpolation
from wfrpde.errors import InputError
from wfrpde.flow.control import LadderControl, Replay
from wfrpde.flow.outcome import Context, Outcome
from wfrpde.flow.relative_density import run
from wfrpde.flow.schedule import uniform
from wfrpde.problem import Problem

Array = npt.NDArray[np.float64]

DEFAULT_DEGREE = {1: 8, 2: 6, 3: 4}
"""Degree by dimension, where the case names none."""

NODES_PER_LENGTH = {1: 4.0, 2: 4.0, 3: 2.5}
"""Nodes along an axis per shortest length scale, by dimension."""

RESOLVED = 25.0
"""Levels (kT) up to which no cell may be steep; beyond, the hybrid flux is good enough."""

MAX_NODES = {1: 4_000, 2: 30_000, 3: 150_000}
"""Nodes beyond which the automatic choice leaves a problem to the edge-averaged scheme."""

LOCAL_ERROR = {1: 1e-7, 2: 1e-6, 3: 5e-5}
"""L1 distance between one step and two half steps up to which a step of the coarser run is taken
(order 4), by dimension. The finer run halves the steps, which makes its error 16 times smaller."""

LADDER = {1: 10, 2: 8, 3: 5}
"""How often the largest step may be halved, by dimension."""


def default_cells(problem: Problem, degree: int) -> tuple[int, ...]:
    """Cells from `NODES_PER_LENGTH`, at least eight along an axis."""
    width = problem.box[:, 1] - problem.box[:, 0]
    wanted = NODES_PER_LENGTH[problem.dim] * width / (problem.scales * degree)
    return tuple(int(np.ceil(w)) for w in np.clip(wanted, 8, 200))


def suits(problem: Problem) -> bool:
    """Whether spectral elements resolve the problem: one basin, no steep cell, few nodes.

    With several basins the small masses between them decide, and those the edge-averaged scheme
    keeps in every component.
    """
    if problem.mesh is not None or problem.case.domain.cell == "simplex":
        return False
    if len(problem.target.seeds) != 1 or len(problem.initial.seeds) != 1:
        return False
    degree = DEFAULT_DEGREE[problem.dim]
    grid = problem.tensor_grid(problem.case.numerics.cells or default_cells(problem, degree))
    if grid.n_cells * degree**problem.dim > MAX_NODES[problem.dim]:
        return False
    vertices = grid.vertices()
    points = vertices.reshape(-1, problem.dim)
    value = problem.potential(points).reshape(vertices.shape[:-1])
    value[problem.landscape.levels(points).reshape(value.shape) > RESOLVED] = np.nan
    steps = [np.abs(np.diff(value, axis=axis)) for axis in range(problem.dim)]
    return all(np.nanmax(step, initial=0.0) <= STEEP_LINE for step in steps)


def default_dt(problem: Problem) -> float:
    """Largest step of the fourth-order integrator."""
    return min(problem.case.flow.t_end / 8, 0.125 / max(problem.reaction_rate, 1e-9))


def solve_spectral(context: Context) -> Outcome:
    """Solve at degree p, and at degree p − 1 with coarser steps for the error (collective)."""
    problem = context.problem
    numerics = problem.case.numerics
    degree = numerics.degree or DEFAULT_DEGREE[problem.dim]
    if problem.mesh is not None or problem.case.domain.cell == "simplex":
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
    limit, levels = LOCAL_ERROR[problem.dim], LADDER[problem.dim]
    save = np.array(problem.save)
    first: LadderControl | Replay
    if not certify:  # what the finer of two runs would take
        dt, limit = dt / 2, limit / 16
    if numerics.dt is not None:
        first = Replay(uniform(save, 2 * dt))
    elif order == 4:
        first = LadderControl(problem.save, dt, limit, levels=levels, growth=8.0)
    else:
        first = LadderControl(problem.save, dt / 4, 1.0, levels=levels)
    coarse, runs = None, []
    policy = first
    if certify:
        coarse, facts = run(
            context,
            grid,
            first,
            degree=coarse_degree,
            time_order=order,
            phase=f"degree {coarse_degree}",
            share=float(work[1] / work.sum()),
        )
        runs.append(asdict(facts))
        # the steps halved: the distance of the two runs then shows the error in time, too
        policy = Replay(uniform(save, dt) if numerics.dt is not None else coarse.schedule.halved())
    if coarse is None or coarse.complete:
        fine, facts = run(
            context,
            grid,
            policy,
            degree=degree,
            time_order=order,
            phase=f"degree {degree}",
            share=float(work[0] / work.sum()),
        )
        runs.append(asdict(facts))
        used = degree
    else:
        fine, used = coarse, coarse_degree
    if coarse is not None and len(fine.times) < 2:
        # interrupted: what there is, without an error estimate
        fine, used = replace(coarse, complete=False), coarse_degree
    interpolation = TensorInterpolation(grid, used)
    others: tuple[tuple[Array, float], ...] = ()
    growths = [fine.growth]
    if coarse is not None and used == degree:
        growths.append(coarse.growth[: len(fine.times)])
        coarser = TensorInterpolation(grid, coarse_degree)
        second = prolong(coarser, coarse.u[: len(fine.times)], interpolation)
        others = ((second, 1.0),)
    return Outcome(
        fine.times,
        interpolation,
        fine.u,
        others,
        fine.mass,
        fine.history.arrays(),
        {
            "degree": used,
            "cells": list(grid.active.shape),
            "runs": runs,
            "time_order": order,
            "extrapolated": order == 4,
        },
        max(fine.kl_increase, coarse.kl_increase if coarse is not None else 0.0),
        fine.complete and (coarse is None or coarse.complete),
        start_defect=facts.start_defect,
        growth=np.array(growths),
    )
