r"""What the sides of a box do to particles: they come in on the other side, or are sent back.

A move is made as if there were no sides, and then brought back into the box. That is exact for the
noise. With a drift it is the symmetrised Euler scheme, whose weak order is 1 as well.

References
----------
M. Bossy, E. Gobet and D. Talay (2004), A symmetrized Euler scheme for an efficient approximation of
reflected diffusions, J. Appl. Probab. 41, 877–889.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wfrpde.arrays import Array, Flags


class Sink(Protocol):
    """Where particles die."""

    def holds(self, x: Array) -> Flags:
        """Which of the points ``(N, d)`` are there."""
        ...

    def log_distance(self, x: Array) -> Array:
        """Log ``(N,)`` of what vanishes there like a density; −∞ there."""
        ...

    def log_survival(self, before: Array, after: Array, diffusivity: float) -> Array:
        """Log of the probability ``(N,)`` that a step of variance 2h did not meet it on its way."""
        ...


@dataclass(frozen=True, eq=False)
class Walls:
    """The sides of a box, as far as particles meet them.

    Attributes
    ----------
    box
        ``(d, 2)``.
    closed
        ``(d,)`` which axes close upon themselves.
    reflecting
        ``(d, 2)`` which ends send particles back: those of a box that the case gives. A box that
        follows from the densities cuts off what has no mass, and particles pass.
    sink
        What absorbs; None where nothing does.
    """

    box: Array
    closed: Flags
    reflecting: Flags
    sink: Sink | None = None

    @property
    def open(self) -> bool:
        """Whether nothing happens at any side."""
        return not (self.closed.any() or self.reflecting.any() or self.sink is not None)

    def folded(self, x: Array) -> Array:
        """Return where particles ``(N, d)`` are that moved to `x`."""
        return self.unfolded(x)[0]

    def unfolded(self, x: Array) -> tuple[Array, Array | None]:
        """Return where they are, and the sign ``(N, d)`` by which slopes there change at `x`.

        Reflections extend a function of the box, evenly, to all of space; its slope at `x` is that
        in the box times the sign. None stands for 1.
        """
        if self.open or self._holds(x):
            return x, None
        result, sign = x.copy(), np.ones_like(x)
        for axis, (low, high) in enumerate(self.box):
            at, width = result[:, axis], high - low
            below, above = self.reflecting[axis]
            if self.closed[axis]:
                at[:] = low + (at - low) % width
                at[at >= high] = low  # a small step below low rounds to high
            elif below and above:
                at[:] = (at - low) % (2 * width)
                back = at > width
                at[back] = 2 * width - at[back]
                at += low
                sign[back, axis] = -1.0
            elif below or above:
                back = at < low if below else at > high
                at[back] = 2 * (low if below else high) - at[back]
                sign[back, axis] = -1.0
        return result, sign

    def passed(self, x: Array) -> Flags:
        """Which of the points ``(N, d)`` lie beyond a wall that reflects."""
        low = (x < self.box[:, 0]) & self.reflecting[:, 0]
        high = (x > self.box[:, 1]) & self.reflecting[:, 1]
        return np.asarray((low | high).any(axis=1))

    def beyond(self, x: Array) -> Flags:
        """Which of the points ``(N, d)`` lie where no particle can be."""
        dead = self.passed(x)
        return dead if self.sink is None else dead | self.sink.holds(x)

    def _holds(self, x: Array) -> bool:
        low, high = x.min(axis=0), x.max(axis=0)
        return bool(((low >= self.box[:, 0]) & (high < self.box[:, 1])).all())

    def survivors(
        self, before: Array, after: Array, diffusivity: float
    ) -> tuple[Array, Array | None]:
        """Return positions, and the log of the probability ``(N,)`` that each step survived.

        None stands for 1. What has died stays where it was, with −∞.
        """
        if self.sink is None:
            return after, None
        left = self.sink.log_survival(before, after, diffusivity)
        return np.where(np.isneginf(left)[:, None], before, after), left

    def images(self, x: Array, weights: Array, reach: Array) -> tuple[Array, Array]:
        """Return particles and weights, and those images of them that a kernel brings in.

        A kernel density of a move that is brought back is the sum over all images. Those within
        `reach` ``(d,)`` of the box count.
        """
        for axis, (low, high) in enumerate(self.box):
            below, above = self.reflecting[axis]
            parts: list[tuple[Array, Flags]] = []
            along = x[:, axis]
            if self.closed[axis]:
                turns = int(np.ceil(reach[axis] / (high - low)))
                for turn in itertools.chain(range(-turns, 0), range(1, turns + 1)):
                    image = along + turn * (high - low)
                    parts.append(
                        (image, (image > low - reach[axis]) & (image < high + reach[axis]))
                    )
            else:
                for wall, here in ((low, below), (high, above)):
                    if here:
                        image = 2 * wall - along
                        parts.append((image, np.abs(along - wall) < reach[axis]))
            copies, shares = [x], [weights]
            for image, kept in parts:
                copy = x[kept]
                copy[:, axis] = image[kept]
                copies.append(copy)
                shares.append(weights[kept])
            x, weights = np.concatenate(copies), np.concatenate(shares)
        return x, weights


def no_walls(dim: int) -> Walls:
    """Return sides at which nothing happens."""
    nothing = np.zeros((dim, 2), dtype=bool)
    return Walls(np.array([[-np.inf, np.inf]] * dim), nothing[:, 0], nothing)
