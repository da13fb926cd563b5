"""What of space matters: the levels of V and −log ρ₀ that do, and their length scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.fields.blocks import in_blocks
from wfrpde.targets.reach import coarse_reach

T = TypeVar("T")

LEVEL = 40.0
"""Levels (kT) above the minimum beyond which neither π nor ρ₀ matters: e^{−40} = 4e-18."""

BULK = 12.0
"""Levels (kT) within which the mesh resolves the curvature."""

SPAN = 1000.0
"""Level of V above which cells are left out in any case: √π would leave floating point's range."""

TOP = 1380.0
"""Level of V that no cell reaches up to: the relative density spans 1400 kT at most."""

WALL = 1160.0
"""The same in the plane and in space to a tolerance. If all the span were taken, where a start
lies on steep walls, values in the valley could not fall below e^{−40} of the mass, and a reaction
would let what they are raised to grow: a banana's covariances were 5 % too large."""

CLOSER = 4.0
"""How many times shorter a step is that tells kinks."""

SAMPLES = {1: 2001, 2: 121, 3: 33, 4: 17}
"""Sample points along each axis, by dimension."""


def least_of(value: Array) -> float:
    """Least of values that are numbers, ∞ without any."""
    return float(np.fmin.reduce(value, initial=np.inf))


