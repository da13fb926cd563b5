"""`ChainPath`: the targets of a chain that moves, each of which is a chain again.

V_t = a V₀ + c V with numbers a, c that vary in time, and V₀ = −Σ log ρ₀ of a start that is alike
for all sites: tempering has a = 1 − s, c = s, annealing a = 0, c = 1/T. The unknown stays log(ρ/π)
with π that of V, so that transport in V_t asks for V_t − V along a site alone, and the reaction
−β log(ρ/π_t) takes a chain from u, β∫e^{−β(t₁−t)} (V_t − V) dt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation.path import Path
from wfrpde.fields.schedules import gauss
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets.chain import Chain

LOOKS = 257
"""Times at which a path is looked at for how far, and how fast, it moves."""

SHARES = 5
"""Targets between its extremes that stand for all of a path."""

PANELS = 256
"""Pieces of all of the time over which a path is integrated, with Gauss' points each."""

SAME = 1e-9
"""Times that are so close, in units of the end, are one."""

HIGHEST = 1e5
"""V₀ where the density is 0 (kT)."""


@dataclass(frozen=True)
class Mixed:
    """The chain a V₀ + c V, by its `shares` (a, c)."""

    target: Chain
    start: InitialDensity
    shares: tuple[float, float]

    @property
    def length(self) -> int:
        """Number d of sites."""
        return self.target.length

    def functions(self) -> tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]:
        """Return site and coupling, as those of a `ChainTarget`."""
        site, coupling = self.target.functions()
        a, c = self.shares

        def own(x: Array) -> Array:
            found = c * site(x)
            if a != 0:
                found = found + a * np.minimum(-self.start.log_density(x[:, None]), HIGHEST)
            return np.asarray(found)

        return own, lambda x, y: np.asarray(c * coupling(x, y))


@dataclass(frozen=True)
class ChainPath:
    """Targets of a chain along a path, up to a time `end`."""

    path: Path
    target: Chain
    start: InitialDensity
    end: float

    def shares(self, t: float) -> tuple[float, float]:
        """Return a, c of V_t."""
        s = self.path.course(t)
        return (0.0, 1 / s) if self.path.kind == "anneal" else (1 - s, s)

    def at(self, t: float) -> Mixed:
        """Return the chain of V_t."""
        return Mixed(self.target, self.start, self.shares(t))

    def lift(self, t: float) -> Mixed:
        """Return the chain of V_t − V."""
        a, c = self.shares(t)
        return Mixed(self.target, self.start, (a, c - 1))

    def pull(self, t0: float, t1: float, beta: float) -> Mixed:
        """Return the chain of β∫e^{−β(t₁−t)} (V_t − V) dt between two times."""
        count = max(1, int(np.ceil(PANELS * (t1 - t0) / self.end)))
        inner = [t for t in self.corners if t0 < t < t1]
        total: Array = np.zeros(2)
        for low, high in pairwise(np.union1d(np.linspace(t0, t1, count + 1), inner)):
            points = gauss(float(low), float(high - low), 4)
            weights = np.array([w * np.exp(beta * (t - high)) for t, w in points])
            # what stands still is pulled exactly
            exact = np.exp(beta * (high - t1)) * -np.expm1(beta * (low - high))
            shares = np.array([self.shares(t) for t, _ in points]) - [0.0, 1.0]
            total = total + exact * (weights @ shares) / weights.sum()
        return Mixed(self.target, self.start, (float(total[0]), float(total[1])))

    @cached_property
    def corners(self) -> tuple[float, ...]:
        """Times at which it turns, each once."""
        found: list[float] = []
        near = SAME * self.end
        for t in self.path.corners(self.end):
            if t - (found[-1] if found else 0.0) > near:
                found.append(t)
        return tuple(found)

    @cached_property
    def ends(self) -> tuple[Mixed, ...]:
        """Chains between which those of all times lie."""
        found = [self.shares(float(t)) for t in np.linspace(0, self.end, LOOKS)]
        found += [self.shares(t) for t in self.corners]
        low, high = min(found, key=lambda own: own[1]), max(found, key=lambda own: own[1])
        share = np.linspace(0, 1, SHARES if low != high else 1)[:, None]
        between = [tuple(map(float, own)) for own in (1 - share) * low + share * high]
        return tuple(Mixed(self.target, self.start, (a, c)) for a, c in between)

    @cached_property
    def moves(self) -> bool:
        """Whether it does."""
        return len(self.ends) > 1

    def speed(self, t0: float, t1: float) -> float:
        """Return the largest rate of c between two times, per time, in units of its largest."""
        times = np.linspace(t0, t1, LOOKS)
        shares = np.array([self.shares(float(t))[1] for t in times])
        largest = max(abs(own.shares[1]) for own in self.ends)
        return float(np.abs(np.diff(shares)).max() / (times[1] - times[0]) / max(largest, 1e-300))
