"""Errors of replicate averages, tests of many rows together, and power.

The unit of all statistics is the replicate: an independent run of the sampler with a seed of its
own. Particles of one run interact, or share their resampling, and say nothing about the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array, Flags

MOST = 10**9
"""Replicates that nobody runs."""

ROUND_OFF = 1e-13
"""Share of an average, or of the spread where that is larger, which round-off may change."""


def expectation(values: Array, shares: Array) -> Array:
    """Return Σ p_i φ_i of functions ``(…, n)``, with shares ``(n,)`` of sum 1.

    As φ_1 + Σ p_i (φ_i − φ_1): shares miss 1 by what rounding n of them leaves, all in one
    direction where they are equal, and φ by no more than that share of how far it varies. What is
    the same everywhere is that exactly.
    """
    here = values[..., int(np.argmax(shares)), None]
    with np.errstate(invalid="ignore"):  # infinite values give no number
        return np.asarray(here[..., 0] + (values - here) @ shares)


@dataclass(frozen=True)
class Average:
    """An average with its standard error.

    Attributes
    ----------
    value, standard_error
        The average and its standard error.
    freedom
        Degrees of freedom of the standard error.
    """

    value: float
    standard_error: float
    freedom: float

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided t interval with error probability ``level``."""
        half = t_quantile(1 - level / 2, self.freedom) * self.standard_error
        return self.value - half, self.value + half


def average(values: Array, floor: float = 0.0) -> Average:
    """Mean and standard error over replicates ``(R,)``.

    Parameters
    ----------
    values
        One value of each replicate.
    floor
        The standard error is at least this: what is known beforehand about events so rare that
        the replicates may agree by chance.
    """
    count = len(values)
    if count == 1:
        return Average(float(values[0]), np.inf, 1.0)
    error = float(values.std(ddof=1) / np.sqrt(count))
    return Average(float(values.mean()), max(error, floor), count - 1.0)


def chain_average(values: Array, errors: Array, freedom: Array) -> Average:
    """Average of replicates ``(R,)`` whose own standard errors account for their autocorrelation.

    The larger of the two standard errors is taken, within and between, with its own degrees of
    freedom: ``freedom`` ``(R,)`` are those of ``errors``. The one between alone is taken where a
    replicate does not know its own, which is infinite then.
    """
    count = len(values)
    within = float(np.sqrt((errors**2).sum()) / count)
    if count > 1:
        between = float(values.std(ddof=1) / np.sqrt(count))
        if between > within or np.isinf(within):
            return Average(float(values.mean()), between, count - 1.0)
    return Average(float(values.mean()), within, max(float(freedom.sum()), 1.0))


def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import ndtri, stdtrit

    if freedom > 1e6:
        return float(ndtri(probability))
    return float(stdtrit(freedom, probability))


def p_value(
    gap: float, allowed: float, standard_error: float, freedom: float, skewness: float = 0.0
) -> float:
    """Two-sided p-value of the hypothesis that the true difference is at most ``allowed``.

    t = (|gap| − allowed)/standard error. The reference's own error is such a bound: it is the
    same in every replicate and does not average out. A ``skewness`` of the average away from the
    gap excuses some of it (`unskewed`).
    """
    from scipy.special import stdtr

    excess = abs(gap) - allowed
    if excess <= 0:
        return 1.0
    if standard_error == 0:
        return 0.0
    if not np.isfinite(standard_error):
        return 1.0
    t = unskewed(np.asarray(excess / standard_error), np.asarray(-skewness))
    return float(min(2 * stdtr(freedom, -float(t)), 1.0))


def p_above(value: float, standard_error: float, freedom: float) -> float:
    """One-sided p-value of the hypothesis that the truth is not positive, by Student's t."""
    from scipy.special import stdtr

    if standard_error == 0:
        return float(value <= 0)
    return float(stdtr(freedom, -value / standard_error))


def poisson_p_value(observed: float, expected: float) -> float:
    """Two-sided p-value of a count, 2 min(P(K ≤ k), P(K ≥ k)), under a Poisson law."""
    from scipy.special import pdtr, pdtrc

    if expected <= 0:
        return 1.0 if observed <= 1e-9 else 0.0
    above = pdtrc(np.ceil(observed - 1e-9) - 1, expected) if observed > 1e-9 else 1.0
    return float(min(1.0, 2 * min(above, pdtr(np.floor(observed + 1e-9), expected))))


def holm(p: Array, level: float) -> Flags:
    """Which hypotheses Holm's step-down procedure rejects.

    The probability of any false rejection is at most ``level``, however the rows depend on one
    another (Holm 1979): nothing has to be known about the correlation of times and observables.
    """
    order = np.argsort(p, kind="stable")
    threshold = level / (len(p) - np.arange(len(p)))
    passing = p[order] <= threshold
    count = len(p) if passing.all() else int(np.argmin(passing))
    rejected = np.zeros(len(p), dtype=bool)
    rejected[order[:count]] = True
    return rejected


def unskewed(t: Array, skewness: Array) -> Array:
    """Return Hall's transformation of Student's t > 0 of an average with a skewness, at least 0.

    It makes no gap more significant. P. Hall (1992), J. R. Stat. Soc. B 54, 221–228.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        bent = t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6
    return np.where(np.isfinite(t), np.minimum(t, np.maximum(bent, 0.0)), t)


def skewness_between(values: Array) -> Array:
    """Return the skewness of averages over replicates ``(R, m)``, as far as they tell one.

    That of R normal numbers has a variance of 6/R, which is taken off its square.
    """
    count = len(values)
    gaps = values - values.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.nan_to_num((gaps**3).mean(axis=0) / (gaps**2).mean(axis=0) ** 1.5)
        told = np.maximum(1 - 6 / (count * found**2), 0.0)
    return np.asarray(found * np.nan_to_num(told) / np.sqrt(count))


def detectable(
    standard_error: float, freedom: float, level: float, power: float, skewness: float = 0.0
) -> float:
    """Smallest bias that a two-sided t test at ``level`` sees with probability ``power``.

    On the side that a ``skewness`` of the average is away from.
    """
    if not np.isfinite(standard_error):
        return np.inf
    needed = t_quantile(1 - level / 2, freedom)
    if skewness:  # the inverse of `unskewed`
        bent = skewness * (needed + skewness / 6)
        needed = max(needed, 3 / skewness * (1 + np.cbrt(bent - 1)))
    return float(standard_error * (needed + t_quantile(power, freedom)))


def needed_replicates(
    standard_error: float,
    count: int,
    wanted: float,
    level: float,
    power: float,
    skewness: float = 0.0,
) -> int:
    """How many replicates make the bias ``wanted`` detectable; `MOST` at most.

    The standard error and the ``skewness`` of the average over ``count`` fall as 1/√R.
    """
    if not np.isfinite(standard_error) or wanted <= 0:
        return MOST

    def seen(replicates: int) -> float:
        share = np.sqrt(count / replicates)
        return detectable(standard_error * share, replicates - 1, level, power, skewness * share)

    low, high = 2, 2
    while high < MOST and seen(high) > wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if seen(middle) > wanted:
            low = middle
        else:
            high = middle
    return min(high, MOST)
