"""`solve`: chooses a formulation, runs it, certifies it, and gathers what is reported."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde import _compat
from wfrpde.errors import AccuracyError, InputError, SolverError
from wfrpde.flow.edge_averaged import interpolation_of, solve_edge_averaged
from wfrpde.flow.exact import GeometricMean, sampled
from wfrpde.flow.fisher_rao import solve_fisher_rao
from wfrpde.flow.log_density import solve_log_density
from wfrpde.flow.outcome import Context, Outcome
from wfrpde.flow.problem import Problem, make_problem
from wfrpde.flow.relative_density import SPAN_LIMIT
from wfrpde.flow.spectral import solve_spectral, suits
from wfrpde.functionals import Evaluator, Functionals, Samples
from wfrpde.parallel import StopRequest, collectively
from wfrpde.solution import ErrorEstimate, Solution

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
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


SEEN = 1e-9
"""Masses of modes above which a poor relative error is worth a warning."""


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

        ∂_t ρ = α ∇·(∇ρ + ρ∇V) − β ρ (log(ρ/π) − ⟨log(ρ/π)⟩_ρ),   π ∝ e^{−V}

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
    from mpi4py import MPI

    comm = MPI.COMM_WORLD if comm is None else comm
    began = time.perf_counter()
    with collectively(comm):
        problem = make_problem(case)
        name, reason = choose(problem)
    with StopRequest() as stop:

        def tell(phase: str, t: float, dt: float, kl: float, fraction: float) -> None:
            if observer is not None:
                observer(Progress(phase, t, problem.save[-1], dt, kl, fraction))

        context = Context(comm, problem, tell, lambda: stop.requested(comm))
        logger.info("formulation: %s (%s)", name, reason)
        tell("setting up", 0.0, 0.0, np.nan, 0.0)
        return _attempt(context, name, reason, began)


def choose(problem: Problem) -> tuple[str, str]:
    """Name of the formulation and why."""
    case = problem.case
    numerics = case.numerics
    if case.flow.alpha == 0.0:
        return "fisher-rao", "alpha = 0: the flow is known in closed form at every point"
    if numerics.formulation != "auto":
        if numerics.formulation == "log-density" and problem.dim != 1:
            raise InputError(
                "numerics.formulation",
                f"'log-density' in {problem.dim} dimensions",
                "'edge-averaged' or 'spectral' there",
            )
        return numerics.formulation, "as the case asks"
    if numerics.degree is not None and numerics.degree > 1:
        return "spectral", f"numerics.degree = {numerics.degree} asks for spectral elements"
    if problem.dim == 1 and problem.mesh is None and numerics.degree is None:
        span = _span(problem)
        if span > SPAN_LIMIT:
            return (
                "log-density",
                f"the potential spans {span:.0f} kT over the interval, more than the "
                f"{SPAN_LIMIT:.0f} that the relative density can hold",
            )
        if case.flow.beta > 0 and problem.starts_positive:
            return "log-density", "one dimension, a smooth positive start and a reaction"
    if problem.dim > 1 and numerics.degree is None and suits(problem):
        return "spectral", "one basin, smooth enough for spectral elements"
    return (
        "edge-averaged",
        "positive, mass-conserving and accurate in the tails on any mesh; no degree was asked for",
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
        outcome = FORMULATIONS[name](context)
        solution = _report(context, outcome, name, reason, began)
        trouble = _degraded(solution)
        if trouble is None or fallback is None:
            return solution
    except (SolverError, AccuracyError) as error:
        if fallback is None:
            raise
        trouble, solution = str(error), None
    logger.warning("%s: %s; trying %s", name, trouble, fallback)
    context.done = 0.0
    why = f"the {name} formulation was tried first: {trouble}"
    try:
        outcome = FORMULATIONS[fallback](context)
        second = _report(context, outcome, fallback, why, began)
    except (SolverError, AccuracyError):
        if solution is None:
            raise
        return solution
    if solution is not None and _worst(solution) <= _worst(second):
        return solution
    second.numerics["fallbacks"] = 1
    return second


def _fallback(problem: Problem, name: str) -> str | None:
    if problem.case.numerics.formulation != "auto" or problem.case.flow.alpha == 0.0:
        return None
    if name == "edge-averaged":
        return "log-density" if problem.dim == 1 and problem.mesh is None else None
    return "edge-averaged"


def _worst(solution: Solution) -> float:
    return np.inf if solution.error is None else float(np.max(solution.error.density))


def _degraded(solution: Solution) -> str | None:
    if solution.error is None or not solution.complete:
        return None
    worst = _worst(solution)
    return None if worst <= DEGRADED else f"the estimated error of the density is {worst:.1e}"


def _report(context: Context, outcome: Outcome, name: str, reason: str, began: float) -> Solution:
    """Evaluate everything that is reported, from the best field and from the second one."""
    problem, comm = context.problem, context.comm
    case = problem.case
    context.tell("evaluating", float(outcome.times[-1]), 0.0, np.nan, context.done)
    known = _known_fields(problem, outcome.times)
    evaluator = Evaluator(comm, outcome.interpolation, problem.potential, problem.target.regions)
    fields, numbers, shift = _evaluated(case, evaluator, outcome.best, known)
    other_samples, other = None, None
    if outcome.other is not None:
        other_samples, other, _ = _evaluated(case, evaluator, outcome.other, known)
    elif name == "fisher-rao":
        coarse = _coarser(problem, outcome)
        _, other, _ = _evaluated(case, coarse, None, known)
    error = None
    if other is not None:
        density = (
            np.zeros(len(outcome.times))
            if other_samples is None
            else outcome.error_factor * evaluator.l2_difference(fields, other_samples)
        )
        error = _error(numbers, other, outcome.error_factor, density, problem)
    shifted = {
        k: GeometricMean(problem, field.theta, float(shift[k])) for k, field in known.items()
    }
    nodes = outcome.interpolation.nodes
    u = outcome.best + shift[:, None]
    for k, exact in shifted.items():
        u[k] = exact(nodes)
    log_density = u - problem.potential(nodes) - numbers.log_normalisation
    series = numbers.series()
    if case.flow.conserve_mass:
        series["mass"] = outcome.mass
        if error is not None:
            error.series["mass"] = np.abs(series["mass"] - 1)
    series["min_density"] = np.exp(log_density.min(axis=1))
    if error is not None:
        error.series["min_density"] = series["min_density"] * error.density
    history = dict(outcome.history)
    if name == "fisher-rao":
        history["kl"] = series["kl"]
    numerics = {
        "formulation": name,
        "reason": reason,
        "nodes": len(nodes),
        **outcome.facts,
        **problem.facts,
        "ranks": comm.size,
        "length_scales": problem.scales.tolist(),
        "target_mode_mass": evaluator.target_mode_mass(),
        "checks": _checks(case, outcome, series, name),
    }
    warnings = [*problem.warnings, *outcome.warnings]
    solution = Solution(
        case=case,
        target=problem.target,
        times=outcome.times,
        series=series,
        mean=numbers.mean,
        covariance=numbers.covariance,
        mode_mass=numbers.mode_mass,
        error=error,
        log_relative=u,
        log_normalisation=numbers.log_normalisation,
        history=history,
        numerics=numerics,
        warnings=warnings,
        complete=outcome.complete,
        wall_time=time.perf_counter() - began,
        interpolation=outcome.interpolation,
        exact=lambda k, x: shifted[k](x) if k in shifted else None,
    )
    _warn_of_errors(solution)
    for text in warnings:
        logger.warning(text)
    return solution


def _known_fields(problem: Problem, times: Array) -> dict[int, GeometricMean]:
    """Return indices of the times at which u is known at every point."""
    flow = problem.case.flow
    if flow.alpha == 0.0:
        return {
            k: GeometricMean(problem, float(np.exp(-flow.beta * t))) for k, t in enumerate(times)
        }
    return {0: GeometricMean(problem, 1.0)}


def _evaluated(
    case: Case, evaluator: Evaluator, u: Array | None, known: dict[int, GeometricMean]
) -> tuple[Samples, Functionals, Array]:
    """Return samples, functionals, and the shift ``(T,)`` that normalises each field."""
    if u is None or len(known) == len(u):
        samples = sampled([known[k] for k in sorted(known)], evaluator.points)
    else:
        samples = evaluator.sample(u)
        exact = sampled([known[k] for k in sorted(known)], evaluator.points)
        for row, k in enumerate(sorted(known)):
            samples.value[k], samples.squared_slope[k] = exact.value[row], exact.squared_slope[row]
    log_mass = evaluator.log_mass(samples)
    if case.flow.conserve_mass:
        shift = -log_mass
    else:
        # only the start is normalised, by the constant that log ρ₀ lacks; FR states follow from it
        missing = np.log(case.initial.mass) - log_mass[0]
        shift = np.zeros(len(log_mass))
        for k, field in known.items():
            shift[k] = field.theta * missing
    numbers = evaluator(samples.shifted(shift))
    return samples.shifted(shift), numbers, shift


def _coarser(problem: Problem, outcome: Outcome) -> Evaluator:
    """Return an evaluator on the coarser grid, for the error of integrals alone."""
    from mpi4py import MPI

    cells = tuple(outcome.facts["cells"])
    grid = problem.grid(cells if problem.mesh is None else ())
    interpolation = interpolation_of(grid, None)
    return Evaluator(MPI.COMM_SELF, interpolation, problem.potential, problem.target.regions)


def _error(
    one: Functionals, other: Functionals, factor: float, density: Array, problem: Problem
) -> ErrorEstimate:
    """Distance of the two solutions, plus what the mass beyond the box may change."""
    cut = float(sum(problem.facts["cut_off_share"].values()))
    reach = float(np.ptp(problem.box, axis=1).max()) / 2
    depth = -np.log(cut) if cut > 0 else 0.0  # log(ρ/π) out there, at most

    def gap(a: Array, b: Array, beyond: float) -> Array:
        # round-off never goes below a few units in the last place
        return factor * np.abs(a - b) + 1e-14 * np.abs(a) + cut * (np.abs(a) + beyond)

    weight = {"kl": depth, "mass": 1.0, "fisher_information": depth, "reaction_variance": depth**2}
    series, second = one.series(), other.series()
    return ErrorEstimate(
        series={name: gap(series[name], second[name], weight[name]) for name in series},
        mean=gap(one.mean, other.mean, reach),
        covariance=gap(one.covariance, other.covariance, reach**2),
        mode_mass={k: gap(one.mode_mass[k], other.mode_mass[k], 0.0) for k in one.mode_mass},
        density=density + cut,
    )


def _checks(
    case: Case, outcome: Outcome, series: dict[str, Array], name: str
) -> list[dict[str, Any]]:
    """Collect what a person wants to see green: mass, sign and entropy."""
    checks = []

    def add(title: str, value: float, limit: float, passed: bool) -> None:
        checks.append(
            {"name": title, "value": float(value), "limit": limit, "passed": bool(passed)}
        )

    if case.flow.conserve_mass:
        drift = float(np.abs(outcome.mass - 1).max())
        limit = 1e-2 if name == "log-density" else 1e-12
        title = "normalisation residual" if name == "log-density" else "mass drift"
        add(title, drift, limit, drift <= limit)
    smallest = float(series["min_density"].min())
    add("smallest nodal density", smallest, 0.0, smallest >= 0.0)
    start = float(series["kl"][0])
    slack = 1e-12 * (1 + start)
    add(
        "largest increase of KL in a step", outcome.kl_increase, slack, outcome.kl_increase <= slack
    )
    return checks


def _warn_of_errors(solution: Solution) -> None:
    """Say so when what is reported is known to be poor."""
    if solution.error is None:
        return
    tolerance = solution.case.accuracy.tolerance
    limit = 1e-2 if tolerance is None else tolerance
    worst = float(solution.error.density.max())
    if worst > limit:
        solution.warnings.append(
            f"the estimated relative error of the density reaches {worst:.1e} (L2), "
            f"above {limit:g}: "
            "take more cells ([numerics] cells) or a shorter [numerics] dt"
        )
    for name, mass in solution.mode_mass.items():
        # of masses below SEEN the numbers tell, with their errors; no need to raise one's voice
        share = np.where(mass > SEEN, solution.error.mode_mass[name] / np.maximum(mass, SEEN), 0.0)
        if share.max() > max(limit, 0.1):
            worst_time = solution.times[int(np.argmax(share))]
            solution.warnings.append(
                f"the mass of '{name}' at t = {worst_time:g} is known only to {share.max():.0%}"
            )
    for check in solution.numerics["checks"]:
        if not check["passed"]:
            solution.warnings.append(
                f"check failed: {check['name']} is {check['value']:.1e}, "
                f"allowed {check['limit']:.1e}"
            )
