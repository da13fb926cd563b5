"""What a solution reports, from the best field, and how well it is known, from the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.case.problem import Problem
from wfrpde.case.terms import EMPTY, Densities
from wfrpde.discretisation.functionals import Evaluator, Points
from wfrpde.discretisation.interpolation import Interpolation
from wfrpde.discretisation.pieces import Evaluated, Functionals, Samples
from wfrpde.discretisation.quadrature import slice_of
from wfrpde.engine import Wish, engine_for
from wfrpde.fields.blocks import BLOCK
from wfrpde.fields.schedules import integral
from wfrpde.flow.accuracy import RATES
from wfrpde.flow.checks import invariants
from wfrpde.flow.exact import GeometricMean, blur_defect, sampled
from wfrpde.flow.normalisation import (
    edge_warnings,
    killed,
    log_normalising_constant,
    without_transport,
)
from wfrpde.flow.outcome import Context, Outcome, Share
from wfrpde.flow.path import along_path, path_checks, weight_warnings
from wfrpde.flow.schemes.scheme import Scheme
from wfrpde.flow.solution import ErrorEstimate, Opinions, Solution
from wfrpde.parallel import Stopped

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Comparison = tuple[Functionals, Array, Array]
logger = logging.getLogger("wfrpde")

START_DEFECT = 1e-4

LEFT_OUT = 1e-6
"""Share of a wide start outside all cells from which it, and no narrowness, is what is told."""

TINY = 1e-300

LEAST_DENSITY = 2e-11
"""Relative error of a density in L2 that no estimate goes below: logarithms of the order of 100 to
14 digits, through a thousand steps."""

SQUARED_REACH = 100.0
"""How far out, in squares of its own width, what is left out of a start lies at most."""

NO_LUCK = 1 / 4
"""Share of the density's relative error that every other number has besides its own, where three
runs are extrapolated to a tolerance: of its spread under ρ (means, covariances) or of itself (KL,
masses). Extrapolations that agree on a number by chance know no more of it than that."""

OF_TWO = {"kl": 1 / 16, **dict.fromkeys(RATES, NO_LUCK)}
"""The same where two runs are all there is in the plane or in space. Their L2 distance is what both
have in common; KL and its rates, which far tails decide, agree at some time by chance."""

ROUND_OFF = 1e-12
"""Relative error that no estimate goes below: that of the linear solvers."""

NO_MATTER, GUESSED, REMEMBERED, CAPPED = 1e-11, 20.0, 20.0, 20.0
"""Mended share of the mass from which a reaction lets it matter, and what then counts: see
`_mended_defect`; it is no more than so many times the L2 distance of two runs."""

SECOND_RULE = 1.5
"""Share of the distance to another quadrature that covers the error of the first: a rule with a
point more is nearer to the truth by far, so that the distance alone would be all of the error."""


def report(
    context: Context, outcome: Outcome, scheme: Scheme, reason: str, began: float
) -> Solution:
    """Evaluate everything that is reported, from the best field and from the second one.

    A stop request breaks that off; the outcome's draft is evaluated then, without an error.
    """
    if outcome.complete:
        try:
            with context.at_once():
                return _report(context, outcome, scheme, reason, began)
        except Stopped:
            outcome = outcome.draft or replace(outcome, others=(), complete=False)
    return _report(context, outcome, scheme, reason, began)


def _report(
    context: Context, outcome: Outcome, scheme: Scheme, reason: str, began: float
) -> Solution:
    problem, equation = context.problem, context.problem.equation
    context.tell("evaluating", float(outcome.times[-1]), 0.0, np.nan, context.done)
    known, sink = _known_fields(problem, outcome.times), problem.absorption
    evaluator = Evaluator(
        context.comm,
        outcome.interpolation,
        _living(problem),
        problem.target.regions,
        cuts=[] if sink is None or sink.region is None else [sink.region],
        spread=equation.spread,
        # at degree 1 the sum over the cells needs both points; elements can do with one less
        fewer=int(outcome.facts.get("degree", 1) > 1 and not outcome.complete),
        points=outcome.points,
        parts=outcome.parts,
    )
    # a person who stopped the run is waiting: no second opinion then
    others = outcome.others if outcome.complete else ()
    fields = [outcome.best, *(field for field, _ in others)]
    found, shifts = _evaluated(problem, evaluator, fields, known)
    shift = shifts[0]
    numbers = found.functionals(0, shift)
    if others and context.stop():
        raise Stopped
    comparisons = _compared(found, shifts, [share for _, share in others])
    second = evaluator.second() if problem.numerics.certify and outcome.complete else None
    error, second_shift = _estimated(problem, outcome, second, known, numbers, shift, comparisons)

    def sampled_by(rule: Evaluator, fields: list[Array], shifts: list[Array]) -> list[Samples]:
        every = _sampled(problem, rule, fields, known)
        return [samples.shifted(own) for samples, own in zip(every, shifts, strict=True)]

    outcome = outcome.on_parts()
    shifted = {k: (field.theta, float(shift[k]), field.time) for k, field in known.items()}
    u = np.ascontiguousarray(outcome.best + shift[:, None])
    smallest, where = _finished(context, outcome.interpolation, u, shifted)
    series, spread = numbers.series(), {}
    if equation.conserve:
        series["mass"] = outcome.mass
        spread["mass"] = np.abs(series["mass"] - 1)
    series["min_density"] = np.exp(smallest - numbers.log_normalisation)
    spread["min_density"] = _spread_of_smallest(outcome, series["min_density"], where)
    if equation.killed:
        living = GeometricMean(problem, 1.0)(evaluator.points)[None]
        log_start = evaluator.log_mass(Samples(living, living))[0] + numbers.log_normalisation
        for name, (value, bar) in killed(outcome, float(log_start)).items():
            series[name], spread[name] = value, bar
    if equation.weighs:
        series["log_normalising_constant"], spread["log_normalising_constant"] = (
            log_normalising_constant(problem, outcome, evaluator, second)
        )
    edges: list[str] = []
    if equation.rate is not None:
        edges = edge_warnings(problem, evaluator, *sampled_by(evaluator, fields[:1], shifts[:1]))
    checks = invariants(equation, outcome, series, keeps_mass=scheme.keeps_mass)
    if equation.path is not None:
        shares = [share for *_, share in comparisons]
        every = sampled_by(evaluator, fields, shifts)
        again = None
        if second is not None:
            (again,) = sampled_by(second, fields[:1], [second_shift])
        told = along_path(problem, outcome, (evaluator, second), every, again, shares)
        for name, (value, bar) in told.items():
            series[name], spread[name] = value, bar
        checks += path_checks(problem, outcome, told)
    if error is not None:
        error = replace(error, series={**error.series, **spread})
    still = {"t": outcome.times, "dt": 0 * outcome.times, "kl": series["kl"], "mass": outcome.mass}
    return Solution(
        case=problem.case,
        densities=Densities(problem.target, problem.initial, equation),
        times=outcome.times,
        series=series,
        mean=numbers.mean,
        covariance=numbers.covariance,
        mode_mass=numbers.mode_mass,
        error=error,
        log_relative=u,
        log_normalisation=numbers.log_normalisation,
        history=outcome.history or still,
        numerics={
            "formulation": scheme.name,
            "reason": reason,
            **_facts(context, outcome),
            "target_mode_mass": found.target_mode_mass(),
            "checks": checks,
        },
        warnings=_warnings(problem, outcome, [*found.empty_regions(), *edges]),
        complete=outcome.complete,
        wall_time=time.perf_counter() - began,
        interpolation=outcome.interpolation,
        known=shifted,
        opinions=_opinions(outcome, shifts, comparisons) if error is not None else None,
    )


def _opinions(
    outcome: Outcome, shifts: list[Array], comparisons: list[Comparison]
) -> Opinions | None:
    """Return the other solutions that the error was told from."""
    if not comparisons:
        return None
    fields = [field + shift[:, None]
              for (field, _), shift in zip(outcome.others, shifts[1:], strict=True)]  # fmt: skip
    return Opinions(np.array(fields), np.array([share for _, _, share in comparisons]))


def _facts(context: Context, outcome: Outcome) -> dict[str, Any]:
    return {
        "nodes": outcome.interpolation.n_nodes,
        **outcome.facts,
        **context.problem.facts,
        "engine": engine_for(Wish.of(context.problem.numerics), context.comm.size),
        "ranks": context.comm.size,
        "length_scales": context.problem.scales.tolist(),
    }


def _estimated(
    problem: Problem,
    outcome: Outcome,
    second: Evaluator | None,
    known: dict[int, GeometricMean],
    numbers: Functionals,
    shift: Array,
    comparisons: list[Comparison],
) -> tuple[ErrorEstimate | None, Array]:
    """Return the errors that the case asks for, and what normalises by the second rule."""
    nothing = np.zeros(len(outcome.times))
    if not problem.numerics.certify:
        return None, nothing
    if second is None:
        nobody: list[Comparison] = [(numbers, nothing, nothing)]
        return _error(numbers, nobody, problem, nothing, nothing).unknown(), nothing
    lucky = problem.tolerance is not None and outcome.facts["extrapolated"]
    lucky = lucky and len(outcome.facts["runs"]) == 3  # a fourth finds such numbers out
    luck: dict[str, float] = {}
    if problem.tolerance is not None and problem.dim > 1 and len(comparisons) == 1:
        luck = OF_TWO
    found, (other,) = _evaluated(problem, second, [outcome.best], known)
    integrals = found.functionals(0, other)
    # what normalises ρ and π is an integral, too
    constants = np.abs((shift - numbers.log_normalisation) - (other - integrals.log_normalisation))
    every = [*comparisons, (integrals, constants, SECOND_RULE + nothing)]
    mended = _mended_defect(problem, outcome)
    if comparisons:  # what is not known of the fields at all
        mended = np.minimum(mended, CAPPED * comparisons[0][1])
    mended = mended + min(outcome.smeared, 1.0) * (outcome.times > 0)
    defects = _start_defect(problem, outcome), mended
    return _error(numbers, every, problem, *defects, lucky=lucky, luck=luck), other


def _mended_defect(problem: Problem, outcome: Outcome) -> Array:
    """Return the relative errors ``(T,)`` of ρ that come from nodes that had turned negative.

    Where ρ₀ is far below π nodes of a coarse mesh turn negative, and what they are given is a
    guess, in all runs alike. A reaction then lets the guess grow: ρ ∝ ρ₀^θ π^{1−θ} without
    transport, θ = e^{−βt}, so that a share m of the mass becomes m^θ of it. Measured on Gaussians
    the error is 1 to 10 √m where θ < 1/2, until all is forgotten.
    """
    beta = problem.equation.beta
    if outcome.mended < NO_MATTER or beta == 0:
        return np.zeros(len(outcome.times))
    gone = np.array([integral(beta, 0.0, float(t)) for t in outcome.times])
    theta = np.exp(-gone)
    left = np.minimum(1.0, REMEMBERED * theta) * (1 - theta)
    return np.asarray(GUESSED * outcome.mended ** np.maximum(theta, 0.5) * left)


def _start_defect(problem: Problem, outcome: Outcome) -> Array:
    """Return the relative errors ``(T,)`` that come from the start, or from mass that was lost.

    At t = 0 they are 0 but for what lies in no cell.
    """
    defect = np.full(len(outcome.times), outcome.start_defect + outcome.mass_defect)
    left_out = outcome.facts["runs"][-1].get("start_left_out", 0.0) if outcome.facts["runs"] else 0
    missing = SQUARED_REACH * left_out if left_out > ROUND_OFF else 0.0
    defect[0] = min(outcome.start_defect, missing)
    return defect + blur_defect(problem, outcome.times)


def _compared(found: Evaluated, shifts: list[Array], shares: list[Share]) -> list[Comparison]:
    """Return the numbers of other solutions, with their L2 distances from the best and shares."""
    comparisons: list[Comparison] = []
    for k, share in enumerate(shares, start=1):
        distance = found.l2_difference(k, shifts[0], shifts[k])
        if share is None:
            share = _share_of_finest(comparisons[0], distance)
        other = found.functionals(k, shifts[k])
        comparisons.append((other, distance, share * np.ones(len(distance))))
    return comparisons


def _living(problem: Problem) -> Callable[[Array], Array]:
    """Return V as a function of points, +∞ where they are absorbed."""
    sink = problem.absorption
    if sink is None:
        return problem.potential

    def potential(x: Array) -> Array:
        value, free = np.full(len(x), np.inf), ~sink.holds(x)
        value[free] = problem.potential(x[free])
        return value

    return potential


def _warnings(problem: Problem, outcome: Outcome, more: list[str]) -> tuple[str, ...]:
    warnings = [*problem.warnings, *outcome.warnings, *more]
    warnings += weight_warnings(problem, outcome)
    if outcome.start_defect > max(START_DEFECT, problem.tolerance or 0.0):
        left_out = outcome.facts["runs"][-1].get("start_left_out", 0.0)
        warnings.append(
            f"a share of {left_out:.1e} of the start lies where the potential is so high that no "
            "cell is kept there: its mean or covariance is off by "
            f"{outcome.start_defect:.1e} of its own. Take a narrower start"
            if left_out > LEFT_OUT
            else "the start is too narrow for the mesh: at the nodes its mean or covariance is off "
            f"by {outcome.start_defect:.1e} of its own. Take more cells or a wider start"
        )
    basins = max(len(problem.target.seeds), len(problem.initial.seeds))
    degree = outcome.facts.get("degree", 1)
    if outcome.mended >= NO_MATTER and problem.equation.beta > 0 and basins > 1 < degree:
        warnings.append(
            f"{outcome.mended:.0e} of the mass is a guess, at nodes that had turned negative in "
            "all runs alike, and the reaction lets it grow: what other modes hold may be off by "
            "more than is told. Take another numerics.formulation"
        )
    if not outcome.complete:
        warnings.append(
            f"interrupted: saved up to t = {outcome.times[-1]:g} of {problem.save[-1]:g}"
        )
    return tuple(warnings)


def _known_fields(problem: Problem, times: Array) -> dict[int, GeometricMean]:
    """Return indices of the times at which u is known at every point."""
    if problem.equation.dynamics is None:
        return {k: without_transport(problem, float(t)) for k, t in enumerate(times)}
    return {0: GeometricMean(problem, 1.0)}


def _evaluated(
    problem: Problem, evaluator: Evaluator, fields: list[Array], known: dict[int, GeometricMean]
) -> tuple[Evaluated, list[Array]]:
    """Return what the rule says of fields, and the shifts ``(T,)`` that normalise each."""

    def at(points: Points) -> list[Samples]:
        return _sampled(problem, points, fields, known)

    found = evaluator.evaluated(at)
    shifts = []
    for k in range(len(fields)):
        log_mass = found.log_mass(k)
        if problem.equation.conserve:
            shift = -log_mass
        else:
            # only the start is normalised, by the constant that log ρ₀ lacks; FR states follow
            missing = np.log(problem.initial_mass) - log_mass[0]
            shift = np.zeros(len(log_mass))
            for time, field in known.items():
                shift[time] = field.theta * missing
        shifts.append(shift)
    return found, shifts


def _sampled(
    problem: Problem,
    points: Points | Evaluator,
    fields: list[Array],
    known: dict[int, GeometricMean],
) -> list[Samples]:
    """Return fields ``(T, n_nodes)`` at points, exact at the times at which they are known."""
    count, n = len(fields[0]), len(points.points)
    exact = sampled([known[k] for k in sorted(known)], points.points, problem.scales)
    unknown = slice(len(known), None)  # the first times are known: a slice is no copy
    every = []
    for u in fields:
        found = points.sample(u[unknown])
        if problem.absorption is not None:
            found = found.plus(problem.absorption.log_distance(points.points))
        samples = Samples(*(np.empty((count, n)) for _ in range(2)))
        samples.value[: len(known)], samples.value[unknown] = exact.value, found.value
        samples.squared_slope[: len(known)] = exact.squared_slope
        samples.squared_slope[unknown] = found.squared_slope
        every.append(samples)
    return every


def _error(
    numbers: Functionals,
    comparisons: list[Comparison],
    problem: Problem,
    start_defect: Array,
    mended: Array,
    *,
    lucky: bool = False,
    luck: Mapping[str, float] | None = None,
) -> ErrorEstimate:
    """Return the largest of the distances to other numbers, and what else may be wrong.

    The others are those of the other solutions and those of another quadrature. The mass
    beyond an automatic box adds to all (a box that the case gives is the problem as posed), and so
    does, after the start, what the nodes misrepresent of it, and what was mended. Where numbers may
    agree by luck, a share of the density's error adds to them: to all that are `lucky`, else `luck`
    by name.
    """
    automatic = problem.domain.box is None and problem.mesh is None
    cut = float(sum(problem.facts["cut_off_share"].values())) if automatic else 0.0
    reach = float(np.ptp(problem.box, axis=1).max()) / 2
    depth = -np.log(cut) if cut > 0 else 0.0  # log(ρ/π) out there, at most

    density = np.max([share * l2 for _, l2, share in comparisons], axis=0)
    stepped = problem.equation.dynamics is not None
    common = NO_LUCK * density if lucky else 0.0 * density
    width = np.sqrt(np.einsum("tii->ti", numbers.covariance))
    squares = width[:, :, None] * width[:, None, :]
    # |δ⟨φ⟩| ≤ sd(φ) ‖δρ/ρ‖ for averages, and what follows for the others
    spreads = {
        "kl": np.sqrt(2 * np.abs(numbers.kl)) + mended,
        "fisher_information": 2 * numbers.fisher_information,
        "reaction_variance": 2 * numbers.reaction_variance + mended**2,
        "mass": 0 * mended,
    }

    def gap(
        pick: Callable[[Functionals], Array], beyond: float, spread: Array, own: Array | None = None
    ) -> Array:
        value = pick(numbers)
        distance = np.zeros_like(value)
        for other, _, share in comparisons:
            share = share.reshape(-1, *[1] * (value.ndim - 1))
            distance = np.maximum(distance, share * np.abs(value - pick(other)))
        size = np.abs(value) if own is None else own
        distance += common.reshape(-1, *[1] * (value.ndim - 1)) * size
        distance += start_defect.reshape(-1, *[1] * (value.ndim - 1)) * np.abs(value)
        distance += mended.reshape(-1, *[1] * (value.ndim - 1)) * spread
        return np.asarray(distance + ROUND_OFF * np.abs(value) + cut * (np.abs(value) + beyond))

    beyond = {"kl": depth, "mass": 1.0, "fisher_information": depth, "reaction_variance": depth**2}
    return ErrorEstimate(
        series={
            name: gap(attrgetter(name), more, spreads[name])
            + (luck or {}).get(name, 0.0) * density * np.abs(getattr(numbers, name))
            for name, more in beyond.items()
        },
        mean=gap(attrgetter("mean"), reach, width, width),
        covariance=gap(attrgetter("covariance"), reach**2, squares, squares),
        mode_mass={
            name: gap(
                _mass_of(name), 1.0, np.sqrt(inside := np.maximum(mass * (1 - mass), 0.0)), inside
            )
            for name, mass in numbers.mode_mass.items()
        },
        density=np.where(stepped & (density > 0), np.maximum(density, LEAST_DENSITY), density)
        + (cut + start_defect + mended),
    )


def _share_of_finest(first: Comparison, distance: Array) -> Array:
    """Share ``(T,)`` of a `distance` in L2 that makes it that of the first comparison.

    At a time at which these two agree by chance, too, the geometric mean over the later times
    counts.
    """
    _, closer, share = first
    ratio = np.minimum(closer, distance) / np.maximum(distance, TINY)
    usual = np.exp(np.mean(np.log(np.maximum(ratio[1:], TINY)))) if len(ratio) > 1 else 0.0
    ratio[1:] = np.maximum(ratio[1:], usual)
    return np.asarray(share * ratio)


def _finished(
    context: Context,
    interpolation: Interpolation,
    u: Array,
    known: Mapping[int, tuple[float, float, float]],
) -> tuple[Array, Array]:
    """Write what is known or absorbed into fields ``(T, n)``, and look for what is smallest.

    Each rank does a part of the nodes, some after the other (collective).

    Returns
    -------
    smallest, node
        ``(T,)`` the least of u − V, and where it is.
    """
    comm, problem, sink = context.comm, context.problem, context.problem.absorption
    parts = [slice_of(u.shape[1], rank, comm.size) for rank in range(comm.size)]
    fields = [GeometricMean(problem, *constants) for constants in known.values()]
    mine, count = parts[comm.rank], len(u)
    smallest: Array = np.full(count, np.inf)
    node: npt.NDArray[np.int64] = np.zeros(count, dtype=np.int64)
    for start in range(mine.start, mine.stop, BLOCK):
        here = slice(start, min(start + BLOCK, mine.stop))
        x = interpolation.nodes_at(here)
        dead: Flags = np.zeros(len(x), dtype=bool)
        if sink is not None:
            dead = sink.holds(x)
            u[:, here] = np.maximum(u[:, here] + sink.log_distance(x), EMPTY)
        for k, field in zip(known, fields, strict=True):
            # zero is no number that could be drawn
            u[k, here] = np.maximum(field(x), EMPTY)
        log_density = np.where(dead, np.inf, u[:, here] - problem.potential(x))
        least = log_density.min(axis=1)
        node = np.where(least < smallest, start + log_density.argmin(axis=1), node)
        smallest = np.minimum(smallest, least)
    for k in range(count) if sink is not None else known:
        sizes = [part.stop - part.start for part in parts]
        comm.Allgatherv(u[k, mine].copy(), (u[k], sizes))
    values, nodes = (
        np.array(every) for every in zip(*comm.allgather((smallest, node)), strict=True)
    )
    rank, row = values.argmin(axis=0), np.arange(count)
    return values[rank, row], nodes[rank, row]


def _spread_of_smallest(outcome: Outcome, smallest: Array, node: Array) -> Array:
    """Distance of the smallest nodal density to what the other solutions make of it."""
    row = np.arange(len(node))
    spread = np.zeros(len(node))
    for other, share in outcome.others:
        if share is None:
            continue
        ratio = np.expm1(np.clip(other[row, node] - outcome.best[row, node], -50.0, 50.0))
        spread = np.maximum(spread, share * smallest * np.abs(ratio))
    return spread


def _mass_of(region: str) -> Callable[[Functionals], Array]:
    return lambda numbers: numbers.mode_mass[region]
