"""What happens at the two ends of an axis of a box: kinds of side, by the name in a case file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Side:
    """One kind of side, which both ends of an axis have: reflecting, if nothing else is said.

    Attributes
    ----------
    closed
        Whether the axis closes upon itself: its two ends are then one place, and the nodes there
        one node.
    """

    closed: ClassVar[bool] = False

    def wrapped(self, x: Array, low: float, high: float) -> Array:
        """Return the coordinates ``(n,)`` on the axis of what moved to `x`.

        Where the axis has ends these are `x` itself: the box only cuts off what has no mass, and
        particles move in all of space.
        """
        return x


# A new kind adds an object of its class here; what no scheme can solve is refused.
KINDS: dict[str, Side] = {"reflecting": Side()}

DEFAULT = "reflecting"


@dataclass(frozen=True)
class Sides:
    """The kind of side of every axis, by its name in `KINDS`."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Mapping[str, str], dim: int) -> Sides:
        """Make them from names by ``x``, ``y``, ``z``; reflecting where none is given."""
        return cls(tuple(names.get(axis, DEFAULT) for axis in "xyz"[:dim]))

    @property
    def closed(self) -> tuple[bool, ...]:
        """Which axes close upon themselves."""
        return tuple(KINDS[name].closed for name in self.names)

    @property
    def reflecting(self) -> bool:
        """Whether all are reflecting, which is what every scheme can do."""
        return set(self.names) == {DEFAULT}

    def wrapped(self, x: Array, box: Array) -> Array:
        """Return points ``(n, d)`` in a box ``(d, 2)`` as their sides have them."""
        if self.reflecting:
            return x
        sides = [KINDS[name] for name in self.names]
        return np.stack(
            [side.wrapped(*along) for side, *along in zip(sides, x.T, *box.T, strict=True)], axis=1
        )
