"""What is told of a flow whose target moves, and the checks that replace a KL that falls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.functionals import Evaluator
from wfrpde.discretisation.pieces import Samples
from wfrpde.flow.cross_check import APART
from wfrpde.flow.far_field import second_moment_ends
from wfrpde.flow.normalisation import ROUND_OFF, told_with_error
from wfrpde.flow.outcome import Outcome

Told = tuple[Array, Array]

IDENTITY = 1e-11
"""L1 distance of the law of weighted particles from π_t up to which they count as the same."""

HELD = 1e-4
"""Share of E w² at the edge of the mesh from which it is that of the box."""

SETTLED = 0.2
"""|b' − c'| of |c − c'| up to which runs count as converging in a number: see `_tallied`."""

SLACK = 1e-9
"""What checks of energies allow beside the estimated errors (kT)."""


def along_path(
    problem: Problem,
    outcome: Outcome,
    evaluators: tuple[Evaluator, Evaluator | None],
    fields: list[Samples],
    second: Samples | None,
    shares: Sequence[Array],
) -> dict[str, Told]:
    """Return what is told where π moves by name, with estimated errors, ``(T,)`` each (collective).

    ``kl_to_path`` KL(ρ_t‖π_t); ``free_energy`` −log Z_t/Z_0; and of flows with transport ``work``
    ⟨W⟩, of particles without weights if there are any; ``dissipated`` ⟨W⟩ less the free energy;
    ``work_variance`` and ``ess``, E²w/E w² of weights, where there are weights.

    Parameters
    ----------
    evaluators
        The rule, and a second one.
    fields
        Samples of the best solution and of the others by the first rule; `second` those of the best
        one by the second rule.
    shares
        Of the distances of the others from the best that are its error.
    """
    times = outcome.times
    first, other = evaluators
    lifts = _lifts(problem, first, times)
    kls = [first.kl_to(sample, lifts) for sample in fields]
    error = np.zeros(len(times))
    for value, share in zip(kls[1:], shares, strict=True):
        error = np.maximum(error, np.asarray(share) * np.abs(value - kls[0]))
    free = first.free_energy(lifts)
    unknown = np.full(len(times), np.nan)
    told: dict[str, Told] = {"kl_to_path": (kls[0], error), "free_energy": (free, unknown)}
    if other is not None and second is not None:
        again = _lifts(problem, other, times)
        gap = np.abs(other.kl_to(second, again) - kls[0])
        told["kl_to_path"] = (kls[0], np.maximum(error, gap))
        told["free_energy"] = (free, np.abs(other.free_energy(again) - free))
    if not outcome.tallies:
        return told
    tallies = dict(outcome.tallies)
    told["work"] = _tallied(outcome, tallies["work"])
    dissipated = tallies["work"] + tallies["log_partition"]
    told["dissipated"] = _tallied(outcome, dissipated)
    return {**told, **(weights_told(problem, outcome) if problem.tells_weights else {})}


def weights_told(problem: Problem, outcome: Outcome) -> dict[str, Told]:
    """Return ``work``, ``work_variance`` and ``ess`` of weights, with estimated errors.

    The effective size has none where only a box that nobody asked for gives it.
    """
    ess, error = _tallied(outcome, np.exp(-outcome.tallies["log_second_moment"]))
    if problem.domain.box is None:
        error = np.where(outcome.times >= second_moment_ends(problem), np.inf, error)
    return {
        "work": _tallied(outcome, outcome.tallies["work"]),
        "work_variance": _tallied(outcome, outcome.tallies["work_variance"]),
        "ess": (ess, error),
    }


def _tallied(outcome: Outcome, values: Array) -> Told:
    """Return a number of the path with its error.

    What is gathered along a path loses order where steps are long beside relaxation: there two
    extrapolated values b', c' differ by more than `SETTLED` of what extrapolation changes, c − c',
    and the larger of both differences is the error.
    """
    value, error = told_with_error(outcome, list(values))
    if outcome.complete and len(values) > 2:
        near, far = np.abs(values[1] - value), np.abs(values[2] - value)
        error = np.where(near > SETTLED * far, np.maximum(near, far), error)
    return value, np.maximum(error, ROUND_OFF * np.abs(value))


