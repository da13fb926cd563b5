"""What a linear reaction does to the mass: the log of the normalising constant, and truncation.

Let γ_t be the flow of a linear reaction that is not normalised, ρ_t = γ_t/γ_t(1). Transport
conserves mass, so that ``log γ_t(1) = ∫₀^t ⟨r⟩ ds`` is the sum over the reaction steps of the log
of what each multiplies the mass by.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.functionals import Evaluator
from wfrpde.discretisation.pieces import Samples
from wfrpde.fields.schedules import value_at
from wfrpde.flow.exact import GeometricMean
from wfrpde.flow.outcome import Outcome
from wfrpde.flow.saved import ErrorEstimate

ROUND_OFF = 1e-12


def without_transport(problem: Problem, t: float) -> GeometricMean:
    """Return the flow at time t if α = 0, up to a constant."""
    reaction = problem.equation.reaction
    return GeometricMean(problem, 1.0 if reaction is None else reaction.kept(t), time=t)


def log_normalising_constant(
    problem: Problem,
    outcome: Outcome,
    evaluator: Evaluator,
    second: Evaluator | None,
    others: ErrorEstimate | None,
) -> tuple[Array, Array]:
    """Return log γ_t(1) at the times reached and its estimated error, ``(T,)`` each (collective).

    The error is NaN where nothing tells it. `second` integrates by another rule; `others` are the
    errors of the other numbers.
    """
    if problem.equation.dynamics is None:
        values = [_closed_form(problem, evaluator, outcome.times)]
        values += [] if second is None else [_closed_form(problem, second, outcome.times)]
        shares: list[Array | float] = [1.0]
    else:
        values = list(outcome.growth)
        shares = [0.0 if share is None else share for _, share in outcome.others]
    best = values[0]
    if not outcome.complete or len(values) == 1:
        return best, np.full_like(best, np.nan)
    error = _distance(values, shares) + ROUND_OFF * np.abs(best)
    if others is not None and (lost := estranged(problem, others.density)).any():
        error += lost * outcome.times * np.ptp(problem.rate_on_average(outcome.interpolation.nodes))
    return best, error


def _distance(values: list[Array], shares: Sequence[Array | float]) -> Array:
    """Return the largest distance ``(T,)`` of the others from the first, by their shares."""
    found = [s * np.abs(v - values[0]) for v, s in zip(values[1:], shares, strict=True)]
    return np.asarray(np.max(found, axis=0))


def estranged(problem: Problem, density: Array) -> Array:
    """Return from 0 to 1 ``(T,)`` how little runs with a linear reaction have in common.

    With an error d of the density that is (d − 0.1)/0.4, then and later. Such a reaction takes mass
    many times its own width away, through tails that coarse cells all get wrong alike: a mean was
    off by six bars with d = 0.44.
    """
    if problem.equation.rate is None:
        return np.zeros(len(density))
    return np.asarray(np.maximum.accumulate(np.clip((density - 0.1) / 0.4, 0.0, 1.0)))


ALONE = 0.1
"""Share of its distance to the finest run alone that an extrapolated rate of absorption is off by:
two that agree by chance know of no more."""


def told_with_error(
    outcome: Outcome, values: list[Array], unshared: float = 0.0
) -> tuple[Array, Array]:
    """Return a number ``(T,)`` of the best solution and its estimated error.

    `values` are those of the best solution and of the others. The error is NaN where nothing tells
    it. Of the distance to others without a share `unshared` counts.
    """
    error = np.full_like(values[0], np.nan)
    if outcome.complete and len(values) > 1:
        shares = [unshared if share is None else share for _, share in outcome.others]
        error = _distance(values, shares) + ROUND_OFF * np.abs(values[0])
    return values[0], error


def killed(
    outcome: Outcome, log_start: float, start_error: float
) -> dict[str, tuple[Array, Array]]:
    """Return what is told of absorption by name, with estimated errors, ``(T,)`` each.

    ``survival`` S(t) = P(not absorbed by t) and ``first_passage_density`` −S'(t), per unit time; in
    a flow with a reaction they are the share that transport would leave, and its rate. Of what the
    nodes have of the start, ``e^log_start`` is the whole, up to a relative `start_error`.
    """
    whole = np.where(outcome.times > 0, log_start, 0.0)
    left, killing = [value - whole for value in outcome.left], list(outcome.killing)
    series = {
        "survival": [np.exp(value) for value in left],
        "first_passage_density": [
            np.exp(share) * rate for share, rate in zip(left, killing, strict=True)
        ],
    }
    found = {name: told_with_error(outcome, values, ALONE) for name, values in series.items()}
    blur = np.where(outcome.times > 0, start_error, 0.0)
    return {name: (value, error + blur * np.abs(value)) for name, (value, error) in found.items()}


def _closed_form(problem: Problem, evaluator: Evaluator, times: Array) -> Array:
    """``c + ∫₀^t β c ds`` if α = 0, with c the log of the mass that is not normalised."""
    reaction, beta = problem.equation.reaction, problem.equation.beta

    def log_mass(t: float) -> float:
        value = without_transport(problem, t)(evaluator.points)[None, :]
        return float(evaluator.log_mass(Samples(value, np.zeros_like(value)))[0])

    start = log_mass(0.0)

    def gained(t: float) -> float:
        return log_mass(t) - (reaction.kept(t) if reaction else 1.0) * start

    growth, integral = [0.0], 0.0
    # Gauss points between two saved times, for the time integral that is left without transport
    node, weight = np.polynomial.legendre.leggauss(10)
    for begin, end in pairwise(times):
        if beta > 0:
            half = (end - begin) / 2
            times_within = (float(begin + half * (1 + x)) for x in node)
            integral += half * sum(
                w * value_at(beta, t) * gained(t) for t, w in zip(times_within, weight, strict=True)
            )
        growth.append(gained(float(end)) + integral)
    return np.array(growth)


def edge_warnings(problem: Problem, evaluator: Evaluator, fields: Samples) -> list[str]:
    """Say so if a linear reaction holds mass where the mesh ends (collective)."""
    points, landscape = evaluator.points, problem.landscape
    near = evaluator.near_walls(but=problem.sides.absorbing)
    if len(points):
        # share of the level of what matters beyond which mass is at the edge of the mesh
        near |= landscape.levels(points) > 0.8 * landscape.level
    shares = evaluator.shares(fields, near)
    usual = max(float(shares[0]), evaluator.target_share(near))
    limit = max(problem.domain.cut_off_share, 10 * usual)
    if not shares.max() > limit:
        return []
    t = (0.0, *problem.save)[int(np.argmax(shares > limit))]
    return [
        f"from t = {t:g} on, mass is held at the edge of the domain by the reaction (a share of "
        f"{shares.max():.1e} at most): the result is that of the truncated problem. Widen [domain] "
        "box, if the potential outgrows U at all"
    ]
