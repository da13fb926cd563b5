r"""Which of the places that a formula names are kinks, and of what sort.

On either side of a place c differences of order 6 fall with the sixth power of the spacing h where
V is smooth, and those that reach over c with :math:`h^q` where V is like :math:`|x - c|^q`, so that
they stand out: of a jump q is 0, of a kink 1, where the second derivative jumps 2. If q is no
integer, differences on one side grow towards c as well: no polynomial fits there, and small cells
beside c do more than a high degree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array, Flags

ORDER, EACH = 6, 13
"""Order of the differences, and how many points there are on either side."""

SPACINGS = (2.0, 0.5, 0.125)
"""Spacings that are tried, in those of the line, as far as other places leave room."""

BISECTIONS, DISTINCT = 60, 1e-12
"""Halvings of an interval in which an argument changes its sign, and the distance, in units of the
line, within which two zeros are one."""

NOISE = 1e-13
"""Relative to the function, the differences that are left to round-off."""

STANDS_OUT = 10.0
"""By what factor differences that reach over a place stand out."""

GROWS = 3.0
"""By what factor those next to it, on one side, are larger than those further on."""

NO_INTEGER = 0.04
"""How far a power is from an integer that is none."""

BESIDE = (1 / 100, 1 / 2000)
"""How far beside branches, in units of the line, cells end as well."""

SAME = 1 / 500
"""Distance, in units of the line, within which what a line of points tells is one of these."""

OF_KINKS = 1.9
"""Powers below which it is called a kink: the second derivative is not bounded."""


@dataclass(frozen=True)
class Turns:
    """Places on a line at which a function is not smooth.

    Attributes
    ----------
    places, powers
        ``(k,)`` positions c, and q with which differences across them fall.
    branches
        ``(k,)``: whether the function is not smooth up to c on a side.
    width
        Length of the line.
    """

    places: Array
    powers: Array
    branches: Flags
    width: float

    @property
    def beside(self) -> Array:
        """Places of `BESIDE` on either side of branches, where nothing else is closer."""
        found: list[float] = []
        for place in self.places[self.branches]:
            others = np.abs(self.places - place)
            room = float(others[others > 0].min(initial=np.inf)) / 2
            found += [
                place + s * part
                for part in self.width * np.array(BESIDE)
                for s in (-1, 1)
                if part < room
            ]
        return np.array(found)

    def only(self, which: Flags) -> Turns:
        """Return some of them."""
        return Turns(self.places[which], self.powers[which], self.branches[which], self.width)

    def without(self, places: Array) -> Array:
        """Return those of `places` that are not these, less well known, or two of these in one."""
        if len(self.places) == 0 or len(places) == 0:
            return places
        away = np.abs(np.subtract.outer(places, self.places)).min(axis=1)
        return np.asarray(places[away > SAME * self.width])

    @property
    def kinks(self) -> Array:
        """Places of kinks and jumps."""
        return self.places[self.powers < OF_KINKS]

    @property
    def bends(self) -> Array:
        """Places where a higher derivative jumps, or is not bounded."""
        return self.places[self.powers >= OF_KINKS]


def zeros_on_line(
    arguments: tuple[Callable[[Array], Array], ...], x: Array, *, rounds: int = 3
) -> Array:
    """Return the zeros ``(k,)`` of functions of positions ``(n,)`` on an interval.

    What is found is put among the points, so that two zeros of one argument that lie closer
    together than these are found on either side of one of another (a tent max(0, 1 − |x|/ε)).
    """
    points: Array = np.asarray(x)
    apart = DISTINCT * float(np.ptp(points))
    zeros: Array = np.empty(0)
    for _ in range(rounds):
        more = [_zeros(argument, points) for argument in arguments]
        every = np.unique(np.concatenate([zeros, *more]))
        every = every[np.append(True, np.diff(every) > apart)[: len(every)]]
        if len(every) == len(zeros):
            break
        zeros = every
        points = np.unique(np.concatenate([x, zeros]))
    return zeros


def _zeros(argument: Callable[[Array], Array], points: Array) -> Array:
    with np.errstate(all="ignore"):
        sign = np.sign(argument(points))
    known = np.isfinite(sign)
    exact = known & (sign == 0)
    # a stretch of zeros is that of a maximum or minimum, whose arguments tell where it ends
    exact &= ~(np.append(False, exact[:-1]) | np.append(exact[1:], False))
    turns = known[1:] & known[:-1] & (sign[1:] * sign[:-1] < 0)
    low, high, below = points[:-1][turns], points[1:][turns], sign[:-1][turns]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        with np.errstate(all="ignore"):
            same = np.sign(argument(middle)) == below
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.concatenate([points[exact], high])


def turns_at(value: Callable[[Array], Array], places: Array, x: Array) -> Turns:
    """Return at which of the `places` on a line of regular points `x` a function is not smooth."""
    step, ends = float(x[1] - x[0]), np.array([x[0], x[-1]])
    found: list[tuple[float, float, bool]] = []
    for place in places:
        away = np.abs(np.concatenate([places[places != place], ends]) - place)
        most = float(away.min()) / (EACH + 1)
        for spacing in dict.fromkeys(min(s * step, most) for s in SPACINGS):
            if spacing < 1e-12 * float(np.ptp(ends)):
                continue
            power, branch = _seen(value, float(place), spacing)
            if power is not None:
                found.append((float(place), power, branch))
                break
    if not found:
        return Turns(np.empty(0), np.empty(0), np.empty(0, dtype=bool), float(np.ptp(ends)))
    where, powers, branches = zip(*found, strict=True)
    return Turns(np.array(where), np.array(powers), np.array(branches), float(np.ptp(ends)))


def _seen(
    value: Callable[[Array], Array], place: float, spacing: float
) -> tuple[float | None, bool]:
    """Return the power q of what is seen at a place with a spacing, None if nothing is."""
    over, near, far, noise = _differences(value, place, spacing)
    if not over > max(STANDS_OUT * far, noise):
        return None, False
    closer, *_, still = _differences(value, place, spacing / 2)
    power = float(np.log2(over / closer)) if closer > still else float(ORDER)
    broken = abs(power - round(power)) > NO_INTEGER
    return power, bool(broken or near > max(GROWS * far, noise))


def _differences(
    value: Callable[[Array], Array], place: float, spacing: float
) -> tuple[float, float, float, float]:
    """Return the largest differences over a place, next to it on a side, and further on; noise."""
    points = np.arange(-EACH, EACH) + 0.5
    with np.errstate(all="ignore"):
        values = value(place + spacing * points)
        size = np.abs(np.diff(values, ORDER))
    if not np.isfinite(values).all():
        return 0.0, 0.0, np.inf, np.inf
    noise = NOISE * 2.0**ORDER * float(np.abs(values).max())
    # windows begin at -13, -12, … : the first eight are left of the place, the last eight right
    one_sided = EACH - ORDER
    left, right = size[:one_sided], size[-one_sided:]
    over = size[one_sided:-one_sided]
    near = max(left[-1], right[0])
    far = max(left[:2].max(), right[-2:].max())
    return float(over.max()), float(near), float(far), noise
