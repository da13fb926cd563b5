"""`solve`: chooses a scheme, runs it, certifies it, and gathers what is reported."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.case.loading import require_case
from wfrpde.case.problem import Problem
from wfrpde.case.setup import make_problem
from wfrpde.engine import Wish, engine_for
from wfrpde.errors import AccuracyError, InputError, SolverError, WfrpdeError
from wfrpde.flow.accuracy import (
    HELD_BACK,
    WALLS,
    check_wanted,
    level_for,
    refined_to_tolerance,
    worst_error,
)
from wfrpde.flow.certificate import certified
from wfrpde.flow.checkpoints import FOLDER, Checkpoints
from wfrpde.flow.checks import error_warnings
from wfrpde.flow.crooks import crooks_check
from wfrpde.flow.cross_check import cross_check, two_boxes, wider
from wfrpde.flow.evaluation import report
from wfrpde.flow.ladder import Ladder
from wfrpde.flow.outcome import Context
from wfrpde.flow.schemes import SCHEMES
from wfrpde.flow.schemes.scheme import Fit, Scheme
from wfrpde.flow.solution import Solution
from wfrpde.parallel import (
    OnStop,
    Progress,
    StopRequest,
    checked_on_stop,
    collectively,
    tell_warnings,
    unless_stopped,
    watched,
    world_of,
)
from wfrpde.parallel.places import typed_path
from wfrpde.parallel.screen import logger
from wfrpde.parallel.shared import keep_freed

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.flow.chain.solution import ChainSolution
    from wfrpde.flow.noising.solution import NoisingSolution
    from wfrpde.flow.product.solution import AnySolution, ProductSolution


def solve(
    case: Case,
    comm: Comm | None = None,
    observer: Callable[[Progress], None] | None = None,
    *,
    on_stop: OnStop = "raise",
    resume: str | Path | None = None,
) -> AnySolution | NoisingSolution:
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
        Called on every rank after each step with a `wfrpde.parallel.Progress`.
    on_stop
        What Ctrl-C, SIGTERM or SIGHUP before the end lead to: ``"raise"`` raises
        `wfrpde.Interrupted`, whose ``result`` holds what was finished; ``"return"`` returns it,
        with ``complete`` False.
    resume
        A folder for checkpoints: how far the solve is, written every few seconds. A solve that was
        killed or stopped goes on from there, to the same digits; once it is complete they are
        removed. Without one nothing is written.

    Returns
    -------
    Solution, ProductSolution, ChainSolution, NoisingSolution
        The same on every rank; of a product, or in more than three dimensions, a
        `ProductSolution`; of a chain of coupled sites a `ChainSolution`; with ``[noising]`` a
        `NoisingSolution`.

    Raises
    ------
    Interrupted
        After a stop, with a solution that holds the saved times that were reached.
    InputError
        If the case cannot be solved as it stands, or the checkpoints are those of another case,
        version or number of ranks.
    SolverError
        If a step fails at every size.
    AccuracyError
        If no formulation can represent the problem.
    """
    require_case(case, "solve", factored=True, noised=True)
    keep_freed()
    if case.noising is not None:
        from wfrpde.flow.noising.solve import solve_noising

        if resume is not None:
            raise InputError(
                "resume", "a folder, for a score-based process", "none: nothing is kept"
            )
        checked_on_stop(on_stop)
        return solve_noising(case, comm, observer)
    if case.is_factored:
        checked_on_stop(on_stop)
        return solve_apart(case, comm, observer, on_stop=on_stop)
    return solve_on_mesh(case, comm, observer, on_stop=on_stop, resume=resume)


def solve_apart(
    case: Case,
    comm: Comm | None = None,
    observer: Callable[[Progress], None] | None = None,
    *,
    on_stop: OnStop = "raise",
) -> ProductSolution | ChainSolution:
    """Do what `wfrpde.solve` does for cases that `Case.is_factored` tells (collective)."""
    if case.target.is_chain:
        from wfrpde.flow.chain.solve import solve_chain

        return solve_chain(case, comm, observer, on_stop=on_stop)
    from wfrpde.flow.product.solve import solve_product

    return solve_product(case, comm, observer, on_stop=on_stop)


