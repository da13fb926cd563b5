"""Solutions whose every number is known in closed form, in the shape that output reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import logsumexp

TIMES = np.array([0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])


@dataclass(frozen=True)
class FakeError:
    """Error estimates, with the fields of the solver's."""

    series: dict[str, np.ndarray]
    mean: np.ndarray
    covariance: np.ndarray
    mode_mass: dict[str, np.ndarray]
    density: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        return self.series[name]


@dataclass(frozen=True)
class FakeCase:
    """The few attributes of a case that output reads."""

    title: str
    flow: SimpleNamespace
    target: dict[str, Any]

    def model_dump(self, mode: str = "python") -> dict[str, Any]:
        return {"title": self.title, "flow": vars(self.flow), "target": self.target}


@dataclass(frozen=True)
class FakeSolution:
    """A frozen solution around exact functions."""

    case: FakeCase
    target: SimpleNamespace
    times: np.ndarray
    series: dict[str, np.ndarray]
    mean: np.ndarray
    covariance: np.ndarray
    mode_mass: dict[str, np.ndarray]
    error: FakeError | None
    nodes: np.ndarray
    cells: np.ndarray
    cell_type: str
    log_rho: Callable[[float, np.ndarray], np.ndarray]
    history: dict[str, np.ndarray]
    numerics: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    complete: bool = True
    wall_time: float = 1.25

    @property
    def box(self) -> np.ndarray:
        return np.stack([self.nodes.min(axis=0), self.nodes.max(axis=0)], axis=1)

    @property
    def log_normalisation(self) -> float:
        return self.target.log_z

    @property
    def log_relative(self) -> np.ndarray:
        return np.stack([self.log_relative_density(t, self.nodes) for t in self.times])

    def log_density(self, t: float, x: np.ndarray) -> np.ndarray:
        assert np.isclose(self.times, t, rtol=1e-12).any(), "only saved times may be asked for"
        inside = (x >= self.box[:, 0]) & (x <= self.box[:, 1])
        assert inside.all(), "points outside of the domain"
        return self.log_rho(t, x)

    def density(self, t: float, x: np.ndarray) -> np.ndarray:
        return np.exp(self.log_density(t, x))

    def log_relative_density(self, t: float, x: np.ndarray) -> np.ndarray:
        return self.log_density(t, x) + self.target.potential(x) + self.target.log_z


