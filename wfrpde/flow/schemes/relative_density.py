"""Runs of the relative-density (h) form on one grid: edge-averaged at degree 1, spectral beyond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import reduce
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Grid, Problem
from wfrpde.discretisation.absorption import continued
from wfrpde.discretisation.interpolation import Interpolation, interpolation_of
from wfrpde.discretisation.nodes import Nodes, make_nodes
from wfrpde.discretisation.semi_discrete import NO_MASS, SemiDiscrete
from wfrpde.domain.absorption import Absorption
from wfrpde.domain.extent import share_outside
from wfrpde.domain.grid import TensorGrid
from wfrpde.domain.landscape import sample
from wfrpde.engine import Wish
from wfrpde.errors import SolverError
from wfrpde.fields.blocks import BLOCK
from wfrpde.flow.bars import ROUND_OFF
from wfrpde.flow.checkpoints import RunMark
from wfrpde.flow.control import StepPolicy
from wfrpde.flow.ladder import Run
from wfrpde.flow.march import March, gathered, march
from wfrpde.flow.outcome import Context
from wfrpde.flow.start_moments import StartMoments
from wfrpde.flow.steppers.strang import Splitting
from wfrpde.parallel.shared import give_back

CURE_LIMIT, RINGING, RINGING_SHARE = 1e-9, 1e-4, 0.3
"""Share of mass that curing negative nodes may add in a step: the first where S is monotone, else
the second. Spectral elements ring at the level of their resolution, which shorter steps cannot mend
(the second run measures what it costs): the third, times the tolerance, where that is more."""

ALONE = 1e-12
"""Variance at the nodes, in those of the start, below which all of it is at one of them."""


def run(
    context: Context,
    grid: Grid,
    policy: StepPolicy,
    phase: str,
    share: float,
    *,
    stepper: type[Splitting],
    degree: int = 1,
) -> Run:
    """Solve the flow on one grid (collective).

    Raises
    ------
    AccuracyError
        If V spans too much over the grid.
    SolverError
        If a step fails at every size.
    """

    def solve(mark: RunMark | None) -> tuple[March, dict[str, Any]]:
        nodes = make_nodes(context.comm, grid, degree)
        result, facts = _marched(context, nodes, policy, phase, share, stepper, mark)
        give_back(nodes.n_owned)
        result = gathered(result, nodes)  # matrix and vectors are gone by now
        sink = context.problem.absorption
        if sink is not None:
            result = replace(result, u=_smooth(sink, interpolation_of(grid, degree), result.u))
        return result, facts

    return Run(grid, degree, *context.made(share, solve))


def _marched(
    context: Context,
    nodes: Nodes,
    policy: StepPolicy,
    phase: str,
    share: float,
    stepper: type[Splitting],
    mark: RunMark | None,
) -> tuple[March, dict[str, Any]]:
    """Return a run with its fields at this rank's own nodes (collective)."""
    problem, grid = context.problem, nodes.grid
    sink = problem.absorption
    owned = nodes.points[: nodes.n_owned]
    with SemiDiscrete(
        problem.equation,
        nodes,
        problem.potential(nodes.points),
        rate=None if problem.equation.rate is None else problem.rate_at(owned),
        absorption=None if sink is None else (sink, problem.potential),
        moving=problem.moving(nodes.points),
        value=problem.potential_at,
        levels=lambda: problem.landscape.levels(nodes.points, least=nodes.least),
        wish=Wish.of(problem.numerics),
        by_axes=stepper.by_axes,
        bare=not stepper.solves,
    ) as semi:
        whole = problem.log_initial(owned) + semi.log_weights
        left_out = _left_out(problem, grid)
        log_mass = semi.conditioned(whole)
        alive = nodes.logsumexp(np.where(semi.absorbed, -NO_MASS, whole))
        defect, moments = _start_defect(problem, nodes, log_mass, left_out)
        begin = [log_mass + np.log(problem.initial_mass)]
        del whole, log_mass
        limit = RINGING if semi.obtuse_edges else CURE_LIMIT
        if not semi.monotone:
            limit = max(RINGING, RINGING_SHARE * (problem.tolerance or 0.0))
        steps = stepper(semi, measured=policy.measured, cure_limit=limit)
        if mark is not None:
            if mark.found is not None:
                _recall(steps, mark.found.work)
            mark = mark.counting(lambda: _work(steps))
        try:
            result = march(
                steps,
                steps.begun(begin.pop()),  # which nobody else holds then
                problem.save,
                policy,
                on_step=context.on_step(phase, share),
                stop=context.stop,
                at_once=context.at_once,
                mark=mark,
            )
        except SolverError as error:
            raise SolverError(
                f"{phase}: {error}, also after halving the step repeatedly"
            ) from error
    facts = {
        "nodes": nodes.n_global,
        "cells": grid.n_cells,
        "degree": nodes.degree,
        **result.facts,
        **_counts(steps),
        "flux": {k: float(v) for k, v in semi.flux.items()},
        "start_defect": defect,
        "start_left_out": left_out,
    }
    if moments is not None:
        facts["start_moments"] = moments.facts()
    if sink is not None:
        facts["start_log_mass"] = alive
    return result, facts


