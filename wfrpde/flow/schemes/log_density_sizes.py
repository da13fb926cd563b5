"""Degrees, elements, steps and points of the log-density form, where the case says nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.domain.landscape import SAMPLES


@dataclass(frozen=True)
class Defaults:
    """What holds in a dimension where the case says nothing.

    ℓ is the shortest length scale (beyond one dimension: of `bending_lengths`), h the size of an
    element, ε the tolerance, e the largest weighted error of u in a step of the finest run.

    Attributes
    ----------
    degree
        Of the elements; that of the coarser run is less by 2 on a line, by 1 and 3 beyond.
    resolution, least_cells, most_cells
        h/ℓ without a tolerance, and the least and the largest number of elements along an axis.
    local_error, looser
        e without a tolerance, and the factor by which e is larger in each coarser run: on a line
        it is what steps twice as long have.
    share, most, looser_still
        With a tolerance e = min(share ε, most), and the same factor. In the plane steps cost less
        than a fourth run with its integrals; and with 16 times as much in the coarsest run far
        tails, whose errors hardly count, blow up from some 1e-2 on.
    by_tolerance
        Whether with a tolerance ε the degree is 0.95 + 1.2 log₁₀(1/ε), rounded up: a degree more
        has a tenth of the error at first, and a fifth from 7 on.
    least
        e below which round-off shows.
    fine_share, met_share
        Least share of the distance of two runs that is the error of the finer one, without a
        tolerance and with one. On lines what elements of degree 8 leave is at most .11 of their
        distance to those of degree 6, and what halved steps leave 1/15, or 1/7 where they are few:
        1/8 was too little for a variance after 16 and 32 steps. Without a tolerance two bends of V
        in one element left 1/3.
    by_chance, agreed
        Share of what steps leave, by their estimated errors, that counts should two runs agree on
        all numbers, and the largest multiple of their largest distance at any time, times its
        share, that this may be: 2.2 was needed, where steps are halved (on a line) .25.
    first_step
        First step in units of e^{1/4} ℓ²/α.
    """

    degree: int
    resolution: float
    least_cells: int
    most_cells: int
    local_error: float
    looser: float
    share: float
    most: float
    looser_still: float
    by_tolerance: bool = False
    least: float = 1e-13
    fine_share: float = 1 / 2
    met_share: float = 1 / 7
    by_chance: float = 0.07
    agreed: float = 0.5
    first_step: float = 0.1


LINE = Defaults(8, 1.5, 24, 600, 2e-8, 16.0, share=0.5, most=6e-5, looser_still=16.0)
PLANE = Defaults(
    6,
    0.7,
    4,
    20,
    1e-5,
    5.6,
    share=0.2,
    most=3e-4,
    looser_still=3.0,
    by_tolerance=True,
    fine_share=1 / 2,
    met_share=1 / 2,
    by_chance=0.25,
    agreed=2.5,
)
SPACE = replace(
    PLANE,
    degree=4,
    most_cells=4,
    share=0.3,
    most=3e-3,
    by_tolerance=False,
    fine_share=1.0,
    met_share=1.0,
)

BULK = 20.0
"""Levels (kT) within which the bends of V and log ρ₀ count."""

DEGREES = (5, 9)
"""Least and highest degree in the plane that a tolerance leads to."""

MOST_NODES = 20_000
"""Nodes in the plane or in space beyond which nothing is refined: the factors fill."""


def defaults_for(problem: Problem) -> Defaults:
    """Return what holds in the problem's dimension."""
    return (LINE, PLANE, SPACE)[problem.dim - 1]


def points_for(tolerance: float | None) -> int | None:
    """Gauss points along each axis of the cells of quadrature; None for the usual ones.

    On cells of 1.5 standard deviations three err by 5e-6 and two by 5e-5, and by 1/20 with each
    that is added.
    """
    if tolerance is None:
        return None
    return 3 + int(np.ceil(max(0.0, -np.log10(tolerance) - 2.3) / 1.3))


def default_degree(problem: Problem, cells: tuple[int, ...]) -> int:
    """Degree of so many elements: in the plane it follows the tolerance."""
    own, tolerance = defaults_for(problem), problem.tolerance
    if tolerance is None or not own.by_tolerance:
        return own.degree
    degree = int(np.clip(np.ceil(0.95 - 1.2 * np.log10(tolerance)), *DEGREES))
    while degree > own.degree and np.prod(np.array(cells) * degree + 1.0) > MOST_NODES:
        degree -= 1
    return degree


def default_cells(problem: Problem, *, wanted: bool = True) -> tuple[int, ...]:
    """Return the number of elements along each axis, from the lengths over which u bends.

    Without regard to the tolerance of the case if that is not `wanted`.
    """
    own, tolerance = defaults_for(problem), problem.tolerance if wanted else None
    width = np.ptp(problem.box, axis=1)
    size, least = own.resolution, own.least_cells
    if problem.dim > 1:
        lengths = bending_lengths(problem)
        if tolerance is not None and not own.by_tolerance:
            size = _size_in_space(tolerance)
        if tolerance is not None:
            # fewest elements along an axis of a plane with a tolerance, whose runs tell what they
            # miss
            least = 2
    else:
        lengths = problem.scales
        if tolerance is not None:
            size, least = float(np.clip(size * (tolerance / 1e-9) ** (1 / 9), 1.0, 3.5)), 6
            # a ridge between two modes is where u is hardest to represent
            ridge = problem.landscape.sharpest(problem.stretch, ridges=True)
            lengths = np.minimum(lengths, ridge)
    wanted = np.ceil(width / (size * lengths))
    return tuple(int(n) for n in np.clip(wanted, least, own.most_cells))


def bending_lengths(problem: Problem) -> Array:
    """Lengths ``(d,)`` over which V and log ρ₀ are not quadratic along the axes, to some `BULK` kT.

    With the largest second, third and fourth derivatives A₂, A₃, A₄ along an axis it is the less of
    A₂/A₃ and (A₂/A₄)^{1/2}: elements represent a quadratic u whatever their size.
    """
    count = SAMPLES[problem.dim]
    _, *known = problem.landscape.on(problem.box)
    lengths = np.ptp(problem.box, axis=1)
    spacing = lengths / (count - 1)
    for value in known:
        value = value.reshape([count] * problem.dim)
        outside = value - value.min() > BULK
        for axis in range(problem.dim):
            line = np.moveaxis(value, axis, -1)
            left_out = np.moveaxis(outside, axis, -1)
            largest = {}
            for order in (2, 3, 4):
                bend = np.diff(line, order, axis=-1) / spacing[axis] ** order
                middle = left_out[..., order // 2 : order // 2 + bend.shape[-1]]
                largest[order] = float(np.abs(np.where(middle, 0.0, bend)).max())
            if largest[2] > 0:
                for order in (3, 4):
                    ratio = largest[2] / max(largest[order], 1e-9 * largest[2])
                    lengths[axis] = min(lengths[axis], ratio ** (1 / (order - 2)))
    return np.asarray(lengths)


def few_elements(problem: Problem) -> bool:
    """Whether a tolerance in space takes one basin and no more elements than there may be."""
    if problem.tolerance is None or len(problem.target.seeds) + len(problem.initial.seeds) > 2:
        return False
    size = _size_in_space(problem.tolerance) * bending_lengths(problem)
    return bool((np.ptp(problem.box, axis=1) <= SPACE.most_cells * size).all())


def _size_in_space(tolerance: float) -> float:
    """Size of an element in units of the length over which u bends."""
    size = SPACE.resolution
    return float(np.clip(size * (tolerance / 1e-5) ** (1 / 7), size / 2, 1.3 * size))