@dataclass(frozen=True)
class Landscape:
    """V and R₀ = −log ρ₀, each counted from its minimum, and what lies between them.

    The reaction takes a density through the geometric means ρ₀^θ π^{1−θ}, and the transport takes
    it downhill in V: points on these ways matter as much as the two ends.

    Attributes
    ----------
    potential, surprise
        V and −log ρ₀ at points ``(n, d)``, up to constants.
    seeds
        ``(k, d)`` points near the minima of both.
    reaction
        Whether there is a reaction (β > 0).
    transport
        Whether there is transport (α > 0).
    level
        Level (kT) beyond which nothing matters.
    favoured
        −log of densities, up to constants, that a linear reaction may lead to.
    spread
        −log of a density, up to a constant, that the start spreads to where V hardly rises.
    """

    potential: Callable[[Array], Array]
    surprise: Callable[[Array], Array]
    seeds: Array
    reaction: bool = True
    transport: bool = True
    level: float = LEVEL
    favoured: tuple[Callable[[Array], Array], ...] = ()
    spread: Callable[[Array], Array] | None = None

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.seeds.shape[1])

    def levels(
        self, x: Array, *, ways: bool = True, least: Callable[[Array], float] = least_of
    ) -> Array:
        """Smallest level ``(n,)`` at which each point matters; minima are over `x` and the seeds.

        Where other ranks have points, too, `least` is the minimum over all of them (and collective,
        therefore). Points where V is +∞ never matter. Without `ways` the transport's way downhill
        is left out: the box spans it already, and downhill of a far start lies the other side of
        the valley too.
        """

        def at(function: Callable[[Array], Array]) -> Array:
            return np.concatenate([in_blocks(function, x), function(self.seeds)])

        v = at(self.potential)
        r = v if self.surprise is self.potential else at(self.surprise)
        v_rel, r_rel = v - least(v), r - least(r)
        best = np.minimum(v_rel, r_rel)
        if self.reaction:
            mixed = np.empty_like(v)
            for theta in (0.25, 0.5, 0.75):
                with np.errstate(invalid="ignore"):
                    np.multiply(v, 1 - theta, out=mixed)
                    mixed += theta * r
                mixed -= least(mixed)
                np.fmin(best, mixed, out=best)  # where the mixture is undefined it never matters
        for function in (*self.favoured, *([] if self.spread is None else [self.spread])):
            value = at(function)
            with np.errstate(invalid="ignore"):
                np.fmin(best, value - least(value), out=best)
        if self.transport and ways:
            # mass moves downhill: all below the highest V where the start has its bulk
            # of the start, 3 standard deviations: its way downhill is kept in the mesh
            bulk = v_rel[(r_rel < 4.5) & np.isfinite(v_rel)]
            start = max(0.0, -least(-bulk))
            # 5 kT above it are enough of a way down
            np.minimum(best, np.maximum(v_rel - start, 0.0) * (self.level / 5.0), out=best)
            # where mass may rest on that way, in an upper well or where the start itself lies, its
            # own levels count, unless that is so low that those of V are enough
            lowest = v_rel[len(x) :]
            rest = float(np.max(lowest[lowest <= start], initial=0.0))
            if rest >= self.level / 2:
                np.minimum(best, np.maximum(v_rel - rest, 0.0), out=best)
        best[np.isposinf(v)] = np.inf
        return np.asarray(best[: len(x)])

    def scales(self, box: Array, *, edges: bool = False) -> Array:
        """Shortest length ``(d,)`` along each axis: 1/√(largest curvature of V or R₀ there).

        With a linear reaction the densities that it favours count, too. Where cells end at kinks,
        the `edges` of what is smooth, the length there is 1/J, J the jump of the slope, within
        which V changes by half a kT; else it is shorter.
        """
        if edges:
            return self._once("edges", box, partial(self._scales, edges=True)).copy()
        return self._once("scales", box, self._scales).copy()

    def on(self, box: Array) -> tuple[Array, Array, Array]:
        """Regular sample points ``(n, d)`` of a box, V and R₀ there."""
        return self._once("on", box, self._on)

    def _on(self, box: Array) -> tuple[Array, Array, Array]:
        x = sample(box)
        return x, self.potential(x), self.surprise(x)

    @cached_property
    def _known(self) -> dict[str, tuple[Array, Any]]:
        """Boxes that were looked at last, and what was found."""
        return {}

    def _once(self, name: str, box: Array, found: Callable[[Array], T]) -> T:
        """Return what is found in a box, which is looked at once."""
        if name not in self._known or not np.array_equal(box, self._known[name][0]):
            self._known[name] = box.copy(), found(box)
        value: T = self._known[name][1]
        return value

    def _scales(self, box: Array, *, edges: bool = False) -> Array:
        lengths = (box[:, 1] - box[:, 0]) / 2
        functions = self.potential, self.surprise, *self.favoured
        for axis in range(self.dim):
            for function, (place, _, second) in zip(functions, self.bends(box, axis), strict=True):
                largest = float(second.max(initial=0.0))
                if edges:
                    largest = _sharpest_bend(function, place, second, _step(box, axis))
                if largest > 0:
                    lengths[axis] = min(lengths[axis], 1 / np.sqrt(largest))
        return np.asarray(lengths)

    def rough(self, box: Array, planes: Sequence[Array]) -> bool:
        """Whether V or R₀ bends ever more the closer one looks, but in `planes` across the axes.

        So powers between 1 and 1.7 do, which no element resolves.
        """
        functions = self.potential, self.surprise, *self.favoured
        for axis, here in enumerate(planes):
            shift = _step(box, axis)
            for function, (place, _, second) in zip(functions, self.bends(box, axis), strict=True):
                away = (np.abs(place[:, axis, None] - here) > 2 * shift[axis]).all(axis=1) & (
                    second > 0
                )
                place, second = place[away], second[away]
                top = second >= second.max(initial=0.0) / 2
                place, second = place[top], second[top]
                closer, known = _closer(function, place, second, shift)
                if (known & (closer > 1.5 * second)).any():
                    return True
        return False

    def bends(self, box: Array, axis: int) -> Iterator[tuple[Array, Array, Array]]:
        """Yield points ``(n, d)`` within `BULK` of V, of R₀ and of what a reaction favours.

        With them their levels ``(n,)`` and the second derivatives ``(n,)`` along an axis there.
        """
        x, *known = self.on(box)
        seeds = self.seeds_in(box)
        points = np.concatenate([x, seeds])
        known += [function(x) for function in self.favoured]
        shift = _step(box, axis)
        step = shift[axis]
        for function, on_lattice in zip(
            (self.potential, self.surprise, *self.favoured), known, strict=True
        ):
            value = np.concatenate([on_lattice, function(seeds)])
            with np.errstate(invalid="ignore"):
                level = value - value.min()
                # beyond the box the formula of a density need not make sense
                held = (points[:, axis] > box[axis, 0]) & (points[:, axis] < box[axis, 1])
                held &= level < BULK
            place, centre = points[held], value[held]
            with np.errstate(invalid="ignore", over="ignore"):
                second = (function(place + shift) - 2 * centre + function(place - shift)) / step**2
            finite = np.isfinite(second)
            yield place[finite], level[held][finite], second[finite]

    def has_kink(self, box: Array) -> bool:
        """Whether V or R₀ has a kink or a pole where it matters, on a line.

        At a kink the second difference, divided by the square of its step, grows as the step
        shrinks; where the function is smooth it does not.
        """
        x, *values = self.on(box)
        step = float(x[1, 0] - x[0, 0])
        for function, value in zip((self.potential, self.surprise), values, strict=True):
            matters = (value - value.min() < self.level)[1:-1]
            with np.errstate(invalid="ignore"):
                bend = np.where(matters, np.abs(np.diff(value, 2)), 0.0)
            where = 1 + int(np.argmax(bend))
            near = x[where] + step * np.linspace(-1.0, 1.0, 33)[:, None]
            closer = float(np.abs(np.diff(function(near), 2)).max()) * 16**2
            if not closer < 4 * float(bend.max()) + 1e-6:
                return True
        return False

    def sharpest(self, box: Array, *, ridges: bool = False) -> float:
        """Shortest length on a line where ridges count, too: 1/√(largest |V''| or |R₀''|).

        With `ridges` they alone count: 1/√(largest −V'' or −R₀'').
        """
        x, *values = self.on(box)
        step = float(x[1, 0] - x[0, 0])
        largest = 0.0
        for value in values:
            matters = (value - value.min() < self.level)[1:-1]
            with np.errstate(invalid="ignore"):
                bend = -np.diff(value, 2)[matters]
                bend = bend if ridges else np.abs(bend)
            largest = max(largest, float(bend.max(initial=0.0)) / step**2)
        return 1 / np.sqrt(largest) if largest > 0 else float(np.ptp(box))

    def lengths(self) -> tuple[float, float]:
        """Shortest and longest distance over which V or R₀ changes by 1 at a seed, along any axis.

        1 stands for what is within three decades of it: as a first guess it is as good. At a seed
        on a jump there is no such distance.
        """
        functions = [self.potential]
        if self.surprise is not self.potential:
            functions.append(self.surprise)
        reaches = [coarse_reach(function, self.seeds, by_axis=True) for function in functions]
        found = np.where(reaches > 1e-12 * np.abs(self.seeds), reaches, np.inf)
        known = [1.0 if 1e-3 < x < 1e3 else x for x in found.flat if np.isfinite(x)] or [1.0]
        return min(known), max(known)

    def seeds_in(self, box: Array) -> Array:
        """Seeds that lie in a box."""
        inside = ((self.seeds >= box[:, 0]) & (self.seeds <= box[:, 1])).all(axis=1)
        return np.asarray(self.seeds[inside])


