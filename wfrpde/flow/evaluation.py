"""What a solution reports: numbers from the best field, series, checks and warnings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.case.forgotten import LEFT_OUT
from wfrpde.case.problem import Problem
from wfrpde.case.terms import EMPTY, Densities
from wfrpde.discretisation.functionals import Evaluator, Points
from wfrpde.discretisation.interpolation import Interpolation, on_axes
from wfrpde.discretisation.pieces import Evaluated, Samples
from wfrpde.discretisation.quadrature import slice_of
from wfrpde.engine import Wish, engine_for
from wfrpde.fields.blocks import BLOCK
from wfrpde.flow.accuracy import RATES, worst_error
from wfrpde.flow.bars import Comparison
from wfrpde.flow.calibration import flat
from wfrpde.flow.checks import invariants
from wfrpde.flow.cut_off import cut_off, held_back, walls_change
from wfrpde.flow.defects import misplaced_mass
from wfrpde.flow.error_bars import (
    by_another_rule,
    compared,
    estimated,
    spread_of_smallest,
)
from wfrpde.flow.exact import GeometricMean, sampled
from wfrpde.flow.limits import no_moments
from wfrpde.flow.normalisation import (
    edge_warnings,
    killed,
    log_normalising_constant,
    without_transport,
)
from wfrpde.flow.outcome import Context, Outcome
from wfrpde.flow.path import along_path, path_checks, weight_warnings, weights_told
from wfrpde.flow.schemes.scheme import Scheme
from wfrpde.flow.solution import Opinions, Solution
from wfrpde.flow.wide_start import WholeStart, left_out, remembered, whole_grid
from wfrpde.parallel import Stopped
from wfrpde.parallel.shared import shared

START_DEFECT = 1e-4

AT_ONCE = 1_000_000
"""Nodal values of all fields up to which they are sampled together."""


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
        parts=outcome.parts or outcome.wider,
        frame=problem.frame,
    )
    # a person who stopped the run is waiting: no second opinion then
    others = outcome.others if outcome.complete else ()
    fields = [outcome.best, *(field for field, _ in others)]
    found, shifts = _evaluated(problem, evaluator, fields, known)
    shift = shifts[0]
    numbers = found.functionals(0, shift)
    if others and context.stop():
        raise Stopped
    comparisons = compared(found, shifts, [share for _, share in others])
    whole = whole_grid(problem, outcome)
    start = None
    if whole is not None:  # part of it lies in no cell
        # cells four times as wide take a point more
        wide = left_out(outcome) > 0 and problem.tolerance is not None
        start = WholeStart(problem, evaluator.on(whole, 3 if wide else None))
        numbers = start.within(numbers)
        shift = start.shifted(shift, numbers.log_normalisation)
        comparisons = [(start.within(other), l2, by) for other, l2, by in comparisons]
    second = evaluator.second() if problem.numerics.certify and outcome.complete else None
    rule, second_shift = None, shift
    if second is not None:
        again, (second_shift,) = _evaluated(problem, second, [outcome.best], known)
        integrals = again.functionals(0, second_shift)
        if start is not None:
            other = start.by_second_rule()
            integrals = other.within(integrals)
            second_shift = other.shifted(second_shift, integrals.log_normalisation)
        rule = by_another_rule(numbers, shift, integrals, second_shift)
    cut = cut_off(problem, outcome, shift, numbers.log_normalisation)
    error = estimated(problem, outcome, numbers, cut, comparisons, rule)

    def sampled_by(rule: Evaluator, fields: list[Array], shifts: list[Array]) -> list[Samples]:
        every = _sampled(problem, rule, fields, known)
        return [samples.shifted(own) for samples, own in zip(every, shifts, strict=True)]

    shown = outcome.on_parts()
    shifted = {k: (field.theta, float(shift[k]), field.time) for k, field in known.items()}
    u = _shifted(context.comm, shown.best, shift)
    smallest, where = _finished(context, shown.interpolation, u, shifted)
    series, spread = numbers.series(), {}
    if equation.conserve:
        series["mass"] = outcome.mass
        spread["mass"] = np.abs(series["mass"] - 1)
    series["min_density"] = np.exp(smallest - numbers.log_normalisation)
    spread["min_density"] = spread_of_smallest(outcome, shown, series["min_density"], where)
    if equation.killed:
        starts = [_log_start(problem, one) for one in (evaluator, second) if one is not None]
        for name, (value, bar) in killed(outcome, starts[0], abs(starts[-1] - starts[0])).items():
            series[name], spread[name] = value, bar
    if equation.weighs:
        series["log_normalising_constant"], spread["log_normalising_constant"] = (
            log_normalising_constant(problem, outcome, evaluator, second, error)
        )
    edges = held = held_back(problem, cut[0])
    if equation.rate is not None:
        edges = edge_warnings(problem, evaluator, *sampled_by(evaluator, fields[:1], shifts[:1]))
    checks = invariants(equation, outcome, series, keeps_mass=scheme.keeps_mass)
    if equation.path is None and problem.tells_weights and outcome.tallies:
        for name, (value, bar) in weights_told(problem, outcome).items():
            series[name], spread[name] = value, bar
    if equation.path is not None:
        shares = [share for *_, share in comparisons]
        every = sampled_by(evaluator, fields, shifts)
        once_more = None
        if second is not None:
            (once_more,) = sampled_by(second, fields[:1], [second_shift])
        told = along_path(problem, outcome, (evaluator, second), every, once_more, shares)
        for name, (value, bar) in told.items():
            series[name], spread[name] = value, bar
        if equation.weighs:
            name = "log_normalising_constant"
            told[name] = series[name], spread[name]
        checks += path_checks(problem, outcome, told)
    if error is not None:
        error = replace(error, series={**error.series, **spread})
    still = {"t": outcome.times, "dt": 0 * outcome.times, "kl": series["kl"], "mass": outcome.mass}
    solution = Solution(
        case=problem.case,
        densities=problem.told or Densities(problem.target, problem.initial, equation),
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
            **_facts(context, shown),
            **(
                {"walls_change": walls_change(problem, numbers, cut)}
                if "walls" in problem.facts or held
                else {}
            ),
            "target_mode_mass": found.target_mode_mass(),
            "checks": checks,
        },
        warnings=_warnings(
            problem,
            outcome,
            [*found.empty_regions(), *edges, *no_moments(problem, outcome.times)],
        ),
        complete=outcome.complete,
        wall_time=time.perf_counter() - began,
        interpolation=on_axes(shown.interpolation, problem.frame),
        known=shifted,
        opinions=_opinions(problem, outcome, shifts, comparisons) if error is not None else None,
    )
    met = worst_error(solution)[0] <= (problem.tolerance or 0.0)
    if outcome.counted == 1.0 or not met or not flat(outcome, numbers):
        return solution
    shorter = estimated(problem, outcome, numbers, cut, comparisons, rule, outcome.counted)
    assert shorter is not None
    assert error is not None
    series = {**shorter.series, **spread, **{name: error.series[name] for name in RATES}}
    return replace(solution, error=replace(shorter, series=series))


def _opinions(
    problem: Problem, outcome: Outcome, shifts: list[Array], comparisons: list[Comparison]
) -> Opinions | None:
    """Return the other solutions that the error was told from."""
    if not comparisons:
        return None
    fields = [field + shift[:, None]
              for (field, _), shift in zip(outcome.others, shifts[1:], strict=True)]  # fmt: skip
    shares = np.array([share for _, _, share in comparisons])
    own = None if outcome.parts is None else on_axes(outcome.interpolation, problem.frame)
    return Opinions(np.array(fields), shares, own)


def _facts(context: Context, outcome: Outcome) -> dict[str, Any]:
    kept = float(remembered(context.problem, outcome)[1:].max(initial=0.0))
    return {
        "nodes": outcome.interpolation.n_nodes,
        **outcome.facts,
        "start_kept": kept,
        **context.problem.facts,
        "engine": engine_for(Wish.of(context.problem.numerics), context.comm.size),
        "ranks": context.comm.size,
        "length_scales": context.problem.scales.tolist(),
    }


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
    later = float(remembered(problem, outcome)[1:].max(initial=0.0))
    if outcome.start_defect * later > max(START_DEFECT, problem.tolerance or 0.0):
        left_out = outcome.facts["runs"][-1].get("start_left_out", 0.0)
        warnings.append(
            f"a share of {left_out:.1e} of the start lies where the potential is so high that no "
            "cell is kept there: its mean or covariance is off by "
            f"{outcome.start_defect:.1e} of its own. Take a narrower start"
            if left_out > LEFT_OUT
            else "the start is too narrow for the mesh: at the nodes its mean or covariance is off "
            f"by {outcome.start_defect:.1e} of its own. Take more cells or a wider start"
        )
    if (misplaced := float(misplaced_mass(problem, outcome).max())) > 0:
        warnings.append(
            f"{outcome.mended:.0e} of the mass is a guess, at nodes that had turned negative in "
            "all runs alike, and the reaction lets it grow: a share of the mass of up to "
            f"{misplaced:.0e} may be in the wrong mode. Take another numerics.formulation"
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


def _log_start(problem: Problem, rule: Evaluator) -> float:
    """Log of what a rule finds of the start's mass where nothing absorbs (collective)."""
    living = GeometricMean(problem, 1.0)(rule.points)[None]
    return float(rule.log_mass(Samples(living, living))[0] + rule.log_normalisation)


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
    # what absorbs has no mass for the rule, whatever V is there
    potential = None if problem.absorption is not None else points.potential
    exact = sampled([known[k] for k in sorted(known)], points.points, problem.scales, potential)
    unknown = slice(len(known), None)  # the first times are known: a slice is no copy
    # what interpolates there is made once for all of few fields; of many, the memory counts
    size = sum(u[unknown].size for u in fields)
    at_once = len(fields) > 1 and size < AT_ONCE
    together = points.sample(np.concatenate([u[unknown] for u in fields])) if at_once else None
    every = []
    for k, u in enumerate(fields):
        rows = slice(k * (count - len(known)), (k + 1) * (count - len(known)))
        found = points.sample(u[unknown]) if together is None else together.rows(rows)
        if problem.absorption is not None:
            found = found.plus(problem.absorption.log_distance(points.points))
        samples = Samples(*(np.empty((count, n)) for _ in range(2)))
        samples.value[: len(known)], samples.value[unknown] = exact.value, found.value
        samples.squared_slope[: len(known)] = exact.squared_slope
        samples.squared_slope[unknown] = found.squared_slope
        every.append(samples)
    return every


def _shifted(comm: Any, best: Array, shift: Array) -> Array:
    """Return fields ``(T, n)`` with their shifts, once for all ranks of a machine (collective)."""
    u = shared(comm, best.shape)
    mine = slice_of(best.shape[1], *u.share)
    np.add(best[:, mine], shift[:, None], out=u.values[:, mine])
    comm.Barrier()
    return u.values


def _finished(
    context: Context,
    interpolation: Interpolation,
    u: Array,
    known: Mapping[int, tuple[float, float, float]],
) -> tuple[Array, Integers]:
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
    node: Integers = np.zeros(count, dtype=np.int64)
    for start in range(mine.start, mine.stop, BLOCK):
        here = slice(start, min(start + BLOCK, mine.stop))
        x = interpolation.nodes_at(here)
        potential = problem.potential(x)
        dead: Flags = np.zeros(len(x), dtype=bool)
        if sink is not None:
            dead = sink.holds(x)
            u[:, here] = np.maximum(u[:, here] + sink.log_distance(x), EMPTY)
        for k, field in zip(known, fields, strict=True):
            # zero is no number that could be drawn
            u[k, here] = np.maximum(field.given(potential, x), EMPTY)
        log_density = np.where(dead, np.inf, u[:, here] - potential)
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
