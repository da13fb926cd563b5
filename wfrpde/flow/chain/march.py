"""The flow of log(ρ/π) over time: halves of the reaction around a sweep of diffusions.

u = log(ρ/π), up to a constant. The reaction is u ↦ e^{−βτ} u. The transport is a product of
diffusions of single sites with the others at rest, each reversible for π, from the first site to
the last and back: of order two, and exact where sites are not coupled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.flow.chain.kernels import SiteKernels
from wfrpde.flow.chain.train import Cores, Train

FIRST = 0.08
"""First step, in units of the shortest relaxation time of the start."""

LATE = 16
"""Steps may be as long as t/LATE, however strongly neighbours are coupled."""


@dataclass(frozen=True)
class Pace:
    """Steps from each saved time to the next: ``(length, number)`` pairs, each in turn."""

    steps: tuple[tuple[tuple[float, int], ...], ...]

    @classmethod
    def of(cls, times: Array, per_octave: int, shortest: float, longest: float) -> Pace:
        """Return steps that double in length with time, up to a longest.

        All but the longest are `per_octave` from t to 2t, or a few more.

        Parameters
        ----------
        times
            Saved times, 0 first.
        per_octave
            Steps from t to 2t.
        shortest
            Length that the first step may have.
        longest
            Length that no step may exceed as long as t < LATE `longest`, nor t/LATE afterwards.
        """
        if len(times) < 2:
            return cls(())
        first = float(times[1])
        levels = int(np.ceil(np.log2(max(first / (per_octave * shortest), 1.0))))
        least = first / (per_octave * 2**levels)
        ladder = [_refined(least, per_octave, longest)]
        for k in range(levels):
            dt = least * 2**k
            ladder.append(_refined(dt, per_octave, max(longest, per_octave * dt / LATE)))
        later = []
        for start, end in pairwise(times[1:]):
            count = max(int(np.ceil(per_octave * np.log2(end / start) - 1e-9)), 1)
            later.append((_refined((end - start) / count, count, max(longest, start / LATE)),))
        return cls((tuple(ladder), *later))

    def halved(self) -> Pace:
        """Return steps of half the length."""
        return Pace(tuple(tuple((dt / 2, 2 * n) for dt, n in part) for part in self.steps))

    @property
    def count(self) -> int:
        """Number of steps."""
        return sum(n for part in self.steps for _, n in part)


def _refined(dt: float, count: int, longest: float) -> tuple[float, int]:
    """Return steps of a length that is halved until it is short enough, and their number."""
    halvings = max(0, int(np.ceil(np.log2(dt / longest) - 1e-9))) if np.isfinite(longest) else 0
    return dt / 2**halvings, count * 2**halvings


@dataclass(frozen=True)
class Diffusion:
    """The `Change` that lets single sites diffuse for a time."""

    kernels: SiteKernels
    tau: float

    def __call__(
        self, train: Train, bond: int, block: Array, site: int, far: Integers | None = None
    ) -> Array:
        """Return the block with one of its sites changed."""
        a, n, _, b = block.shape
        left: Integers | None
        right: Integers | None
        before, behind = train.left[bond], train.right[bond + 2]
        if site == bond:
            before = before if far is None else before[far]
            fibres = np.moveaxis(block, 1, 0)  # (x, a, y, b)
            left = None if site == 0 else np.repeat(before[:, -1], n * b)
            right = np.tile(np.repeat(np.arange(n), b), a)
        else:
            behind = behind if far is None else behind[far]
            fibres = np.moveaxis(block, 2, 0)  # (y, a, x, b)
            left = np.tile(np.repeat(np.arange(n), b), a)
            right = None if site == train.length - 1 else np.tile(behind[:, 0], a * n)
        after = self.kernels.apply(self.tau, fibres.reshape(n, -1), left, right)
        return np.moveaxis(after.reshape(n, a, n, b), 0, 1 if site == bond else 2)


def march(
    train: Train,
    kernels: SiteKernels | None,
    pace: Pace,
    alpha: float,
    beta: float,
    tell: Callable[[int], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Cores]:
    """Yield the cores of u at each saved time after 0, until it is stopped.

    Parameters
    ----------
    train
        u at the start.
    kernels
        None without transport.
    tell
        Called with the number of steps that are done.
    stopped
        Asked after every step.
    """
    done = 0
    for part in pace.steps:
        for dt, count in part:
            for _ in range(count):
                train.scale(float(np.exp(-beta * dt / 2)))
                if kernels is not None:
                    kernels.prepare(alpha * dt / 2)
                    train.sweep(Diffusion(kernels, alpha * dt / 2))
                train.scale(float(np.exp(-beta * dt / 2)))
                done += 1
                tell(done)
                if stopped():
                    return
        yield train.cores()
