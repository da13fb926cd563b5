"""Step sizes: graded from the start, landing on every save time, on a ladder that factorisations share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Schedule:
    """Steps ``dt (n,)`` and the index ``save (T,)`` of the step after which each save time is reached."""

    dt: npt.NDArray[np.float64]
    save: tuple[int, ...]

    def halved(self) -> Schedule:
        """The same times, twice the steps: the finer run of an extrapolation."""
        return Schedule(np.repeat(self.dt / 2, 2), tuple(2 * s + 1 for s in self.save))


def uniform(save: npt.NDArray[np.float64], dt: float) -> Schedule:
    """Equal steps between neighbouring save times, none longer than `dt`."""
    return _between(save, lambda t: dt)


def graded(
    save: npt.NDArray[np.float64], dt_max: float, *, levels: int = 4, per_level: int = 8
) -> Schedule:
    """Steps that start at ``dt_max / 2^levels`` and double after every `per_level` of them.

    A rational step spreads mass with tails like e^{−|x|/√τ} where the heat kernel has e^{−x²/4t}: the
    first steps must be short, or the tails of the start are wrong for good.
    """
    first = dt_max / 2**levels

    def size(t: float) -> float:
        # level k holds `per_level` steps of first 2^k; it starts at t = first per_level 2^k
        level = math.floor(math.log2(max(t / (first * per_level), 1.0)) + 1e-9)
        return float(first * 2 ** min(level, levels))

    return _between(save, size)


def _between(save: npt.NDArray[np.float64], size: object) -> Schedule:
    steps: list[float] = []
    reached: list[int] = []
    t = 0.0
    for end in save:
        if end <= 0.0:
            reached.append(-1)
            continue
        segment = list(_segment(t, float(end), size))
        steps += segment
        reached.append(len(steps) - 1)
        t = float(end)
    return Schedule(np.array(steps), tuple(reached))


def _segment(t: float, end: float, size: object) -> Iterator[float]:
    assert callable(size)
    while end - t > 1e-12 * end:
        want = size(t)
        remaining = end - t
        count = remaining / want
        if abs(count - round(count)) < 1e-9 * count:  # on the ladder: the factorisation is shared
            step = want
        elif count < 2.0 or size(end) <= want * (1 + 1e-12):
            step = remaining / math.ceil(count - 1e-9)  # stretch the rest of the segment evenly
        else:
            step = want
        yield step
        t = end if remaining - step < 1e-12 * end else t + step
