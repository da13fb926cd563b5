r"""Masses of regions under a law that is the same in all directions around a point.

.. math:: P(A) = \int \rho_1(r)\,s_A(r)\,dr,

with the density ρ₁ of the distance and the share s_A(r) of the sphere of radius r that lies in A.
On a circle its arcs are found by bisection. Along r cells are halved where Gauss' rule differs from
that on their halves, as it does where spheres touch the boundary, or it is one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.gauss import gauss_rule
from wfrpde.fields import Region
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import ROUND_OFF
from wfrpde.flow.product.spheres import directions

ARCS, BISECTIONS, SEARCHES = 180, 44, 64
"""Arcs of a circle in which a boundary is looked for, how often such an arc is halved, and how
often one is cut to two thirds where the level of the region may have another sign in between."""

WAYS = 600
"""Directions in space, with their opposites, that tell a half of a sphere from all or nothing."""

CELLS, POINTS, HALVINGS, MOST = 48, 8, 44, 4_000
"""Cells of r to begin with, points of each, how often they are halved, and beyond how many not."""

CLOSE, PLAIN, PART, JUMP = 1e-13, 1e-9, 0.02, 0.05
"""Difference of a cell from its halves below which it is done, that of runs that nothing is
compared with, whose bars are NaN, that in units of its bar, and difference of the shares of two
neighbouring points from which it is not."""

RAYS, LOOKS = 8, 6
"""Rays from the centre along which a boundary is looked for, and times whose cells are made."""


def region_masses(
    line: MeshPart, centre: Array, regions: Mapping[str, Region], lost: float
) -> dict[str, tuple[Array, Array]]:
    """Return masses ``(T + 1,)`` at all times and of π, with their errors, of each region.

    Parameters
    ----------
    line
        The flow of the distance.
    lost
        Share of the mass that the line leaves out.
    """
    if not regions:
        return {}
    ends, found = _breaks(line), {}
    # ρ₁ was normalised by the line's own rule, with few points where it is narrow
    total, _ = _integral(line, np.ones_like, ends)
    for name, region in regions.items():
        breaks = np.union1d(ends, _crossings(region, centre, ends))
        value, error = _integral(line, partial(share, region, centre), breaks)
        off = np.abs(total - 1.0) + ROUND_OFF
        found[name] = value / total, (error + off * value) / total + lost
    return found


def share(region: Region, centre: Array, r: Array) -> Array:
    """Return which share ``(m,)`` of the spheres of radius r ``(m,)`` lies in a region.

    In space it has to be a half, all or nothing: see `is_simple`.
    """
    if len(centre) == 2:
        size = max(1, 400_000 // ARCS)
        parts = [_of_circles(region, centre, r[k : k + size]) for k in range(0, len(r), size)]
        return np.concatenate(parts)
    ways = _opposite(len(centre))
    held = np.asarray(region((centre + r[:, None, None] * ways).reshape(-1, len(centre))))
    return np.asarray(held.reshape(len(r), -1).mean(axis=1))


def is_simple(region: Region, centre: Array, reach: float) -> bool:
    """Whether masses of a region can be had: in space it holds one of any two opposite points.

    Or all of a sphere, or nothing of it.
    """
    dim = len(centre)
    if dim == 2:
        return True
    r = reach * (np.arange(64) + 0.5) / 64
    points = centre + r[:, None, None] * _opposite(dim)
    held = np.asarray(region(points.reshape(-1, dim))).reshape(len(r), 2, WAYS)
    halves = (held[:, 0] != held[:, 1]).all(axis=1)
    flat = held.reshape(len(r), -1)
    return bool((halves | flat.all(axis=1) | ~flat.any(axis=1)).all())


def _opposite(dim: int) -> Array:
    ways = directions(WAYS, dim, np.random.default_rng(0))
    return np.concatenate([ways, -ways])


def _of_circles(region: Region, centre: Array, r: Array) -> Array:
    """Return the shares of circles by what their arcs inside add up to."""
    step = 2 * np.pi / ARCS
    # an irrational beginning, so that no arc ends where a line through the centre is
    begin = step * (np.arange(ARCS) + 1 / np.pi)

    def level(circle: Integers, angle: Array) -> Array:
        way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return region.level(centre + r[circle, None] * way)

    def ends(circle: Integers, low: Array, high: Array, sign: Array) -> Array:
        """Return where the level, of a sign at the low angle, gets another one."""
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            same = sign * level(circle, middle) > 0
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return low

    every = np.arange(len(r))
    value = level(np.repeat(every, ARCS), np.tile(begin, len(r))).reshape(len(r), ARCS)
    held = value > 0
    after = np.roll(held, -1, axis=1)
    inside: Array = np.asarray((held & after).sum(axis=1) * step, dtype=float)
    circle, arc = np.nonzero(held != after)
    sign = np.where(held[circle, arc], 1.0, -1.0)
    gone = ends(circle, begin[arc], begin[arc] + step, sign) - begin[arc]
    inside += np.bincount(circle, np.where(sign > 0, gone, step - gone), len(r))
    # short arcs, at most one between the neighbours of a value that is the nearest to 0
    size, (left, right) = np.abs(value), (np.roll(value, k, axis=1) for k in (1, -1))
    drops = [np.abs(side) - size for side in (left, right)]
    near = (held == (left > 0)) & (held == (right > 0)) & (np.minimum(*drops) >= 0)
    circle, arc = np.nonzero(near & (size <= np.maximum(*drops)))
    sign = np.where(held[circle, arc], 1.0, -1.0)
    low, high = begin[arc] - step, begin[arc] + step
    for _ in range(SEARCHES if len(circle) else 0):
        third = (high - low) / 3
        less = sign * (level(circle, low + third) - level(circle, high - third)) < 0
        low, high = np.where(less, low, low + third), np.where(less, high - third, high)
    lowest = (low + high) / 2
    crossed = sign * level(circle, lowest) < 0
    circle, arc, sign, lowest = circle[crossed], arc[crossed], sign[crossed], lowest[crossed]
    enter = ends(circle, begin[arc] - step, lowest, sign)
    leave = ends(circle, lowest, begin[arc] + step, -sign)
    inside -= np.bincount(circle, sign * (leave - enter), len(r))
    return np.asarray(inside / (2 * np.pi), dtype=float)


def _breaks(line: MeshPart) -> Array:
    """Return ends of cells of r, short where any of the laws is narrow."""
    r = np.sort(line.solution.interpolation.nodes[:, 0])
    ends = [np.linspace(r[0], r[-1], CELLS + 1)]
    count = len(line.times)
    for index in (None, *np.unique(np.linspace(0, count - 1, LOOKS).round().astype(int))):
        log_density = line.log_density(None if index is None else int(index), r[:, None])
        held = r[log_density > log_density.max() - 40.0]
        ends.append(np.linspace(held[0], held[-1], CELLS // 3 + 1))
    return np.asarray(np.unique(np.concatenate(ends)), dtype=float)


def _crossings(region: Region, centre: Array, ends: Array) -> Array:
    """Return distances at which some rays from the centre enter or leave a region.

    Of a region that is the same in all directions, these are all at which its share jumps.
    """
    way = directions(RAYS, len(centre), np.random.default_rng(1))
    pieces = (ends[:-1, None] + np.diff(ends)[:, None] * np.linspace(0, 1, 65)[:-1]).ravel()
    r = np.append(pieces, ends[-1])

    def held(ray: Integers, r: Array) -> Flags:
        return np.asarray(region(centre + r[:, None] * way[ray]))

    along = held(np.repeat(np.arange(RAYS), len(r)), np.tile(r, RAYS)).reshape(RAYS, len(r))
    ray, piece = np.nonzero(along[:, 1:] != along[:, :-1])
    low, high, before = r[piece], r[piece + 1], along[ray, piece]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        same = held(ray, middle) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.asarray(np.unique((low / ends[-1]).round(13)) * ends[-1], dtype=float)


def _integral(
    line: MeshPart, weight: Callable[[Array], Array], breaks: Array
) -> tuple[Array, Array]:
    """Return ∫ρ₁ s dr ``(T + 1,)`` of all times and of π, and its error.

    A cell is done when its halves differ little from it, and s from point to point.
    """
    node, factor = gauss_rule(POINTS)

    def by_rule(low: Array, size: Array) -> tuple[Array, Array, Array]:
        """Return integrals ``(m, T + 1)`` over cells, the bars of ρ₁ there, and jumps of s."""
        sides = np.stack([low, low + size], axis=1) + 1e-9 * size[:, None] * np.array([1.0, -1.0])
        r = (low[:, None] + size[:, None] * node).ravel()
        shares, at_sides = weight(r), weight(sides.ravel()).reshape(-1, 2)
        every = np.column_stack([at_sides[:, 0], shares.reshape(len(low), -1), at_sides[:, 1]])
        jumps = np.abs(np.diff(every, axis=1)).max(axis=1)
        scaled = (size[:, None] * factor).ravel() * shares
        x = r[:, None]
        u = line.solution.log_relative_densities(x)
        mass = scaled * np.exp(line.log_density(None, x) + np.vstack([u, np.zeros(len(r))]))
        bar = mass.copy()
        bar[:-1] *= np.minimum(line.defects([*range(len(u))], x, u), 1.0)
        bar[-1] = 0.0
        shape = len(mass), len(low), POINTS
        whole, bars = (rows.reshape(shape).sum(axis=2).T for rows in (mass, bar))
        return whole, bars, jumps

    close = PLAIN if line.solution.opinions is None else CLOSE
    low, size = breaks[:-1], np.diff(breaks)
    whole, _, _ = by_rule(low, size)
    value = error = np.zeros(whole.shape[1])
    for halving in range(1, HALVINGS + 1):
        halves = np.stack([low, low + size / 2], axis=1).ravel()
        parts, bars, jumps = by_rule(halves, np.repeat(size / 2, 2))
        total, bar = (both.reshape(len(low), 2, -1).sum(axis=1) for both in (parts, bars))
        gap = np.abs(total - whole)
        done = (gap <= np.fmax(close, PART * bar)).all(axis=1)
        done &= jumps.reshape(-1, 2).max(axis=1) < JUMP
        if halving == HALVINGS or 2 * np.count_nonzero(~done) > MOST:
            done[:] = True
        value = value + total[done].sum(axis=0)
        error = error + (gap + bar)[done].sum(axis=0)
        again = np.repeat(~done, 2)
        if not again.any():
            break
        low, size, whole = halves[again], np.repeat(size / 2, 2)[again], parts[again]
    return value, error
