"""Rates of candidate equations, fitted to the averages of a sampler's replicates.

Least squares over the logarithms of the rates; their intervals come from the spread of the
replicates, which knows how times and observables depend on one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.comparison.replicates import Judge, Replicate
from wfrpde.comparison.results import Candidate, Fit
from wfrpde.comparison.statistics import holm, p_value, t_quantile
from wfrpde.numbers import number

Averages = Callable[[Array], Array | None]
Model = tuple[str, dict[str, float], Averages]
"""Name, usual rates by their symbols, and averages as a function of rates."""

MISFIT = 2.0
"""Root mean square of the residuals, in standard errors, of what explains a path at most."""

STEP = 0.05
"""Relative change of a rate from which its influence is found."""

ITERATIONS, AGAIN = 10, 4
"""Trials of rates in one fit, besides those that its slopes take, and in the same from what it
found, with slopes of that place, which tell the rates' errors."""

GAIN = 2e-3
"""Relative change of the misfit, or of the logarithms of the rates, that ends a fit."""

RANGE = (6.0, 2.5)
"""How far below and above the claimed rates the fits may go, in logarithms."""


@dataclass(frozen=True)
class Data:
    """Averages of replicates that have an error: ``(R, m)`` of all times and observables."""

    values: Array
    used: Flags
    mean: Array
    error: Array

    @classmethod
    def of(cls, replicates: Sequence[Replicate], judge: Judge, step_bias: Array | None) -> Data:
        """Return what has an error, without the bias of the time step where it is known."""
        values = np.array([r.values.ravel() for r in replicates])
        if step_bias is not None:
            values = values - step_bias.ravel()
        spread = np.array([[v.spread for v in judge.references[t]] for t in judge.times]).ravel()
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        used = error > 1e-6 * np.maximum(spread, 1e-300)
        return cls(values[:, used], used, values[:, used].mean(axis=0), error[used])


def fitted(
    models: Sequence[Model],
    data: Data,
    level: float,
    tell: Callable[[int], None],
    lost: Callable[[str], None] = lambda equation: None,
) -> list[Candidate]:
    """Fit each model, after telling how many were before, and leave out what has no solution.

    Of that ``lost`` is told at once.
    """
    found = []
    for k, (equation, start, model) in enumerate(models):
        tell(k)
        candidate = _fit(equation, start, model, data, level)
        if candidate is not None:
            found.append(candidate)
        else:
            lost(equation)
    return found


def nested(
    models: Sequence[Model],
    candidates: Sequence[Candidate],
    data: Data,
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


def _freedom(data: Data, rates: int) -> int:
    return max(len(data.mean) - rates, 1)


class _Unsolvable(Exception):
    """A flow with these rates cannot be computed."""


def _fit(
    equation: str,
    usual: dict[str, float],
    model: Averages,
    data: Data,
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

    if not usual:
        return _as_it_is(equation, model, data, level)
    found = np.clip(first, least + 1e-3, most - 1e-3)
    try:
        for trials in (ITERATIONS, AGAIN):
            fitted = least_squares(
                scaled, found, _Slopes(scaled), bounds=(least, most),
                ftol=GAIN, xtol=GAIN, gtol=GAIN, max_nfev=trials,
            )  # fmt: skip
            found = fitted.x
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


class _Slopes:
    """Derivatives of residuals ``(m, p)``: by differences first, then by Broyden's update.

    Each difference is a flow to be solved, while an update costs nothing.
    """

    def __init__(self, residuals: Callable[[Array], Array]) -> None:
        self.residuals = residuals
        self.last: tuple[Array, Array, Array] | None = None

    def __call__(self, theta: Array) -> Array:
        """Return them at the next place."""
        here = self.residuals(theta)
        if self.last is None:
            ends = theta + STEP * np.eye(len(theta))
            slopes = np.stack([(self.residuals(end) - here) / STEP for end in ends], axis=1)
        else:
            before, there, slopes = self.last
            step = theta - before
            missed = here - there - slopes @ step
            slopes = slopes + np.outer(missed, step) / max(float(step @ step), 1e-30)
        self.last = theta.copy(), here, slopes
        return slopes


def _as_it_is(equation: str, model: Averages, data: Data, level: float) -> Candidate | None:
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


def _used(model: Averages, theta: Array, data: Data) -> Array | None:
    values = model(np.exp(theta))
    if values is None or not np.isfinite(values).all():
        return None
    return np.asarray(values.ravel()[data.used])


def _rate(name: str, fit: Fit) -> str:
    if not fit.high < 100 * fit.low:
        return f"{name} ≈ {number(fit.value, 2)} (undetermined)"
    low, high = number(fit.low, 3), number(fit.high, 3)
    return f"{name} = {number(fit.value, 3)} ({low} to {high})"
