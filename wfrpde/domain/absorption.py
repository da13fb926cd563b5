r"""Where particles die: at absorbing sides of a box, and in a region.

The density of those that live vanishes at such a wall in proportion to the distance from it. With a
function g that does so, too, ``w = log(ρ/(π g))`` is smooth up to the wall, and is what is
interpolated there instead of log(ρ/π).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.domain.landscape import sample
from wfrpde.domain.sides import Sides
from wfrpde.errors import InputError
from wfrpde.fields.regions import Region

ON_WALL = 1e-9
"""Distance, relative to the box or to the range of a region's level, that counts as none."""

LEAST_SHARE = 1e-6
"""Least share of an edge that lies before the wall."""


@dataclass(frozen=True, eq=False)
class Absorption:
    """The absorbing part of a domain.

    Attributes
    ----------
    box
        ``(d, 2)``.
    ends
        ``(d, 2)``: which sides absorb.
    region
        Where else particles die, its boundary included; None for nowhere.
    planes
        ``(k,)`` on a line: the ends of the region.
    range
        Largest distance of the region's level from 0 in the box.
    closed
        ``(d,)``: which axes close upon themselves, so that both their ends are one place.
    """

    box: Array
    ends: Flags
    region: Region | None
    planes: Array
    range: float
    closed: tuple[bool, ...] = ()

    @classmethod
    def of(cls, sides: Sides, region: Region | None, box: Array) -> Absorption | None:
        """Return that of a box with a region; None where nothing absorbs.

        Raises
        ------
        InputError
            If a region of the plane or of space ends at the seam of an axis that closes.
        """
        ends = sides.absorbing
        if region is None and not ends.any():
            return None
        planes: Array = np.empty(0)
        size = 1.0
        if region is not None:
            size = float(np.abs(region.level(sample(box))).max()) or 1.0
            if len(box) == 1:
                planes = _ends(region, *box[0])
            for axis in np.flatnonzero(sides.closed):
                planes = np.concatenate([planes, _seam(region, np.asarray(box), int(axis))])
        return cls(np.asarray(box), ends, region, planes, size, sides.closed)

    def holds(self, x: Array, within: float = ON_WALL) -> Flags:
        """Which of the points ``(n, d)`` are absorbed, those on a wall among them."""
        slack = within * np.ptp(self.box, axis=1)
        dead = ((x <= self.box[:, 0] + slack) & self.ends[:, 0]).any(axis=1)
        dead |= ((x >= self.box[:, 1] - slack) & self.ends[:, 1]).any(axis=1)
        if self.region is not None:
            dead |= self.region.level(x) >= -within * self.range
            for axis in np.flatnonzero(self.closed):
                image, (low, high) = x.copy(), self.box[axis]
                image[x[:, axis] <= low + slack[axis], axis] = high
                image[x[:, axis] >= high - slack[axis], axis] = low
                dead |= self.region.level(image) >= -within * self.range
        return np.asarray(dead)

    @property
    def curved(self) -> bool:
        """Whether the walls cut cells: errors are then of second order, but not regular."""
        return self.region is not None and len(self.box) > 1

    @property
    def faces(self) -> Flags:
        """``(d, 2)``: beyond which faces of the box nothing lives."""
        found, points = self.ends.copy(), sample(self.box)
        for axis, end in np.argwhere(~found):
            found[axis, end] = self.holds(points[points[:, axis] == self.box[axis, end]]).all()
        return found

    def log_distance(self, x: Array) -> Array:
        """Return log g ``(n,)`` at points ``(n, d)``, −∞ where they are absorbed."""
        distance: Array = np.ones(len(x))
        width = np.ptp(self.box, axis=1)
        for axis, end in np.argwhere(self.ends):
            distance *= np.abs(x[:, axis] - self.box[axis, end]) / width[axis]
        if len(self.planes):
            for plane in self.planes:
                distance *= np.abs(x[:, 0] - plane) / width[0]
        elif self.region is not None:
            distance *= np.maximum(-self.region.level(x), 0.0) / self.range
        with np.errstate(divide="ignore"):
            return np.asarray(np.where(self.holds(x), -np.inf, np.log(distance)))

    def log_survival(self, before: Array, after: Array, diffusivity: float) -> Array:
        """Return the log of the probability ``(n,)`` that a step did not meet a wall on its way.

        Given its two ends a step is a Brownian bridge of variance 2h, h the `diffusivity`, which
        stays on one side of a plane at the distances a and b of its ends with the probability
        ``1 − e^{−ab/h}``. A curved wall counts as its tangent plane. −∞ where it ends beyond.

        References
        ----------
        E. Gobet (2000), Weak approximation of killed diffusion using Euler schemes, Stochastic
        Process. Appl. 87, 167–197: of weak order 1, where looking at the ends alone gives 1/2.
        """
        result: Array = np.zeros(len(after))
        for axis, end in np.argwhere(self.ends):
            wall, sign = self.box[axis, end], 1.0 - 2.0 * end
            start, stop = sign * (before[:, axis] - wall), sign * (after[:, axis] - wall)
            result += _unmet(start, stop, diffusivity)
        if self.region is not None:
            result += _unmet(self._distance(before), self._distance(after), diffusivity)
        return result

    def _distance(self, x: Array) -> Array:
        """Distance ``(n,)`` from the region to first order: −level/|∇level|."""
        assert self.region is not None
        level, squared = self.region.level(x), np.zeros(len(x))
        for axis, width in enumerate(np.ptp(self.box, axis=1)):
            step = np.zeros(len(self.box))
            step[axis] = 1e-6 * width
            rise = self.region.level(x + step) - self.region.level(x - step)
            squared += (rise / (2 * step[axis])) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-level / np.sqrt(np.maximum(squared, 1e-300)))

    def before_wall(self, free: Array, way: Array) -> Array:
        """Return the share ``(n,)`` of edges that lies before the wall, at `LEAST_SHARE` or more.

        They go from points ``(n, d)`` that are `free` along `way` to such as are not.
        """
        low: Array = np.zeros(len(free))
        high: Array = np.ones(len(free))
        for _ in range(44):  # bisections
            middle = (low + high) / 2
            dead = self.holds(free + middle[:, None] * way, within=0.0)
            low, high = np.where(dead, low, middle), np.where(dead, middle, high)
        return np.asarray(np.maximum(high, LEAST_SHARE))