def _step(box: Array, axis: int) -> Array:
    """Step ``(d,)`` along an axis with which second differences are taken."""
    shift = np.zeros(len(box))
    shift[axis] = 1e-4 * (box[axis, 1] - box[axis, 0])
    return shift


def _closer(
    function: Callable[[Array], Array], points: Array, second: Array, shift: Array
) -> tuple[Array, Flags]:
    """Second derivatives ``(n,)`` by a shorter step, and where round-off lets one compare them."""
    value, shorter = function(points), shift / CLOSER
    square = float(shorter.sum()) ** 2
    with np.errstate(invalid="ignore", over="ignore"):
        change = function(points + shorter) - 2 * value + function(points - shorter)
        known = np.abs(value) * 1e-13 / square < second
    return np.asarray(change / square), np.asarray(known)


def _sharpest_bend(
    function: Callable[[Array], Array], points: Array, second: Array, shift: Array
) -> float:
    """Return the largest of second derivatives ``(n,)``, at a kink J², J the jump of the slope.

    With a shorter step a second difference stays, unless there is a kink: on it that is J/Δ, near
    it less, and beside it nothing; or a power between 1 and 2, which bends beside it as well.
    """
    step, largest = float(shift.sum()), 0.0
    rest = np.flatnonzero(second > 0)
    looked_at = rest[np.argmax(second[rest])][None] if len(rest) else rest
    while len(rest) and second[looked_at].max() > largest:
        place, found = points[looked_at], second[looked_at]
        closer, known = _closer(function, place, found, shift)
        with np.errstate(invalid="ignore", over="ignore"):
            kinked = known & ~(np.abs(closer - found) < 0.5 * found)
            smooth = np.zeros(len(place))  # two steps beside it
            for x in (place - 2 * shift, place + 2 * shift):
                beside = (function(x - shift) - 2 * function(x) + function(x + shift)) / step**2
                smooth = np.fmax(smooth, np.minimum(beside, found))
        bend = np.where(kinked, np.maximum((found * step) ** 2, smooth), found)
        largest = max(largest, float(bend.max()))
        rest = rest[second[rest] < found.min()]
        looked_at = rest[second[rest] > second[rest].max(initial=0.0) / 2]
        if not len(looked_at):
            break
    return largest


def sample(box: Array, per_axis: dict[int, int] = SAMPLES) -> Array:
    """Regular sample points ``(n, d)`` of a box, as many along each axis as its dimension has."""
    return lattice([sample_along(box, axis, per_axis) for axis in range(len(box))])


def sample_along(box: Array, axis: int, per_axis: dict[int, int] = SAMPLES) -> Array:
    """Their coordinates along an axis."""
    low, high = box[axis]
    return np.asarray(np.linspace(low, high, per_axis[len(box)]))


def lattice(axes: Sequence[Array]) -> Array:
    """Points ``(n, d)`` with these coordinates along each axis; the last one varies fastest."""
    points = np.empty((*map(len, axes), len(axes)))
    for k, along in enumerate(np.ix_(*axes)):
        points[..., k] = along
    return points.reshape(-1, len(axes))
