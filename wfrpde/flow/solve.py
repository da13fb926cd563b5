"""`solve`: chooses a formulation, runs it, certifies it, and gathers what is reported."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wfrpde import _compat
from wfrpde.case.problem import Problem, make_problem
from wfrpde.discretisation.semi_discrete import SPAN_LIMIT
from wfrpde.domain.sides import DEFAULT
from wfrpde.errors import AccuracyError, InputError, SolverError
from wfrpde.flow.accuracy import level_for, refined_to_tolerance, worst_error
from wfrpde.flow.checks import warnings_of_errors
from wfrpde.flow.evaluation import report
from wfrpde.flow.outcome import Context, Outcome
from wfrpde.flow.schemes.edge_averaged import solve_edge_averaged
from wfrpde.flow.schemes.fisher_rao import solve_fisher_rao
from wfrpde.flow.schemes.log_density import solve_log_density
from wfrpde.flow.schemes.log_density import suits as log_density_suits
from wfrpde.flow.schemes.spectral import solve_spectral
from wfrpde.flow.schemes.spectral import suits as spectral_suits
from wfrpde.flow.solution import Solution
from wfrpde.parallel import StopRequest, collectively

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.case.numerics import NumericsSpec
    from wfrpde.parallel import ProgressEvent

Array = npt.NDArray[np.float64]
logger = logging.getLogger("wfrpde")

FORMULATIONS: dict[str, Callable[[Context], Outcome]] = {
    "edge-averaged": solve_edge_averaged,
    "log-density": solve_log_density,
    "spectral": solve_spectral,
    "fisher-rao": solve_fisher_rao,
}

DEGRADED = 0.05
"""Relative estimated error of the density beyond which an automatic choice is reconsidered."""


@dataclass(frozen=True)
class Progress:
    """What an observer is told after every step (`wfrpde.parallel.ProgressEvent`)."""

    phase: str
    t: float
    t_end: float
    dt: float
    kl: float
    fraction: float


def solve(
    case: Case, comm: Comm | None = None, observer: Callable[[ProgressEvent], None] | None = None
) -> Solution:
    """Integrate the Wasserstein–Fisher–Rao flow of a case (collective).

        ∂_t ρ = α ∇·(∇ρ + ρ∇V) + ρ (r − ⟨r⟩_ρ),   r = U − β log(ρ/π),   π ∝ e^{−V}

    U is ``flow.reaction``, 0 by default. With U the mass γ_t(1) of the flow that is not normalised
    is reported, too: ``log γ_t(1) = ∫₀^t ⟨r⟩ ds``, which for β = 0 is log E exp ∫₀^t U(X_s) ds over
    the paths X of the Langevin dynamics.

    Unless ``numerics.certify`` is off, a second solution gives the estimated error of every number.

    Parameters
    ----------
    case
        What to solve; see `wfrpde.case.Case`.
    comm
        MPI communicator; all of MPI.COMM_WORLD by default.
    observer
        Called on every rank after each step with a `Progress`.

    Returns
    -------
    Solution
        The same on every rank. After Ctrl-C it holds the saved times that were reached.

    Raises
    ------
    InputError
        If the case cannot be solved as it stands.
    SolverError
        If a step fails at every size.
    AccuracyError
        If no formulation can represent the problem.
    """
    _compat.require_dolfinx()
    if not hasattr(case, "numerics"):
        raise TypeError(
            f"solve needs a Case, not {type(case).__name__}: wfrpde.load_case makes one"
        )
    from mpi4py import MPI

    comm = MPI.COMM_WORLD if comm is None else comm
    began = time.perf_counter()
    with collectively(comm):
        if case.accuracy.tolerance is not None and not case.numerics.certify:
            raise InputError(
                "numerics.certify",
                "false, with an accuracy.tolerance",
                "true there: without a second run nothing tells the error",
            )
        problem = make_problem(case, level=level_for(case.accuracy.tolerance))
        name, reason = choose(problem)
    with StopRequest() as stop:

        def tell(phase: str, t: float, dt: float, kl: float, fraction: float) -> None:
            if observer is not None:
                observer(Progress(phase, t, problem.save[-1], dt, kl, fraction))

        context = Context(
            comm,
            problem,
            tell,
            stop=lambda: stop.requested(comm),
            at_once=lambda: stop.at_once(comm),
        )
        if comm.rank == 0:
            logger.info("formulation: %s (%s)", name, reason)
        tell("setting up", 0.0, 0.0, np.nan, 0.0)
        solution = _attempt(context, name, reason, began)
        warnings = (*solution.warnings, *warnings_of_errors(solution))
        solution = replace(solution, warnings=warnings)
        if comm.rank == 0:
            for text in solution.warnings:
                logger.warning(text)
        return solution


def choose(problem: Problem) -> tuple[str, str]:
    """Name of the formulation and why."""
    case = problem.case
    numerics = case.numerics
    if case.flow.alpha == 0.0:
        return "fisher-rao", "alpha = 0: the flow is known in closed form at every point"
    linear = problem.equation.rate is not None
    _check_sides(problem)
    if linear and numerics.formulation == "log-density":
        raise InputError(
            "numerics.formulation",
            "'log-density' with flow.reaction",
            "'edge-averaged', 'spectral' or 'auto' there",
        )
    if numerics.formulation != "auto":
        if numerics.formulation == "log-density" and problem.dim != 1:
            raise InputError(
                "numerics.formulation",
                f"'log-density' in {problem.dim} dimensions",
                "'edge-averaged' or 'spectral' there",
            )
        _refuse_ignored_keys(numerics)
        return numerics.formulation, "as the case asks"
    box = problem.mesh is None and case.domain.cell != "simplex"
    if numerics.time_order == 4 and numerics.degree is None and box and problem.dim > 1:
        return "spectral", "numerics.time_order = 4 asks for spectral elements"
    if numerics.degree is not None and numerics.degree > 1:
        return "spectral", f"numerics.degree = {numerics.degree} asks for spectral elements"
    line = problem.dim == 1 and problem.mesh is None and problem.sides.reflecting
    if line and numerics.degree is None and not linear:
        span = _span(problem)
        if span > SPAN_LIMIT:
            return (
                "log-density",
                f"the potential spans {span:.4g} kT over the interval, more than the "
                f"{SPAN_LIMIT:.0f} that the relative density can hold",
            )
        if case.flow.beta > 0 and log_density_suits(problem):
            return "log-density", "one dimension, a smooth positive start and a reaction"
    if problem.dim > 1 and numerics.degree is None and spectral_suits(problem):
        return "spectral", "one basin, smooth enough for spectral elements"
    return (
        "edge-averaged",
        "positive, mass-conserving and accurate in the tails on any mesh; no degree was asked for",
    )


def _check_sides(problem: Problem) -> None:
    """Refuse sides that no scheme can do, or not the one that is asked for."""
    sides = problem.sides
    for name, closed in zip(sides.names, sides.closed, strict=True):
        if name != DEFAULT and not closed:
            needed = "reflecting, or one that closes an axis"
            raise InputError("domain.sides", f"'{name}', which no scheme can do", needed)
    if not sides.reflecting and problem.numerics.formulation == "log-density":
        found = "'log-density' with domain.sides that close an axis"
        raise InputError("numerics.formulation", found, "'edge-averaged', 'spectral' or 'auto'")


def _refuse_ignored_keys(numerics: NumericsSpec) -> None:
    """Refuse keys that the chosen formulation would not heed."""
    orders = {"edge-averaged": 2, "log-density": 4}
    order = orders.get(numerics.formulation)
    if order is not None and numerics.time_order not in (None, order):
        raise InputError(
            "numerics.time_order",
            f"{numerics.time_order} with formulation = '{numerics.formulation}'",
            f"{order} there, or formulation = 'spectral'",
        )
    if numerics.formulation == "edge-averaged" and numerics.degree not in (None, 1):
        raise InputError(
            "numerics.degree",
            f"{numerics.degree} with formulation = 'edge-averaged'",
            "1 there, or formulation = 'spectral'",
        )


def _span(problem: Problem) -> float:
    grid = problem.tensor_grid((1000,))
    value = problem.potential(grid.points)
    finite = value[np.isfinite(value)]
    return float(np.ptp(finite))


def _attempt(context: Context, name: str, reason: str, began: float) -> Solution:
    """Solve; an automatic choice that fails or degrades is replaced by the other formulation."""
    problem = context.problem
    fallback = _fallback(problem, name)
    try:
        solution = _solved(context, name, reason, began)
        trouble = _degraded(solution)
        if trouble is None or fallback is None:
            return solution
    except (SolverError, AccuracyError) as error:
        if fallback is None:
            raise
        trouble, solution = str(error), None
    if context.comm.rank == 0:
        logger.warning("%s: %s; trying %s", name, trouble, fallback)
    context.done = 0.0
    why = f"the {name} formulation was tried first: {trouble}"
    try:
        second = _solved(context, fallback, why, began)
    except (SolverError, AccuracyError):
        if solution is None:
            raise
        return solution
    if solution is not None and _worst(solution) <= _worst(second):
        return solution
    return replace(second, numerics={**second.numerics, "fallbacks": 1})


def _solved(context: Context, name: str, reason: str, began: float) -> Solution:
    def evaluate(outcome: Outcome) -> Solution:
        return report(context, outcome, name, reason, began)

    return refined_to_tolerance(context, FORMULATIONS[name](context), evaluate)


def _fallback(problem: Problem, name: str) -> str | None:
    if problem.numerics.formulation != "auto" or problem.equation.alpha == 0.0:
        return None
    if name == "edge-averaged":
        line = problem.dim == 1 and problem.mesh is None and problem.sides.reflecting
        return "log-density" if line and problem.equation.rate is None else None
    return "edge-averaged"


def _worst(solution: Solution) -> float:
    if solution.case.accuracy.tolerance is not None:
        return worst_error(solution)[0]
    return np.inf if solution.error is None else float(np.max(solution.error.density))


def _degraded(solution: Solution) -> str | None:
    if solution.error is None or not solution.complete:
        return None
    worst, tolerance = _worst(solution), solution.case.accuracy.tolerance
    if tolerance is not None:
        return None if worst <= tolerance else f"the estimated error is {worst:.1e}"
    return None if worst <= DEGRADED else f"the estimated error of the density is {worst:.1e}"
