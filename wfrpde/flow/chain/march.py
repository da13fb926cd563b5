"""The flow of log(ρ/π) over time: halves of the reaction around a sweep of diffusions.

u = log(ρ/π), up to a constant. The reaction is u ↦ e^{−βτ} u. The transport is a product of
diffusions of single sites with the others at rest, each reversible for π, from the first site to
the last and back: of order two, and exact where sites are not coupled.

Along a path sites diffuse in the potential at the middle of a step, and the reaction, towards the
target of each time, adds a chain to u (`wfrpde.flow.chain.path`): of order two again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.flow.chain.kernels import SiteKernels
from wfrpde.flow.chain.law import Energy
from wfrpde.flow.chain.path import ChainPath
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
    def of(
        cls,
        times: Array,
        per_octave: int,
        shortest: float,
        longest: float,
        caps: Sequence[float] = (),
    ) -> Pace:
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
        caps
            Lengths that no step before each of the `times` after 0 may exceed, whenever.
        """
        if len(times) < 2:
            return cls(())
        first = float(times[1])
        levels = int(np.ceil(np.log2(max(first / (per_octave * shortest), 1.0))))
        least = first / (per_octave * 2**levels)
        most = caps or [np.inf] * (len(times) - 1)
        ladder = [_refined(least, per_octave, min(longest, most[0]))]
        for k in range(levels):
            dt = least * 2**k
            limit = min(max(longest, per_octave * dt / LATE), most[0])
            ladder.append(_refined(dt, per_octave, limit))
        later = []
        for (start, end), cap in zip(pairwise(times[1:]), most[1:], strict=True):
            count = max(int(np.ceil(per_octave * np.log2(end / start) - 1e-9)), 1)
            limit = min(max(longest, start / LATE), cap)
            later.append((_refined((end - start) / count, count, limit),))
        return cls((tuple(ladder), *later))

    def joined(self, ends: Flags) -> Pace:
        """Return the same steps in fewer parts: those up to each of the `ends` ``(T − 1,)``."""
        found: list[tuple[tuple[float, int], ...]] = []
        begun: tuple[tuple[float, int], ...] = ()
        for part, ending in zip(self.steps, ends, strict=True):
            begun += part
            if ending:
                found.append(begun)
                begun = ()
        return Pace(tuple(found))

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


class KernelsInTime(Protocol):
    """Kernels of the sites at a time."""

    def at(self, t: float) -> SiteKernels:
        """Return those of a time."""


def march(
    train: Train,
    kernels: KernelsInTime | None,
    pace: Pace,
    alpha: float,
    beta: float,
    tell: Callable[[int], None],
    stopped: Callable[[], bool] = lambda: False,
    reaction: Reaction | None = None,
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
    reaction
        Towards a target that moves; None where it stays.
    """
    done, now, reacted = 0, 0.0, 0.0
    for part in pace.steps:
        for dt, count in part:
            for _ in range(count):
                middle = now + dt / 2
                if reaction is None:
                    train.scale(float(np.exp(-beta * dt / 2)))
                elif kernels is not None:  # the halves of two steps are one
                    reaction(train, reacted, middle)
                    reacted = middle
                if kernels is not None:
                    own = kernels.at(middle)
                    own.prepare(alpha * dt / 2)
                    train.sweep(Diffusion(own, alpha * dt / 2))
                if reaction is None:
                    train.scale(float(np.exp(-beta * dt / 2)))
                now += dt
                done += 1
                tell(done)
                if stopped():
                    return
        if reaction is not None:
            reaction(train, reacted, now)
            reacted = now
        yield train.cores()


@dataclass(frozen=True)
class Reaction:
    """What −β log(ρ/π_t) does to u = log(ρ/π) on points ``(n,)`` of each site."""

    path: ChainPath
    beta: float
    points: Array

    def __call__(self, train: Train, t0: float, t1: float) -> None:
        """Change u from one time to another."""
        if self.beta == 0:
            return
        train.scale(float(np.exp(-self.beta * (t1 - t0))))
        pull = self.path.pull(t0, t1, self.beta)
        if not any(pull.shares):
            return
        x, n = self.points, len(self.points)
        site, coupling = pull.functions()
        pair = coupling(np.repeat(x, n), np.tile(x, n)).reshape(n, n)
        Energy(train.length, train.cores(), site(x), pair).into(train, 1, train.right)
