"""Orders of convergence: what theory expects, and what a sequence of errors shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array

POWERS = (-1.0, 3.0)
"""Orders among which that of a sampler is looked for."""


@dataclass(frozen=True)
class Fit:
    """A straight line through (log size, log error), by least squares.

    Attributes
    ----------
    order
        Its slope.
    low, high
        Interval of the slope, from the scatter of the points (Student's t, n − 2 degrees of
        freedom; infinite for two points), or from their own standard errors (`fit_power`).
    local
        ``(n − 1,)`` slopes between neighbours.
    """

    order: float
    low: float
    high: float
    local: Array


def fit_order(size: npt.ArrayLike, error: npt.ArrayLike) -> Fit:
    """Fit ``error = C size^order``.

    Parameters
    ----------
    size
        ``(n,)`` cell sizes or steps, positive.
    error
        ``(n,)`` errors, positive.

    Raises
    ------
    ValueError
        If fewer than two points are given.
    """
    x, y = np.log(np.asarray(size, dtype=float)), np.log(np.asarray(error, dtype=float))
    return _fit(x, y)


def fit_power(size: npt.ArrayLike, value: npt.ArrayLike, error: npt.ArrayLike) -> Fit:
    """Fit ``value = C size^order`` to values with standard errors, by least squares so weighted.

    The values, which may be of either sign, are not taken the logarithm of: those that are lost in
    their errors count as little as they should. The interval is where χ² is less than 3.84 above
    its minimum; it is infinite on a side where it does not end within `POWERS`.

    Parameters
    ----------
    size, value, error
        ``(n,)`` each, n ≥ 2; sizes and errors are positive.
    """
    s, y, e = (np.asarray(part, dtype=float) for part in (size, value, error))
    if len(s) < 2:
        raise ValueError(f"an order needs two points at least, not {len(s)}")
    s, weight = s / s.max(), e**-2

    def misfit(orders: Array) -> Array:
        model = s ** orders[:, None]
        return np.asarray(y**2 @ weight - (model @ (weight * y)) ** 2 / (model**2 @ weight))

    orders = np.linspace(*POWERS, 8001, dtype=np.float64)
    chi2 = misfit(orders)
    # rise of χ² within the interval of one number: the 95 % quantile of one degree of freedom
    inside = orders[chi2 <= chi2.min() + 3.84]
    low = float(inside[0]) if inside[0] > POWERS[0] else -np.inf
    high = float(inside[-1]) if inside[-1] < POWERS[1] else np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        local = np.diff(np.log(np.abs(y))) / np.diff(np.log(s))
    return Fit(float(orders[chi2.argmin()]), low, high, local)


def fit_rate(value: npt.ArrayLike, error: npt.ArrayLike) -> Fit:
    """Fit ``error = C 10^(−rate · value)``: decades that each unit of the value gains."""
    x = np.asarray(value, dtype=float)
    return _fit(x, -np.log10(np.asarray(error, dtype=float)))


def _fit(x: Array, y: Array) -> Fit:
    if len(x) < 2:
        raise ValueError(f"an order needs two points at least, not {len(x)}")
    local = np.diff(y) / np.diff(x)
    gap = x - x.mean()
    slope = float(gap @ (y - y.mean()) / (gap @ gap))
    if len(x) == 2:
        return Fit(slope, -np.inf, np.inf, local)
    from scipy.stats import t

    residual = y - y.mean() - slope * gap
    deviation = np.sqrt(residual @ residual / (len(x) - 2) / (gap @ gap))
    # holds the order with probability 0.95, if the errors scatter about a straight line
    reach = float(t.ppf(0.975, len(x) - 2) * deviation)
    return Fit(slope, slope - reach, slope + reach, local)


def order_in_space(formulation: str, degree: int, *, extrapolated: bool) -> float:
    """Order in h of nodal errors.

    Elements of degree p whose mass is lumped at their Gauss–Lobatto nodes superconverge there:
    of order min(2p, p + 2), against p + 1 between them (Bakker, 1984; Douglas, Dupont and Wheeler,
    1974). Edge-averaged fluxes are of order 2; extrapolated with half the cells, of order 4.
    """
    if formulation == "edge-averaged":
        return 4.0 if extrapolated else 2.0
    return float(min(2 * degree, degree + 2))
