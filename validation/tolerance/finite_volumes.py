"""A flow in one coordinate by plain means, to judge wfrpde with: it shares nothing with it.

The unknown is w = log(ρ/π) at the nodes i of a uniform grid, with a finite volume around each:

    dw_i/dt = α Σ_j q_ij (exp(w_j − w_i) − 1) − β w_i,    q_ij = a e^{−V} at the face over h, and
                                                          over the volume times e^{−V_i}

The densities at the faces are taken as they are (no exponential fitting), and a(x) = 1 on a line,
a(x) = x for what depends on the radius in the plane alone. LSODA integrates that to thirteen
digits with a banded Jacobian of its own; w loses the mean of the reaction, which only shifts it.
The errors in h are even: grids of n, 2n, 4n and 8n cells are extrapolated, to h⁸. What is reported
are Gauss quadratures of a spline through w of degree 7. The same to h⁶, without the coarsest grid
and integrated to twelve digits, differs from it by several times its error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import BSpline, make_interp_spline

Array = np.ndarray[Any, Any]
Formula = Callable[[Array], Array]

LOCAL_ERROR, LOOSER = 1e-13, 1e-12
GRIDS = 4
GAUSS = np.polynomial.legendre.leggauss(6)
PIECES = 800


@dataclass(frozen=True)
class Numbers:
    """What one field gives: names as in `wfrpde.Solution`, each ``(T,)``."""

    kl: Array
    fisher_information: Array
    reaction_variance: Array
    mean: Array
    variance: Array
    second_moment: Array
    masses: dict[str, Array]


@dataclass(frozen=True)
class LineFlow:
    """The flow at some times, and how well it is known.

    Attributes
    ----------
    fields
        ``w = log(ρ/π)`` at each time, as splines, not normalised.
    numbers, rough
        What they give, and what the lower extrapolation gives.
    gap
        ``(T,)`` the distance in L2 of the densities of both, relative.
    """

    potential: Formula
    box: tuple[float, float]
    times: tuple[float, ...]
    fields: tuple[BSpline, ...]
    log_masses: Array
    numbers: Numbers
    rough: Numbers
    gap: Array

    def log_density(self, k: int, x: Array) -> Array:
        """``log ρ`` at the time of index k; −∞ beyond the box."""
        inside = (x >= self.box[0]) & (x <= self.box[1])
        at = np.clip(x, *self.box)
        value = self.fields[k](at) - self.potential(at) - self.log_masses[k]
        return np.where(inside, value, -np.inf)


def solve_line(
    potential: Formula,
    log_start: Formula,
    box: tuple[float, float],
    times: tuple[float, ...],
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    regions: Mapping[str, tuple[float, float]] | None = None,
    radial: bool = False,
    cells: int = 500,
) -> LineFlow:
    """Solve the flow, from `log_start` (up to a constant), at all `times`.

    Parameters
    ----------
    regions
        Intervals whose masses are wanted, by name.
    radial
        x is the radius in the plane; the box begins at 0 then.
    cells
        Of the coarsest grid.
    """
    counts = [cells * 2**k for k in range(GRIDS)]
    finest = np.linspace(*box, counts[-1] + 1)
    runs: dict[float, list[Array]] = {LOCAL_ERROR: [], LOOSER: []}
    for error, n in product(runs, counts):
        if (error, n) != (LOOSER, counts[0]):
            x = np.linspace(*box, n + 1)
            w = _integrated(potential, log_start, x, times, (alpha, beta), radial, error)
            runs[error].append(w if n == counts[-1] else make_interp_spline(x, w.T, k=7)(finest).T)
    best, rough = (_extrapolated(values) for values in runs.values())
    known = dict(regions or {})
    answers = []
    for values in (best, rough):
        splines = tuple(make_interp_spline(finest, w, k=7) for w in values)
        answers.append((splines, *_numbers(potential, splines, box, known, radial)))
    (splines, log_masses, numbers), (_, second_masses, second) = answers
    measure = finest if radial else np.ones(len(finest))
    one = np.exp(best - potential(finest) - log_masses[:, None])
    other = np.exp(rough - potential(finest) - second_masses[:, None])
    gap = np.sqrt((one - other) ** 2 @ measure / (one**2 @ measure))
    return LineFlow(potential, box, times, splines, log_masses, numbers, second, gap)


def _extrapolated(runs: list[Array]) -> Array:
    """Richardson's table for errors in h², h⁴, …; the last run is the finest."""
    table = list(runs)
    for order in range(1, len(runs)):
        factor = 4.0**order
        table = [(factor * fine - coarse) / (factor - 1) for coarse, fine in pairwise(table)]
    return table[0]