def _smooth(sink: Absorption, interpolation: Interpolation, u: Array) -> Array:
    """Return ``w = u − log g`` ``(T, n)``, continued to the nodes behind the walls."""
    points = interpolation.nodes
    dead = sink.holds(points)
    return continued(interpolation, u - np.where(dead, 0.0, sink.log_distance(points)), dead)


def _counts(steps: Splitting) -> dict[str, Any]:
    """Return what was done so far and what went wrong: facts of a run (collective)."""
    assert steps.transport is not None
    incidents, nodes = steps.transport.incidents, steps.semi.nodes
    underflows = int(nodes.sum(np.array([float(incidents.underflows)])))
    return {**steps.semi.work, **asdict(incidents), "underflows": underflows}


def _work(steps: Splitting) -> dict[str, Any]:
    """Return what a run that goes on needs besides its state (collective)."""
    solver = steps.semi.solver
    return {**_counts(steps), "factors": [] if solver is None else list(solver.factors)}


def _recall(steps: Splitting, work: Mapping[str, Any]) -> None:
    """Bring factors and counts to where they were (collective)."""
    assert steps.transport is not None
    semi = steps.semi
    semi.recall(work, work["factors"])
    for name in asdict(steps.transport.incidents):
        # those of all ranks
        count = 0 if name == "underflows" and semi.nodes.comm.rank > 0 else work[name]
        setattr(steps.transport.incidents, name, count)


def _left_out(problem: Problem, grid: Grid) -> float:
    """Share of the start that lies in the box, but in none of the cells that are kept."""
    formula = problem.initial.gaussian is not None
    if not isinstance(grid, TensorGrid) or not (formula or problem.absorption is None):
        return 0.0
    if grid.dim == 1:  # cells have no gaps on a line, but may end before the box
        return share_outside(problem.initial.log_density, grid.box, problem.box)
    return _in_no_cell(problem, grid)


def _in_no_cell(problem: Problem, grid: TensorGrid) -> float:
    """Share of the start in cells that are left out, by the midpoint rule, some layers at once."""
    if grid.active.all():
        return 0.0
    middles = [(breaks[:-1] + breaks[1:]) / 2 for breaks in grid.breaks]
    sizes = [np.diff(breaks) for breaks in grid.breaks]
    volume = reduce(np.multiply.outer, sizes)
    top, missed, held = -np.inf, 0.0, 0.0  # masses are told in units of e^top
    layers = max(1, BLOCK * len(middles[0]) // grid.active.size)
    for start in range(0, len(middles[0]), layers):
        some = slice(start, start + layers)
        x = np.stack(np.meshgrid(middles[0][some], *middles[1:], indexing="ij"), axis=-1)
        value = problem.log_initial(x.reshape(-1, grid.dim)).reshape(x.shape[:-1])
        largest = float(np.max(value))
        if largest > top:
            shrink = np.exp(top - largest)
            top, missed, held = largest, missed * shrink, held * shrink
        if not np.isfinite(top):
            continue
        mass, active = np.exp(value - top) * volume[some], grid.active[some]
        held += float(mass[active].sum())
        missed += float(mass[~active].sum())
    whole = missed + held
    return missed / whole if whole > 0 else 0.0


def _start_defect(
    problem: Problem, nodes: Nodes, log_mass: Array, left_out: float
) -> tuple[float, StartMoments | None]:
    """Error of mean and covariance of the start at the nodes, relative to its widths.

    It is measured of a Gaussian that the box holds; of others it is what may be `left_out` at its
    ends. With it what nodes make of those moments, where they are all that is wrong.
    """
    mass, x = np.exp(log_mass), nodes.points[: nodes.n_owned]

    def at_most() -> float:
        if left_out == 0.0:
            return 0.0
        mean = np.array([nodes.sum(mass * x[:, k]) for k in range(nodes.dim)])
        spread = np.array([nodes.sum(mass * (x[:, k] - mean[k]) ** 2) for k in range(nodes.dim)])
        reach = np.abs(problem.box - mean[:, None]).max(axis=1)
        return float(left_out * (reach**2 / spread).max())

    if problem.initial.gaussian is None:
        return at_most(), None
    mean, covariance = problem.initial.gaussian
    width = np.sqrt(np.diag(covariance))
    box = problem.box
    if ((mean - 6 * width < box[:, 0]) | (mean + 6 * width > box[:, 1])).any():
        return at_most(), None  # cut off: its moments are no longer those of the formula
    reach = np.stack([mean - 6 * width, mean + 6 * width], axis=1)
    if problem.absorption is not None and problem.absorption.holds(sample(reach)).any():
        return 0.0, None
    found = np.array([nodes.sum(mass * x[:, k]) for k in range(nodes.dim)])
    spread = np.array([nodes.sum(mass * (x[:, k] - found[k]) ** 2) for k in range(nodes.dim)])
    # relative to what is found where that is less: bars are shares of it, unless all is at one node
    alone = spread < ALONE * width**2
    less = np.where(alone, width**2, np.minimum(spread, width**2))
    moments = StartMoments(np.abs(found - mean), np.abs(spread - width**2), less)
    return moments.relative, moments if left_out <= ROUND_OFF else None
