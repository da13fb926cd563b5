"""Eigenpairs of an operator of a case, solved on two or three discretisations.

One discretisation says nothing of its error. Spectral elements are solved at degree p and p − 1;
the edge-averaged scheme (degree 1: simplices, and the default in 3-D) on nested grids, whose
eigenvalues are extrapolated. Modes that the coarser discretisation does not know are artefacts of
the mesh and are left out, with a warning. An automatic box is widened until its walls, which the
eigenfunctions of the plane do not feel, do not matter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.discretisation.extrapolation import extrapolate
from wfrpde.discretisation.interpolation import (
    Interpolation,
    SimplexInterpolation,
    TensorInterpolation,
    evaluate,
)
from wfrpde.discretisation.matrix import merged_options, solver_options
from wfrpde.discretisation.nodes import Nodes, make_nodes
from wfrpde.domain.grid import SimplexGrid, TensorGrid
from wfrpde.errors import InputError
from wfrpde.operators.absorbing import absorbing_nodes, planes
from wfrpde.operators.dirichlet_form import DirichletForm
from wfrpde.operators.eigen import Eigenpairs, lowest
from wfrpde.operators.operator import Operator
from wfrpde.operators.walls import wall_nodes
from wfrpde.parallel import collectively
from wfrpde.problem import Grid, Problem, make_problem

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.expressions import Region

Array = npt.NDArray[np.float64]
logger = logging.getLogger("wfrpde")

LEVELS = {1: 80.0, 2: 60.0, 3: 40.0}
"""Levels (kT) that the mesh reaches, by dimension: higher modes live further out than π."""

HIGHEST_LEVEL = 300.0

DEGREE = {1: 8, 2: 8, 3: 1}
"""Degree by dimension, where the case names none. In 3-D the factors of spectral elements fill."""

NODES_PER_LENGTH = {1: 8.0, 2: 5.5, 3: 3.6}
"""Nodes of spectral elements along an axis per shortest length scale, by dimension."""

LEAST_CELLS = {1: 24, 2: 8, 3: 6}

FINEST_NODES = {1: 100_000, 2: 150_000, 3: 250_000}
"""Nodes of the finest discretisation that the defaults do not exceed, by dimension."""

DIRECT_LIMIT = {1: 10_000_000, 2: 400_000, 3: 20_000}
"""Unknowns of the edge-averaged scheme beyond which iterating costs less than factorising."""

KNOWN = 0.5
"""Share of a mode that the coarser discretisation must know."""

WALL_FACTOR = 100.0
"""Change of an eigenvalue by the walls over its value and its weight at the nodes there; measured
between 12 and 62 for Ornstein–Uhlenbeck modes."""

WALL_LIMIT = 1e-12

RateFunction = Callable[[Array], Array]


@dataclass(frozen=True)
class Modes:
    """Eigenpairs λ of −(αL + U), ascending; the arrays are the same on every rank.

    Attributes
    ----------
    values, errors, residuals
        ``(k,)``: λ, its estimated absolute error, and ‖−(αL+U)u − λu‖ in L²(π).
    functions
        ``(k, n)`` at the nodes in their canonical order, ∫π u_a u_b = δ_ab, signs fixed.
    mass
        ``(n,)`` nodal mass of π, which sums to 1.
    log_partition
        log Z of π = e^{−V}/Z on the mesh.
    operator, pairs
        The finest operator and its eigenpairs on this rank's nodes.
    aligned
        Whether the boundaries of absorbing regions are resolved exactly by the mesh.
    """

    problem: Problem
    interpolation: Interpolation
    values: Array
    errors: Array
    residuals: Array
    functions: Array
    mass: Array
    log_partition: float
    operator: Operator
    pairs: Eigenpairs
    options: dict[str, str]
    scale: float
    aligned: bool
    warnings: list[str]
    facts: dict[str, Any]


def solve_modes(
    case: Case,
    comm: Comm,
    count: int,
    *,
    alpha: float = 1.0,
    rate: RateFunction | None = None,
    absorbing: Sequence[Region] = (),
) -> Modes:
    """Compute the `count` lowest modes of −(αL + U) on the target of a case (collective).

    Parameters
    ----------
    case
        The target, the domain and the numerics; its start is not looked at.
    count
        How many; the constant counts where it is one.
    alpha, rate
        α and U, the latter at points ``(n, d)``.
    absorbing
        Regions where functions vanish.

    Raises
    ------
    InputError
        If more modes are asked for than there are unknowns, or a region holds no node.
    SolverError
        If SLEPc does not converge.
    """
    level = LEVELS[case.dim]
    while True:
        with collectively(comm):
            problem = make_problem(case, at_equilibrium=True, level=level)
        automatic = problem.mesh is None and case.domain.box is None
        modes, felt = _solved(problem, comm, count, alpha, rate, absorbing)
        if not automatic or felt < WALL_LIMIT or level >= HIGHEST_LEVEL:
            break
        level *= 1.5
        if comm.rank == 0:
            logger.info("the walls are felt by a share of %.0e: widening to %g kT", felt, level)
    if automatic and felt > 1e3 * WALL_LIMIT:
        modes.warnings.append(
            f"the walls of the box are felt by a share of {felt:.0e} of a mode, however wide: "
            "the result depends on the truncation"
        )
    return modes


def _solved(
    problem: Problem,
    comm: Comm,
    count: int,
    alpha: float,
    rate: RateFunction | None,
    absorbing: Sequence[Region],
) -> tuple[Modes, float]:
    """Solve on every discretisation; also the largest share of a mode that the walls feel."""
    numerics = problem.case.numerics
    through, aligned = planes(absorbing, problem)
    scale = alpha / float(np.ptp(problem.box, axis=1).max()) ** 2
    runs: list[_Run] = []
    for grid, degree in _ladder(problem, through):
        nodes = make_nodes(comm, grid, degree)
        operator = Operator(
            DirichletForm(nodes, problem.potential(nodes.points)),
            alpha,
            None if rate is None else _checked_rate(rate, nodes),
            absorbing=absorbing_nodes(absorbing, nodes),
        )
        options = linear_options(nodes, numerics.solver, numerics.petsc_options)
        pairs = lowest(operator, count, scale=scale, options=options)
        runs.append(_Run(grid, degree, operator, pairs, options))
        if comm.rank == 0:
            how = f"{pairs.facts['eigensolver']}, {pairs.facts['linear_solver']}"
            logger.info("degree %d, %d nodes: %s", degree, nodes.n_global, how)
    return _combined(problem, runs, count, scale, aligned)


@dataclass(frozen=True)
class _Run:
    """One discretisation and what it gave."""

    grid: Grid
    degree: int
    operator: Operator
    pairs: Eigenpairs
    options: dict[str, str]


def _checked_rate(rate: RateFunction, nodes: Nodes) -> Array:
    value = np.asarray(rate(nodes.points), dtype=float)
    bad = nodes.sum((~np.isfinite(value[: nodes.n_owned])).astype(float))
    if bad:
        raise InputError(
            "flow.reaction",
            f"a rate U that is not finite at {bad:.0f} nodes",
            "finite values everywhere in the domain",
            "Change the expression, or the box of [domain].",
        )
    return value


def linear_options(
    nodes: Nodes, choice: str, case: Mapping[str, str | int | float | bool]
) -> dict[str, str]:
    """Options of the linear solver inside the eigensolver, without a prefix.

    Factorisations as in the flow. For large edge-averaged systems in 3-D, conjugate gradients with
    smoothed aggregation (GAMG) that is told of √π: six to ten iterations at any size. It does not
    suit spectral elements, for which an incomplete factorisation must do.
    """
    n, dim, degree = nodes.n_global, nodes.dim, nodes.degree
    iterate = choice == "iterative" or (choice == "auto" and degree == 1 and n > DIRECT_LIMIT[dim])
    if not iterate:
        chosen = merged_options(solver_options(dim, degree, n, nodes.comm.size, "direct"), {})
        return {**{f"st_{key}": value for key, value in chosen.items()}, **_texts(case)}
    options = {"st_ksp_type": "cg", "st_ksp_rtol": "1e-10", "st_ksp_max_it": "2000"}
    if degree == 1:
        options |= {"st_pc_type": "gamg", "st_pc_gamg_threshold": "0.0"}
    elif nodes.comm.size == 1:
        options |= {"st_pc_type": "icc"}
    else:
        options |= {"st_pc_type": "bjacobi", "st_sub_pc_type": "icc"}
    return {**options, **_texts(case)}


def _texts(options: Mapping[str, str | int | float | bool]) -> dict[str, str]:
    return merged_options({}, options)


def _ladder(problem: Problem, through: tuple[Array, ...]) -> list[tuple[Grid, int]]:
    """Return the discretisations, from coarse to fine; only the finest one without `certify`."""
    numerics, dim = problem.case.numerics, problem.dim
    if problem.mesh is not None or problem.case.domain.cell == "simplex":
        cells = numerics.cells or (_cells(problem, 1, 1) if problem.mesh is None else ())
        grid = problem.grid(cells)
        ladder: list[tuple[Grid, int]] = [(grid, 1), (grid.refined(), 1)]
    else:
        degree = numerics.degree or DEGREE[dim]
        cells = numerics.cells or _cells(problem, degree, 2 if degree == 1 else 0)
        tensor = problem.tensor_grid(cells, through)
        if degree > 1:
            ladder = [(tensor, degree - 1), (tensor, degree)]
        else:
            once = tensor.refined()
            ladder = [(tensor, 1), (once, 1), (once.refined(), 1)]
    return ladder if numerics.certify else ladder[-1:]


def _cells(problem: Problem, degree: int, refinements: int) -> tuple[int, ...]:
    """Cells from the length scales, within `FINEST_NODES` after so many refinements."""
    dim = problem.dim
    width = problem.box[:, 1] - problem.box[:, 0]
    wanted = NODES_PER_LENGTH[dim] * width / (problem.scales * degree * 2**refinements)
    least = LEAST_CELLS[dim] if degree > 1 else 8
    cells = tuple(int(np.ceil(w)) for w in np.clip(wanted, least, 20_000))
    for _ in range(40):
        active = problem.tensor_grid(cells).n_cells * (degree * 2**refinements) ** dim
        if active <= FINEST_NODES[dim]:
            break
        cells = tuple(max(least, int(n * 0.93)) for n in cells)
    return cells


def _combined(
    problem: Problem, runs: list[_Run], count: int, scale: float, aligned: bool
) -> tuple[Modes, float]:
    """Compare and extrapolate; fix the signs; leave out what only one mesh knows."""
    finest = runs[-1]
    operator, form = finest.operator, finest.operator.form
    nodes = form.nodes
    fields = [_gathered(run) for run in runs]
    interpolations = [interpolation_of(runs, k) for k in range(len(runs))]
    mass = nodes.gather(form.mass)[1]
    functions, values = fields[-1], finest.pairs.values
    errors = finest.pairs.residuals**2 / scale  # Kato–Temple, with a small rate for the gap
    errors = np.minimum(errors, finest.pairs.residuals)
    known = np.ones(len(values), dtype=bool)
    if len(runs) > 1:
        coarse = evaluate(interpolations[-2], fields[-2], interpolations[-1].nodes, steep=np.inf)[0]
        coarse = np.nan_to_num(coarse)
        overlap = (functions * mass) @ coarse.T
        known = (overlap**2).sum(axis=1) > KNOWN
        second, functions, values = _refined(
            runs, interpolations, fields, overlap, values, extrapolate_them=aligned
        )
        errors = errors + np.abs(second - values)
    if operator.conservative:
        functions = np.concatenate([np.ones((1, functions.shape[1])), functions])
        values, errors = np.append(0.0, values), np.append(0.0, errors)
        residuals = np.append(0.0, finest.pairs.residuals)
        known = np.append(True, known)
    else:
        residuals = finest.pairs.residuals
    chosen = np.flatnonzero(known)[:count]
    warnings: list[str] = [*problem.warnings]
    dropped = int((~known[: chosen[-1] + 1]).sum()) if len(chosen) else count
    if dropped:
        warnings.append(
            f"{dropped} eigenvalues below {values[chosen[-1]]:.4g} are left out: the coarser "
            "discretisation does not know their modes, which are artefacts of the mesh"
        )
    functions = _signed(functions[chosen], mass)
    functions = functions / np.sqrt((functions**2 * mass).sum(axis=1))[:, None]
    walls = nodes.gather(wall_nodes(nodes).astype(float))[1] > 0
    share = (functions[:, walls] ** 2 * mass[walls]).sum(axis=1)
    if problem.mesh is None and problem.case.domain.box is None:
        errors[chosen] += WALL_FACTOR * share * np.abs(values[chosen])
    if not aligned:
        warnings.append(
            "the boundary of an absorbing region does not follow the cells: the result is of "
            "first order in the cell size"
        )
    errors = errors[chosen] + 1e-14 * np.abs(values[chosen])
    facts = {
        "nodes": nodes.n_global,
        "degree": finest.degree,
        "cells": list(finest.grid.active.shape)
        if isinstance(finest.grid, TensorGrid)
        else [finest.grid.n_cells],
        "runs": [
            {"degree": r.degree, "nodes": r.operator.form.nodes.n_global, **r.pairs.facts}
            for r in runs
        ],
        "extrapolated": finest.degree == 1 and len(runs) > 1 and aligned,
        "level": problem.landscape.level,
        "wall_share": float(share.max()),
        "ranks": nodes.comm.size,
        **problem.facts,
    }
    modes = Modes(
        problem,
        interpolations[-1],
        values[chosen],
        errors,
        residuals[chosen],
        functions,
        mass,
        form.log_partition,
        operator,
        finest.pairs,
        finest.options,
        scale,
        aligned,
        warnings,
        facts,
    )
    return modes, float(share.max())


def _refined(
    runs: list[_Run],
    interpolations: list[Interpolation],
    fields: list[Array],
    overlap: Array,
    values: Array,
    *,
    extrapolate_them: bool,
) -> tuple[Array, Array, Array]:
    """Second opinion on the values ``(k,)``, and functions and values, extrapolated at degree 1."""
    functions = fields[-1]
    coarse_values = runs[-2].pairs.values
    # nearest in value among those that share the mode: multiple eigenvalues mix freely
    gap = np.abs(values[:, None] - coarse_values[None, :])
    partner = np.where(overlap**2 > 0.01, gap, np.inf).argmin(axis=1)
    if runs[-1].degree > 1 or not extrapolate_them:
        return coarse_values[partner], functions, values
    left, _, right = np.linalg.svd(overlap)
    turned = (left @ right) @ fields[-2] if overlap.shape[0] == overlap.shape[1] else None
    once = values + (values - coarse_values[partner]) / 3
    second = values
    if len(runs) > 2 and len(runs[-3].pairs.values) == len(values):
        coarsest = runs[-3].pairs.values
        before = coarse_values + (coarse_values - coarsest) / 3
        second = once
        once = once + (once - before[partner]) / 15
    if turned is not None:
        functions = extrapolate(interpolations[-2], turned, interpolations[-1], functions)
    return second, functions, once


def _gathered(run: _Run) -> Array:
    nodes = run.operator.form.nodes
    return np.array([nodes.gather(row)[1] for row in run.pairs.functions])


def interpolation_of(runs: list[_Run], k: int) -> Interpolation:
    """Polynomials between the nodes of a run."""
    grid = runs[k].grid
    if isinstance(grid, TensorGrid):
        return TensorInterpolation(grid, runs[k].degree)
    coarse = runs[k - 1].grid if k else None
    return SimplexInterpolation(grid, coarse if isinstance(coarse, SimplexGrid) else None)


def _signed(functions: Array, mass: Array) -> Array:
    """Make each function positive at the last, in the canonical order, of its highest peaks.

    Peaks are of |u| √M, whose square is the mode's share of the mass; within a tenth of the
    highest one they count as equal, so that round-off does not decide.
    """
    height = np.abs(functions) * np.sqrt(mass)
    high = height > 0.9 * height.max(axis=1, keepdims=True)
    last = high.shape[1] - 1 - high[:, ::-1].argmax(axis=1)
    sign = np.sign(functions[np.arange(len(functions)), last])
    return functions * np.where(sign == 0, 1.0, sign)[:, None]