def _integrated(
    potential: Formula,
    log_start: Formula,
    x: Array,
    times: tuple[float, ...],
    rates: tuple[float, float],
    radial: bool,
    error: float,
) -> Array:
    """``w`` at the nodes ``(T, n + 1)``."""
    alpha, beta = rates
    h = x[1] - x[0]
    faces = (x[1:] + x[:-1]) / 2
    value, between = potential(x), potential(faces)
    volume = np.full(len(x), h)
    volume[[0, -1]] = h / 2
    area = np.ones(len(faces))
    if radial:
        area, volume = faces, volume * x
        volume[0] = h**2 / 8
        volume[-1] = (x[-1] - h / 4) * h / 2
    up, down = np.zeros(len(x)), np.zeros(len(x))  # rates to the next node and the one before
    up[:-1] = alpha * area / (h * volume[:-1]) * np.exp(value[:-1] - between)
    down[1:] = alpha * area / (h * volume[1:]) * np.exp(value[1:] - between)

    def rate(_t: float, w: Array) -> Array:
        rise = np.clip(np.diff(w), -300.0, 300.0)
        ahead, behind = np.exp(np.append(rise, 0.0)), np.exp(np.append(0.0, -rise))
        return np.asarray(up * (ahead - 1) + down * (behind - 1) - beta * w)

    w = log_start(x) + value
    answer = solve_ivp(
        rate,
        (0.0, times[-1]),
        w - w.max(),
        method="LSODA",
        t_eval=times,
        rtol=error,
        atol=error,
        lband=1,
        uband=1,
    )
    if not answer.success:
        raise RuntimeError(answer.message)
    return np.asarray(answer.y.T)


def _numbers(
    potential: Formula,
    fields: tuple[BSpline, ...],
    box: tuple[float, float],
    regions: dict[str, tuple[float, float]],
    radial: bool,
) -> tuple[Array, Numbers]:
    """Log masses ``(T,)`` of π e^w, and everything that is compared."""
    ends = [end for region in regions.values() for end in region if box[0] < end < box[1]]
    breaks = np.unique([*np.linspace(*box, PIECES + 1), *ends])
    half = np.diff(breaks)[:, None] / 2
    x = ((breaks[1:] + breaks[:-1])[:, None] / 2 + half * GAUSS[0]).ravel()
    weight = (half * GAUSS[1]).ravel() * (2 * np.pi * x if radial else 1.0)
    value = potential(x)
    log_z = _log_sum(np.log(weight) - value)
    rows, log_masses = [], []
    for field in fields:
        w = field(x)
        log_mass = _log_sum(np.log(weight) + w - value)
        share = weight * np.exp(w - value - log_mass)
        u = w - log_mass + log_z  # log(ρ/π) of normalised densities
        kl, mean = float(share @ u), float(share @ x)
        second = float(share @ x**2)
        spread = float(share @ (u - kl) ** 2)
        inside = [float(share[(x > low) & (x < high)].sum()) for low, high in regions.values()]
        fisher = float(share @ field.derivative()(x) ** 2)
        variance = float(share @ (x - mean) ** 2)
        rows.append([kl, fisher, spread, mean, variance, second, *inside])
        log_masses.append(log_mass)
    kl, fisher, spread, mean, variance, second, *inside = np.array(rows).T
    masses = dict(zip(regions, inside, strict=True))
    return np.array(log_masses), Numbers(kl, fisher, spread, mean, variance, second, masses)


def _log_sum(value: Array) -> float:
    top = float(value.max())
    return top + float(np.log(np.exp(value - top).sum()))