def tensor_mesh(axes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (x slowest) and cells of a box of intervals, quadrilaterals or hexahedra."""
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    number = np.arange(len(nodes)).reshape([len(a) for a in axes])
    corners = {
        1: [(0,), (1,)],
        2: [(0, 0), (1, 0), (1, 1), (0, 1)],
        3: [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)],
    }[len(axes)]
    cells = [
        number[tuple(slice(c, n - 1 + c) for c, n in zip(corner, number.shape, strict=True))]
        for corner in corners
    ]
    return nodes, np.stack([c.ravel() for c in cells], axis=1)


def split_quads(cells: np.ndarray) -> np.ndarray:
    """Two triangles for each quadrilateral."""
    return np.concatenate([cells[:, [0, 1, 2]], cells[:, [0, 2, 3]]])


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


def gaussian_solution(dim: int, cell_type: str, alpha=1.0, beta=1.0) -> FakeSolution:
    """The exact flow of one Gaussian into another on a box."""
    mu = np.zeros(dim)
    sigma = np.diag([1.0, 0.7, 0.5][:dim])
    if dim > 1:
        sigma[0, 1] = sigma[1, 0] = 0.4
    m0 = np.array([-1.0, 0.5, 0.5][:dim])
    c0 = np.diag([0.3, 0.5, 0.2][:dim])
    p = np.linalg.inv(sigma)
    log_z = 0.5 * np.linalg.slogdet(2 * np.pi * sigma)[1]
    axes = [np.linspace(-4.5, 4.5, {1: 161, 2: 61, 3: 31}[dim])] * dim
    nodes, cells = tensor_mesh(axes)
    if cell_type == "triangle":
        cells = split_quads(cells)
    fine = np.unique(np.concatenate([TIMES, np.geomspace(1e-3, 2, 60)]))
    means, covs = gaussian_flow(alpha, beta, m0, c0, mu, sigma, fine)
    kl, fisher, variance = gaussian_series(means, covs, mu, sigma)
    saved = np.searchsorted(fine, TIMES)

    def log_rho(t, x):
        i = np.searchsorted(fine, t)
        r = x - means[i]
        quadratic = np.einsum("ni,ij,nj->n", r, np.linalg.inv(covs[i]), r)
        return -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covs[i])[1])

    def potential(x):
        return 0.5 * np.einsum("ni,ij,nj->n", x - mu, p, x - mu)

    from scipy.stats import norm

    left = norm.cdf(0, means[saved, 0], np.sqrt(covs[saved, 0, 0]))
    zero = np.zeros(len(TIMES))
    lowest = [np.exp(log_rho(t, nodes).min()) for t in TIMES]
    series = {
        "kl": kl[saved], "mass": 1 + zero, "fisher_information": fisher[saved],
        "reaction_variance": variance[saved], "min_density": np.array(lowest),
    }  # fmt: skip
    modes = {"left": left, "right": 1 - left}
    return FakeSolution(
        case=FakeCase(
            f"Gaussian flow, {dim}-D",
            SimpleNamespace(alpha=alpha, beta=beta, t_end=2.0, conserve_mass=True),
            {"kind": "gaussian"},
        ),
        target=SimpleNamespace(
            potential=potential, log_z=log_z, name="gaussian", description="N(0, Σ)", dim=dim
        ),
        times=TIMES,
        series=series,
        mean=means[saved],
        covariance=covs[saved],
        mode_mass=modes,
        error=FakeError(
            {k: 1e-7 * np.abs(v) for k, v in series.items()},
            np.full((len(TIMES), dim), 2e-8),
            np.full((len(TIMES), dim, dim), 3e-8),
            {k: 1e-6 * v for k, v in modes.items()},
            zero + 1e-7,
        ),
        nodes=nodes,
        cells=cells,
        cell_type=cell_type,
        log_rho=log_rho,
        history={"t": fine, "dt": np.diff(fine, prepend=0), "kl": kl, "mass": np.ones(len(fine))},
        numerics=numerics(len(nodes), len(cells), {"left": 0.5, "right": 0.5}),
    )


# --- Two modes: weights and shapes that move as prescribed --------------------------------------

WEIGHTS = np.array([0.7, 0.3])
WIDTH = 0.3


def two_mode_solution(
    dim: int, cell_type: str, label: str = "WFR", names: tuple[str, str] = ("left", "right")
) -> FakeSolution:
    """A mixture of two Gaussians whose weights go from (1, 0) to (0.7, 0.3), or hardly move (W)."""
    centres = np.zeros((2, dim))
    centres[:, 0] = [-1.0, 1.0]
    axes = [np.linspace(-2.6, 2.6, {1: 401, 2: 81, 3: 33}[dim])]
    axes += [np.linspace(-1.4, 1.4, {2: 45, 3: 21}.get(dim, 0))] * (dim - 1)
    nodes, cells = tensor_mesh(axes)
    if cell_type == "triangle":
        cells = split_quads(cells)
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
    modes = {names[0]: 1 - right, names[1]: right}
    mean = np.zeros((len(TIMES), dim))
    mean[:, 0] = (1 - right) * (-1 + 0.2 * np.exp(-2 * TIMES)) + right
    covariance = np.zeros((len(TIMES), dim, dim)) + WIDTH**2 * np.eye(dim)
    zero = np.zeros(len(TIMES))
    series = {
        "kl": kls[saved], "mass": 1 + zero, "fisher_information": 0.6 * rates,
        "reaction_variance": 0.4 * rates, "min_density": zero,
    }  # fmt: skip
    alpha, beta = {"WFR": (1.0, 1.0), "W": (1.0, 0.0), "FR": (0.0, 1.0)}[label]
    return FakeSolution(
        case=FakeCase(
            "Two modes",
            SimpleNamespace(alpha=alpha, beta=beta, t_end=2.0, conserve_mass=True),
            {"kind": "mixture", "modes": dict.fromkeys(names, "x < 0")},
        ),
        target=SimpleNamespace(
            potential=lambda x: -log_target(x), log_z=0.0, name="mixture", dim=dim,
            description="two Gaussians of width 0.3, weights 0.7 and 0.3",
        ),
        times=TIMES,
        series=series,
        mean=mean,
        covariance=covariance,
        mode_mass=modes,
        error=FakeError(
            {k: 1e-5 * np.abs(v) + 1e-9 for k, v in series.items()},
            np.full_like(mean, 1e-7),
            np.full_like(covariance, 1e-7),
            {k: 1e-5 * v for k, v in modes.items()},
            zero + 2e-6,
        ),
        nodes=nodes,
        cells=cells,
        cell_type=cell_type,
        log_rho=log_rho,
        history={
            "t": history_times, "dt": np.diff(history_times, prepend=0), "kl": kls,
            "mass": np.ones(len(kls)),
        },
        numerics=numerics(len(nodes), len(cells), dict(zip(names, WEIGHTS.tolist(), strict=True))),
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
    "gauss-1d": lambda: gaussian_solution(1, "interval"),
    "gauss-2d": lambda: gaussian_solution(2, "quadrilateral"),
    "gauss-2d-tri": lambda: gaussian_solution(2, "triangle"),
    "gauss-3d": lambda: gaussian_solution(3, "hexahedron"),
    "modes-1d": lambda: two_mode_solution(1, "interval"),
    "modes-2d": lambda: two_mode_solution(2, "quadrilateral"),
    "modes-2d-tri": lambda: two_mode_solution(2, "triangle"),
    "modes-3d": lambda: two_mode_solution(3, "hexahedron"),
}


@cache
def closed_form(name: str) -> FakeSolution:
    return SOLUTIONS[name]()