def _ends(region: Region, low: float, high: float) -> Array:
    """Coordinates at which a region of a line begins or ends."""
    # points of an interval between which the ends of a region are looked for
    x = np.linspace(low, high, 4001)
    inside = region(x[:, None])
    change = np.flatnonzero(inside[1:] != inside[:-1])
    a, b, left = x[change], x[change + 1], inside[change]
    for _ in range(60):
        middle = (a + b) / 2
        same = region(middle[:, None]) == left
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    return np.asarray((a + b) / 2)


def _seam(region: Region, box: Array, axis: int) -> Array:
    """Both ends of a closed axis, where a region of a line ends there; else nothing."""
    points = sample(box)
    one, other = points.copy(), points.copy()
    one[:, axis], other[:, axis] = box[axis]
    if (region(one) == region(other)).all():
        return np.empty(0)
    if len(box) == 1:
        return np.array(box[0], dtype=np.float64)
    raise InputError(
        "domain.absorbing",
        "a region that ends at the seam of an axis that closes",
        "one that goes on beyond it, or that ends elsewhere",
        "Shift the box along that axis.",
    )


def _unmet(before: Array, after: Array, diffusivity: float) -> Array:
    """Log of the probability that a bridge between two distances from a plane does not meet it."""
    product = before * np.maximum(after, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        met = np.exp(-np.minimum(product / max(diffusivity, 1e-300), 700.0))
        return np.where((after > 0) & (before > 0), np.log1p(-met), -np.inf)