def weight_warnings(problem: Problem, outcome: Outcome) -> list[str]:
    """Say so where E w² is that of the box: its flow is held where the mesh ends."""
    if not problem.tells_weights or not outcome.tallies:
        return []
    ends = second_moment_ends(problem)
    if ends < np.inf:
        return [
            f"without the box the weights have no second moment from t = {ends:.3g} on: no number "
            "of particles makes their averages reliable there, and `ess` is that of this box"
        ]
    share = outcome.tallies["second_moment_at_edge"][0]
    if not share.max() > HELD:
        return []
    t = outcome.times[int(np.argmax(share > HELD))]
    return [
        f"from t = {t:g} on, a share of up to {share.max():.1e} of the weights' second moment is "
        "held at the edge of the domain: without a box they have none, or a larger one, and "
        "`ess` is that of this box. A wider [domain] box shows which"
    ]


def _lifts(problem: Problem, evaluator: Evaluator, times: Array) -> Array:
    """Return V − V_t ``(T, n)`` at the points of a rule."""
    points = evaluator.points
    moving = problem.moving(points)
    assert moving is not None
    end = problem.potential(points)
    return np.array([end - moving(float(t)) for t in times]).reshape(len(times), len(points))


def path_checks(problem: Problem, outcome: Outcome, told: dict[str, Told]) -> list[dict[str, Any]]:
    """Return the checks: the second law, the ledger of KL, and the identity of annealing."""
    checks = []

    def add(title: str, value: float, limit: float) -> None:
        passed = bool(value <= limit)
        checks.append(
            {"name": title, "value": float(value), "limit": float(limit), "passed": passed}
        )

    if "dissipated" in told:
        value, error = told["dissipated"]
        # what the target adds to KL, and does not come back, is dissipated
        weighted = problem.equation.annealed is not None
        start, off = told["kl_to_path"]
        limit = float(np.nanmax(error, initial=0.0) + np.nan_to_num(off[0])) + SLACK
        add("largest breach of the second law", float(-(value + start[0]).min()), limit)
        if not weighted:
            kl, bar = told["kl_to_path"]
            left = kl[0] + value - outcome.tallies["kl_lost"][0] - kl
            limit = float(np.nanmax(error + bar, initial=0.0)) + SLACK
            add("residual of the ledger of KL", float(np.abs(left).max()), limit)
    annealed = problem.equation.annealed
    if annealed is None or annealed.power != 1:
        return checks
    distance = _from_path(problem, outcome)
    if distance[0] > IDENTITY:
        return checks  # it does not begin with its path
    if annealed.escort is None:
        add("largest L1 distance of the nodes from the path", float(distance.max()), IDENTITY)
    (grown, bar), (free, off) = told["log_normalising_constant"], told["free_energy"]
    bars = np.nan_to_num(bar) + np.nan_to_num(off) + SLACK
    apart = float((np.abs(grown + free) / bars).max())
    if outcome.complete and np.isfinite(bar).all():
        add("log E w against log Z_t/Z_0, in error bars", apart, APART)
    return checks


def _from_path(problem: Problem, outcome: Outcome) -> Array:
    """Return the L1 distances ``(T,)`` of what the nodes hold from π_t there."""
    nodes = outcome.interpolation.nodes
    moving = problem.moving(nodes)
    assert moving is not None
    end = problem.potential(nodes)

    def shares(log_density: Array) -> Array:
        mass = np.exp(log_density - log_density.max())
        return np.asarray(mass / mass.sum())

    pairs = zip(outcome.best, outcome.times, strict=True)
    return np.array([np.abs(shares(u - end) - shares(-moving(float(t)))).sum() for u, t in pairs])
