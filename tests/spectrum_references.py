"""Rates of −L that are known otherwise: closed forms, and discretisations of another kind.

None of them shares a mesh, a quadrature or an eigensolver with the package.

* Ornstein–Uhlenbeck: −L has the eigenvalues Σ n_i κ_i, with κ those of the precision matrix.
* The gap of a double well: the inverse of −L is written as integrals of positive functions, and
  the power method with it keeps the relative accuracy however small the gap is.
* The rates above: H = −d²/dx² + V'²/4 − V''/2 on sinc functions, spectrally accurate.
* The coupled double well: with η = y − g x, energies are ∫π((f_x − g f_η)² + f_η²). On sinc
  functions in x times Hermite functions in η that is ‖B w‖², and the singular values of B are the
  square roots of the rates: a rate of 1e-8 loses half of the digits only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import eigh, svdvals

from wfrpde import Case

Array = np.ndarray
Function = Callable[[Array], Array]


def case_of(target: dict[str, Any] | str, dim: int = 1, **tables: Any) -> Case:
    """A case for questions about a target, whose start plays no part."""
    spec = {"potential": target} if isinstance(target, str) else target
    start = {"mean": [0.0] * dim, "covariance": np.eye(dim).tolist()}
    return Case.model_validate({"target": spec, "initial": start, **tables})


def gaussian(covariance: Array, **tables: Any) -> Case:
    matrix = np.atleast_2d(covariance)
    target = {"kind": "gaussian", "mean": [0.0] * len(matrix), "covariance": matrix.tolist()}
    return case_of(target, len(matrix), **tables)


def oscillator_rates(covariance: Array, count: int) -> Array:
    """The lowest sums Σ n_i κ_i, n_i ≥ 0."""
    kappa = 1 / np.linalg.eigvalsh(np.atleast_2d(covariance))
    sums = [np.dot(n, kappa) for n in itertools.product(range(count), repeat=len(kappa))]
    return np.sort(sums)[:count]


def smallest_gap(potential: Function, low: float, high: float) -> float:
    """λ₁ in one dimension, with one sign change: −L g = s ⟺ (π g')' = −π s, by panels."""
    panels, points = 120, 20
    node, weight = legendre.leggauss(points)
    antiderivatives = [
        legendre.legval(node, legendre.legint(row, lbnd=-1)) for row in np.eye(points)
    ]
    primitive = np.linalg.solve(legendre.legvander(node, points - 1).T, np.array(antiderivatives))
    half = (high - low) / panels / 2
    x = low + half * (2 * np.arange(panels)[:, None] + node + 1)
    v = potential(x)
    v = v - v.min()
    density, weight = np.exp(-v), weight * half

    def from_left(f: Array) -> Array:
        totals = f @ weight
        return f @ primitive * half + np.append(0.0, np.cumsum(totals)[:-1])[:, None]

    def from_right(f: Array) -> Array:
        return from_left(f[::-1, ::-1])[::-1, ::-1]

    def mean(f: Array) -> float:
        return float((density * f @ weight).sum() / (density @ weight).sum())

    s = np.tanh(3 * x)
    s = s - mean(s)
    rate = 0.0
    for _ in range(500):
        flux = np.where(s < 0, -from_left(density * s), from_right(density * s))  # π g' ≥ 0
        g = from_left(np.exp(v) * flux)
        g = g - mean(g)
        energy, norm = (np.exp(v) * flux**2 @ weight).sum(), (density * g * g @ weight).sum()
        s, last, rate = g / np.abs(g).max(), rate, float(energy / norm)
        if abs(rate - last) < 1e-15 * rate:
            return rate
    raise AssertionError("the power method did not converge")


def sinc_derivative(n: int, step: float) -> Array:
    apart = np.subtract.outer(np.arange(n), np.arange(n))
    return np.where(apart == 0, 0.0, (-1.0) ** apart / np.where(apart == 0, 1, apart) / step)


def schroedinger_rates(
    slope: Function,
    curvature: Function,
    half_width: float,
    count: int,
    rate: Function | None = None,
    *,
    points: int = 240,
) -> Array:
    """The lowest eigenvalues of −d²/dx² + V'²/4 − V''/2 − U on (−half_width, half_width)."""
    x, step = np.linspace(-half_width, half_width, points, retstep=True)
    apart = np.subtract.outer(np.arange(len(x)), np.arange(len(x)))
    second = -2 * (-1.0) ** apart / np.where(apart == 0, 1, apart) ** 2
    np.fill_diagonal(second, -(np.pi**2) / 3)
    energy = slope(x) ** 2 / 4 - curvature(x) / 2 - (0 if rate is None else rate(x))
    matrix = np.diag(energy) - second / step**2
    return eigh(matrix, eigvals_only=True, subset_by_index=[0, count - 1])


def double_well_rates(barrier: float, tilt: float, count: int) -> Array:
    """Rates of V = a (x² − 1)² + c x."""
    reach = np.sqrt(1 + np.sqrt(100 / barrier))
    rates = schroedinger_rates(
        lambda x: 4 * barrier * x * (x * x - 1) + tilt,
        lambda x: 4 * barrier * (3 * x * x - 1),
        reach,
        count,
    )
    gap = smallest_gap(lambda x: barrier * (x * x - 1) ** 2 + tilt * x, -reach, reach)
    return np.concatenate([[0.0, gap], rates[2:]])


def coupled_rates(barrier: float, stiffness: float, coupling: float, count: int) -> Array:
    """Rates of V = a (x² − 1)² + κ (y − g x)²/2."""
    n, functions = 96, 10
    reach = np.sqrt(1 + np.sqrt(80 / barrier))
    x, step = np.linspace(-reach, reach, n, retstep=True)
    along = sinc_derivative(n, step) + np.diag(2 * barrier * x * (x * x - 1))
    blocks = []
    for k in range(functions):
        row = [np.zeros((n, n))] * functions
        row[k] = along
        if k + 1 < functions:  # ∂_η of the Hermite function k + 1 is √(κ (k + 1)) that of k
            row[k + 1] = -coupling * np.sqrt(stiffness * (k + 1)) * np.eye(n)
        blocks.append(np.hstack(row))
        across = [np.zeros((n, n))] * functions
        across[k] = np.sqrt(stiffness * k) * np.eye(n)
        blocks.append(np.hstack(across))
    triangle = np.linalg.qr(np.vstack(blocks), mode="r")
    rates = np.sort(svdvals(triangle))[:count] ** 2
    return np.append(0.0, rates[1:])
