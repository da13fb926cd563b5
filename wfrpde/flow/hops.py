r"""Hops over ridges that cells do not see: all runs of a ladder take them at wrong rates alike.

Over a ridge between two modes, of a height ΔV above the lowest minimum, with −V'' = 1/ℓ² across it,
mass hops at a rate of the order (Kramers)

.. math:: k = \frac{\alpha D}{2\pi\,\ell\,\ell_0} e^{-\Delta V},

ℓ₀ the shortest length of the modes, D the largest diffusion there. Cells of a width h > ℓ have the
top of the barrier within them, and distances of runs, which are made of all else, do not tell what
is wrong with k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.case.problem import Problem
from wfrpde.domain.grid import TensorGrid
from wfrpde.fields.schedules import integral
from wfrpde.flow.outcome import Outcome

WRONG, UNSEEN = 0.25, 2.7
"""Relative error of what hopped, in units of k t, where h is UNSEEN ℓ or more; below as h⁴, and
below ℓ, where runs tell it by their distances as well, as h⁸. Of
two modes at ±4, of width 1, extrapolated masses were wrong by .06 of what hopped at 2.7 and by
.0035 at 1; k is up to five times too small there."""

NEIGHBOURS, POINTS, LEVEL = 4, 401, 20.0
"""How many other modes are looked at from each, points on the way, and kT beyond which no hop
counts."""


def hops_alone(problem: Problem) -> bool:
    """Whether masses change by hops over barriers alone, which no reaction outruns."""
    return problem.equation.beta == 0 and len(problem.target.seeds) > 1


def misjudged_hops(problem: Problem, outcome: Outcome) -> Array:
    """Return the relative error of the density ``(T,)`` by hops at wrong rates."""
    nothing = np.zeros(len(outcome.times))
    equation, grid = problem.equation, outcome.interpolation.grid
    seeds = problem.target.seeds
    if equation.dynamics is None or len(seeds) < 2 or not isinstance(grid, TensorGrid):
        return nothing
    widths = np.array([np.diff(breaks).max() for breaks in grid.breaks])
    worst = worst_hop(problem.potential, seeds, widths, problem.kinks.planes)
    wrong = WRONG * worst / float(problem.scales.min())
    moved = np.array([integral(equation.alpha, 0.0, float(t)) for t in outcome.times])
    moved *= problem.largest_diffusion
    gone = np.array([integral(equation.beta, 0.0, float(t)) for t in outcome.times])
    kept = np.where(gone > 0, -np.expm1(-gone) / np.maximum(gone, 1e-300), 1.0)
    return np.asarray(np.minimum(wrong * moved * kept, 1.0))


def worst_hop(
    potential: Callable[[Array], Array],
    seeds: Array,
    widths: Array,
    planes: Sequence[Array] = (),
) -> float:
    """Return the largest e^{−ΔV}/(2πℓ) on the ways between near seeds, each by how unseen it is.

    Kinks in `planes` across the axes are ends of cells: edges of ridges there are seen.
    """
    lowest, worst = float(potential(seeds).min()), 0.0
    share = np.linspace(0.0, 1.0, POINTS)[:, None]
    for seed in seeds:
        distance = np.linalg.norm(seeds - seed, axis=1)
        for near in np.argsort(distance)[1 : NEIGHBOURS + 1]:
            way = seeds[near] - seed
            if distance[near] == 0.0:
                continue
            value = potential(seed + share * way)
            top = int(np.argmax(value))
            height = float(value[top]) - lowest
            if top in (0, POINTS - 1) or not height < LEVEL:
                continue
            step = distance[near] / (POINTS - 1)
            bend = _bend(value, top, step, _crossed(seed + share * way, planes))
            width = float(np.abs(way / distance[near]) @ widths) * np.sqrt(bend)
            unseen = (min(width / UNSEEN, 1.0) * min(width, 1.0)) ** 4
            rate = np.sqrt(bend) * np.exp(-max(height, 0.0)) / (2 * np.pi)
            worst = max(worst, float(rate * unseen))
    return worst


def _crossed(points: Array, planes: Sequence[Array]) -> Flags:
    """Return between which of ``(n, d)`` points on a way a plane lies ``(n - 1,)``."""
    crossed = np.zeros(len(points) - 1, dtype=bool)
    for axis, places in enumerate(planes):
        for place in places:
            before, after = points[:-1, axis] - place, points[1:, axis] - place
            crossed |= (before * after <= 0) & (before != after)
    return crossed


def _bend(value: Array, top: int, step: float, crossed: Flags) -> float:
    """Return the largest −V'' along a way within half a kT of its `top`; 0 where V falls by less.

    That is no ridge: nothing waits before it. At an edge, which bends infinitely, V falls by half
    a kT within ℓ, and 2/ℓ² bounds it: a parabola has 1/ℓ². Where it is `crossed` by the end of
    cells, what V does on either side counts.
    """
    low = np.flatnonzero(value < value[top] - 0.5)
    left, right = low[low < top], low[low > top]
    if not (len(left) and len(right)):
        return 0.0
    first, last = int(left[-1]), int(right[0])
    width = step * min(top - first, last - top)
    bends = -np.diff(value, 2)
    bends[crossed[1:] | crossed[:-1]] = 0.0
    return min(max(float(bends[first : last - 1].max()), 0.0) / step**2, 2 / width**2)
