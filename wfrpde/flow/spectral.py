"""The spectral formulation: GLL elements of degree p, certified by degree p − 1 with twice the step."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from wfrpde.discretisation.interpolation import TensorInterpolation, evaluate
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import InputError
from wfrpde.flow.control import LadderControl, Replay
from wfrpde.flow.outcome import Context, Outcome
from wfrpde.flow.problem import Problem
from wfrpde.flow.relative_density import run
from wfrpde.flow.schedule import uniform

DEFAULT_DEGREE = 6

LOCAL_ERROR = {1: 1e-7, 2: 1e-6, 3: 1e-5}
"""L1 distance between one step and two half steps up to which a step is taken (order 4), by dimension."""

LADDER = {1: 10, 2: 8, 3: 5}
"""How often the largest step may be halved, by dimension."""


def default_cells(problem: Problem, degree: int) -> tuple[int, ...]:
    """Two nodes of a degree-p element per shortest length, at least eight cells along an axis."""
    width = problem.box[:, 1] - problem.box[:, 0]
    wanted = np.clip(width / (problem.scales * degree / 2), 8, 200)
    return tuple(int(np.ceil(w)) for w in wanted)


def default_dt(problem: Problem) -> float:
    """Largest step of the fourth-order integrator."""
    flow = problem.case.flow
    return min(flow.t_end / 8, 0.125 / max(flow.beta, 1e-9))


def solve_spectral(context: Context) -> Outcome:
    """Solve at degree p, and at degree p − 1 with coarser steps for the error (collective)."""
    problem = context.problem
    numerics = problem.case.numerics
    degree = numerics.degree or DEFAULT_DEGREE
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
    work = np.array([degree**problem.dim * 2.0, coarse_degree**problem.dim])[: 1 + certify]
    limit, levels = LOCAL_ERROR[problem.dim], LADDER[problem.dim]
    first_share = float(work[0] / work.sum())

    if numerics.dt is not None:
        policy: LadderControl | Replay = Replay(uniform(np.array(problem.save), dt))
    elif order == 4:
        policy = LadderControl(problem.save, dt, limit, levels=levels, growth=8.0)
    else:
        policy = LadderControl(problem.save, dt / 4, 1.0, levels=levels)
    fine, facts = run(
        context,
        grid,
        policy,
        degree=degree,
        time_order=order,
        phase=f"degree {degree}",
        share=first_share,
    )
    interpolation = TensorInterpolation(grid, degree)
    summaries, other, complete, increase = [asdict(facts)], None, fine.complete, fine.kl_increase
    if certify and complete:
        if numerics.dt is not None:
            second: LadderControl | Replay = Replay(uniform(np.array(problem.save), 2 * dt))
        elif order == 4:
            second = LadderControl(problem.save, dt, 16 * limit, levels=levels, growth=8.0)
        else:
            second = LadderControl(problem.save, dt / 2, 2.0, levels=levels)
        coarse, coarse_facts = run(
            context,
            grid,
            second,
            degree=coarse_degree,
            time_order=order,
            phase=f"degree {coarse_degree}",
            share=1 - first_share,
        )
        summaries.append(asdict(coarse_facts))
        increase = max(increase, coarse.kl_increase)
        complete = coarse.complete
        if complete:
            other = _on_nodes(grid, coarse_degree, coarse.u, interpolation)
    return Outcome(
        fine.times,
        interpolation,
        fine.u,
        other,
        1.0,
        fine.mass,
        fine.history.arrays(),
        {
            "degree": degree,
            "cells": list(grid.active.shape),
            "runs": summaries,
            "time_order": order,
            "extrapolated": order == 4,
        },
        increase,
        complete,
    )


def _on_nodes(
    grid: TensorGrid, degree: int, u: np.ndarray, target: TensorInterpolation
) -> np.ndarray:
    return evaluate(TensorInterpolation(grid, degree), u, target.nodes)[0]
