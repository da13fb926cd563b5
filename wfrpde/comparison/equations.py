"""Which equation a sampler solves: its path compared with a family of flows, rates fitted.

The averages of all observables at all times are compared with the Wasserstein flow (W, rate α), the
Fisher–Rao flow (FR, β), both (WFR, α and β), and linear Feynman–Kac flows whose weights follow the
potential (U = −cV) or the start (U = −c log(ρ₀/π)) instead of the current density. Rates are fitted
(`fits`). What does not solve its claim is compared further with usual mistakes: noise of another
temperature, a reaction of the wrong sign, steps that are too long.

An equation is named only if it explains the path: no residual is significant, and their root mean
square is at most `fits.MISFIT` standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.along_path import concluded, path_models, settled
from wfrpde.comparison.conclusions import conclude, names, off_rates, ranked
from wfrpde.comparison.density import MeshedDensity
from wfrpde.comparison.family import Family
from wfrpde.comparison.fits import Data, Model, fitted, nested
from wfrpde.comparison.process_faults import concluded_of, process_models
from wfrpde.comparison.replicates import Replicate
from wfrpde.comparison.results import Candidate, Diagnosis
from wfrpde.comparison.wrong_dynamics import wrong_dynamics
from wfrpde.equation import Equation
from wfrpde.fields.schedules import is_moving

Tell = Callable[[int, int], None]

FEWEST = 4
"""Replicates from which on equations are tried."""


def diagnose(
    name: str,
    family: Family,
    replicates: Sequence[Replicate],
    level: float,
    step_bias: Array | None = None,
    tell: Tell = lambda solved, total: None,
    *,
    biased: bool = True,
    own_steps: Array | None = None,
) -> Diagnosis:
    """Find the equation that a sampler's path fits best, or say why that cannot be found out.

    Parameters
    ----------
    step_bias
        ``(T, k)`` bias of the time step, where it is known: it says nothing about the equation.
    tell
        Called before each of the equations is fitted, with how many were before and will be.
    biased
        Whether a row of the sampler is: else it is not denounced.
    own_steps
        Averages ``(T, k)`` of infinitely many particles with its own steps, where they are known.
    """
    judge, count = family.judge, len(replicates)
    data = None
    reason = _hindrance(family, count)
    if not reason:
        # a reverse process with long steps is a candidate of its own
        steps = None if family.case.equation.process is not None else step_bias
        data = Data.of(replicates, judge, steps)
        reason = "no observable changes between its replicates" * (not len(data.mean))
    if reason or data is None:
        return Diagnosis(name, judge.label, (), f"was not compared with equations: {reason}", False)
    family.quick = _as_judged(family, data)
    why: dict[str, str] = {}

    def lost(equation: str) -> None:
        why[equation] = family.failure

    own = family.case.equation
    if own.process is not None:
        models = process_models(family, own_steps)
        candidates = fitted(models[:1], data, level, lambda done: tell(done, len(models)))
        if biased or not candidates[0].explains:
            plain = [model for model in models[1:] if not model[1]]
            candidates += fitted(plain, data, level, lambda n: tell(1 + n, len(models)))
        if biased and not any(c.explains for c in candidates):
            rest = [model for model in models if model[1]]
            candidates += fitted(rest, data, level, lambda n: tell(len(models) - 1, len(models)))
        return concluded_of(name, family, ranked(candidates, len(data.mean)), biased=biased)
    if own.path is not None:
        models = path_models(family)
        plain = [model for model in models if not model[1]]
        candidates = fitted(plain, data, level, lambda done: tell(done, len(models)), lost)
        if not settled(candidates, judge.label, biased=biased):
            rest = [model for model in models if model[1]]
            candidates += fitted(
                rest, data, level, lambda done: tell(len(plain) + done, len(models))
            )
        return _unsolved(name, family, candidates, why) or concluded(
            name, family, ranked(candidates, len(data.mean)), biased=biased
        )
    both = Equation.of(own.alpha or 1.0, own.beta or 1.0)
    rates = {"α": own.alpha, "β": own.beta}
    flows = _gradient_flows(family, both)
    few = len(flows)
    candidates = fitted(flows, data, level, lambda done: tell(done, few), lost)
    unsolved = _unsolved(name, family, candidates, why)
    if unsolved is not None:
        return unsolved
    claimed = [c for c in candidates if c.equation == judge.label]
    if not claimed or not claimed[0].explains or off_rates(claimed[0], rates, count):
        if own.dynamics is None or not own.dynamics.terms:
            # two rates, and named last: where another of the flows explains the path they cannot be
            other = any(names(c) and c.equation != judge.label for c in candidates)
            further = [] if other else _linear_flows(family, both)
            tried = [*further, *_mistakes(family, step_bias is None)]
        else:
            further = tried = wrong_dynamics(family)
        total = few + len(tried)
        candidates += fitted(tried, data, level, lambda done: tell(few + done, total))
        flows += further
    candidates = nested(flows, candidates, data, level)
    every = ranked(candidates, len(data.mean))
    return conclude(name, judge, every, rates, count, biased=biased)


def _as_judged(family: Family, data: Data) -> bool:
    """Whether what is claimed, solved without a tolerance, agrees with what rows are judged by.

    By less than half a standard error of each row: else every flow is solved to the tolerance.
    """
    judge = family.judge
    family.quick = True
    if family.case.accuracy.tolerance is None or judge.claims is None:
        return True
    values = family.solved("quickly", family.case.with_equation(judge.claims))
    if values is None:
        return False
    right = np.array([[value.value for value in judge.references[t]] for t in judge.times])
    return bool((np.abs(values - right).ravel()[data.used] < 0.5 * data.error).all())


def _unsolved(
    name: str, family: Family, candidates: Sequence[Candidate], why: Mapping[str, str]
) -> Diagnosis | None:
    """Say that what is claimed could not be solved again, where no other flow can be told from it.

    A linear flow that is claimed is no candidate of its own. ``why`` tells of each equation that
    is missing why it is.
    """
    judge = family.judge
    linear = judge.claims is not None and judge.claims.rate is not None
    if candidates and (linear or any(c.equation == judge.label for c in candidates)):
        return None
    what = f"its own flow, {judge.label}, could not" if candidates else "none of the flows could"
    reason = why.get(judge.label) or next((text for text in why.values() if text), "")
    words = f"was not compared with equations: {what} be solved again{reason and ': '}{reason}"
    return Diagnosis(name, judge.label, (), words, False)


def _hindrance(family: Family, count: int) -> str:
    """Say why no equations can be tried, or ""."""
    density = next(iter(family.judge.densities.values()))
    if not isinstance(density, MeshedDensity):
        return "the candidates are solved on meshes, and products and chains have none"
    nodes = len(density.interpolation.nodes)
    if count < FEWEST:
        return f"{count} replicates tell too little; needed {FEWEST}"
    # nodes of a solution beyond which solving it again and again takes too long
    if nodes > 60_000:
        return f"flows on a mesh of {nodes} nodes take too long to be solved again and again"
    own = family.case.equation
    rates = is_moving(own.alpha) or is_moving(own.beta)
    if rates if own.path is not None else own.moving:
        return "the rates of the case depend on time"
    return ""


def _gradient_flows(family: Family, both: Equation) -> list[Model]:
    def flow(p: Array, part: Equation) -> Array | None:
        rates = iter(p)
        return family.gradient_flow(*(next(rates) if r else 0.0 for r in (part.alpha, part.beta)))

    return [
        (
            part.label,
            {name: r for name, r in (("α", part.alpha), ("β", part.beta)) if r},
            partial(flow, part=part),
        )
        for part in (both.without_reaction(), both.without_transport(), both)
    ]


def _linear_flows(family: Family, both: Equation) -> list[Model]:
    def linear(p: Array, weights: str) -> Array | None:
        return family.linear_flow(weights, p[0], p[1])

    return [
        (
            f"feynman-kac (U = {rate})",
            {"α": both.alpha, "c": both.beta},
            partial(linear, weights=weights),
        )
        for weights, rate in (("potential", "−cV"), ("start", "−c log(ρ₀/π)"))
    ]


def _mistakes(family: Family, steps_count: bool) -> list[Model]:
    """Flows and schemes of the claimed rates with one thing wrong.

    Where the bias of the step is not in the data (``steps_count`` is false) it is taken out of
    these, too.
    """
    claims = family.judge.claims
    if claims is None or claims.rate is not None or not claims.alpha:
        return []
    alpha, beta, label = claims.alpha, claims.beta, claims.label

    def scheme(beta: float, temperature: float) -> Array | None:
        values = family.scheme(alpha, beta, temperature)
        if steps_count or values is None:
            return values
        right, exact = family.scheme(alpha, claims.beta), family.gradient_flow(alpha, claims.beta)
        return None if right is None or exact is None else values - right + exact

    models: list[Model] = [
        (f"{label} at another temperature", {"T": 1.0}, lambda p: scheme(beta, p[0]))
    ]
    if beta:
        models.append((f"{label} of the wrong sign", {"−β": beta}, lambda p: scheme(-p[0], 1.0)))
    if steps_count:
        own = f"{label} by steps of dt = {family.dt:g}"
        models.append((own, {}, lambda _: scheme(beta, 1.0)))
    return models
