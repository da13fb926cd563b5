"""Masses of regions under a normal law: along lines by its distribution function, across by Gauss.

In coordinates in which the law is the standard normal, each line meets the region in intervals,
whose ends are found by bisection and whose mass is a difference of values of Φ. Across the lines
cells are halved where Gauss' rule differs from that on their halves, as it does where the boundary
touches the lines, and so are their neighbours, into which the region may reach between two lines.
Draws tell of regions that no line has met. What lies between planes across one axis is known by Φ
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.gauss import gauss_rule
from wfrpde.fields.regions import Region as Slabs

Region = Callable[[Array], Flags]

REACH = 8.6
"""Half the width of what is looked at, in standard deviations: beyond it lies 1e-17 on an axis."""

CELLS, POINTS, HALVINGS = {1: 1, 2: 12, 3: 8}, {1: 1, 2: 7, 3: 5}, {1: 1, 2: 16, 3: 2}
"""Cells across, along each axis, points of each there, and how often they are halved at most."""

CLOSE, ROUND_OFF = 1e-11, 1e-13
"""Difference of a cell from its halves below which it is done, and relative error of Φ."""

PROBES, MOST_PROBES = {1: 8_000, 2: 120, 3: 120}, 16_000
"""Points on a line at which the region is looked for: √2 times as many in every halving, so that
the short chords where the boundary touches a line are seen."""

LOOKS = 24
"""Points along each axis that decide along which one the lines go."""

BEYOND = 2e-17
"""Mass that lies farther out on an axis, where no region is seen."""

DRAWS, SURPRISE = 2**16, 3.0
"""Draws of the law in two and three dimensions, and by how many of their standard errors the mass
may differ from their share before the difference counts as an error."""


def normal_mass(region: Region, mean: Array, covariance: Array) -> tuple[float, float]:
    """Return the mass of a region under N(mean, covariance), and its estimated error.

    Parameters
    ----------
    region
        Which of the points ``(n, d)`` it holds.
    mean, covariance
        ``(d,)`` and ``(d, d)``.
    """
    if isinstance(region, Slabs) and region.straight and len({k for k, _ in region.planes}) == 1:
        return _in_slabs(region, mean, covariance)
    dim, factor = len(mean), np.linalg.cholesky(covariance)

    def seen(z: Array) -> Flags:
        return np.asarray(region(mean + z @ factor.T), dtype=bool)

    axis = _most_crossed(seen, dim)
    breaks: Array = np.linspace(-REACH, REACH, CELLS[dim] + 1, dtype=np.float64)
    low = _tensor(breaks[:-1], dim - 1)
    size, child = 2 * REACH / CELLS[dim], _tensor(np.array([0.0, 0.5]), dim - 1)
    whole = _in_cells(seen, axis, low, size, PROBES[dim])
    value = error = 0.0
    for halving in range(1, HALVINGS[dim] + 1):
        probes = min(MOST_PROBES, int(PROBES[dim] * 2 ** (halving / 2)))
        halves = (low[:, None] + size * child[None]).reshape(len(low) * len(child), dim - 1)
        size /= 2
        parts = _in_cells(seen, axis, halves, size, probes)
        total = parts.reshape(len(low), -1).sum(axis=1)
        gap = np.abs(total - whole)
        open_ = _with_neighbours(low, 2 * size, gap >= CLOSE)
        done = ~open_ | (halving == HALVINGS[dim])
        # share of the difference that is told of cells that are not done
        left = np.where(gap < CLOSE, gap, 3.0 * gap)
        value, error = value + float(total[done].sum()), error + float(left[done].sum())
        if done.all():
            break
        again = np.repeat(~done, len(child))
        low, whole = halves[again], parts[again]
    if dim == 1 and value == 0 and not seen(_far_out()).any():
        # found nowhere, it may lie between two probes
        error += 2 * REACH / PROBES[1] / np.sqrt(2 * np.pi)
    if dim > 1:
        share = float(seen(_draws(dim)).mean())
        surprise = abs(share - value)
        spread = float(np.sqrt(max(share, value, 1 / DRAWS) / DRAWS))
        if value == 0:  # no line has met it
            error += surprise + 3 / DRAWS
        elif surprise > SURPRISE * spread:
            error += surprise + spread
    return value, error + (ROUND_OFF * value or BEYOND * dim)


def _far_out() -> Array:
    """Points ``(n, 1)`` of a line beyond what is looked at, up to thirty times as far."""
    out = REACH * np.geomspace(1.0, 30.0, PROBES[1])[1:, None]
    return np.concatenate([-out, out])


def _in_slabs(region: Slabs, mean: Array, covariance: Array) -> tuple[float, float]:
    """Return the mass of what lies between planes across one axis, which one coordinate decides."""
    from scipy.special import ndtr

    ((axis, _), *_), places = region.planes, sorted(place for _, place in region.planes)
    between = np.convolve(places, [0.5, 0.5])  # the first and the last are put beyond the ends
    between[0], between[-1] = -np.inf, np.inf
    points = np.tile(mean, (len(between), 1))
    points[:, axis] = between
    inside = region(points)
    z = (np.array(places) - mean[axis]) / np.sqrt(covariance[axis, axis])
    low, high = np.append(-np.inf, z)[inside], np.append(z, np.inf)[inside]
    right = low > 0  # there differences of what is left are the better conditioned ones
    low, high = np.where(right, -high, low), np.where(right, -low, high)
    value = float((ndtr(high) - ndtr(low)).sum())
    # round-off of Φ, of which thin slabs are small differences, and of z, which counts z² times
    # as much of what is left beyond it
    ends = np.concatenate([low, high])
    ends = ends[np.isfinite(ends)]
    off = ndtr(ends) + np.minimum(ends**2, 2e3) * ndtr(-np.abs(ends))
    return value, ROUND_OFF * value + 1e-15 * float(off.sum())


@cache
def _draws(dim: int) -> Array:
    """Return draws ``(n, dim)`` of the standard normal law, by a sequence of low discrepancy."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    uniform = qmc.Sobol(dim, seed=0).random_base2(int(np.log2(DRAWS)))
    return np.asarray(ndtri(np.clip(uniform, 1e-12, 1 - 1e-12)))


