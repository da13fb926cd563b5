"""Where a function has kinks along the axes: places at which cells have to end.

A scheme keeps its order across a kink of V or log ρ₀ only if cells end there. On a regular line of
points a kink shows as a second difference that stands out from its neighbours, and that falls with
the first power of the spacing, not with the second, when it is looked at more closely. Cells also
end in planes where a second or third derivative jumps (`wfrpde.domain.bends`); in other places such
jumps are no kinks, but elements see them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.domain.bends import bends_on_line
from wfrpde.domain.branches import branches_on_line
from wfrpde.domain.turns import SAME, Turns, turns_at, zeros_on_line

Function = Callable[[Array], Array]

POINTS = 2001
"""Points along a line."""

ZOOM = 16
"""Points on either side of a place that is looked at more closely."""

MOST = 200
"""Places on a line beyond which it is called rough, not kinked."""

CLOSER, AROUND, FINER = 3, 6, 8
"""How often the surroundings of a kink are searched for others that it hides, how many points of
the line on either side are, and how many times finer each time: to 6e-7 of the line."""

OF_CUSPS = 0.95
"""Power of |x − c| below which the force is not bounded, and errors fall like h^{q + 1}:
with .5 a covariance was off by 2 bars of 1e-6."""

NEAR, FINEST = 10, 40
"""How many points of the line on either side of a branch are searched for bends of which it is made
up, and how many times finer."""

BESIDE, SMALL, CLOSE = 1e-7, 1e-9, 2e-4
"""How far on either side of a kink, in units of the line, a function is looked at for a jump; what
is none; and how far cells beside one are small, on a line: with 2e-4 all numbers are off by 1/100
of what they are by without them."""


@dataclass(frozen=True)
class Kinks:
    """Planes, and whether there are kinks that are none.

    Attributes
    ----------
    planes
        For each axis the positions ``(k,)`` of planes across it at which cells end: kinks lie in
        them, or a higher derivative jumps there.
    kinked
        Whether there are kinks among them.
    oblique
        Whether there are kinks in other places.
    point
        Whether there is one in a single place, as that of |x| in the plane: none that cells would
        have to follow, but one that elements see.
    bent
        Whether a higher derivative jumps in other places: elements see that as well.
    jumps
        Whether the function jumps at one: at a node there neither of its values is right, and what
        that leaves is of first order.
    branches
        Whether a function is like |x − c|^q at one, q no integer: polynomials of any degree on
        cells that end there leave a power of it.
    cusps
        Whether q < 1 at one: the force is not bounded, and errors fall like h^{q + 1}.
    """

    planes: tuple[Array, ...]
    kinked: bool = False
    oblique: bool = False
    point: bool = False
    bent: bool = False
    jumps: bool = False
    branches: bool = False
    cusps: bool = False

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.oblique or self.kinked

    @property
    def bind(self) -> bool:
        """Whether cells cannot end where they like, or there is a kink that they do not follow."""
        return self.oblique or any(len(plane) for plane in self.planes)

    def with_moving(self, moments: Sequence[Kinks], box: Array) -> Kinks:
        """Return these and those of a function that moves, looked at several times.

        Cells end at what stays for two of them; what is somewhere else each time is followed by no
        cells, as oblique kinks are.
        """
        planes, oblique = [], self.oblique or any(one.oblique for one in moments)
        for axis, (low, high) in enumerate(box):
            slack = 1e-6 * (high - low)
            places = [one.planes[axis] for one in moments]
            every = _distinct(np.concatenate(places), slack)
            stays = np.array(
                [sum(np.any(np.abs(p - q) < slack) for p in places) > 1 for q in every]
            )
            planes.append(_distinct(np.append(self.planes[axis], every[stays.astype(bool)]), slack))
            oblique = oblique or not bool(stays.all())
        kinked = self.kinked or any(one.kinked for one in moments)
        point = self.point or any(one.point for one in moments)
        bent = self.bent or any(one.bent for one in moments)
        jumps = self.jumps or any(one.jumps for one in moments)
        branches = self.branches or any(one.branches for one in moments)
        cusps = self.cusps or any(one.cusps for one in moments)
        return Kinks(tuple(planes), kinked, oblique, point, bent, jumps, branches, cusps)


def kinks_of(
    functions: Sequence[Function],
    box: Array,
    lines: Array,
    torn: Sequence[Function] = (),
    arguments: Sequence[Function] = (),
) -> Kinks:
    """Find the kinks of functions in a box, along lines that are parallel to its axes.

    Parameters
    ----------
    functions
        Functions of points ``(n, d)``.
    box
        ``(d, 2)``.
    lines
        ``(k, d)`` points through which the lines go; several, so that planes are told from other
        surfaces.
    torn
        Those of them whose jumps count: errors of others are no larger at a jump than at a kink.
    arguments
        What formulas turn on, see `wfrpde.fields.switches`: their zeros are looked at in any case.
    """
    planes, apart, kinked, bent = [], [], False, False
    jumps, branches, cusps = False, False, False
    beside = CLOSE * np.ptp(box, axis=1)[:, None] * np.array([-1.0, 0.0, 1.0])
    for axis, (low, high) in enumerate(box):
        found: Array = np.empty(0)
        regular = np.linspace(low, high, POINTS)
        zeros = [
            zeros_on_line(tuple(_along(argument, axis, x) for argument in arguments), regular)
            for x in lines
        ]
        zeros = [one if len(one) <= MOST else one[:0] for one in zeros]
        for function in functions:
            along = [_along(function, axis, x) for x in lines]
            turns = [_turns(v, z, regular) for v, z in zip(along, zeros, strict=True)]
            places = [
                np.append(turn.kinks, turn.without(on_line(value, low, high)))
                for value, turn in zip(along, turns, strict=True)
            ]
            branches = branches or any(turn.branches.any() for turn in turns)
            if function in torn:
                edges = [_jumps(*each, high - low) for each in zip(along, places, strict=True)]
                jumps = jumps or any(map(len, edges))
                cusps = cusps or any((turn.powers < OF_CUSPS).any() for turn in turns)
                if len(box) == 1:
                    places = [np.append(places[0], np.add.outer(edges[0], beside[0]).ravel())]
            common, others = _shared(places, 1e-6 * (high - low))
            kinked = kinked or len(common) > 0
            bends = [
                np.append(turn.bends, turn.without(bends_on_line(value, regular, known)))
                for value, turn, known in zip(along, turns, places, strict=True)
            ]
            if len(box) == 1:
                bends = [np.append(bends[0], turns[0].beside)]
            higher, elsewhere = _shared(bends, 1e-6 * (high - low))
            bent = bent or len(elsewhere) > 0
            found = np.concatenate([found, common, higher])
            for line, position in others:
                apart.append(np.array(lines[line], dtype=float))
                apart[-1][axis] = position
        planes.append(_distinct(found, 1e-6 * (high - low)))
    size = 1e-6 * (box[:, 1] - box[:, 0])
    oblique = any((np.abs(x - apart[0]) > size).any() for x in apart)
    point = len(apart) > 0 and not oblique
    return Kinks(tuple(planes), kinked, oblique, point, bent, jumps, branches, cusps)


def _turns(value: Callable[[Array], Array], zeros: Array, x: Array) -> Turns:
    """Return at which of the zeros of arguments a function turns, and its other branches."""
    step, places = float(x[1] - x[0]), branches_on_line(value, x)
    others = np.abs(np.subtract.outer(places, zeros)).min(axis=1, initial=np.inf)
    beyond = places[others > SAME * float(np.ptp(x))]
    pairs: list[Array] = []
    for place in beyond:
        near = place + step * np.linspace(-NEAR, NEAR, 2 * NEAR * FINEST + 1)
        bends = bends_on_line(value, near, np.empty(0))
        if len(bends) > 1:  # looked at from afar they are one branch
            pairs.append(bends)
    known = np.unique(np.concatenate([zeros, *pairs]))
    if len(known):
        beyond = beyond[np.abs(np.subtract.outer(beyond, known)).min(axis=1) > NEAR * step]
    found = turns_at(value, np.union1d(known, beyond), x)
    return found.only(found.branches | ~np.isin(found.places, beyond))


def _jumps(value: Callable[[Array], Array], places: Array, width: float) -> Array:
    """Return those of the `places` of kinks at which a function on a line jumps.

    The change over a place stays as it is looked at sixteen times more closely; at a kink it falls,
    and about a root, whose place is known less well, it is one of chance.
    """
    far, near = (
        np.abs(value(places + part * width) - value(places - part * width))
        for part in (BESIDE, BESIDE / 16)
    )
    same = (near > 0.7 * far) & (near < 1.4 * far)
    return np.asarray(places[np.isfinite(far) & (near > SMALL) & same])


def on_line(value: Callable[[Array], Array], low: float, high: float) -> Array:
    """Positions ``(k,)`` of the kinks of a function of positions ``(n,)`` on an interval."""
    found = _searched(value, np.asarray(np.linspace(low, high, POINTS)), CLOSER)
    return _distinct(np.array(found), 1e-6 * (high - low))


def _searched(value: Callable[[Array], Array], x: Array, closer: int) -> list[float]:
    """Return kinks between regular points, and so many times `closer` around each of them.

    Of two that are less than three points apart one hides the other, or each the other.
    """
    values, step = value(x), float(x[1] - x[0])
    bend = np.zeros(len(x) + 4)
    bend[3:-3] = _bends(values)
    # a kink between two points shows at both of them
    pair = bend[2:-3] + bend[3:-2]
    around = np.maximum(bend[:-5] + bend[1:-4], bend[4:-1] + bend[5:])
    noise = 1e-12 * max(1.0, float(np.nanmax(np.abs(values), initial=0.0)))
    # second differences of a kink are larger than those two places further by this factor
    candidates = np.flatnonzero(pair > 3.0 * around + noise)
    if len(candidates) > MOST:
        return []
    places = [_closer(value, float(x[min(i, len(x) - 1)]), step) for i in candidates]
    inside = [p for p in places if p is not None and x[0] + step < p < x[-1] - step]
    if closer == 0:
        return inside
    far = np.pad(pair, AROUND)
    crowded = np.flatnonzero(pair > 3.0 * np.maximum(far[: len(pair)], far[2 * AROUND :]) + noise)
    spots = _distinct(np.array([*inside, *x[crowded[crowded < len(x)]]]), AROUND / 2 * step)
    if len(spots) > MOST:
        return inside
    for spot in spots:
        near = spot + step * np.linspace(-AROUND, AROUND, 2 * AROUND * FINER + 1)
        near = near[(near >= x[0]) & (near <= x[-1])]
        inside += _searched(value, near, closer - 1)
    return inside


def _closer(value: Callable[[Array], Array], middle: float, step: float) -> float | None:
    """Return the place of a kink near `middle`, or None if it is none on closer look."""
    reach, last = 2.0 * step, np.inf
    for _ in range(6):  # it is then known to 16⁻⁶ of the spacing of the line
        near: Any = middle + reach * np.linspace(-1.0, 1.0, 2 * ZOOM + 1)
        bend = _bends(value(near))
        where = int(np.argmax(bend))
        largest = float(bend[where])
        # second differences fall by 1/16 = 0.06 in a zoom at a kink, and by 1/256 = 0.004 elsewhere
        if not largest > (0.0 if np.isinf(last) else 0.02 * last):
            return None
        middle, last = float(near[where + 1]), largest
        reach *= 2 / ZOOM
        last *= 2.0  # the next zoom is by 8, not by 16
    return middle + _to_crossing(value, middle, step / 8, reach)


def _to_crossing(
    value: Callable[[Array], Array], middle: float, spacing: float, within: float
) -> float:
    """Return how far from `middle` the cubics through four points on either side cross.

    Where cells end 2e-8 from a kink of 12 rates were off by 2e-9. It is 0 where there are no such
    cubics, or nothing is gained.
    """
    points = middle + spacing * np.array([-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0])
    sides = value(points).reshape(2, 4) * np.ones(1)
    left, right = sides[0, ::-1], sides[1]
    here, slope = np.array([4.0, -6.0, 4.0, -1.0]), np.array([-13 / 3, 19 / 2, -7.0, 11 / 6])
    with np.errstate(all="ignore"):
        move = float(spacing * (here @ (left - right)) / (slope @ (left + right)))
    return move if 1e-10 * spacing < abs(move) < within else 0.0


def _bends(value: Array) -> Array:
    """Absolute second differences; 0 where the function is not finite."""
    with np.errstate(invalid="ignore"):
        bend = np.abs(np.diff(value, 2))
    return np.where(np.isfinite(bend), bend, 0.0)


def _along(function: Function, axis: int, through: Array) -> Callable[[Array], Array]:
    def value(x: Array) -> Array:
        points = np.repeat(through[None, :], len(x), axis=0)
        points[:, axis] = x
        return np.asarray(function(points))

    return value


def _distinct(positions: Array, within: float) -> Array:
    ordered = np.sort(positions)
    return np.asarray(ordered[np.append(True, np.diff(ordered) > within)[: len(ordered)]])


def _shared(places: list[Array], within: float) -> tuple[Array, list[tuple[int, float]]]:
    """Positions that are on all lines, and the others as (line, position)."""
    every = _distinct(np.concatenate(places), within)
    hits = np.array([[np.abs(p - q).min(initial=np.inf) < within for q in every] for p in places])
    common = hits.all(axis=0) if len(every) else np.empty(0, dtype=bool)
    others = [(k, float(every[i])) for k, i in np.argwhere(hits & ~common)] if len(every) else []
    return every[common], others
