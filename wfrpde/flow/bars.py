"""Bars of all numbers: their distances to others, and what else may be wrong, added up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from scipy.ndimage import maximum_filter1d

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.pieces import Functionals
from wfrpde.flow.accuracy import RATES
from wfrpde.flow.saved import ErrorEstimate
from wfrpde.flow.start_moments import of_averages
from wfrpde.flow.wide_start import beyond_the_box

Comparison = tuple[Functionals, Array, Array]
"""Numbers of another solution or rule, its L2 distances ``(T,)`` and the shares that count."""

TINY = 1e-300

ROUND_OFF = 1e-12
"""Relative error that no estimate goes below: that of the linear solvers."""

HOELDER = 0.6
"""Power of a mass m that what steps leave of the density changes it by: 1 − 1/p with its norm in
L^p, by Hölder's inequality. p = 2 tells nothing of small masses; of Gaussians' tails m^0.65 was
needed in units of the norm in L²."""


def bars_of(
    numbers: Functionals,
    comparisons: list[Comparison],
    density: Array,
    problem: Problem,
    cut_off: tuple[Array, Array],
    start_defect: Array,
    mended: Array,
    doubted: Array,
    untold: Array,
    *,
    chance: float = 0.0,
    luck: Mapping[str, Array] | None = None,
    apart: Array | None = None,
    averages: Averages | None = None,
    missing: Mapping[str, Array] | None = None,
    moved: float | Array = 0.0,
) -> ErrorEstimate:
    """Return the largest of the distances to other numbers, and what else may be wrong.

    The others are those of the other solutions and those of another quadrature, which tell how far
    off the `density` is in L2. The mass beyond an automatic box adds to all (a box that the case
    gives is the problem as posed, unless its walls are not felt), and so does, after the start,
    what the nodes misrepresent of it, and what was mended; that may be in modes `apart` by so much
    along each axis. Where numbers may agree by chance, a share of the density's error adds to them:
    to all by `chance`, and as `luck` tells by name; and to all but the density itself what is
    `doubted` of it, and to all what steps left `untold`. Errors of ρ of size `moved` come from the
    start and add to what is averaged. To `averages` a share of the errors of their like adds, and
    what is `missing` of KL and its rates to these, of the mass to that of each region.
    """
    cut, depth = cut_off
    reach = float(np.ptp(problem.box, axis=1).max()) / 2

    stepped = density > 0 if problem.equation.dynamics is not None else np.zeros(len(density), bool)
    stepped[0] = False  # a formula; round-off, or none of it, as ranks add it up
    # relative error of a density in L2 that no estimate goes below: logarithms of the order of 100
    # to 14 digits, through a thousand steps
    floor = np.where(stepped, 1e-10, 0.0)
    common = chance * density
    width = np.sqrt(np.einsum("tii->ti", numbers.covariance))
    squares = width[:, :, None] * width[:, None, :]
    reached = width if apart is None else width + apart
    reached_squares = reached[:, :, None] * reached[:, None, :]
    reached_squares = np.maximum(reached_squares, numbers.covariance_spread)
    # |δ⟨φ⟩| ≤ sd(φ) ‖δρ/ρ‖ for averages, and what follows for the others: near equilibrium the
    # square of u changes by 2 |u| δu, relative to itself by ever more
    near = np.maximum(1.0, 1 / np.sqrt(np.maximum(numbers.reaction_variance, TINY)))
    spreads = {
        "kl": np.sqrt(2 * np.abs(numbers.kl)) + mended,
        "fisher_information": 2 * numbers.fisher_information * near,
        "reaction_variance": 2 * numbers.reaction_variance * near + mended**2,
        "mass": 0 * mended,
    }
    of_steps = {"kl": np.sqrt(numbers.reaction_variance)}

    def gap(
        pick: Callable[[Functionals], Array],
        beyond: float | Array,
        spread: Array,
        own: Array | None = None,
        of_steps: Array | None = None,
        smooth: bool = False,
        like: Array | None = None,
    ) -> Array:
        value = pick(numbers)

        def each(of_times: Array) -> Array:
            return of_times.reshape(-1, *[1] * (value.ndim - 1))

        distance = furthest(numbers, comparisons, pick)
        size = np.abs(value) if own is None else own
        if smooth:
            distance = smoothed(distance / np.maximum(size, TINY)) * size
        if like is not None:
            distance += like
        distance += each(common) * size
        wide = np.maximum(np.abs(value), size)  # a mean is off by a share of the width
        distance += each(start_defect) * wide
        left = each(np.maximum(untold, floor)) * (spread if of_steps is None else of_steps)
        distance += each(mended) * spread + np.maximum(each(doubted) * spread, left)
        distance += ROUND_OFF * np.abs(value) + each(cut) * (np.abs(value) + beyond)
        return np.asarray(distance)

    like = of_averages(numbers, np.zeros(len(density)) + moved)
    if averages is not None:
        pairs = np.maximum(averages.along[:, :, None], averages.along[:, None, :])
        like["mean"] += averages.along * width
        like["covariance"] += pairs * numbers.covariance_spread
        like["kl"] += averages.kl * np.sqrt(np.maximum(numbers.reaction_variance, 0.0))
    whole, nothing = np.ones(len(density)), np.zeros(len(density))
    # where boundaries in space cross within a cell both rules lose the same: twice as much counts
    rule, _, crossed = comparisons[-1]
    crossed = crossed if problem.dim == 3 else nothing
    insides = {k: np.maximum(m * (1 - m), 0.0) for k, m in numbers.mode_mass.items()}
    beyond: dict[str, float | Array]
    beyond = {"kl": depth, "mass": 1.0, "fisher_information": depth, "reaction_variance": depth**2}
    owed, at_first = beyond_the_box(problem), np.arange(len(density)) == 0
    # on ridges between modes slopes of u are steep where nothing else is known to matter, and two
    # runs agree on them by chance; on KL as well, whose error changes its sign at some time
    chances = (*RATES, "kl") if untold.any() else ()
    return ErrorEstimate(
        series={
            name: gap(
                attrgetter(name),
                more,
                spreads[name],
                None,
                of_steps.get(name),
                name in chances,
                like.get(name),
            )
            + density * (luck or {}).get(name, nothing)
            + owed.get(name, 0.0) * at_first
            + (0.0 if name == "mass" else (missing or {}).get(name, 0.0))
            for name, more in beyond.items()
        },
        mean=gap(attrgetter("mean"), reach, reached, width, like=like.get("mean"))
        + at_first[:, None] * owed.get("mean", 0.0),
        covariance=gap(
            attrgetter("covariance"),
            reach**2,
            reached_squares,
            squares,
            numbers.covariance_spread,
            like=like.get("covariance"),
        )
        + density[:, None, None] * (luck or {}).get("covariance", nothing[:, None, None])
        + at_first[:, None, None] * owed.get("covariance", 0.0),
        mode_mass={
            name: gap(
                _mass_of(name),
                1.0,
                np.sqrt(inside) if apart is None else whole,
                inside,
                inside**HOELDER,
                like=like[f"mass of {name}"]
                + (0.0 if averages is None else averages.every * inside),
            )
            + density * (luck or {}).get(f"mass of {name}", nothing)
            + owed.get(f"mass of {name}", 0.0) * at_first
            + crossed * np.abs(numbers.mode_mass[name] - rule.mode_mass[name])
            + (missing or {}).get("mass", 0.0)
            for name, inside in insides.items()
        },
        density=np.maximum(density, floor) + (cut + start_defect + moved + mended + untold),
    )


def furthest(
    numbers: Functionals, comparisons: list[Comparison], pick: Callable[[Functionals], Array]
) -> Array:
    """Return the largest distance of a number to that of others, each times its share."""
    value = pick(numbers)
    distance = np.zeros_like(value)
    for other, _, share in comparisons:
        counts = share.reshape(-1, *[1] * (value.ndim - 1))
        distance = np.maximum(distance, counts * np.abs(value - pick(other)))
    return distance


@dataclass(frozen=True)
class Averages:
    """What tells how far averages under ρ are off, where single ones agree by chance.

    Of means, covariances and masses, which depend on one density in much the same way, some agree
    at some time by chance, hardly all.

    Attributes
    ----------
    along
        What adds to means and covariances along each axis ``(T, d)``, in their standard deviations,
    every
        and to masses, in units of m(1 − m), ``(T,)``,
    kl
        and to KL, in standard deviations of log(ρ/π).
    """

    along: Array
    every: Array
    kl: Array

    @classmethod
    def of(
        cls, numbers: Functionals, comparisons: list[Comparison], share: float, of_kl: float
    ) -> Averages:
        """Return a share of what the worst of their like are off by, now or at times next to it.

        Of mean and variance along each axis; for masses, of masses, in standard deviations of their
        indicators, and the mean; and for KL of all, in norms that no turned axes change.
        """
        width = np.sqrt(np.einsum("tii->ti", numbers.covariance))
        means = furthest(numbers, comparisons, attrgetter("mean")) / np.maximum(width, TINY)
        gaps = furthest(numbers, comparisons, attrgetter("covariance"))
        spreads = np.maximum(numbers.covariance_spread, TINY)
        along = np.maximum(means, np.einsum("tii->ti", gaps / spreads))
        every: Array = np.zeros(len(along))
        kl: Array = np.zeros(len(along))
        scale, turned = np.linalg.eigh(numbers.covariance)
        whitened = turned / np.sqrt(np.maximum(scale, TINY))[:, None, :]
        for other, _, counts in comparisons:
            mean = np.einsum("tij,ti->tj", whitened, numbers.mean - other.mean)
            gap = np.swapaxes(whitened, 1, 2) @ (numbers.covariance - other.covariance) @ whitened
            norms = [np.linalg.norm(mean, axis=1)]
            for name, m in numbers.mode_mass.items():
                deviation = np.sqrt(np.maximum(m * (1 - m), 0.0))
                # a mass of 1 has no deviation, and is off by round-off: 9 times as wide bars
                off = np.maximum(np.abs(m - other.mode_mass[name]) - ROUND_OFF * m, 0.0)
                norms.append(off / np.maximum(deviation, ROUND_OFF))
            every = np.maximum(every, counts * np.max(norms, axis=0))
            kl = np.maximum(kl, counts * np.linalg.norm(gap, axis=(1, 2)) / np.sqrt(2))
        density = np.max([counts * l2 for _, l2, counts in comparisons], axis=0)
        kl = about(np.maximum(every, kl), density)
        return cls(share * about(along, density), share * about(every, density), of_kl * kl)


def about(found: Array, density: Array) -> Array:
    """Return the largest of what was found ``(T, …)`` at a time after the start and next to it.

    Where the error of the density falls, what is found at another time falls half as fast.
    """
    unit = np.sqrt(np.maximum(density, TINY)).reshape(-1, *[1] * (found.ndim - 1))
    about = np.zeros_like(found)  # the start is a formula
    about[1:] = maximum_filter1d(found[1:] / unit[1:], 3, axis=0, mode="nearest") * unit[1:]
    return about


def smoothed(distance: Array) -> Array:
    """Return distances ``(T,)`` none of which is below those before and after it.

    At the first time after the start, and at the last, it is not below what the next two times
    foretell, whose ratio stays.
    """
    result = distance.copy()
    result[1:-1] = np.maximum(distance[1:-1], np.minimum(distance[:-2], distance[2:]))
    if len(distance) > 3:
        for end, near, next_one in ((1, 2, 3), (-1, -2, -3)):
            one, two = distance[near], distance[next_one]
            result[end] = max(result[end], one * min(one / max(two, TINY), 1.0))
    return result


def _mass_of(region: str) -> Callable[[Functionals], Array]:
    return lambda numbers: numbers.mode_mass[region]
