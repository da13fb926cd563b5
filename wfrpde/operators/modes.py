"""Eigenpairs of an operator of a case, with their errors.

Modes that the coarser discretisation does not know are artefacts of the mesh and are left out, with
a warning. An automatic box is widened until its walls, which the eigenfunctions of the plane do not
feel, do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.case.problem import Problem
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.interpolation import Interpolation
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine import Wish, engine_for
from wfrpde.errors import SolverError
from wfrpde.operators.absorbing import absorbing_nodes, planes, rough_warnings
from wfrpde.operators.decay import falls
from wfrpde.operators.dirichlet_form import DirichletForm
from wfrpde.operators.eigen import Further, lowest
from wfrpde.operators.finer_rule import off_by_rule
from wfrpde.operators.ladder import Ladder, Level, discretisations, vague_warnings
from wfrpde.operators.operator import Operator
from wfrpde.operators.walls import wall_nodes
from wfrpde.parallel import Progress, collectively, watched
from wfrpde.parallel.screen import logger

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.fields import Region


LEVELS = {1: 80.0, 2: 60.0, 3: 40.0}
"""Levels (kT) that the mesh reaches, by dimension: higher modes live further out than π."""

HIGHEST_LEVEL = 300.0

KNOWN = 0.5
"""Share of a mode that the coarser discretisation must know."""

WALL_LIMIT = 1e-12
"""Weight at the walls up to which an automatic box is wide enough."""

FALLS = 4.0
"""Factor by which the weight at the walls falls as a box holds 1.5 times the levels. Where it falls
by less, and hardly by more than before, modes are those of a continuous spectrum, which fill every
box: no wider one is tried. In a box that is far too narrow it falls little, but ever more."""

FASTER = 1.25
"""How much faster it falls there from one box to the next, at least."""

ROUND_OFF = 1e-14
"""Relative error that no estimate goes below."""


@dataclass(frozen=True)
class Modes:
    """Eigenpairs λ of −(αL + kU), ascending; the arrays are the same on every rank.

    Attributes
    ----------
    values, errors, residuals
        ``(k,)``: λ, its estimated absolute error, and ‖−(αL+kU)u − λu‖ in L²(π).
    functions
        ``(k, n)`` at the nodes in their canonical order, ∫π u_a u_b = δ_ab, signs fixed.
    mass
        ``(n,)`` nodal mass of π, which sums to 1.
    log_partition
        log Z of π = e^{−V}/Z on the mesh.
    ladder
        The discretisations, with the operator and its eigenpairs on this rank's nodes.
    scale
        A small rate of the problem: α over the square of its extent.
    wall_share
        Largest weight of a mode at the nodes on the walls.
    """

    problem: Problem
    values: Array
    errors: Array
    residuals: Array
    functions: Array
    mass: Array
    log_partition: float
    ladder: Ladder
    scale: float
    wall_share: float
    warnings: list[str]
    facts: dict[str, Any]

    @property
    def interpolation(self) -> Interpolation:
        """Polynomials between the finest nodes."""
        return self.ladder.interpolations[-1]


def solve_modes(
    case: Case,
    comm: Comm,
    count: int,
    *,
    alpha: float = 1.0,
    tilt: float = 0.0,
    absorbing: Sequence[Region] = (),
    further: Further | None = None,
) -> Modes:
    """Compute the `count` lowest modes of −(αL + kU) on the target of a case (collective).

    Parameters
    ----------
    case
        The target, the domain and the numerics; its start is not looked at.
    count
        How many; the constant counts where it is one.
    alpha, tilt
        α and k; U is the ``flow.reaction`` of the case.
    absorbing
        Regions where functions vanish, besides those of the domain.
    further
        What else is asked of the operator on each level of the ladder.

    Raises
    ------
    InputError
        If more modes are asked for than there are unknowns, or a region holds no node.
    SolverError
        If the eigensolver does not converge.
    """
    automatic = case.domain.mesh is None and case.domain.box is None
    level = LEVELS[case.dim]
    if case.dim == 1 and not automatic:
        level /= 2  # of a given interval all up to twice the level is kept
    absorbing = [*absorbing, *case.sinks]
    narrower: Modes | None = None
    before = np.inf
    while True:
        with collectively(comm):
            problem = make_problem(case, at_equilibrium=True, level=level)
            problem.check_dynamics((), "a spectrum")
            through, smooth = planes(absorbing, problem)
        with watched(None, comm, "eigenvalues") as observer:
            asked = count, alpha, tilt, absorbing, further
            modes = _solved(problem, comm, *asked, through, smooth, observer)
        if not automatic or modes.wall_share < WALL_LIMIT:
            break
        if narrower is not None:
            falls, last = narrower.wall_share / modes.wall_share, before
            before = falls
            if falls < min(FALLS, FASTER * last) and last < np.inf:
                modes = _of_the_box(modes, narrower)
                break
        if level >= HIGHEST_LEVEL:
            break
        level, narrower = level * 1.5, modes
        if comm.rank == 0:
            logger.info(
                "a mode has a share of %.0e at the walls: widening the box to %g kT",
                modes.wall_share,
                level,
            )
    if automatic and modes.wall_share > 1e3 * WALL_LIMIT:
        modes.warnings.append(
            f"a mode has a share of {modes.wall_share:.0e} at the walls of the box, however wide "
            "it is: the result depends on the truncation"
        )
    return modes


def _of_the_box(modes: Modes, narrower: Modes) -> Modes:
    """Add what a wider box has changed to the errors of modes that fill every box."""
    count = min(len(modes.values), len(narrower.values))
    errors = modes.errors.copy()
    errors[:count] += np.abs(modes.values[:count] - narrower.values[:count])
    return replace(modes, errors=errors)


def _solved(
    problem: Problem,
    comm: Comm,
    count: int,
    alpha: float,
    tilt: float,
    absorbing: Sequence[Region],
    further: Further | None,
    through: tuple[Array, ...],
    smooth: bool,
    observer: Callable[[Progress], None] | None,
) -> Modes:
    wish = Wish.of(problem.numerics)
    scale = alpha / float(np.ptp(problem.box, axis=1).max()) ** 2
    levels = []
    grids = discretisations(problem, through, count)
    for done, (grid, degree) in enumerate(grids):
        if observer is not None:
            observer(Progress.count(f"degree {degree}", done, len(grids), "discretisations"))
        nodes = make_nodes(comm, grid, degree)
        operator = Operator(
            DirichletForm(nodes, problem.potential(nodes.points)),
            alpha,
            None if tilt == 0 else tilt * problem.rate(nodes.points),
            absorbing=absorbing_nodes(absorbing, nodes),
        )
        pairs = lowest(operator, count, scale=scale, wish=wish, further=further)
        levels.append(Level(grid, degree, operator, pairs, wish))
        if comm.rank == 0:
            how = f"{pairs.facts['eigensolver']}, {pairs.facts['linear_solver']}"
            logger.debug("degree %d, %d nodes: %s", degree, nodes.n_global, how)
    ladder = Ladder(tuple(levels), smooth, kinked=problem.kinks.oblique, by_hand=problem.by_hand)
    return _combined(problem, ladder, count, scale)


def _combined(problem: Problem, ladder: Ladder, count: int, scale: float) -> Modes:
    """Compare the levels, leave out what only the finest knows, and fix the signs."""
    finest = ladder.finest
    operator, pairs = finest.operator, finest.pairs
    form, nodes = operator.form, operator.form.nodes
    mass = nodes.gather_masses(form.mass)
    functions = np.array([finest.gathered(row) for row in pairs.functions])
    values: Array = pairs.values
    residuals: Array = pairs.residuals
    algebraic = _kato_temple(values, residuals, scale)
    discretisation: Array = np.full(len(values), np.nan)
    known: Flags = np.ones(len(values), dtype=bool)
    if len(ladder.levels) > 1:
        values, discretisation, functions, known = _compared(ladder, functions, mass)
        if ladder.smooth and not ladder.extrapolates:
            off = off_by_rule(problem, operator, pairs.values, pairs.functions)
            discretisation = np.maximum(discretisation, off)
    errors = algebraic + discretisation
    if operator.conservative:
        functions = np.concatenate([np.ones((1, functions.shape[1])), functions])
        values, errors = np.append(0.0, values), np.append(0.0, errors)
        residuals, known = np.append(0.0, residuals), np.append(True, known)
    chosen = np.flatnonzero(known)[:count]
    if len(chosen) == 0:
        raise SolverError(
            f"none of the {len(known)} lowest modes is known to the coarser discretisation: they "
            "are artefacts of the mesh. Take more cells"
        )
    values, errors, residuals = values[chosen], errors[chosen], residuals[chosen]
    functions = _signed(functions[chosen], mass)
    functions = functions / np.sqrt((functions**2 * mass).sum(axis=1))[:, None]
    walls = finest.gathered(wall_nodes(nodes).astype(float)) > 0
    share = (functions[:, walls] ** 2 * mass[walls]).sum(axis=1)
    if problem.mesh is None and problem.domain.box is None:
        errors = errors + _by_walls(finest) * share * np.abs(values)
    errors = errors + ROUND_OFF * np.abs(values)
    warnings = [*problem.warnings, *_warnings(ladder, known, chosen, values)]
    warnings += vague_warnings(values, errors, 0.0 if operator.rate is None else scale)
    grid = finest.grid
    facts = {
        "nodes": nodes.n_global,
        "degree": finest.degree,
        "cells": list(grid.active.shape) if isinstance(grid, TensorGrid) else [grid.n_cells],
        "runs": [
            {"degree": x.degree, "nodes": x.operator.form.nodes.n_global, **x.pairs.facts}
            for x in ladder.levels
        ],
        "extrapolated": ladder.extrapolates,
        "level": problem.landscape.level,
        "wall_share": float(share.max(initial=0.0)),
        "engine": engine_for(finest.wish, nodes.comm.size),
        "ranks": nodes.comm.size,
        **problem.facts,
    }
    return Modes(
        problem,
        values,
        errors,
        residuals,
        functions,
        mass,
        form.log_partition,
        ladder,
        scale,
        facts["wall_share"],
        warnings,
        facts,
    )


def _by_walls(finest: Level) -> float:
    """Return the change of an eigenvalue by the walls over its value and its weight at nodes there.

    It was between 12 and 62 for Ornstein–Uhlenbeck modes on 39 elements of degree 8; the weight of
    a node is that of its share of the box: on 2,400 elements a rate was off by 1500 of it.
    """
    grid, degree = finest.grid, finest.degree
    along = max(grid.active.shape) if isinstance(grid, TensorGrid) else 1
    return 100.0 * max(1.0, along / 40 * degree * (degree + 1) / 72)


def _kato_temple(values: Array, residuals: Array, scale: float) -> Array:
    """Bounds of the errors of Ritz values by their residuals, ``(k,)``.

    Values within `scale` of one another count as one cluster: its residual squared over the
    distance to the values outside it (Kato and Temple), and never more than the residual.
    """
    distance = np.abs(values[:, None] - values[None, :])
    together = distance < scale
    cluster = np.sqrt(together @ residuals**2)
    apart = np.where(together, np.inf, distance).min(axis=1, initial=np.inf)
    apart = np.where(np.isfinite(apart), apart, scale)
    return np.asarray(np.minimum(cluster, cluster**2 / apart))


def _compared(ladder: Ladder, functions: Array, mass: Array) -> tuple[Array, Array, Array, Flags]:
    """Values, errors, functions, and whether the coarser level knows them, each ``(k, …)``."""
    coarse_level = ladder.levels[-2]
    own = np.array([coarse_level.gathered(row) for row in coarse_level.pairs.functions])
    overlap = (functions * mass) @ ladder.from_coarser(own).T
    known = (overlap**2).sum(axis=1) > KNOWN
    # multiple eigenvalues mix freely: the partner is the nearest value among what overlaps
    values = [level.pairs.values for level in ladder.levels]
    partner = _nearest(values[-1], values[-2], overlap**2 > 0.01)
    matched = [values[-2][partner], values[-1]]
    if len(values) > 2:
        matched.insert(0, values[-3][np.minimum(partner, len(values[-3]) - 1)])
    finest = ladder.finest
    form = finest.operator.form
    fall = falls(form.nodes, form.mass, finest.pairs.functions)
    best, error = ladder.value(matched, known, fall)
    if ladder.extrapolates:
        # the coarser functions turned towards the finer ones, sign and rotation (Procrustes)
        left, _, right = np.linalg.svd(overlap, full_matrices=False)
        functions = ladder.function([(left @ right) @ own, functions])
    return best, error, functions, known


def _nearest(values: Array, others: Array, allowed: Flags) -> Integers:
    gap = np.abs(values[:, None] - others[None, :])
    return np.asarray(np.where(allowed, gap, np.inf).argmin(axis=1), dtype=np.int64)


def _warnings(
    ladder: Ladder,
    known: Flags,
    chosen: Integers,
    values: Array,
) -> list[str]:
    result = []
    dropped = int((~known[: chosen[-1] + 1]).sum()) if len(chosen) else len(known)
    if dropped:
        result.append(
            f"{dropped} eigenvalues below {values[-1] if len(values) else np.inf:.4g} are left "
            "out: the coarser discretisation does not know their modes, which are artefacts of "
            "the mesh"
        )
    return result + rough_warnings(ladder.smooth)


def _signed(functions: Array, mass: Array) -> Array:
    """Make each function positive at the last, in the canonical order, of its highest peaks.

    Peaks are of |u| √M, whose square is the mode's share of the mass; within a tenth of the
    highest one they count as equal, so that round-off does not decide.
    """
    height = np.abs(functions) * np.sqrt(mass)
    high = height > 0.9 * height.max(axis=1, keepdims=True)
    last = high.shape[1] - 1 - high[:, ::-1].argmax(axis=1)
    sign = np.sign(functions[np.arange(len(functions)), last])
    return np.asarray(functions * np.where(sign == 0, 1.0, sign)[:, None])