def solve_on_mesh(
    case: Case,
    comm: Comm | None = None,
    observer: Callable[[Progress], None] | None = None,
    *,
    on_stop: OnStop = "raise",
    resume: str | Path | None = None,
) -> Solution:
    """Do what `solve` does in one to three dimensions (collective)."""
    require_case(case, "solve")
    checked_on_stop(on_stop)
    comm = world_of(comm)
    checkpoints = None
    if resume is not None:
        with collectively(comm):
            folder = typed_path(resume, "resume") / FOLDER
        checkpoints = Checkpoints.of(folder, case, comm)
    with StopRequest() as stop:
        solution = solve_from(case, comm, observer, checkpoints)
        if on_stop == "raise" and stop.requested(comm):  # since its last step
            solution = replace(solution, complete=False)
    if solution.complete and checkpoints is not None:
        checkpoints.remove()
    return unless_stopped(solution, on_stop)


def solve_from(
    case: Case,
    comm: Comm,
    observer: Callable[[Progress], None] | None,
    checkpoints: Checkpoints | None,
) -> Solution:
    """`solve` from where checkpoints are, which stay; a stop gives what was finished."""
    engine_for(Wish.of(case.numerics), comm.size)
    began = time.perf_counter() - (0.0 if checkpoints is None else checkpoints.spent)
    with collectively(comm):
        if case.accuracy.tolerance is not None and not case.numerics.certify:
            raise InputError(
                "numerics.certify",
                "false, with an accuracy.tolerance",
                "true there: without a second run nothing tells the error",
            )
        problem = make_problem(case, level=level_for(case.accuracy.tolerance), turned=True)
        check_wanted(problem)
        chosen = choose(problem)  # or refuse what is asked for
    with StopRequest() as stop, watched(observer, comm, case.equation.label) as observer:

        def tell(phase: str, t: float, dt: float, kl: float, fraction: float) -> None:
            if observer is not None:
                observer(Progress(phase, t, problem.save[-1], dt, kl, fraction))

        context = Context(
            comm,
            problem,
            tell,
            lambda: stop.requested(comm),
            lambda: stop.at_once(comm),
            checkpoints=checkpoints,
        )
        tell("setting up", 0.0, 0.0, np.nan, 0.0)
        try:
            solution = answered(context, began, chosen=chosen)
        except WfrpdeError:
            if checkpoints is not None:
                checkpoints.remove()  # it would fail again
            raise
        if solution.needs_no_mesh and case.numerics.cross_check:
            changes = {"numerics.formulation": "mesh", "numerics.cross_check": False}
            mesh = solve_from(case.with_overrides(changes), comm, None, None)
            if mesh.complete:
                checks = (*solution.numerics["checks"], cross_check(solution, mesh))
                facts = {**solution.numerics, "checks": checks}
                solution = replace(solution, numerics=facts)
        crooks, boxes, untold = None, None, ""
        if case.numerics.cross_check and not solution.needs_no_mesh:
            crooks = crooks_check(solution, lambda other: solve_from(other, comm, None, None))
            wide = wider(case, solution) if solution.complete else None
            try:
                boxes = None if wide is None else solve_from(wide, comm, None, None)
            except InputError as error:  # a potential need not make sense there
                untold = f"numerics.cross_check: there is no wider box to compare with ({error})"
            boxes = boxes if boxes is not None and boxes.complete else None
        further = [] if crooks is None else [crooks]
        further += [] if boxes is None else [two_boxes(solution, boxes)]
        if further:
            facts = {**solution.numerics, "checks": (*solution.numerics["checks"], *further)}
            solution = replace(solution, numerics=facts)
        warnings = (*solution.warnings, *error_warnings(solution))
        if untold:
            warnings += (untold,)
        elif case.numerics.cross_check and not solution.needs_no_mesh and not further:
            warnings += ("numerics.cross_check: no closed form was taken, nothing was compared",)
        solution = replace(solution, warnings=warnings)
        tell_warnings(solution.warnings, comm)
    if checkpoints is not None and not solution.complete:
        checkpoints.write()
    return solution


def choose(problem: Problem) -> tuple[str, str]:
    """Name of the scheme in `SCHEMES`, and why."""
    asked, chooses = problem.numerics.formulation, problem.numerics.chooses
    if not chooses and problem.equation.dynamics is not None:
        scheme, fit = SCHEMES[asked], Fit(True, "as the case asks")
    else:
        follows = problem.equation.path is not None or problem.tells_weights
        every = (scheme for scheme in SCHEMES.values() if scheme.follows or not follows)
        fits = ((scheme, scheme.suits(problem)) for scheme in every)
        scheme, fit = next(found for found in fits if found[1].good)
    objection = scheme.objection(problem)
    if objection is None:
        return scheme.name, fit.reason
    stepper = problem.numerics.stepper
    if stepper is not None and chooses:
        # the scheme of which it is the default comes first
        for other in sorted(SCHEMES.values(), key=lambda other: other.default != stepper):
            if other.objection(problem) is None:
                return other.name, f"numerics.stepper = '{stepper}' asks for it"
    raise objection


