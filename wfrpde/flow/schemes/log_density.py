"""The log-density form in one dimension: u = log(ρ/π) on GLL elements, stepped by RODASP.

    u_t = α (u'' + u'² − V' u') − β u

(The mean of the reaction only shifts u; ρ is normalised at output.) No exponential of V or u
enters, so that potentials of any height are represented; nothing is conserved structurally, so
that mass and entropy are checked. A few hundred unknowns are solved redundantly on every rank, and
rank 0's result is shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.case.problem import EMPTY, Problem
from wfrpde.discretisation.extrapolation import prolong
from wfrpde.discretisation.interpolation import TensorInterpolation
from wfrpde.discretisation.log_density import LogDensityForm
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import SolverError
from wfrpde.flow.control import ErrorControl
from wfrpde.flow.march import March, march
from wfrpde.flow.outcome import Context, Outcome, Share, is_free
from wfrpde.flow.steppers.rosenbrock import Rodasp

Array = npt.NDArray[np.float64]

DEGREE = 8
TOLERANCE = 1e-8
"""Local error of u in a step, where ρ or its target is at least `FLOOR` of its maximum."""
LOCAL_SHARE = 0.18
"""Local error in units of the tolerance of the case, where it has one."""
LOOSER = 32.0
"""How much larger the local error of the second run may be then."""
LARGEST_LIMIT = 6e-5
"""Local error beyond which the looser run no longer tells anything."""
LEAST_TOLERANCE = 1e-13
FINE_SHARE = 1 / 4
"""Share of the distance of the two runs that covers the error of the finer one then."""
RESOLUTION = 1.5
"""Element size in units of the shortest length scale."""
MAX_CELLS = 600
MAX_STEPS = 20_000
FIRST_STEP = 0.1
"""First step in units of ℓ²/α with the shortest length ℓ, times the fourth root of its error."""


def suits(problem: Problem) -> bool:
    """Whether u is smooth on a line: no zero of ρ₀, no kink, no ridge too sharp to resolve."""
    if not problem.starts_positive or problem.landscape.has_kink(problem.stretch):
        return False
    sharpest = problem.landscape.sharpest(problem.stretch)
    return float(np.ptp(problem.stretch)) / sharpest <= MAX_CELLS


def solve_log_density(context: Context) -> Outcome:
    """Solve at degree 8, and at degree 6 with a looser tolerance for the error (collective)."""
    problem = context.problem
    numerics = problem.numerics
    if problem.dim != 1:
        raise SolverError("the log-density form is for one dimension")
    degree = numerics.degree or DEGREE
    tolerance, looser = problem.tolerance, 10.0
    limit = TOLERANCE
    if tolerance is not None:
        limit, looser = min(LOCAL_SHARE * tolerance, LARGEST_LIMIT), LOOSER
    grid = problem.tensor_grid(numerics.cells or (default_cells(problem),))
    degrees = [degree, max(1, degree - 2)] if numerics.certify else [degree]
    runs: list[_Run] = []
    for k, p in enumerate(degrees):
        share = p**2 / sum(q**2 for q in degrees)
        runs.append(_run(context, grid, p, limit * looser**k, share))
        if not runs[-1].result.complete:
            break
    return _outcome(context, runs)


def default_cells(problem: Problem) -> int:
    """Return the number of elements, from the shortest length scale."""
    width, tolerance = float(np.ptp(problem.box[0])), problem.tolerance
    size, least, length = RESOLUTION, 24, float(problem.scales[0])
    if tolerance is not None:
        size, least = float(np.clip(RESOLUTION * (tolerance / 1e-9) ** (1 / 9), 1.0, 4.5)), 6
        # a ridge between two modes is where u is hardest to represent
        length = min(length, problem.landscape.sharpest(problem.stretch, ridges=True))
    return int(np.clip(np.ceil(width / (size * length)), least, MAX_CELLS))


@dataclass(frozen=True)
class _Run:
    """A run and what it was made on; the result is that of rank 0."""

    grid: TensorGrid
    degree: int
    limit: float
    result: March

    @property
    def interpolation(self) -> TensorInterpolation:
        return TensorInterpolation(self.grid, self.degree)


def _run(context: Context, grid: TensorGrid, degree: int, limit: float, share: float) -> _Run:
    problem, comm = context.problem, context.comm
    form = LogDensityForm(problem, grid, degree)
    start = problem.log_initial(form.nodes.points)
    if start.min() <= EMPTY:
        raise SolverError("the log-density form needs a start that is positive everywhere")
    u = start + form.potential
    u += np.log(problem.initial_mass) - form.nodes.logsumexp(form.log_target + u)
    relaxation = float(problem.scales[0]) ** 2 / problem.equation.alpha
    first = max(1e-7 * problem.t_end, FIRST_STEP * relaxation * limit**0.25)
    result = march(
        Rodasp(form, t_end=problem.t_end),
        u,
        problem.save,
        ErrorControl(problem.save, limit, first, problem.numerics.dt),
        on_step=context.on_step(f"degree {degree}", share),
        stop=context.stop,
    )
    return _Run(grid, degree, limit, comm.bcast(result if comm.rank == 0 else None))


def _refined(context: Context, coarse: _Run) -> Outcome:
    """Add a run with smaller elements and a smaller limit of the local error (collective)."""
    context.done = 0.0
    cells = int(np.ceil(1.5 * len(coarse.grid.active)))
    grid = context.problem.tensor_grid((cells,))
    fine = _run(context, grid, coarse.degree, coarse.limit / LOOSER, 1.0)
    return _outcome(context, [fine, coarse])


def _outcome(context: Context, runs: list[_Run]) -> Outcome:
    """Put together the finer run and, where it is complete, the coarser one."""
    best, interpolation, problem = runs[0].result, runs[0].interpolation, context.problem
    others: tuple[tuple[Array, Share], ...] = ()
    if len(runs) > 1 and runs[1].result.complete:
        second = prolong(runs[1].interpolation, runs[1].result.u, interpolation)
        others = ((second, 1.0 if problem.tolerance is None else FINE_SHARE),)
    complete = all(run.result.complete for run in runs)
    facts: dict[str, Any] = {
        "degree": runs[0].degree,
        "cells": [len(runs[0].grid.active)],
        "runs": [
            {
                "degree": run.degree,
                "nodes": run.result.u.shape[1],
                "steps": len(run.result.schedule.dt),
                "rejected": run.result.rejected,
                "smallest_dt": float(run.result.schedule.dt.min(initial=np.inf)),
            }
            for run in runs
        ],
        "time_order": 4,
        "extrapolated": False,
    }
    finest = runs[0].limit / LOOSER >= LEAST_TOLERANCE
    refine = partial(_refined, context, runs[0]) if is_free(problem) and finest else None
    return Outcome(
        best.times,
        interpolation,
        best.u,
        others,
        best.mass,
        best.history.arrays(),
        facts,
        max(run.result.kl_increase for run in runs),
        complete,
        refine=refine,
    )
