"""Solutions whose every number is known in closed form."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import logsumexp
from scipy.stats import norm

from wfrpde import Case, ErrorEstimate, Solution
from wfrpde.case.terms import Densities
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid, simplices_of_box

TIMES = np.array([0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])


def box(axes: list[np.ndarray], *, simplices: bool = False, hole: float = 0.0):
    """A box with planes along the axes, cut into simplices, or with a square hole in the middle."""
    grid = TensorGrid(tuple(axes), np.ones([len(a) - 1 for a in axes], dtype=bool))
    if simplices:
        return SimplexInterpolation(simplices_of_box(grid))
    centres = np.meshgrid(*[(a[1:] + a[:-1]) / 2 for a in axes], indexing="ij")
    active = ~(np.abs(centres) < hole).all(axis=0)
    return TensorInterpolation(TensorGrid(tuple(axes), active), 1)


def solution_of(tables, interpolation, log_rho, series, history, relative_error, **numbers):
    """A solution of the case with these tables, with nodal values of a known density."""
    case = Case.model_validate(tables)
    target = case.target.build(None)
    densities = Densities(target, case.initial.build(target, None), case.equation)
    nodes = interpolation.nodes
    normalised = target.potential(nodes) + target.log_partition
    masses = {name: target_mass for name, (_, target_mass) in numbers["modes"].items()}
    mode_mass = {name: mass for name, (mass, _) in numbers["modes"].items()}
    return Solution(
        case=case,
        densities=densities,
        times=TIMES,
        series=series,
        mean=numbers["mean"],
        covariance=numbers["covariance"],
        mode_mass=mode_mass,
        error=ErrorEstimate(
            {k: relative_error * np.abs(v) + 1e-4 * relative_error for k, v in series.items()},
            np.full_like(numbers["mean"], 2e-8),
            np.full_like(numbers["covariance"], 3e-8),
            {k: relative_error * v for k, v in mode_mass.items()},
            np.full(len(TIMES), relative_error),
        ),
        log_relative=np.stack([log_rho(t, nodes) + normalised for t in TIMES]),
        log_normalisation=target.log_partition,
        history={**history, "mass": np.ones(len(history["t"]))},
        numerics=numerics(len(nodes), len(interpolation.cells), masses),
        warnings=(),
        complete=True,
        wall_time=1.25,
        interpolation=interpolation,
        known={},
    )


# --- Gaussian to Gaussian: the exact Wasserstein-Fisher-Rao flow --------------------------------


def gaussian_flow(alpha, beta, m0, c0, mu, sigma, times):
    """Means (T, d) and covariances (T, d, d) of the flow from N(m0, C0) to N(mu, Sigma)."""
    d, p = len(mu), np.linalg.inv(sigma)

    def rate(t, y):
        m, c = y[:d], y[d:].reshape(d, d)
        dm = -alpha * p @ (m - mu) - beta * c @ p @ (m - mu)
        dc = alpha * (2 * np.eye(d) - p @ c - c @ p) + beta * (c - c @ p @ c)
        return np.concatenate([dm, dc.ravel()])

    start = np.concatenate([m0, np.ravel(c0)])
    run = solve_ivp(rate, (0, times[-1]), start, "DOP853", times, rtol=1e-12, atol=1e-13)
    return run.y[:d].T, run.y[d:].T.reshape(-1, d, d)


def gaussian_series(means, covariances, mu, sigma):
    """KL, Fisher information and variance of log(rho/pi), each (T,), in closed form."""
    d, p = len(mu), np.linalg.inv(sigma)
    kl, fisher, variance = [], [], []
    for m, c in zip(means, covariances, strict=True):
        a, b = p - np.linalg.inv(c), p @ (m - mu)
        logdet = np.linalg.slogdet(sigma)[1] - np.linalg.slogdet(c)[1]
        kl.append(0.5 * (np.trace(p @ c) - d + (m - mu) @ b + logdet))
        fisher.append(np.trace(a @ a @ c) + b @ b)
        variance.append(0.5 * np.trace(a @ c @ a @ c) + b @ c @ b)
    return np.array(kl), np.array(fisher), np.array(variance)


def gaussian_solution(dim: int, *, simplices=False, alpha=1.0, beta=1.0) -> Solution:
    """The exact flow of one Gaussian into another on a box."""
    mu = np.zeros(dim)
    sigma = np.diag([1.0, 0.7, 0.5][:dim])
    if dim > 1:
        sigma[0, 1] = sigma[1, 0] = 0.4
    m0 = np.array([-1.0, 0.5, 0.5][:dim])
    c0 = np.diag([0.3, 0.5, 0.2][:dim])
    axes = [np.linspace(-4.5, 4.5, {1: 161, 2: 61, 3: 31}[dim])] * dim
    fine = np.unique(np.concatenate([TIMES, np.geomspace(1e-3, 2, 60)]))
    means, covs = gaussian_flow(alpha, beta, m0, c0, mu, sigma, fine)
    kl, fisher, variance = gaussian_series(means, covs, mu, sigma)
    saved = np.searchsorted(fine, TIMES)

    def log_rho(t, x):
        i = np.searchsorted(fine, t)
        r = x - means[i]
        quadratic = np.einsum("ni,ij,nj->n", r, np.linalg.inv(covs[i]), r)
        return -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covs[i])[1])

    left = norm.cdf(0, means[saved, 0], np.sqrt(covs[saved, 0, 0]))
    interpolation = box(axes, simplices=simplices)
    series = {
        "kl": kl[saved], "mass": np.ones(len(TIMES)), "fisher_information": fisher[saved],
        "reaction_variance": variance[saved],
        "min_density": np.array([np.exp(log_rho(t, interpolation.nodes).min()) for t in TIMES]),
    }  # fmt: skip
    tables = {
        "title": f"Gaussian flow, {dim}-D",
        "target": {
            "kind": "gaussian", "mean": mu.tolist(), "covariance": sigma.tolist(),
            "modes": {"left": "x < 0", "right": "x > 0"},
        },
        "initial": {"mean": m0.tolist(), "covariance": c0.tolist()},
        "flow": {"alpha": alpha, "beta": beta, "save": TIMES[1:].tolist()},
    }  # fmt: skip
    return solution_of(
        tables, interpolation, log_rho, series,
        {"t": fine, "dt": np.diff(fine, prepend=0), "kl": kl}, 1e-7,
        mean=means[saved], covariance=covs[saved],
        modes={"left": (left, 0.5), "right": (1 - left, 0.5)},
    )  # fmt: skip


# --- Two modes: weights and shapes that move as prescribed --------------------------------------

WEIGHTS = np.array([0.7, 0.3])
WIDTH = 0.3


def two_mode_solution(
    dim: int,
    label: str = "WFR",
    names: tuple[str, str] = ("left", "right"),
    *,
    simplices: bool = False,
    hole: float = 0.0,
) -> Solution:
    """A mixture of two Gaussians whose weights go from (1, 0) to (0.7, 0.3), or hardly move (W)."""
    centres = np.zeros((2, dim))
    centres[:, 0] = [-1.0, 1.0]
    axes = [np.linspace(-2.6, 2.6, {1: 401, 2: 81, 3: 33}[dim])]
    axes += [np.linspace(-1.4, 1.4, {2: 45, 3: 21}.get(dim, 0))] * (dim - 1)
    norm = 0.5 * dim * np.log(2 * np.pi * WIDTH**2)

    def log_mixture(x, log_weights, shift=0.0, width=WIDTH):
        c = centres + np.eye(dim)[0] * np.array([[shift], [0.0]])
        square = ((x[:, None, :] - c) ** 2).sum(axis=-1)
        return (
            logsumexp(-square / (2 * width**2) + log_weights, axis=1)
            - norm
            + dim * np.log(WIDTH / width)
        )

    def log_target(x):
        return log_mixture(x, np.log(WEIGHTS))

    def log_right(t):
        if label == "W":
            return np.log(1e-9) + np.log1p(2 * t)
        return np.log(WEIGHTS[1]) - 12 * np.exp(-2.2 * t)

    def log_rho(t, x):
        right = log_right(t)
        width = WIDTH * (1 - 0.5 * np.exp(-3 * t))
        return log_mixture(
            x, np.array([np.log1p(-np.exp(right)), right]), 0.2 * np.exp(-2 * t), width
        )

    history_times = np.unique(np.concatenate([TIMES, np.geomspace(1e-3, 2, 80)]))
    # Along the x-axis, ρ and π are what their x-marginals are, up to factors of the other
    # directions, whose own KL is that of two centred Gaussians.
    line = np.zeros((1601, dim))
    line[:, 0] = np.linspace(-4, 4, 1601)

    def kl(t):
        log = log_rho(t, line)
        p = np.exp(log - log.max())
        width = 1 - 0.5 * np.exp(-3 * t)
        along = (p * (log - log_target(line))).sum() / p.sum() + (dim - 1) * np.log(width)
        return along + (dim - 1) * (0.5 * (width**2 - 1) - np.log(width))

    kls = np.array([kl(t) for t in history_times])
    saved = np.searchsorted(history_times, TIMES)
    rates = -np.gradient(kls, history_times)[saved]
    right = np.exp([log_right(t) for t in TIMES])
    mean = np.zeros((len(TIMES), dim))
    mean[:, 0] = (1 - right) * (-1 + 0.2 * np.exp(-2 * TIMES)) + right
    covariance = np.zeros((len(TIMES), dim, dim)) + WIDTH**2 * np.eye(dim)
    zero = np.zeros(len(TIMES))
    series = {
        "kl": kls[saved], "mass": 1 + zero, "fisher_information": 0.6 * rates,
        "reaction_variance": 0.4 * rates, "min_density": zero,
    }  # fmt: skip
    alpha, beta = {"WFR": (1.0, 1.0), "W": (1.0, 0.0), "FR": (0.0, 1.0)}[label]
    covariances = [(WIDTH**2 * np.eye(dim)).tolist()] * 2
    tables = {
        "title": "Two modes",
        "target": {
            "kind": "gaussian_mixture", "weights": WEIGHTS.tolist(), "means": centres.tolist(),
            "covariances": covariances, "modes": dict.fromkeys(names, "x < 0"),
        },
        "initial": {"mean": centres[0].tolist(), "covariance": covariances[0]},
        "flow": {"alpha": alpha, "beta": beta, "save": TIMES[1:].tolist()},
    }  # fmt: skip
    return solution_of(
        tables, box(axes, simplices=simplices, hole=hole), log_rho, series,
        {"t": history_times, "dt": np.diff(history_times, prepend=0), "kl": kls}, 1e-5,
        mean=mean, covariance=covariance,
        modes={names[0]: (1 - right, WEIGHTS[0]), names[1]: (right, WEIGHTS[1])},
    )  # fmt: skip


def numerics(nodes: int, cells: int, target_modes: dict[str, float]) -> dict[str, Any]:
    """What a solver says about how it computed."""
    return {
        "formulation": "log-density",
        "reason": "one dimension, so tails are resolved best in log(rho/pi)",
        "degree": 8, "nodes": nodes, "cells": cells, "steps": 128, "retries": 1,
        "certified_by": "edge-averaged", "mass_cut_off": 3.1e-9,
        "target_mode_mass": target_modes,
        "checks": [
            {"name": "mass drift", "value": 3.3e-16, "limit": 1e-12, "passed": True},
            {"name": "smallest nodal density", "value": 0.0, "limit": 0.0, "passed": True},
            {"name": "largest KL increase", "value": -1e-12, "limit": 0.0, "passed": True},
            {"name": "dissipation identity", "value": 2e-5, "limit": 1e-4, "passed": True},
        ],
    }  # fmt: skip


SOLUTIONS = {
    "gauss-1d": lambda: gaussian_solution(1),
    "gauss-2d": lambda: gaussian_solution(2),
    "gauss-2d-tri": lambda: gaussian_solution(2, simplices=True),
    "gauss-3d": lambda: gaussian_solution(3),
    "modes-1d": lambda: two_mode_solution(1),
    "modes-2d": lambda: two_mode_solution(2),
    "modes-2d-tri": lambda: two_mode_solution(2, simplices=True),
    "modes-3d": lambda: two_mode_solution(3),
}


@cache
def closed_form(name: str) -> Solution:
    return SOLUTIONS[name]()
