"""Runs of the relative-density (h) form on one grid: edge-averaged at degree 1, spectral beyond."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.case.problem import Grid, Problem
from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.discretisation.nodes import Nodes, make_nodes
from wfrpde.engine.exponential import Exponential
from wfrpde.engine.matrix import (
    BandedSolver,
    ShiftedSolver,
    assemble,
    is_banded,
    is_polynomial,
    merged_options,
    solver_options,
)
from wfrpde.errors import AccuracyError, SolverError
from wfrpde.flow.control import LadderControl
from wfrpde.flow.march import March, StepPolicy, march
from wfrpde.flow.outcome import Context
from wfrpde.flow.steppers.splitting import Splitting
from wfrpde.flow.steppers.transport import FIFTH_ORDER, SECOND_ORDER, Transport

Array = npt.NDArray[np.float64]

SPAN_LIMIT = 1400.0
"""Span of V (kT) over the mesh beyond which √π under- or overflows in the symmetrised variable."""


CURE_LIMIT = {False: 1e-9, True: 1e-4}
"""Mass that curing may add in a step. Spectral elements (True) ring at the level of their
resolution, which shorter steps cannot mend; the second run measures what it costs."""


CURE_SHARE = 0.3
"""The same for spectral elements, in units of the tolerance of the case, where that is more."""


@dataclass(frozen=True)
class RunFacts:
    """What one run cost and how it behaved."""

    nodes: int
    cells: int
    degree: int
    steps: int
    smallest_dt: float
    largest_dt: float
    rejected: int
    retries: int
    factorisations: int
    solves: int
    iterations: int
    cured_nodes: int
    cured_mass: float
    largest_mass_jump: float
    underflows: int
    worst_measure: float
    flux: dict[str, float]
    start_defect: float


def _start_defect(problem: Problem, nodes: Nodes, log_mass: Array) -> float:
    """Error of mean and covariance of a Gaussian start at the nodes, relative to its widths."""
    if problem.initial.gaussian is None:
        return 0.0
    mean, covariance = problem.initial.gaussian
    mass, x = np.exp(log_mass), nodes.points[: nodes.n_owned]
    width = np.sqrt(np.diag(covariance))
    box = problem.box
    if ((mean - 6 * width < box[:, 0]) | (mean + 6 * width > box[:, 1])).any():
        return 0.0  # cut off: its moments are no longer those of the formula
    found = np.array([nodes.sum(mass * x[:, k]) for k in range(nodes.dim)])
    spread = np.array([nodes.sum(mass * (x[:, k] - found[k]) ** 2) for k in range(nodes.dim)])
    defect = np.abs(found - mean) / width + np.abs(spread / width**2 - 1)
    return float(defect.max())


def run(
    context: Context,
    grid: Grid,
    policy: StepPolicy,
    *,
    degree: int = 1,
    time_order: int = 2,
    phase: str,
    share: float,
) -> tuple[March, RunFacts]:
    """Solve the flow on one grid (collective).

    Raises
    ------
    AccuracyError
        If V spans more than `SPAN_LIMIT` over the grid.
    SolverError
        If a step fails at every size.
    """
    problem, comm = context.problem, context.comm
    flow, numerics = problem.case.flow, problem.numerics
    nodes = make_nodes(comm, grid, degree)
    potential = problem.potential(nodes.points)
    n = nodes.n_owned
    span = nodes.max(potential[:n]) + nodes.max(-potential[:n])
    if flow.alpha > 0 and not span <= SPAN_LIMIT:
        other = ", or (1-D) set numerics.formulation = 'log-density'"
        if problem.equation.rate is not None:
            other = ""
        raise AccuracyError(
            f"the potential spans {span:.4g} kT over the mesh; the relative-density form works "
            f"up to {SPAN_LIMIT:.0f} kT. Shrink [domain] box{other}"
        )
    log_weights = np.log(nodes.weights[:n])
    log_target = log_weights - potential[:n]
    log_target -= nodes.logsumexp(log_target)
    log_mass = problem.log_initial(nodes.points[:n]) + log_weights
    log_mass -= nodes.logsumexp(log_mass)
    defect = _start_defect(problem, nodes, log_mass)
    log_mass += np.log(problem.initial_mass)

    transport, matrix = None, None
    solver: ShiftedSolver | BandedSolver | Exponential | None = None
    flux: dict[str, float] = {}
    if flow.alpha > 0:
        polynomial = is_polynomial(nodes.dim, numerics.solver, numerics.petsc_options)
        levels = None
        if polynomial and degree > 1:
            levels = problem.landscape.levels(nodes.points, least=nodes.least)
        triplets, flux = symmetrised_stiffness(nodes, potential, levels)
        if is_banded(nodes, numerics.solver, numerics.petsc_options):
            solver = BandedSolver(nodes.n_global, degree, triplets)
        elif polynomial:
            matrix = assemble(nodes, triplets)
            solver = Exponential(matrix, monotone=degree == 1)
        else:
            matrix = assemble(nodes, triplets)
            defaults = solver_options(nodes.dim, degree, nodes.n_global, comm.size, numerics.solver)
            solver = ShiftedSolver(matrix, merged_options(defaults, numerics.petsc_options))
        rational = SECOND_ORDER if time_order == 2 else FIFTH_ORDER
        transport = Transport(
            nodes,
            solver,
            log_target,
            flow.alpha,
            rational,
            cure_limit=max(
                CURE_LIMIT[degree > 1 or flux.get("obtuse_edges", 0) > 0],
                CURE_SHARE * (problem.tolerance or 0.0) if degree > 1 else 0.0,
            ),
        )
    splitting = Splitting(
        nodes,
        log_target,
        transport,
        flow.beta,
        flow.conserve_mass,
        order=time_order,
        measured=isinstance(policy, LadderControl),
        rate=None if problem.equation.rate is None else problem.rate(nodes.points[:n]),
    )
    try:
        result = march(
            splitting,
            log_mass,
            problem.save,
            policy,
            on_step=context.on_step(phase, share),
            stop=context.stop,
            at_once=context.at_once,
        )
    except SolverError as error:
        raise SolverError(f"{phase}: {error}, also after halving the step repeatedly") from error
    finally:
        if solver is not None:
            solver.destroy()
        if matrix is not None:
            matrix.destroy()
    incidents: dict[str, Any] = asdict(transport.incidents) if transport else {}
    dt = result.schedule.dt
    facts = RunFacts(
        nodes=nodes.n_global,
        cells=grid.n_cells,
        degree=degree,
        steps=len(dt),
        smallest_dt=float(dt.min(initial=np.inf)),
        largest_dt=float(dt.max(initial=0.0)),
        rejected=result.rejected,
        retries=result.retries,
        factorisations=solver.factorisations if solver else 0,
        solves=solver.solves if solver else 0,
        iterations=solver.iterations if solver else 0,
        cured_nodes=incidents.get("cured_nodes", 0),
        cured_mass=incidents.get("cured_mass", 0.0),
        largest_mass_jump=incidents.get("mass_jump", 0.0),
        underflows=int(nodes.sum(np.array([float(incidents.get("underflows", 0))]))),
        worst_measure=result.worst_measure,
        flux={k: float(v) for k, v in flux.items()},
        start_defect=defect,
    )
    return result, facts
