"""Errors of replicate averages, tests of many rows together, and power.

The unit of all statistics is the replicate: an independent run of the sampler with a seed of its
own. Particles of one run interact, or share their resampling, and say nothing about the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array, Flags


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


def p_value(gap: float, allowed: float, standard_error: float, freedom: float) -> float:
    """Two-sided p-value of the hypothesis that the true difference is at most ``allowed``.

    t = (|gap| − allowed)/standard error. The reference's own error is such a bound: it is the
    same in every replicate and does not average out.
    """
    from scipy.special import stdtr

    excess = abs(gap) - allowed
    if excess <= 0:
        return 1.0
    if standard_error == 0:
        return 0.0
    if not np.isfinite(standard_error):
        return 1.0
    return float(min(2 * stdtr(freedom, -excess / standard_error), 1.0))


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


def detectable(standard_error: float, freedom: float, level: float, power: float) -> float:
    """Smallest bias that a two-sided t test at ``level`` sees with probability ``power``."""
    if not np.isfinite(standard_error):
        return np.inf
    return standard_error * (t_quantile(1 - level / 2, freedom) + t_quantile(power, freedom))


def needed_replicates(
    standard_error: float, count: int, wanted: float, level: float, power: float
) -> int:
    """How many replicates make the bias ``wanted`` detectable; a large number at most."""
    most = 10**9
    if not np.isfinite(standard_error) or wanted <= 0:
        return most
    single = standard_error * np.sqrt(count)
    low, high = 2, 2
    while high < most and detectable(single / np.sqrt(high), high - 1, level, power) > wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if detectable(single / np.sqrt(middle), middle - 1, level, power) > wanted:
            low = middle
        else:
            high = middle
    return min(high, most)
