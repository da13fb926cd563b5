"""Which equation a sampler solves: its path compared with a family of flows, rates fitted.

The averages of all observables at all times are compared with the Wasserstein flow (W, rate α), the
Fisher–Rao flow (FR, β), both (WFR, α and β), and linear Feynman–Kac flows whose weights follow the
potential (U = −cV) or the start (U = −c log(ρ₀/π)) instead of the current density. Rates are fitted
by least squares; their intervals come from the spread of the replicates, which knows how times and
observables depend on one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from wfrpde.comparison.family import Family
from wfrpde.comparison.replicates import Judge, Replicate
from wfrpde.comparison.results import Candidate, Diagnosis, Fit
from wfrpde.comparison.statistics import holm, p_value, t_quantile
from wfrpde.equation import Equation
from wfrpde.numbers import number, pretty

Array = npt.NDArray[np.float64]
Model = Callable[[Array], Array | None]
Tell = Callable[[int, int], None]
_Model = tuple[str, dict[str, float], Model]  # name, usual rates by their symbols, averages

STEP = 0.05
"""Relative change of a rate from which its influence is found."""

SURE = 0.0005
"""Error probability of either side of the intervals by which a rate is called wrong."""

CLOSE = 0.05
"""Logarithms of rates that differ from the claimed ones by less are called the same."""

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
) -> Diagnosis | None:
    """Find the equation that a sampler's path fits best.

    None where that cannot be found out: fewer than four replicates, a mesh that is too large, or
    rates that depend on time.

    Parameters
    ----------
    step_bias
        ``(T, k)`` bias of the time step, where it is known: it says nothing about the equation.
    tell
        Called before each of the equations is fitted, with how many were before and will be.
    """
    case, judge = family.case, family.judge
    count = len(replicates)
    nodes = len(next(iter(judge.densities.values())).interpolation.nodes)
    if count < 4 or nodes > LARGEST_MESH or case.equation.moving:
        return None
    data = _Data.of(replicates, judge, step_bias)
    if not len(data.mean):
        return None
    own = case.equation
    alpha, beta = own.alpha or 1.0, own.beta or 1.0
    both = Equation.of(alpha, beta)

    def flow(p: Array, part: Equation) -> Array | None:
        rates = iter(p)
        return family.gradient_flow(*(next(rates) if r else 0.0 for r in (part.alpha, part.beta)))

    def linear(p: Array, weights: str) -> Array | None:
        return family.linear_flow(weights, p[0], p[1])

    gradient_flows: list[_Model] = [
        (
            part.label,
            {name: r for name, r in (("α", part.alpha), ("β", part.beta)) if r},
            partial(flow, part=part),
        )
        for part in (both.without_reaction(), both.without_transport(), both)
    ]
    linear_flows: list[_Model] = [
        (
            f"feynman-kac (U = {rate})",
            {"α": alpha, "c": beta},
            partial(linear, weights=weights),
        )
        for weights, rate in (("potential", "−cV"), ("start", "−c log(ρ₀/π)"))
    ]
    rates = {"α": own.alpha, "β": own.beta}
    few, all_of_them = len(gradient_flows), len(gradient_flows) + len(linear_flows)
    candidates = _fitted(gradient_flows, data, level, lambda done: tell(done, few))
    claimed = [c for c in candidates if c.equation == judge.label]
    if not claimed or not claimed[0].explains or _off(claimed[0], rates, count):
        candidates += _fitted(linear_flows, data, level, lambda done: tell(few + done, all_of_them))
    candidates = _nested([*gradient_flows, *linear_flows], candidates, data, level)
    if not candidates:
        return None
    ranked = _ranked(candidates, len(data.mean))
    return _conclude(name, judge, ranked, rates, count)


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
    p = np.array([p_value(gap, 0.0, 1.0, count - 1.0) for gap in residual])
    return Candidate(
        equation=equation,
        words=f"{equation} with {', '.join(_rate(n, f) for n, f in parameters.items())}",
        parameters=parameters,
        misfit=misfit,
        explains=not bool(holm(p, level).any()),
    )


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
    name: str, judge: Judge, ranked: list[Candidate], rates: dict[str, float], replicates: int
) -> Diagnosis:
    best, claims = ranked[0], judge.label
    assert judge.claims is not None
    linear = judge.claims.rate is not None
    claimed = next((c for c in ranked if c.equation == claims), None)
    wrong_kind = best.equation != claims and not linear
    if wrong_kind and claimed is not None:
        # two equations may both explain a short path: the benefit of the doubt is the claim's
        near = claimed.explains or claimed.misfit < 1.5 * best.misfit
        near = near or not _substantial(best, judge.claims, rates)
        # α and β fitted as nothing is the other equation in all but name
        vanishing = any(
            f.value < 0.15 * rates[n] for n, f in claimed.parameters.items() if rates.get(n)
        )
        wrong_kind = vanishing or not near
    subject = best if wrong_kind or claimed is None else claimed
    off = _off(subject, rates, replicates)
    if linear:
        conclusion, impostor = f"its path is closest to {best.words}", False
    elif wrong_kind:
        conclusion, impostor = f"moves like {best.words}, not like {claims}", True
    elif off and subject.explains:
        meant = ", ".join(f"{n} = {rates[n]:g}" for n in off)
        conclusion = (
            f"moves like {subject.words}, instead of {meant}: the rate is wrong, or the bias of "
            "its step or of its number of particles looks like that"
        ) + _as_well(subject, ranked)
        impostor = False
    elif off:
        conclusion = f"follows no equation that was tried; closest is {best.words}"
        impostor = False
    elif subject.explains:
        near = all(
            f.low <= rates[n] <= f.high for n, f in subject.parameters.items() if rates.get(n)
        )
        how = "solves what it claims" if near else "is closest to what it claims"
        conclusion, impostor = f"{how}: {subject.words}", False
    else:
        conclusion = f"is closest to what it claims, {subject.words}, but biased"
        impostor = False
    return Diagnosis(name, claims, tuple(ranked), conclusion, impostor)