def _with_neighbours(low: Array, size: float, open_: Flags) -> Flags:
    """Return which of the cells ``(m, d-1)`` are open, or touch one that is."""
    if not low.shape[1] or not open_.any():
        return open_
    index = np.rint((low + REACH) / size).astype(np.int64)
    width = int(index.max()) + 3
    weights = width ** np.arange(low.shape[1])
    around = _tensor(np.array([-1.0, 0.0, 1.0]), low.shape[1]).astype(np.int64)
    touched = ((index[open_][:, None] + 1 + around[None]) @ weights).ravel()
    return np.isin((index + 1) @ weights, touched)


def _tensor(values: Array, dim: int) -> Array:
    if dim == 0:
        return np.zeros((1, 0))
    return np.stack(np.meshgrid(*[values] * dim, indexing="ij"), axis=-1).reshape(-1, dim)


def _most_crossed(seen: Region, dim: int) -> int:
    """Return the axis along which neighbouring points differ most often."""
    inside = seen(_tensor(np.linspace(-3.0, 3.0, LOOKS, dtype=np.float64), dim)).reshape(
        [LOOKS] * dim
    )
    return int(np.argmax([np.diff(inside, axis=k).sum() for k in range(dim)]))


def _in_cells(seen: Region, axis: int, low: Array, size: float, probes: int) -> Array:
    """Return the mass ``(m,)`` above cells, cubes of a size whose low corners are ``(m, d-1)``."""
    dim = low.shape[1] + 1
    node, weight = gauss_rule(POINTS[dim])
    offset = _tensor(node, dim - 1)
    lines = (low[:, None] + size * offset[None]).reshape(len(low) * len(offset), dim - 1)
    factor = np.tile(_tensor(weight, dim - 1).prod(axis=1), len(low)) * size ** (dim - 1)
    factor *= np.exp(-np.sum(lines**2, axis=1) / 2) / (2 * np.pi) ** ((dim - 1) / 2)
    mass, held = np.zeros(len(lines)), factor > 1e-18
    mass[held] = factor[held] * _on_lines(seen, axis, lines[held], probes)
    return np.asarray(mass.reshape(len(low), -1).sum(axis=1))


def _on_lines(seen: Region, axis: int, lines: Array, probes: int) -> Array:
    """Return the share of each line that is in the region."""
    from scipy.special import ndtr

    def inside(line: Integers, t: Array) -> Flags:
        return seen(np.insert(lines[line], axis, t, axis=1))

    n = len(lines)
    t = np.linspace(-REACH, REACH, probes)
    found = inside(np.repeat(np.arange(n), probes), np.tile(t, n)).reshape(n, probes)
    line, piece = np.nonzero(found[:, 1:] != found[:, :-1])
    low, high, before = t[piece], t[piece + 1], found[line, piece]
    for _ in range(46):
        middle = (low + high) / 2
        same = inside(line, middle) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    # sums over crossings c, s = 1 where the line leaves: of sΦ(c), or of −s(1 − Φ(c)), which is
    # the better conditioned one of regions far to the right
    sign, where = np.where(before, 1.0, -1.0), (low + high) / 2
    left = found[:, -1] + np.bincount(line, sign * ndtr(where), n)
    right = found[:, 0] - np.bincount(line, sign * ndtr(-where), n)
    return np.asarray(np.where(np.bincount(line, where, n) > 0, right, left))
