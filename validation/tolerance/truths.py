"""What the solutions of the table are judged by, and how well that is known itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from finite_volumes import LineFlow, Numbers

from wfrpde.flow.exact import gaussian_flow, gaussian_kl, gaussian_log_density
from wfrpde.flow.solution import ErrorEstimate, Solution

Array = np.ndarray[Any, Any]

SERIES = ("kl", "fisher_information", "reaction_variance")

STORE = Path(__file__).with_name("planes.json")

OWN = 1 / 3
"""Share of the distance to the rougher finite volumes that covers the error of the better ones: on
Gaussians it is less than a fifth."""

POINTS = {1: 2001, 2: 161, 3: 41}
"""Points along each axis at which densities are compared, by dimension."""


@dataclass(frozen=True)
class Truth:
    """A flow at the saved times, the start included, with the names and shapes of a `Solution`.

    Attributes
    ----------
    log_density
        Of a time's index and points ``(n, d)``.
    own
        Absolute errors that it may have itself; None where it is a closed form.
    """

    name: str
    series: dict[str, Array]
    mean: Array
    covariance: Array
    mode_mass: dict[str, Array]
    log_density: Callable[[int, Array], Array]
    own: ErrorEstimate | None = None

    def errors(self, solution: Solution) -> ErrorEstimate:
        """Absolute errors of a solution; NaN where the truth says nothing."""
        unknown = np.full(len(solution.times), np.nan)
        points = lattice(solution)
        density = [
            distance(solution.density(t, points), np.exp(self.log_density(k, points)))
            for k, t in enumerate(solution.times)
        ]
        return ErrorEstimate(
            {k: np.abs(v - self.series.get(k, unknown)) for k, v in solution.series.items()},
            np.abs(solution.mean - self.mean),
            np.abs(solution.covariance - self.covariance),
            {k: np.abs(v - self.mode_mass.get(k, unknown)) for k, v in solution.mode_mass.items()},
            np.array(density),
        )


def lattice(solution: Solution) -> Array:
    """Points of a regular lattice over the box of a solution."""
    dim = solution.nodes.shape[1]
    axes = [np.linspace(low, high, POINTS[dim]) for low, high in solution.box]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)


def distance(one: Array, other: Array) -> float:
    """Relative distance in L2."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def gaussian_truth(
    start: tuple[Any, Any], end: tuple[Any, Any], times: Array, **rates: float
) -> Truth:
    """Give the exact flow between two Gaussians, each a mean and a covariance."""
    mu, sigma = (np.asarray(part, float) for part in end)
    moments = [gaussian_flow(*start, mu, sigma, t, **rates) for t in times]
    precision = np.linalg.inv(sigma)
    fisher, spread = [], []
    for m, c in moments:
        bend = precision - np.linalg.inv(c)  # of log(ρ/π), which is quadratic
        slope = precision @ (m - mu)
        fisher.append(np.trace(bend @ c @ bend) + slope @ slope)
        spread.append(np.trace(bend @ c @ bend @ c) / 2 + slope @ c @ slope)
    return Truth(
        "exact",
        {
            "kl": np.array([gaussian_kl(m, c, mu, sigma) for m, c in moments]),
            "fisher_information": np.array(fisher),
            "reaction_variance": np.array(spread),
        },
        np.array([m for m, _ in moments]),
        np.array([c for _, c in moments]),
        {},
        lambda k, x: gaussian_log_density(x, *moments[k]),
    )