def answered(
    context: Context, began: float, of: str = "", chosen: tuple[str, str] | None = None
) -> Solution:
    """Solve by the scheme that is chosen or asked for, `of` something in words (collective)."""
    name, reason = chosen or choose(context.problem)
    if context.comm.rank == 0:
        logger.info("formulation%s: %s (%s)", of, name, reason)
    return _attempt(context, SCHEMES[name], reason, began)


def _attempt(context: Context, scheme: Scheme, reason: str, began: float) -> Solution:
    """Solve; with its walls if they turn out to be felt, by whatever scheme."""
    solution = _solved_by_either(context, scheme, reason, began)
    if solution.numerics.get("accuracy", {}).get("stopped") == WALLS:
        return _solved_by_either(*_with_walls(context), began)
    return solution


def _solved_by_either(context: Context, scheme: Scheme, reason: str, began: float) -> Solution:
    """Solve; an automatic choice that fails or degrades is replaced by the other scheme."""
    try:
        solution = _solved(context, scheme, reason, began)
        if (trouble := _degraded(solution)) is None:
            return solution
        fallback = _fallback(context.problem, scheme)
        if fallback is None or (scheme.outdoes_cells and fallback.name == "edge-averaged"):
            return solution
    except (SolverError, AccuracyError) as error:
        if (fallback := _fallback(context.problem, scheme)) is None:
            named = context.problem.numerics.formulation == scheme.name
            if not named or isinstance(error, AccuracyError):
                raise
            do = "leave numerics.formulation out, and another is tried where one fails"
            raise SolverError(f"{error}; {do}") from error
        trouble, solution = str(error), None
    if context.comm.rank == 0:
        logger.warning("%s: %s; trying %s", scheme.name, trouble, fallback.name)
    context.done = 0.0
    why = f"the {scheme.name} formulation was tried first: {trouble}"
    try:
        second = _solved(context, fallback, why, began)
    except (SolverError, AccuracyError):
        if solution is None:
            raise
        return solution
    if solution is not None and _worst(solution) <= _worst(second):
        return solution
    return replace(second, numerics={**second.numerics, "fallbacks": 1})


def _with_walls(context: Context) -> tuple[Context, Scheme, str]:
    """Return the same problem with its walls, and the scheme that it takes."""
    case = context.problem.case
    level = level_for(case.accuracy.tolerance)
    problem = make_problem(case, level=level, walls=True, turned=True)
    name, reason = choose(problem)
    if context.comm.rank == 0:
        logger.info("formulation: %s (%s), as the walls are felt", name, reason)
    context.done = 0.0
    return replace(context, problem=problem), SCHEMES[name], reason


def _solved(context: Context, scheme: Scheme, reason: str, began: float) -> Solution:
    if (answer := scheme.answer(context, reason, began)) is not None:
        return answer

    def evaluate(ladder: Ladder) -> Solution:
        return report(context, certified(context, ladder), scheme, reason, began)

    return refined_to_tolerance(context, scheme, evaluate)


def _fallback(problem: Problem, scheme: Scheme) -> Scheme | None:
    """Return the next scheme that suits, or what the last one falls back on."""
    if not problem.numerics.chooses or scheme.fallback is None:
        return None
    every = list(SCHEMES.values())
    for other in (*every[every.index(scheme) + 1 :], SCHEMES[scheme.fallback]):
        if other.objection(problem) is None and other.suits(problem).good:
            return other
    return None


def _worst(solution: Solution) -> float:
    if solution.case.accuracy.tolerance is not None:
        return worst_error(solution)[0]
    return np.inf if solution.error is None else float(np.max(solution.error.density))


def _degraded(solution: Solution) -> str | None:
    if solution.error is None or not solution.complete:
        return None
    worst, tolerance = _worst(solution), solution.case.accuracy.tolerance
    if tolerance is not None:
        other_would_not = solution.numerics.get("accuracy", {}).get("stopped") == HELD_BACK
        met = worst <= tolerance or other_would_not
        return None if met else f"the estimated error is {worst:.1e}"
    # relative estimated error of the density beyond which an automatic choice is reconsidered
    return None if worst <= 0.05 else f"the estimated error of the density is {worst:.1e}"
