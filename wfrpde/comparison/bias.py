"""Where a bias comes from: the time step, the finite number of particles, or neither.

A row is measured at several steps and numbers of particles, and

    mean(dt, N) = rest + step · (dt/dt₀)^p + finite · (N₀/N)^q,   p = q = 1,

is fitted to all of them by weighted least squares; dt₀ and N₀ are those of the judged runs. What is
not explained by dt and N is the ``rest``: an error of the method itself; it takes three rungs of
each ladder, as two are met by any dependence. Orders p and q are fitted besides, with intervals
from the profile of χ².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.results import Fit

ORDERS: Array = np.exp(np.linspace(np.log(0.2), np.log(5.0), 49))
"""Orders that are tried."""

UNKNOWN = (float("nan"), float("nan"))
NO_FIT = Fit(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Measurement:
    """The mean of one row at one step and number of particles, with its standard error."""

    dt: float
    particles: float
    mean: float
    standard_error: float


@dataclass(frozen=True)
class Split:
    """Parts of a bias as (value, standard error), and the fitted orders."""

    total: tuple[float, float]
    step: tuple[float, float]
    finite_n: tuple[float, float]
    rest: tuple[float, float]
    order_dt: Fit
    order_n: Fit


def split_bias(measurements: Sequence[Measurement], reference: float) -> Split:
    """Split the bias of the first measurement.

    Parameters
    ----------
    measurements
        The judged run first, then those of the ladders; all independent.
    reference
        The Eulerian value.
    """
    base = measurements[0]
    total = (base.mean - reference, base.standard_error)
    longer = np.array([m.dt / base.dt for m in measurements])
    fewer = np.array([base.particles / m.particles for m in measurements])
    mean = np.array([m.mean for m in measurements])
    error = np.array([m.standard_error for m in measurements])
    has_dt, has_n = np.ptp(longer) > 0, np.ptp(fewer) > 0
    columns = [np.ones_like(mean)]
    if has_dt:
        columns.append(longer)
    if has_n:
        columns.append(fewer)
    usable = bool((np.isfinite(error) & (error > 0)).all()) and len(mean) >= len(columns)
    if not (has_dt or has_n) or not usable:
        return Split(total, UNKNOWN, UNKNOWN, UNKNOWN, NO_FIT, NO_FIT)
    value, covariance = _weighted_fit(np.stack(columns, axis=1), mean, error)
    spread = np.sqrt(np.diag(covariance))
    parts = [(float(v), float(s)) for v, s in zip(value, spread, strict=True)]
    rest = (parts[0][0] - reference, parts[0][1])
    rungs = [len(np.unique(ratio)) for ratio in (longer, fewer)]
    # steps, or numbers of particles, from which on what is left at 0 is told
    if any(1 < count < 3 for count in rungs):
        rest = UNKNOWN
    step = parts[1] if has_dt else UNKNOWN
    finite = parts[-1] if has_n else UNKNOWN
    return Split(
        total,
        step,
        finite,
        rest,
        _order(longer[fewer == 1], mean[fewer == 1], error[fewer == 1]),
        _order(fewer[longer == 1], mean[longer == 1], error[longer == 1]),
    )


def _order(ratio: Array, mean: Array, error: Array) -> Fit:
    """Order of one ladder, with the interval where χ² rises by less than 3.84."""
    if len(np.unique(ratio)) < 3:
        return NO_FIT

    weight = error**-2 / (error**-2).sum()

    def misfit(orders: Array) -> Array:
        z = ratio ** orders[:, None]
        z = z - (z @ weight)[:, None]
        y = mean - mean @ weight
        explained = (z @ (weight * y)) ** 2 / (z**2 @ weight)
        return np.asarray((y**2 @ weight - explained) * (error**-2).sum())

    chi2 = misfit(ORDERS)
    inside = np.flatnonzero(chi2 <= chi2.min() + 3.84)
    low, high = int(inside[0]), int(inside[-1])
    if low == 0 and high == len(ORDERS) - 1:
        return NO_FIT
    ends = ORDERS[[max(low - 1, 0), min(high + 1, len(ORDERS) - 1)]]
    closer: Array = np.exp(np.linspace(np.log(ends[0]), np.log(ends[1]), 60))
    chi2 = misfit(closer)
    near = closer[chi2 <= chi2.min() + 3.84]
    return Fit(
        float(closer[chi2.argmin()]),
        float(near[0]) if low > 0 else 0.0,
        float(near[-1]) if high < len(ORDERS) - 1 else float("inf"),
    )


def _weighted_fit(design: Array, mean: Array, error: Array) -> tuple[Array, Array]:
    scaled, target = design / error[:, None], mean / error
    value = np.asarray(np.linalg.lstsq(scaled, target, rcond=None)[0], dtype=np.float64)
    covariance = np.asarray(np.linalg.pinv(scaled.T @ scaled), dtype=np.float64)
    return value, covariance
