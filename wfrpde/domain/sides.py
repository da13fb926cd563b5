"""What happens at the two ends of an axis of a box: kinds of side, by the name in a case file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.errors import InputError
from wfrpde.fields.complaints import choose

Ends = tuple[str, str]


class Side:
    """One kind of side of a box: reflecting, if nothing else is said.

    Attributes
    ----------
    closed
        Whether the axis closes upon itself: its two ends are then one place, and the nodes there
        one node. Both ends are of this kind.
    absorbing
        Whether what arrives at such a side is gone.
    """

    closed: ClassVar[bool] = False
    absorbing: ClassVar[bool] = False

    def wrapped(self, x: Array, low: float, high: float) -> Array:
        """Return the coordinates ``(n,)`` on the axis of what moved to `x`.

        Where the axis has ends these are `x` itself.
        """
        return x


class Periodic(Side):
    """The two ends are one place."""

    closed = True

    def wrapped(self, x: Array, low: float, high: float) -> Array:
        """Return the coordinates in ``[low, high)``."""
        inside = low + (x - low) % (high - low)
        return np.where(inside < high, inside, low)  # a small step below low rounds to high


class Absorbing(Side):
    """What arrives there is gone."""

    absorbing = True


# A new kind adds an object of its class here; what no scheme can solve is refused.
KINDS: dict[str, Side] = {"reflecting": Side(), "periodic": Periodic(), "absorbing": Absorbing()}

DEFAULT = "reflecting"


def checked_ends(ends: str | tuple[str, ...], where: str) -> Ends:
    """Return the kinds at the low and at the high end, from both or one for both.

    Raises
    ------
    InputError
        If they are no kinds, or only one end closes the axis.
    """
    pair = (ends, ends) if isinstance(ends, str) else ends
    if len(pair) != 2:
        raise InputError(where, f"{len(pair)} kinds of side", "one, or two: [low, high]")
    low, high = (choose(kind, KINDS, where) for kind in pair)
    if low != high and (KINDS[low].closed or KINDS[high].closed):
        found = f"'{low}' at the low end and '{high}' at the high one"
        kind = low if KINDS[low].closed else high
        raise InputError(where, found, f"'{kind}' alone: such an axis has no ends")
    return low, high


@dataclass(frozen=True)
class Sides:
    """The kinds of side at the low and the high end of every axis, by their names in `KINDS`."""

    names: tuple[Ends, ...]

    @classmethod
    def of(cls, names: Mapping[str, str | tuple[str, ...]], dim: int) -> Sides:
        """Make them from names by ``x``, ``y``, ``z``; reflecting where none is given."""
        where = "domain.sides.{}".format
        return cls(
            tuple(checked_ends(names.get(axis, DEFAULT), where(axis)) for axis in "xyz"[:dim])
        )

    @property
    def closed(self) -> tuple[bool, ...]:
        """Which axes close upon themselves."""
        return tuple(KINDS[low].closed for low, _ in self.names)

    @property
    def absorbing(self) -> Flags:
        """``(d, 2)``: which sides absorb."""
        return np.array([[KINDS[name].absorbing for name in ends] for ends in self.names])

    @property
    def reflecting(self) -> Flags:
        """``(d, 2)``: which sides are the default ones."""
        return np.array([[name == DEFAULT for name in ends] for ends in self.names])

    def wrapped(self, x: Array, box: Array) -> Array:
        """Return points ``(n, d)`` in a box ``(d, 2)`` as their sides have them."""
        if not any(self.closed):
            return x
        along = [
            KINDS[low].wrapped(coordinate, *ends)
            for (low, _), coordinate, ends in zip(self.names, x.T, box, strict=True)
        ]
        return np.stack(along, axis=1)
