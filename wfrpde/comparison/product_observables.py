"""What samples are compared in, in any dimension: averages whose truth is known.

Moments of linear forms and probabilities of half-spaces along coordinates, along the diagonal and
along random directions; the squared distance from the mean; masses of regions such as
``count(x > 0) >= 50``; and log(ρ/π) with its square about KL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.meshless import INVERSION, MeshlessDensity
from wfrpde.comparison.observables import Observable, ReferenceValue, rounded
from wfrpde.comparison.statistics import ROUND_OFF
from wfrpde.fields.product_regions import parse_product_region

QUANTILES = (-1.3, 0.0, 1.3)
"""Where half-spaces begin, in standard deviations from the mean."""


def directions_of(
    dim: int, count: int, coordinates: int, names: tuple[str, ...] = (), seed: int = 0
) -> dict[str, Array]:
    """Return unit vectors ``(d,)`` by their names: the diagonal, random ones, coordinates.

    Parameters
    ----------
    count
        How many random directions there are.
    coordinates
        How many single coordinates are looked at, evenly spread.
    names
        Names of the coordinates; x1, x2, … by default.
    seed
        Of the random directions.
    """
    random = np.random.default_rng(seed).standard_normal((count, dim))
    found = {"Σx/√d": np.ones(dim) / np.sqrt(dim)} if dim > 1 else {}
    if dim > 1:
        unit = random / np.linalg.norm(random, axis=1, keepdims=True)
        found |= {f"w{k + 1}·x": w for k, w in enumerate(unit)}
    names = names or tuple(f"x{k + 1}" for k in range(dim))
    chosen = np.unique(np.linspace(0, dim - 1, min(coordinates, dim)).astype(int))
    return found | {names[k]: np.eye(1, dim, k)[0] for k in chosen}


def observables_of(
    dim: int,
    *,
    moving: bool,
    directions: int,
    coordinates: int,
    seed: int,
    names: tuple[str, ...] = (),
) -> list[Observable]:
    """Give all that samples in ``dim`` dimensions are compared in, but for the masses of regions.

    Parameters
    ----------
    moving
        Whether they are compared with the flow, and not with π, of which log(ρ/π) says nothing.
    directions, coordinates, names, seed
        As in `directions_of`.
    """
    found = along(directions_of(dim, directions, coordinates, names, seed))
    found += [distance_from_mean()] if dim > 1 else []
    return found + (log_ratios() if moving else [])


def along(directions: Mapping[str, Array]) -> list[Observable]:
    """Give moments of linear forms, and probabilities of half-spaces beyond `QUANTILES`."""
    return [observable for name, w in directions.items() for observable in _of_form(name, w)]


def _of_form(name: str, w: Array) -> list[Observable]:
    def mean(density: MeshlessDensity) -> ReferenceValue:
        form = density.form(w)
        return rounded(form.mean, form.mean_error, form.width)

    def variance(density: MeshlessDensity) -> ReferenceValue:
        form = density.form(w)
        squares = (density.draws @ w - form.mean) ** 2
        return rounded(form.variance, form.variance_error, float(squares.std()))

    def square(x: Array, density: MeshlessDensity) -> Array:
        return np.asarray((x @ w - density.form(w).mean) ** 2)

    def squares(density: MeshlessDensity) -> tuple[Array, Array]:
        gaps, masses = density.far_along(w)
        return gaps**2, masses

    found = [
        Observable(
            f"mean {name}",
            f"mean of {name}",
            lambda x, _: x @ w,
            truth=mean,
            along=lambda density: density.far_along(w),
        ),
        Observable(
            f"var {name}",
            f"second moment of {name} about the Eulerian mean",
            square,
            truth=variance,
            along=squares,
        ),
    ]
    for q in QUANTILES:
        beyond, probability = _half_space(w, q)
        text = f"P({name} > m{q:+g}σ)".replace("-", "−") if q else f"P({name} > m)"
        found.append(Observable(text, f"{text}, m and σ those of the flow", beyond, share=True,
                                truth=probability))  # fmt: skip
    return found


def distance_from_mean() -> Observable:
    """Give |x − m|²/d, m the mean: in many dimensions it varies little."""

    def evaluate(x: Array, density: MeshlessDensity) -> Array:
        return density.squared_distances(x) / density.dim

    def truth(density: MeshlessDensity) -> ReferenceValue:
        total, error = density.total_variance
        spread = float(evaluate(density.draws, density).std())
        return rounded(total / density.dim, error / density.dim, spread)

    def far(density: MeshlessDensity) -> tuple[Array, Array]:
        gaps, masses = density.parts_along(np.ones(density.dim))
        return gaps**2 / density.dim, masses

    what = "squared distance from the Eulerian mean, per dimension"
    return Observable("|x − m|²/d", what, evaluate, truth=truth, along=far)


def _half_space(
    w: Array, q: float
) -> tuple[Callable[[Array, MeshlessDensity], Array], Callable[[MeshlessDensity], ReferenceValue]]:
    def beyond(x: Array, density: MeshlessDensity) -> Array:
        form = density.form(w)
        return np.asarray(x @ w > form.mean + q * form.width, dtype=float)

    def probability(density: MeshlessDensity) -> ReferenceValue:
        form = density.form(w)
        p = float(form.above(np.array([form.mean + q * form.width]))[0])
        return _probability(p, form.error + INVERSION)

    return beyond, probability


def shares(regions: Mapping[str, str], prefix: str, where: str) -> list[Observable]:
    """Give the masses of regions by their texts."""
    return [_share(name, text, prefix, f"{where}.{name}") for name, text in regions.items()]


def _share(name: str, text: str, prefix: str, where: str) -> Observable:
    region = parse_product_region(text, where)

    def mass(density: MeshlessDensity) -> ReferenceValue:
        return _probability(*density.mass(region, where))

    def hit(x: Array, density: MeshlessDensity) -> Array:
        return np.asarray(density.inside(region, x), dtype=float)

    return Observable(f"{prefix} {name}", f"mass of {text}", hit, share=True, truth=mass)


def log_ratios() -> list[Observable]:
    """Give log(ρ/π), whose average is KL, and its square about KL."""

    def kl(density: MeshlessDensity) -> float:
        return float(density.number("kl").value)

    def known(density: MeshlessDensity) -> float:  # log ρ − log π has the round-off of its parts
        return density.log_error + ROUND_OFF * density.dim

    def mean(density: MeshlessDensity) -> ReferenceValue:
        entry, spread = density.number("kl"), np.sqrt(density.number("reaction_variance").value)
        return rounded(kl(density), float(entry.error) + known(density), float(spread))

    def square(density: MeshlessDensity) -> ReferenceValue:
        entry, off = density.number("reaction_variance"), known(density)
        gaps = (density.log_relative(density.draws) - kl(density)) ** 2
        # E(u + e)² − E u² is at most 2 σ_u off + off² where E e² is off²
        error = float(entry.error) + 2 * off * float(np.sqrt(entry.value)) + off**2
        return rounded(float(entry.value), error, float(gaps.std()))

    return [
        Observable(
            "log(ρ/π)",
            "log(ρ/π), whose average is KL",
            lambda x, density: density.log_relative(x),
            truth=mean,
        ),
        Observable(
            "(log(ρ/π) − KL)²",
            "square of log(ρ/π) about KL",
            lambda x, density: (density.log_relative(x) - kl(density)) ** 2,
            truth=square,
        ),
    ]


def _probability(p: float, error: float) -> ReferenceValue:
    return rounded(p, error, float(np.sqrt(max(p * (1 - p), 0.0))))
