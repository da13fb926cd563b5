"""Which equation a sampler solves: its path compared with a family of flows, rates fitted.

The averages of all observables at all times are compared with the Wasserstein flow (W, rate α), the
Fisher–Rao flow (FR, β), both (WFR, α and β), and linear Feynman–Kac flows whose weights follow the
potential (U = −cV) or the start (U = −c log(ρ₀/π)) instead of the current density. Rates are fitted
by least squares; their intervals come from the spread of the replicates, which knows how times and
observables depend on one another. What does not solve its claim is compared further with usual
mistakes: noise of another temperature, a reaction of the wrong sign, steps that are too long.

An equation is named only if it explains the path: no residual is significant, and their root mean
square is at most `MISFIT` standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from wfrpde.comparison.along_path import concluded, path_models, settled
from wfrpde.comparison.density import MeshedDensity
from wfrpde.comparison.family import Family
from wfrpde.comparison.process_faults import concluded_of, process_models
from wfrpde.comparison.replicates import Judge, Replicate
from wfrpde.comparison.results import Candidate, Diagnosis, Fit
from wfrpde.comparison.statistics import holm, p_value, t_quantile
from wfrpde.comparison.wrong_dynamics import wrong_dynamics
from wfrpde.equation import Equation
from wfrpde.fields.schedules import is_moving
from wfrpde.numbers import number, pretty

Array = npt.NDArray[np.float64]
Model = Callable[[Array], Array | None]
Tell = Callable[[int, int], None]
_Model = tuple[str, dict[str, float], Model]  # name, usual rates by their symbols, averages

MISFIT = 2.0
"""Root mean square of the residuals, in standard errors, of what explains a path at most."""

STEP = 0.05
"""Relative change of a rate from which its influence is found."""

SURE = 0.0005
"""Error probability of either side of the intervals by which a rate is called wrong."""

CLOSE = 0.05
"""Logarithms of rates that differ from the claimed ones by less are called the same."""

FEWEST = 4
"""Replicates from which on equations are tried."""

ITERATIONS = 10
"""Trials of rates in one fit, besides those that its slopes take."""

GAIN = 2e-3
"""Relative change of the misfit, or of the logarithms of the rates, that ends a fit."""

RANGE = (6.0, 2.5)
"""How far below and above the claimed rates the fits may go, in logarithms."""

LARGEST_MESH = 60_000
"""Nodes of a solution beyond which solving it again and again takes too long."""


@dataclass(frozen=True)
class _Data:
    """Averages of replicates that have an error: ``(R, m)`` of all times and observables."""

    values: Array
    used: npt.NDArray[np.bool_]
    mean: Array
    error: Array

    @classmethod
    def of(cls, replicates: Sequence[Replicate], judge: Judge, step_bias: Array | None) -> _Data:
        values = np.array([r.values.ravel() for r in replicates])
        if step_bias is not None:
            values = values - step_bias.ravel()
        spread = np.array([[v.spread for v in judge.references[t]] for t in judge.times]).ravel()
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        used = error > 1e-6 * np.maximum(spread, 1e-300)
        return cls(values[:, used], used, values[:, used].mean(axis=0), error[used])


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
        data = _Data.of(replicates, judge, steps)
        reason = "no observable changes between its replicates" * (not len(data.mean))
    if reason or data is None:
        return Diagnosis(name, judge.label, (), f"was not compared with equations: {reason}", False)
    own = family.case.equation
    if own.process is not None:
        models = process_models(family, own_steps)
        candidates = _fitted(models[:1], data, level, lambda done: tell(done, len(models)))
        if biased or not candidates[0].explains:
            plain = [model for model in models[1:] if not model[1]]
            candidates += _fitted(plain, data, level, lambda n: tell(1 + n, len(models)))
        if biased and not any(c.explains for c in candidates):
            rest = [model for model in models if model[1]]
            candidates += _fitted(rest, data, level, lambda n: tell(len(models) - 1, len(models)))
        return concluded_of(name, family, _ranked(candidates, len(data.mean)), biased=biased)
    if own.path is not None:
        models = path_models(family)
        plain = [model for model in models if not model[1]]
        candidates = _fitted(plain, data, level, lambda done: tell(done, len(models)))
        if not settled(candidates, judge.label, biased=biased):
            rest = [model for model in models if model[1]]
            candidates += _fitted(
                rest, data, level, lambda done: tell(len(plain) + done, len(models))
            )
        if not candidates:
            words = "was not compared with equations: none of the flows could be solved"
            return Diagnosis(name, judge.label, (), words, False)
        return concluded(name, family, _ranked(candidates, len(data.mean)), biased=biased)
    both = Equation.of(own.alpha or 1.0, own.beta or 1.0)
    rates = {"α": own.alpha, "β": own.beta}
    flows = _gradient_flows(family, both)
    few = len(flows)
    candidates = _fitted(flows, data, level, lambda done: tell(done, few))
    claimed = [c for c in candidates if c.equation == judge.label]
    if not claimed or not claimed[0].explains or _off(claimed[0], rates, count):
        if own.dynamics is None or not own.dynamics.terms:
            further = _linear_flows(family, both)
            tried = [*further, *_mistakes(family, step_bias is None)]
        else:
            further = tried = wrong_dynamics(family)
        every = few + len(tried)
        candidates += _fitted(tried, data, level, lambda done: tell(few + done, every))
        flows += further
    candidates = _nested(flows, candidates, data, level)
    if not candidates:
        words = "was not compared with equations: none of the flows could be solved"
        return Diagnosis(name, judge.label, (), words, False)
    ranked = _ranked(candidates, len(data.mean))
    return _conclude(name, judge, ranked, rates, count, biased=biased)


def _hindrance(family: Family, count: int) -> str:
    """Say why no equations can be tried, or ""."""
    density = next(iter(family.judge.densities.values()))
    if not isinstance(density, MeshedDensity):
        return "the candidates are solved on meshes, which products have none of"
    nodes = len(density.interpolation.nodes)
    if count < FEWEST:
        return f"{count} replicates tell too little; needed {FEWEST}"
    if nodes > LARGEST_MESH:
        return f"flows on a mesh of {nodes} nodes take too long to be solved again and again"
    own = family.case.equation
    rates = is_moving(own.alpha) or is_moving(own.beta)
    if rates if own.path is not None else own.moving:
        return "the rates of the case depend on time"
    return ""


def _gradient_flows(family: Family, both: Equation) -> list[_Model]:
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


def _linear_flows(family: Family, both: Equation) -> list[_Model]:
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


def _mistakes(family: Family, steps_count: bool) -> list[_Model]:
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

    models: list[_Model] = [
        (f"{label} at another temperature", {"T": 1.0}, lambda p: scheme(beta, p[0]))
    ]
    if beta:
        models.append((f"{label} of the wrong sign", {"−β": beta}, lambda p: scheme(-p[0], 1.0)))
    if steps_count:
        own = f"{label} by steps of dt = {family.dt:g}"
        models.append((own, {}, lambda _: scheme(beta, 1.0)))
    return models


def _fitted(
    models: Sequence[_Model], data: _Data, level: float, tell: Callable[[int], None]
) -> list[Candidate]:
    found = []
    for k, (equation, start, model) in enumerate(models):
        tell(k)
        found.append(_fit(equation, start, model, data, level))
    return [candidate for candidate in found if candidate is not None]


def _nested(
    models: Sequence[_Model],
    candidates: Sequence[Candidate],
    data: _Data,
    level: float,
) -> list[Candidate]:
    """Fit anew, from W with hardly any of the second rate, what ended worse than W, its limit."""
    plain = next((c for c in candidates if list(c.parameters) == ["α"]), None)
    if plain is None:
        return list(candidates)
    known = {equation: (start, model) for equation, start, model in models}

    def chi_square(candidate: Candidate) -> float:
        return candidate.misfit**2 * _freedom(data, len(candidate.parameters))

    result = []
    for candidate in candidates:
        if "α" in candidate.parameters and chi_square(candidate) > 1.01 * chi_square(plain):
            start, model = known[candidate.equation]
            faint = {n: v * np.exp(-RANGE[0] + 0.01) for n, v in start.items() if n != "α"}
            begin = {"α": plain.parameters["α"].value, **faint}
            again = _fit(candidate.equation, start, model, data, level, begin)
            if again is not None and chi_square(again) < chi_square(candidate):
                candidate = again
        result.append(candidate)
    return result


def _freedom(data: _Data, rates: int) -> int:
    return max(len(data.mean) - rates, 1)


class _Unsolvable(Exception):
    """A flow with these rates cannot be computed."""


def _fit(
    equation: str,
    usual: dict[str, float],
    model: Model,
    data: _Data,
    level: float,
    begin: dict[str, float] | None = None,
) -> Candidate | None:
    """Fit the logarithms of the rates by least squares, from the `usual` ones or another start."""
    from scipy.optimize import least_squares

    centre = np.log(np.array(list(usual.values())))
    least, most = centre - RANGE[0], centre + RANGE[1]
    first = centre if begin is None else np.log([begin[name] for name in usual])
    count = len(data.values)

    def scaled(theta: Array) -> Array:
        values = _used(model, theta, data)
        if values is None:
            raise _Unsolvable
        return (values - data.mean) / data.error

    def slopes(theta: Array) -> Array:
        base = scaled(theta)
        return np.stack([(scaled(t) - base) / STEP for t in theta + STEP * np.eye(len(theta))], 1)

    if not usual:
        return _as_it_is(equation, model, data, level)
    try:
        fitted = least_squares(
            scaled, np.clip(first, least + 1e-3, most - 1e-3), slopes, bounds=(least, most),
            ftol=GAIN, xtol=GAIN, gtol=GAIN, max_nfev=ITERATIONS,
        )  # fmt: skip
    except _Unsolvable:
        return None
    theta, residual = fitted.x, -fitted.fun
    misfit = float(np.sqrt(residual @ residual / _freedom(data, len(theta))))
    pulled = np.linalg.pinv(fitted.jac) / data.error
    each = (data.values - data.mean) @ pulled.T
    error = each.std(axis=0, ddof=1) / np.sqrt(count) * max(misfit, 1.0)
    half = t_quantile(0.975, count - 1.0) * error
    parameters = {name: _rate_fit(v, h) for name, v, h in zip(usual, theta, half, strict=True)}
    return Candidate(
        equation=equation,
        words=f"{equation} with {', '.join(_rate(n, f) for n, f in parameters.items())}",
        parameters=parameters,
        misfit=misfit,
        explains=_explains(residual, misfit, count, level),
    )


def _as_it_is(equation: str, model: Model, data: _Data, level: float) -> Candidate | None:
    """Compare a model that has no rates to be fitted."""
    values = _used(model, np.empty(0), data)
    if values is None:
        return None
    residual = (data.mean - values) / data.error
    misfit = float(np.sqrt(np.mean(residual**2)))
    good = _explains(residual, misfit, len(data.values), level)
    return Candidate(equation, equation, {}, misfit, good)


def _explains(residual: Array, misfit: float, replicates: int, level: float) -> bool:
    p = np.array([p_value(gap, 0.0, 1.0, replicates - 1.0) for gap in residual])
    return misfit <= MISFIT and not bool(holm(p, level).any())


def _rate_fit(logarithm: float, half: float) -> Fit:
    """Give a rate and its interval; a path that says nothing of it has one without an end."""
    with np.errstate(over="ignore"):
        ends = np.exp([logarithm, logarithm - half, logarithm + half])
    return Fit(*(float(end) for end in ends))


def _used(model: Model, theta: Array, data: _Data) -> Array | None:
    values = model(np.exp(theta))
    if values is None or not np.isfinite(values).all():
        return None
    return np.asarray(values.ravel()[data.used])


def _rate(name: str, fit: Fit) -> str:
    if not fit.high < 100 * fit.low:
        return f"{name} ≈ {pretty(number(fit.value, 2))} (undetermined)"
    low, high = pretty(number(fit.low, 3)), pretty(number(fit.high, 3))
    return f"{name} = {pretty(number(fit.value, 3))} ({low} to {high})"


def _ranked(candidates: list[Candidate], rows: int) -> list[Candidate]:
    """Sort: what explains the path with the fewest rates comes first, then what misses it least.

    What does not explain it is charged log(rows) for each rate, in units of the best misfit.
    """
    scale = max(1.0, min(c.misfit for c in candidates) ** 2)

    def rank(c: Candidate) -> tuple[bool, int, bool, float]:
        rates, linear = len(c.parameters), "c" in c.parameters
        score = c.misfit**2 * max(rows - rates, 1) / scale + rates * np.log(rows)
        good = c.explains and _determined(c)
        return not good, rates if good else 0, good and linear, float(score)

    return sorted(candidates, key=rank)


def _determined(candidate: Candidate) -> bool:
    """Whether the path says what the rates are, to a factor of ten or so."""
    return all(fit.high < 100 * fit.low for fit in candidate.parameters.values())


def _substantial(candidate: Candidate, claims: Equation, rates: dict[str, float]) -> bool:
    """Whether an equation differs from the claimed one by more than a small bias can feign."""
    if not _determined(candidate):
        return False
    known = {"α": claims.dynamics is not None, "β": claims.reaction is not None}
    for name, fit in candidate.parameters.items():
        usual = rates.get("β" if name == "c" else name) or 1.0
        if not known.get(name, False) and fit.value < 0.1 * usual:
            return False
    return True


def _off(candidate: Candidate, rates: dict[str, float], replicates: int) -> list[str]:
    """Name the rates that are surely not those of the case."""
    wider = t_quantile(1 - SURE, replicates - 1.0) / t_quantile(0.975, replicates - 1.0)
    names = []
    for name, fit in candidate.parameters.items():
        if not rates.get(name) or not 0 < fit.low < fit.high:
            continue
        half = wider * np.log(fit.high / fit.low) / 2
        if abs(np.log(fit.value / rates[name])) > max(half, CLOSE):
            names.append(name)
    return names


def _as_well(subject: Candidate, ranked: Sequence[Candidate]) -> str:
    """Name the other equations that explain the path and are no special case of the `subject`."""
    others = [
        c.words
        for c in ranked
        if c.explains and _determined(c) and len(c.parameters) >= len(subject.parameters)
        if c is not subject
    ]
    return f". What it does would also be {' or '.join(others)}" if others else ""


def _conclude(
    name: str,
    judge: Judge,
    ranked: list[Candidate],
    rates: dict[str, float],
    replicates: int,
    *,
    biased: bool,
) -> Diagnosis:
    best, claims = ranked[0], judge.label
    assert judge.claims is not None
    claimed = next((c for c in ranked if c.equation == claims), None)
    # two equations may both explain a short path: the benefit of the doubt is the claim's
    wrong_kind = best.explains and best.equation != claims and judge.claims.rate is None
    if wrong_kind and claimed is not None:
        # α and β fitted as nothing is the other equation in all but name
        vanishing = any(
            f.value < 0.15 * rates[n] for n, f in claimed.parameters.items() if rates.get(n)
        )
        near = claimed.explains or not _substantial(best, judge.claims, rates)
        wrong_kind = vanishing or not near
    subject = best if wrong_kind or claimed is None else claimed
    off = _off(subject, rates, replicates)
    impostor = False
    if not any(c.explains for c in ranked):
        conclusion = (
            "no equation that was tried explains its path; the closest is "
            f"{best.words}, {pretty(number(best.misfit, 2))} standard errors off"
        )
    elif best.explains and not best.parameters:
        conclusion = f"solves what it claims with the bias of its step: {best.words}"
    elif judge.claims.rate is not None:
        conclusion = f"moves like {best.words}"
    elif wrong_kind and not biased:
        conclusion = f"no row is biased; as a whole its path is like {best.words}"
    elif wrong_kind:
        conclusion, impostor = f"moves like {best.words}, not like {claims}", True
    elif off and subject.explains:
        meant = ", ".join(f"{n} = {rates[n]:g}" for n in off)
        conclusion = (
            f"moves like {subject.words}, instead of {meant}: the rate is wrong, or the bias of "
            "its step or of its number of particles looks like that"
        ) + _as_well(subject, ranked)
    elif subject.explains:
        near = all(
            f.low <= rates[n] <= f.high for n, f in subject.parameters.items() if rates.get(n)
        )
        how = "solves what it claims" if near else "is closest to what it claims"
        conclusion = f"{how}: {subject.words}"
    else:
        conclusion = (
            f"is close to what it claims, {subject.words}, but only {best.words} explains its path"
        )
    return Diagnosis(name, claims, tuple(ranked), conclusion, impostor)
