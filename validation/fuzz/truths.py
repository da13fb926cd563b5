"""What is right: numbers of a flow from references that share no code with wfrpde.

A truth is a flow on a line, a product of such flows along orthonormal axes (transport and reaction
of a product act on each factor alone, and a rotation changes coordinates only), a flow that depends
on the radius in the plane, or one between Gaussians, whose moments obey ordinary equations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from lines import LineFlow, solve_line
from scipy.integrate import solve_ivp
from scipy.special import logsumexp, ndtr

Array = np.ndarray[Any, Any]
Formula = Callable[[Array], Array]

LEVEL = 50.0
"""Level (kT) up to which a line is kept where the case gives no box; wfrpde keeps 40."""

END = -32.0
"""Logarithm of the share of ρ, a unit of length long, at the ends of a line that is wide enough."""

DRAWN = 20000
"""Points at which densities in three dimensions are compared."""


@dataclass(frozen=True)
class Truth:
    """A flow at the saved times, the start included.

    Attributes
    ----------
    numbers, own
        Name → ``(T,)``, ``(T, d)`` or ``(T, d, d)``, named as in `Solution`, regions ``mass of …``;
        and the errors that they may have themselves.
    gap
        ``(T,)``: the same of the density in L2, relative.
    log_density
        Of the index of a time and points ``(n, d)``.
    points, weights
        Quadrature in which densities are compared.
    """

    name: str
    numbers: dict[str, Array]
    own: dict[str, Array]
    gap: Array
    log_density: Callable[[int, Array], Array]
    points: Array
    weights: Array


def formula(text: str) -> Formula:
    """Read a formula in x with NumPy alone; `min` and `max` take two arguments."""
    names = {"abs": np.abs, "max": np.maximum, "min": np.minimum, "pi": np.pi}
    names |= {k: getattr(np, k) for k in ("exp", "log", "cos", "sin", "sqrt", "tanh", "cosh")}
    code = compile(text, "formula", "eval")

    def value(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(eval(code, {**names, "x": x}) * np.ones_like(x))

    return value


def mixture(
    weights: Sequence[float], means: Sequence[float], variances: Sequence[float]
) -> Formula:
    """Return the logarithm of a sum of Gaussians on a line."""

    def value(x: Array) -> Array:
        parts = [
            np.log(w) - np.log(2 * np.pi * c) / 2 - (x - m) ** 2 / (2 * c)
            for w, m, c in zip(weights, means, variances, strict=True)
        ]
        return np.asarray(logsumexp(parts, axis=0))

    return value


def reach(formulas: Sequence[Formula], centre: float, level: float = LEVEL) -> tuple[float, float]:
    """Return an interval that holds every formula up to a level above its minimum."""
    away = np.geomspace(1e-12, 1e7, 20001)
    x = np.concatenate([centre - away[::-1], [centre], centre + away])
    low, high = np.inf, -np.inf
    for f in formulas:
        with np.errstate(over="ignore", invalid="ignore"):
            value = np.nan_to_num(f(x), nan=np.inf)
        value = value - value.min()
        # beyond a wall that is higher than 10 levels nothing comes back
        held = np.flatnonzero(value <= level)
        low, high = min(low, x[max(held[0] - 1, 0)]), max(high, x[min(held[-1] + 1, len(x) - 1)])
    return float(low), float(high)


def line(
    potential: str | Formula,
    log_start: Formula,
    times: Sequence[float],
    *,
    centre: float = 0.0,
    box: Sequence[float] | None = None,
    reaction: str | None = None,
    alpha: float = 1.0,
    **keys: Any,
) -> LineFlow:
    """Solve on a line that is wide enough, or on the box that is given."""
    v = formula(potential) if isinstance(potential, str) else potential
    u = None if reaction is None else formula(reaction)
    if box is None:
        tilts = [] if u is None else [_tilted(v, u, min(times[-1], 1.0) * k) for k in (1, 2)]
        box = reach([v, lambda x: -log_start(x), *tilts], centre)
    low, high = box
    flow = solve_line(v, log_start, (low, high), times, reaction=u, alpha=alpha, **keys)
    if u is not None and keys.get("box") is None:
        ends = np.array([low, high])
        top = max(float(flow.log_density(k, ends).max()) for k in range(1, len(times) + 1))
        if top > END - np.log(high - low):
            raise RuntimeError("the reference's own line is too short for this reaction")
    return flow


def _tilted(v: Formula, u: Formula, factor: float) -> Formula:
    return lambda x: v(x) - factor * u(x)


def product(flows: Sequence[LineFlow], axes: Array | None = None, linear: bool = False) -> Truth:
    """Put together the flow of a product along orthonormal axes ``(d, d)``, one a row.

    Masses of regions are those of the first factor; `linear` says that β = 0 and a reaction acts.
    """
    dim = len(flows)
    axes = np.eye(dim) if axes is None else axes

    def assembled(parts: Sequence[dict[str, Array]]) -> dict[str, Array]:
        variance = np.stack([p["variance"] for p in parts], axis=1)
        return {
            "kl": np.sum([p["kl"] for p in parts], axis=0),
            "mean": np.stack([p["mean"] for p in parts], axis=1) @ axes,
            "covariance": np.einsum("tk,ki,kj->tij", variance, axes, axes),
        }

    numbers, own = assembled([f.numbers for f in flows]), {}
    variance = np.stack([f.own["variance"] for f in flows], axis=1)
    own["kl"] = np.sum([f.own["kl"] for f in flows], axis=0)
    own["mean"] = np.stack([f.own["mean"] for f in flows], axis=1) @ np.abs(axes)
    own["covariance"] = np.einsum("tk,ki,kj->tij", variance, np.abs(axes), np.abs(axes))
    for name, value in flows[0].numbers.items():
        if name.startswith("mass of "):
            numbers[name], own[name] = value, flows[0].own[name]
    if linear:
        numbers["log_normalising_constant"] = np.sum([f.numbers["log_mass"] for f in flows], axis=0)
        own["log_normalising_constant"] = np.sum([f.own["log_mass"] for f in flows], axis=0)

    def log_density(k: int, x: Array) -> Array:
        along = x @ axes.T
        return np.asarray(sum(f.log_density(k, along[:, i]) for i, f in enumerate(flows)))

    points, weights = _quadrature(flows, axes)
    gap = np.sqrt(np.sum([f.gap**2 for f in flows], axis=0))
    return Truth("lines", numbers, own, gap, log_density, points, weights)


def _quadrature(flows: Sequence[LineFlow], axes: Array) -> tuple[Array, Array]:
    """Products of Gauss points that matter; in three dimensions drawn from them."""
    kept = []
    for f in flows:
        density = np.max([np.exp(f.log_density(k, f.points)) for k in range(1, len(f.gap))], axis=0)
        share = f.weights * density**2
        matter = share > 1e-14 * share.sum()
        kept.append((f.points[matter], f.weights[matter]))
    if len(flows) < 3:
        # every Gauss point in one dimension, fewer in two: the relative distance needs two digits
        step = 1 if len(flows) == 1 else max(1, round(max(len(x) for x, _ in kept) / 300))
        kept = [(x[::step], w[::step] * step) for x, w in kept]
        along = np.stack(np.meshgrid(*(x for x, _ in kept), indexing="ij"), -1)
        weights = np.prod(np.stack(np.meshgrid(*(w for _, w in kept), indexing="ij"), -1), axis=-1)
        return along.reshape(-1, len(flows)) @ axes, weights.ravel()
    rng = np.random.default_rng(0)
    index = [rng.integers(len(x), size=DRAWN) for x, _ in kept]
    along = np.stack([x[i] for (x, _), i in zip(kept, index, strict=True)], axis=1)
    weight = np.prod([w[i] for (_, w), i in zip(kept, index, strict=True)], axis=0)
    return along @ axes, np.asarray(weight)


def radial(flow: LineFlow, angles: int = 24) -> Truth:
    """Turn a flow in the radius into one in the plane."""
    numbers, own = {"kl": flow.numbers["kl"]}, {"kl": flow.own["kl"]}
    times = len(flow.gap)
    numbers["mean"], own["mean"] = np.zeros((times, 2)), np.zeros((times, 2))
    half = np.eye(2) / 2
    numbers["covariance"] = flow.numbers["second_moment"][:, None, None] * half
    own["covariance"] = flow.own["second_moment"][:, None, None] * half
    for name, value in flow.numbers.items():
        if name.startswith("mass of "):
            numbers[name], own[name] = value, flow.own[name]

    def log_density(k: int, x: Array) -> Array:
        return flow.log_density(k, np.hypot(x[:, 0], x[:, 1]))

    angle = 2 * np.pi * (np.arange(angles) + 0.31) / angles
    points = flow.points[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    weights = np.repeat(flow.weights / angles, angles)
    return Truth("radius", numbers, own, flow.gap, log_density, points.reshape(-1, 2), weights)


def gaussian(
    start: tuple[Any, Any],
    end: tuple[Any, Any],
    times: Sequence[float],
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    slope: Any = None,
    bend: Any = None,
    half_planes: Mapping[str, tuple[Any, float]] | None = None,
) -> Truth:
    """Solve for the moments of a flow between Gaussians, with U = slope·x + x·bend x/2.

    Regions are half-planes n·x > c, given as (n, c).

    dm/dt = −α P (m − μ) − β C P (m − μ) + C (slope + bend m),
    dC/dt = 2α − α (P C + C P) + β (C − C P C) + C bend C.
    """
    m, c = np.atleast_1d(np.asarray(start[0], float)), np.atleast_2d(np.asarray(start[1], float))
    mu, sigma = np.atleast_1d(np.asarray(end[0], float)), np.atleast_2d(np.asarray(end[1], float))
    d, p = len(m), np.linalg.inv(sigma)
    b = np.zeros(d) if slope is None else np.atleast_1d(np.asarray(slope, float))
    h = np.zeros((d, d)) if bend is None else np.atleast_2d(np.asarray(bend, float))

    def rate(_t: float, state: Array) -> Array:
        m, c = state[:d], state[d : d + d * d].reshape(d, d)
        dm = -alpha * p @ (m - mu) - beta * c @ p @ (m - mu) + c @ (b + h @ m)
        dc = 2 * alpha * np.eye(d) - alpha * (p @ c + c @ p) + beta * (c - c @ p @ c) + c @ h @ c
        mean = b @ m + (np.trace(h @ c) + m @ h @ m) / 2
        return np.concatenate([dm, dc.ravel(), [mean]])

    def integrated(rtol: float) -> Array:
        state = np.concatenate([m, c.ravel(), [0.0]])
        # variances of the units of the problem, however small they are
        answer = solve_ivp(rate, (0, times[-1]), state, "Radau" if np.ptp(p) > 1e4 else "DOP853",
                           [0.0, *times], rtol=rtol, atol=rtol * 1e-3 * sigma.min(initial=np.inf,
                           where=sigma > 0))  # fmt: skip
        return np.asarray(answer.y.T)

    def moments(states: Array) -> dict[str, Array]:
        means, covariances = states[:, :d], states[:, d : d + d * d].reshape(-1, d, d)
        kl = [
            (np.trace(p @ c) + (m - mu) @ p @ (m - mu) - d
             + np.linalg.slogdet(sigma)[1] - np.linalg.slogdet(c)[1]) / 2
            for m, c in zip(means, covariances, strict=True)
        ]  # fmt: skip
        numbers = {"kl": np.array(kl), "mean": means, "covariance": covariances}
        for name, (n, least) in (half_planes or {}).items():
            side = np.asarray(n, float)
            spread = np.sqrt(np.einsum("i,tij,j->t", side, covariances, side))
            numbers[f"mass of {name}"] = ndtr((means @ side - least) / spread)
        return numbers | ({"log_normalising_constant": states[:, -1]} if b.any() or h.any() else {})

    numbers, other = moments(integrated(1e-13)), moments(integrated(1e-12))
    own = {name: np.abs(value - other[name]) for name, value in numbers.items()}
    means, covariances = numbers["mean"], numbers["covariance"]

    def log_density(k: int, x: Array) -> Array:
        off = x - means[k]
        square = np.einsum("ni,ij,nj->n", off, np.linalg.inv(covariances[k]), off)
        return np.asarray(
            -square / 2 - (np.linalg.slogdet(covariances[k])[1] + d * np.log(2 * np.pi)) / 2
        )

    # drawn from a Gaussian that holds all of them
    rng = np.random.default_rng(0)
    centre = means[1:].mean(axis=0)
    wide = 1.5 * np.mean(covariances[1:], axis=0) + np.cov(means[1:].T, bias=True).reshape(d, d) * 3
    factor = np.linalg.cholesky(wide)
    points = centre + rng.standard_normal((DRAWN, d)) @ factor.T
    off = points - centre
    log_weight = np.einsum("ni,ij,nj->n", off, np.linalg.inv(wide), off) / 2
    return Truth("moments", numbers, own, np.full(len(means), 1e-12), log_density, points,
                 np.exp(log_weight - log_weight.max()))  # fmt: skip


def regions(names: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    """Regions of the first coordinate; null is infinity."""
    return {
        k: (-np.inf if low is None else low, np.inf if high is None else high)
        for k, (low, high) in names.items()
    }
