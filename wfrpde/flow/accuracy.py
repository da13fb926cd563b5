"""Accuracy on demand: how far a solution is from the tolerance of its case, and what to do then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.case import Case
from wfrpde.case.problem import Problem
from wfrpde.errors import AccuracyError, InputError, SolverError
from wfrpde.flow.ladder import Ladder
from wfrpde.flow.outcome import Context
from wfrpde.flow.saved import ErrorEstimate
from wfrpde.flow.solution import Solution
from wfrpde.parallel.screen import logger

if TYPE_CHECKING:
    from wfrpde.flow.schemes.scheme import Scheme

MOST_REFINEMENTS, NEAR = 4, 2.0
"""Refinements at most, and in units of the tolerance how near an estimate on a line is for one that
gains nothing to be followed by another: bars come from few runs, which agree better by chance."""

LITTLE = 10_000
"""Nodes in the plane or in space up to which a refinement that gains nothing is no reason to stop:
coarse runs that all miss a ridge between two modes differ by less than finer ones."""

INTERRUPTED, WALLS = "interrupted", "walls that were left out change as much alone"
HELD_BACK = "what the ends of the box hold back is so much alone"
"""Why refining ended, if it was stopped, if the box of the case is felt after all, or if the one
that was chosen is."""

SMALL = 1e-3
"""Numbers below this share of their scale count relative to that share: the largest value at any
time for the entropy and its rates, the whole mass for that of a region."""

RATES = ("fisher_information", "reaction_variance")
"""What a tolerance is not aimed at: integrals of squared slopes and logarithms, which the far tails
decide. Their errors are estimated as all are."""

MARGIN = 40.0
"""Largest level (kT) above the minimum at which anything can matter."""


class Reported(Protocol):
    """A flow with numbers and their errors."""

    @property
    def case(self) -> Case:
        """What was solved."""

    @property
    def times(self) -> Array:
        """Saved times ``(T,)``."""

    @property
    def series(self) -> Mapping[str, Array]:
        """Scalars, each ``(T,)``."""

    @property
    def mean(self) -> Array:
        """Mean ``(T, d)``."""

    @property
    def covariance(self) -> Array:
        """Covariance ``(T, d, d)``."""

    @property
    def mode_mass(self) -> Mapping[str, Array]:
        """Masses of regions, each ``(T,)``."""

    @property
    def error(self) -> ErrorEstimate | None:
        """Errors of all these; None if they were not estimated."""

    @property
    def complete(self) -> bool:
        """False if it was stopped before its end."""


def level_for(tolerance: float | None) -> float:
    """Levels (kT) beyond which nothing matters to a tolerance: e^{−level} below its square."""
    if tolerance is None:
        return MARGIN
    return float(np.clip(18.0 - 2.0 * np.log(tolerance), 25.0, MARGIN))


def relative_errors(solution: Reported, error: ErrorEstimate | None = None) -> dict[str, Array]:
    """Relative errors ``(T,)`` of what a solution reports, by name.

    The density in L2, relative to its norm; KL, the Fisher information and the variance of the
    reaction relative to their values; means relative to the larger of themselves and the standard
    deviation, covariances to the product of the two standard deviations; masses of regions to
    themselves. Values below `SMALL` of their scale count as that.

    Parameters
    ----------
    error
        Absolute errors; by default the estimates of the solution.
    """
    error = error or solution.error
    assert error is not None
    found = {"density": error.density}
    for name in ("kl", "fisher_information", "reaction_variance"):
        value = np.abs(solution.series[name])
        found[name] = _ratio(error.series[name], np.maximum(value, SMALL * value.max()))
    if "log_normalising_constant" in solution.series:
        found["log_normalising_constant"] = error.series["log_normalising_constant"]
    width = np.sqrt(np.einsum("tii->ti", solution.covariance))
    found["mean"] = _ratio(error.mean, np.maximum(np.abs(solution.mean), width)).max(axis=1)
    products = width[:, :, None] * width[:, None, :]
    found["covariance"] = _ratio(error.covariance, products).max(axis=(1, 2))
    whole = solution.series["mass"]
    for name, mass in solution.mode_mass.items():
        scale = np.maximum(mass, SMALL * whole)
        found[f"mass of {name}"] = _ratio(error.mode_mass[name], scale)
    return found


def worst_error(solution: Reported) -> tuple[float, str]:
    """Largest of the estimated `relative_errors` that the case asks for, and of what it is.

    Those of `RATES` are aside, unless ``accuracy.of`` names them.
    """
    if solution.error is None or not solution.complete:
        return np.inf, "nothing was estimated"
    wanted = solution.case.accuracy.of
    errors = {
        name: error
        for name, error in relative_errors(solution).items()
        if (name not in RATES if wanted is None else _key_of(name) in wanted)
    }
    # no run comes nearer to moments that do not exist
    errors = {name: error for name, error in errors.items() if error.max() < np.inf} or errors
    name = max(errors, key=lambda key: float(errors[key].max()))
    when = int(np.argmax(errors[name]))
    return float(errors[name][when]), f"{name} at t = {solution.times[when]:g}"


def check_wanted(problem: Problem) -> None:
    """Refuse ``accuracy.of`` where it names what this flow does not report.

    Raises
    ------
    InputError
        Names it.
    """
    lacks = {
        "mode_mass": not problem.target.regions,
        "log_normalising_constant": not problem.equation.weighs,
    }
    for name in problem.case.accuracy.of or ():
        if lacks.get(name, False):
            needed = "[target] modes" if name == "mode_mass" else "a flow.reaction"
            raise InputError("accuracy.of", f"{name!r}, which this flow does not report", needed)


def _key_of(name: str) -> str:
    """Return the name in ``accuracy.of`` of one of `relative_errors`."""
    return "mode_mass" if name.startswith("mass of ") else name


def refined_to_tolerance(
    context: Context, scheme: Scheme, evaluate: Callable[[Ladder], Solution]
) -> Solution:
    """Refine until the estimated errors meet the tolerance of the case (collective).

    Each refinement adds one run to those that there are. What cannot be met is said in a warning;
    the best solution is kept, and `Solution.numerics` tells what every attempt was good for.
    """
    tolerance = context.problem.tolerance
    ladder = scheme.runs(context)
    best = evaluate(ladder)
    if tolerance is None:
        return best
    estimate, what = worst_error(best)
    attempts = [_attempt(best, estimate, what)]
    stopped = ""
    while estimate > tolerance and best.complete:
        if tolerance < (missing := _left_out(best)) and estimate < 3 * missing:
            stopped = "what is left out of the start is so much alone"
            break
        if best.numerics.get("walls_change", 0.0) > tolerance:
            stopped = WALLS if "walls" in best.numerics else HELD_BACK
            break
        if len(attempts) > MOST_REFINEMENTS:
            stopped = f"after {MOST_REFINEMENTS} refinements"
            break
        try:
            longer = scheme.finer(context, ladder, estimate / tolerance)
        except (SolverError, AccuracyError) as error:
            stopped = f"the finer run failed: {error}"
            break
        if longer is None:
            first = len(attempts) == 1
            stopped = (
                "no finer run is allowed" if first else "a finer run would have too many nodes"
            )
            break
        finer, ladder = evaluate(longer), longer
        size = len(finer.nodes)
        if not finer.complete:
            stopped = INTERRUPTED
            break
        found, of = worst_error(finer)
        if context.comm.rank == 0:
            logger.info("estimated error %.1e (%s), refined: %.1e (%s)", estimate, what, found, of)
        attempts.append(_attempt(finer, found, of))
        gain = found / estimate
        if gain < 1.0:
            best, estimate, what = finer, found, of
        # ratio of the estimates after and before a refinement beyond which refining is given up;
        # on a line, where runs cost little, not while they have nothing in common, nor where a bit
        # more may do, and in the plane not while they do
        costs = size > LITTLE
        if context.problem.dim == 1:
            costs = NEAR * tolerance < estimate < 1.0
        if gain > 0.7 and costs:
            stopped = "refinement gained nothing any more"
            break
    accuracy = {
        "tolerance": tolerance,
        "estimate": estimate,
        "worst": what,
        "met": bool(estimate <= tolerance),
        "attempts": attempts,
        "stopped": stopped,
    }
    best = replace(best, numerics={**best.numerics, "accuracy": accuracy})
    if stopped != INTERRUPTED or not best.complete:
        return best
    text = (
        f"interrupted while it was refined: the estimated relative error is {estimate:.1e} ({what})"
    )
    return replace(best, warnings=(*best.warnings, text), complete=False)


def _left_out(solution: Solution) -> float:
    """Return what no finer run mends: the error by what is left out of the start, if that is much.

    It lies where V leaves floating point's range, or in no cell; a reaction may forget it.
    """
    runs = solution.numerics["runs"]
    # share of a start that no finer run would find: cells change what is left out by a little
    if not runs or runs[-1].get("start_left_out", 0.0) < 1e-4:
        return 0.0
    return float(runs[-1]["start_defect"]) * float(solution.numerics["start_kept"])


def _attempt(solution: Solution, estimate: float, of: str) -> dict[str, Any]:
    return {
        "nodes": len(solution.nodes),
        "cells": solution.numerics["cells"],
        "estimate": estimate,
        "of": of,
    }


def missed(solution: Solution) -> str | None:
    """Return the warning that a tolerance was not met, with the numbers; None if it was."""
    tolerance = solution.case.accuracy.tolerance
    if tolerance is None or solution.error is None or not solution.complete:
        return None
    estimate, what = worst_error(solution)
    if estimate <= tolerance:
        return None
    why = solution.numerics.get("accuracy", {}).get("stopped", "")
    return (
        f"the tolerance of {tolerance:g} is not met: the estimated relative error is "
        f"{estimate:.1e} ({what}){'; ' + why if why else ''}"
    )


def _ratio(error: Array, scale: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(error == 0.0, 0.0, error / scale))
