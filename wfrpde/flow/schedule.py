"""Sequences of steps that land on every save time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from wfrpde.arrays import Array


@dataclass(frozen=True)
class Schedule:
    """Steps ``dt (n,)``; ``save (T,)``: index of the step that reaches each of ``times (T,)``.

    ``measures (n,)`` are those of the steps, without any where they are still to be taken.
    """

    dt: Array = field(default_factory=lambda: np.empty(0))
    save: tuple[int, ...] = ()
    times: tuple[float, ...] = ()
    measures: Array = field(default_factory=lambda: np.empty(0))

    def halved(self) -> Schedule:
        """Halve every step: the finer run of an extrapolation."""
        return Schedule(np.repeat(self.dt / 2, 2), tuple(2 * s + 1 for s in self.save), self.times)


def uniform(save: Array, dt: float) -> Schedule:
    """Return equal steps between neighbouring save times, none longer than `dt`."""
    steps: list[float] = []
    reached: list[int] = []
    for length in np.diff(save, prepend=0.0):
        count = math.ceil(float(length) / dt * (1 - 1e-12))
        steps += [float(length) / count] * count
        reached.append(len(steps) - 1)
    return Schedule(np.array(steps), tuple(reached), tuple(float(t) for t in save))
