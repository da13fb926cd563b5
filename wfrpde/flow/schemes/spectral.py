"""The spectral formulation: GLL elements of degree p, certified by degree p − 1."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wfrpde.case.problem import Problem
from wfrpde.discretisation.fluxes import STEEP_LINE
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import InputError
from wfrpde.flow.control import LadderControl, Replay, StepPolicy
from wfrpde.flow.ladder import Ladder, Run
from wfrpde.flow.outcome import MOST_NODES, Context, is_free
from wfrpde.flow.schedule import uniform
from wfrpde.flow.schemes.log_density import LogDensity
from wfrpde.flow.schemes.relative_density import run
from wfrpde.flow.schemes.scheme import Fit, Scheme
from wfrpde.flow.steppers.strang import Splitting


@dataclass(frozen=True)
class Defaults:
    """What holds in a dimension where the case says nothing; ℓ is the shortest length scale.

    Attributes
    ----------
    degree, most_degree
        Without a tolerance, and the largest with one.
    nodes
        Nodes along an axis in a length of ℓ, without a tolerance.
    most_nodes
        Nodes beyond which the automatic choice leaves a problem to the edge-averaged scheme.
    local_error
        Error of a step of the coarser run, of order 4, in L1. The finer run halves the steps, which
        makes it 16 times smaller. With a tolerance ε it is ε^{3/5}: the error of the second order
        within a step, which makes that of the fourth order proportional to ε.
    rungs
        How often the largest step may be halved.
    """

    degree: int
    most_degree: int
    nodes: float
    most_nodes: int
    local_error: float
    rungs: int


DEFAULTS = {
    1: Defaults(8, 8, 4.0, 4_000, 1e-7, 10),
    2: Defaults(6, 8, 4.0, 30_000, 1e-6, 8),
    3: Defaults(4, 6, 2.5, 300_000, 5e-5, 5),
}

RESOLVED = 25.0
"""Levels (kT) up to which no cell may be steep; beyond, the hybrid flux is good enough."""

NODES_PER_DIGIT = 0.32
"""Nodes in a length of ℓ for each digit of a tolerance, besides 0.95."""

FINER = 1.4
"""How many more nodes along each axis a refinement has."""

FINE_SHARE = 1 / 6
"""With a tolerance, share of the distance of a run to a coarser one, of one degree less and steps
twice as long, that is its error."""

AT_KINKS = 1 / 2
"""The same where cells end at kinks: these are so short that steps alone are at fault, and twice as
many of them leave a third of the error at early times. With 1/6 a mean was off by 2.3 bars."""


def default_degree(problem: Problem) -> int:
    """Degree for the tolerance of the case, or that of the dimension."""
    own, tolerance = DEFAULTS[problem.dim], problem.tolerance
    if tolerance is None:
        return own.degree
    return int(np.clip(round(2.0 - 0.8 * np.log10(tolerance)), 4, own.most_degree))


def default_cells(problem: Problem, degree: int) -> tuple[int, ...]:
    """Cells from the nodes along the shortest length, at least eight along an axis.

    With a tolerance each digit costs `NODES_PER_DIGIT`, and four cells will do.
    """
    width, tolerance = problem.box[:, 1] - problem.box[:, 0], problem.tolerance
    nodes, least = DEFAULTS[problem.dim].nodes, 8
    if tolerance is not None:
        nodes, least = 0.95 - NODES_PER_DIGIT * float(np.log10(tolerance)), 4
    wanted = nodes * width / (problem.scales * degree)
    for _ in range(4):  # how often cells are made smaller because they are too steep
        cells = tuple(int(np.ceil(w)) for w in np.clip(wanted, least, 200))
        if tolerance is None or not _too_steep(problem, problem.tensor_grid(cells)):
            break
        wanted = 1.2 * np.maximum(wanted, least)
    return cells


def resolves(problem: Problem) -> bool:
    """Whether spectral elements resolve the problem: one basin, no steep cell, few nodes.

    With several basins the small masses between them decide, and those the edge-averaged scheme
    keeps in every component.
    """
    if len(problem.target.seeds) != 1 or len(problem.initial.seeds) != 1:
        return False
    degree = default_degree(problem)
    grid = problem.tensor_grid(problem.numerics.cells or default_cells(problem, degree))
    if grid.n_cells * degree**problem.dim > DEFAULTS[problem.dim].most_nodes:
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
    if problem.tolerance is not None:  # the step control decides
        return problem.t_end / 2
    return min(problem.t_end / 8, 0.125 / max(problem.reaction_rate, 1e-9))


def first_control(
    problem: Problem, stepper: type[Splitting], dt: float, *, certify: bool
) -> StepPolicy:
    """Return the step control of the first run; without a second, what that one would take."""
    if problem.numerics.dt is not None:
        return Replay(uniform(np.array(problem.save), 2 * dt if certify else dt))
    own, tolerance = DEFAULTS[problem.dim], problem.tolerance
    limit = own.local_error
    if not certify:
        dt, limit = dt / 2, limit / 16
    if not stepper.estimates_error:
        return LadderControl(problem.save, dt / 4, 1.0, levels=own.rungs)
    if tolerance is None:
        return LadderControl(problem.save, dt, limit, levels=own.rungs, growth=8.0)
    # the first step: no longer than the shortest length takes to relax
    relaxation = float(problem.scales.min()) ** 2 / problem.equation.alpha
    rungs = DEFAULTS[1].rungs
    start = int(np.clip(np.ceil(np.log2(max(dt / relaxation, 1.0))), 0, rungs))
    limit = tolerance**0.6
    return LadderControl(problem.save, dt, limit, levels=rungs, growth=8.0, start=start)


class Spectral(Scheme):
    """ρ/π on GLL elements, at degree p, and at p − 1 with steps twice as long for the error."""

    name = "spectral"
    takes = frozenset({"diffusion"})
    default = "extrapolated"
    full_diffusion = True

    def suits(self, problem: Problem) -> Fit:
        """Whether the case asks for a degree or an order, or the elements resolve the problem."""
        degree, plane = problem.numerics.degree, problem.dim > 1
        if degree is not None:
            return Fit(degree > 1, f"numerics.degree = {degree} asks for spectral elements")
        if not plane or self.objection(problem) is not None:
            return Fit(False)
        dynamics = problem.equation.dynamics
        spread = None if dynamics is None else dynamics.diffusion
        if spread is not None and not spread.is_diagonal:
            return Fit(True, "a full diffusion matrix takes spectral elements")
        if problem.tolerance is not None and LogDensity().suits(problem).good:
            return Fit(False)  # it takes a tenth of the time
        if problem.numerics.time_order == 4:
            return Fit(True, "numerics.time_order = 4 asks for spectral elements")
        if problem.kinks.any and problem.landscape.rough(problem.box, problem.kinks.planes):
            return Fit(False)
        return Fit(resolves(problem), "one basin, smooth enough for spectral elements")

    def objection(self, problem: Problem) -> InputError | None:
        """Return what is wrong if there is no box of tensor cells."""
        if problem.mesh is not None or problem.domain.cell == "simplex":
            return InputError(
                "numerics.formulation",
                "spectral elements on simplices",
                "a box of intervals, quadrilaterals or hexahedra, or formulation = 'edge-averaged'",
            )
        return super().objection(problem)

    def runs(self, context: Context) -> Ladder:
        """Solve at degree p − 1, and at degree p with the steps halved (collective).

        The distance of the two runs then shows the error in time, too.
        """
        problem = context.problem
        numerics = problem.numerics
        degree = numerics.degree or default_degree(problem)
        grid = problem.tensor_grid(numerics.cells or default_cells(problem, degree))
        dt = numerics.dt or default_dt(problem)
        certify = numerics.certify and degree > 1
        stepper = self.stepper(problem.numerics)
        policy = first_control(problem, stepper, dt, certify=certify)
        rungs = [degree - 1, degree] if certify else [degree]
        work = np.array([p**problem.dim for p in rungs]) * 2.0 ** np.arange(len(rungs))
        runs: list[Run] = []
        for p, share in zip(rungs, work / work.sum(), strict=True):
            if runs:
                policy = runs[-1].repeated
            how = {"stepper": stepper, "degree": p}
            runs.append(run(context, grid, policy, f"degree {p}", float(share), **how))
            if not runs[-1].march.complete:
                break
        share = AT_KINKS if problem.kinks.any else FINE_SHARE
        return Ladder(tuple(runs), stepper, share=1.0 if problem.tolerance is None else share)

    def finer(self, context: Context, ladder: Ladder, excess: float) -> Ladder | None:
        """Add a run with more nodes along each axis and every step halved (collective)."""
        problem, coarse = context.problem, ladder.runs[-1]
        most = MOST_NODES[problem.dim] / 4 / FINER**problem.dim
        if not is_free(problem) or coarse.march.u.shape[1] > most:
            return None
        context.done = 0.0
        degree = min(coarse.degree + 1, 8)  # largest degree of a refinement
        growth = FINER * coarse.degree / degree
        cells = tuple(int(np.ceil(growth * n)) for n in ladder.facts["cells"])
        grid = problem.tensor_grid(cells)
        how = {"stepper": ladder.stepper, "degree": degree}
        fine = run(context, grid, coarse.repeated, f"degree {degree}", 1.0, **how)
        return replace(ladder, runs=(coarse, fine))