def product_truth(name: str, factors: list[LineFlow], axes: Array) -> Truth:
    """Give the flow of a product of densities along orthonormal axes.

    Transport and reaction of a product act on each factor alone; the mass of a region is that of
    the first one's.

    Parameters
    ----------
    axes
        ``(d, d)``, one axis a row.
    """

    def assembled(pick: Callable[[LineFlow], Numbers]) -> tuple[Any, ...]:
        parts = [pick(factor) for factor in factors]
        series = {key: sum(getattr(part, key) for part in parts) for key in SERIES}
        mean = np.stack([part.mean for part in parts], axis=1) @ axes
        variance = np.stack([part.variance for part in parts], axis=1)
        covariance = np.einsum("tk,ki,kj->tij", variance, axes, axes)
        return series, mean, covariance, parts[0].masses

    def log_density(k: int, x: Array) -> Array:
        along = x @ axes.T
        parts = [f.log_density(k, along[:, i]) for i, f in enumerate(factors)]
        return np.asarray(np.sum(parts, axis=0))

    gap = np.sum([factor.gap for factor in factors], axis=0)
    return _judge(name, assembled, log_density, gap)


def radial_truth(name: str, flow: LineFlow) -> Truth:
    """Give a flow in the plane that depends on the radius alone."""

    def assembled(pick: Callable[[LineFlow], Numbers]) -> tuple[Any, ...]:
        numbers = pick(flow)
        series = {key: getattr(numbers, key) for key in SERIES}
        covariance = numbers.second_moment[:, None, None] / 2 * np.eye(2)
        return series, np.zeros((len(covariance), 2)), covariance, numbers.masses

    def log_density(k: int, x: Array) -> Array:
        return flow.log_density(k, np.hypot(x[:, 0], x[:, 1]))

    return _judge(name, assembled, log_density, flow.gap)


def _judge(
    name: str,
    assembled: Callable[[Callable[[LineFlow], Numbers]], tuple[Any, ...]],
    log_density: Callable[[int, Array], Array],
    gap: Array,
) -> Truth:
    """Make a truth of finite volumes, which say nothing about the start."""
    best, rough = assembled(attrgetter("numbers")), assembled(attrgetter("rough"))
    (series, *moments, masses), (second, *others, shares) = (
        ({k: _later(v) for k, v in one[0].items()}, _later(one[1]), _later(one[2]),
         {k: _later(v) for k, v in one[3].items()})
        for one in (best, rough)
    )  # fmt: skip
    own = ErrorEstimate(
        {key: OWN * np.abs(value - second[key]) for key, value in series.items()},
        *(OWN * np.abs(one - other) for one, other in zip(moments, others, strict=True)),
        {key: OWN * np.abs(value - shares[key]) for key, value in masses.items()},
        OWN * _later(gap),
    )

    def later(k: int, x: Array) -> Array:
        return np.full(len(x), np.nan) if k == 0 else log_density(k - 1, x)

    return Truth(name, series, *moments, masses, later, own)


def _later(values: Array) -> Array:
    """Put NaN before the first time."""
    return np.concatenate([np.full((1, *values.shape[1:]), np.nan), values])


def solved_truth(name: str, reference: Solution) -> Truth:
    """Take a solution by another formulation."""
    return Truth(
        name,
        reference.series,
        reference.mean,
        reference.covariance,
        reference.mode_mass,
        lambda k, x: reference.log_density(reference.times[k], x),
        reference.error,
    )


def stored_truth(name: str, problem: str) -> Truth:
    """Take what `planes.py` has stored of a problem; it says nothing of rates and densities."""
    known = json.loads(STORE.read_text())[problem]
    unknown = np.full(len(known["times"]), np.nan)

    def told(key: str) -> tuple[dict[str, Array], Array, Array, dict[str, Array]]:
        every = {number: np.array(values) for number, values in known[key].items()}
        series = {**dict.fromkeys(SERIES, unknown), "kl": every.pop("kl")}
        mean = np.stack([every.pop(f"mean_{axis}") for axis in "xy"], axis=1)
        xx, xy, yy = (every.pop(f"covariance_{pair}") for pair in ("xx", "xy", "yy"))
        covariance = np.stack([xx, xy, xy, yy], axis=1).reshape(-1, 2, 2)
        return series, mean, covariance, every

    return Truth(
        name,
        *told("values"),
        lambda _, x: np.full(len(x), np.nan),
        ErrorEstimate(*told("errors"), unknown),
    )
