"""Step sizes on a ladder ``dt_max / 2^k``, chosen from a measure of each step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from wfrpde.flow.schedule import Schedule


@dataclass
class LadderControl:
    """Chooses steps so that the measure of each stays below `limit`.

    With the edge-averaged scheme the measure is the change of log ρ that transport makes at any
    node that matters: a rational W step is accurate in a node only where the density changes
    little *relative to itself*; with steps graded by time alone, fronts that run into empty
    regions are crossed too fast, and the mass that the reaction later multiplies there is wrong.
    Steps lie on a ladder, so that factorisations are reused; the finer run of an extrapolation
    repeats the steps, each halved.

    Parameters
    ----------
    save
        Times to land on.
    dt_max, levels
        Largest step, and how often it may be halved.
    limit
        Largest measure of a step.
    growth
        The step is doubled when the measure is below ``limit / growth``.
    start
        How often the first step is halved; by default `levels` times.
    """

    save: tuple[float, ...]
    dt_max: float
    limit: float
    levels: int = 12
    growth: float = 2.5
    start: int | None = None
    worst: float = 0.0
    rejected: int = 0
    _level: int = field(init=False)
    _steps: list[float] = field(default_factory=list)
    _reached: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._level = self.levels if self.start is None else self.start

    def propose(self, t: float) -> float:
        """Next step from time t: on the ladder, or an even part of the little that is left."""
        left = self.save[len(self._reached)] - t
        want = self.dt_max / 2**self._level
        parts = math.ceil(left / want - 1e-9)
        even = parts <= 3 or abs(parts * want - left) < 1e-9 * left
        return float(left / parts if even else want)

    def accept(self, t: float, dt: float, measure: float) -> float | None:
        """Return the time reached if the step is good, else None (then propose again)."""
        smallest = self.dt_max / 2**self.levels
        if not measure <= self.limit and dt > smallest * (1 + 1e-9):
            self.rejected += 1
            self._level = min(self.levels, 1 + math.ceil(math.log2(self.dt_max / dt) - 1e-9))
            return None
        self.worst = max(self.worst, measure)
        if measure < self.limit / self.growth and self._level > 0:
            self._level -= 1
        self._steps.append(dt)
        end = self.save[len(self._reached)]
        if end - t - dt <= 1e-12 * end:
            self._reached.append(len(self._steps) - 1)
            return end
        return t + dt

    def schedule(self) -> Schedule:
        """Return the steps taken so far."""
        reached = tuple(self._reached)
        return Schedule(np.array(self._steps), reached, self.save[: len(reached)])


@dataclass
class Replay:
    """Repeats a given schedule; every step is accepted."""

    steps: Schedule
    worst: float = 0.0
    rejected: int = 0
    _next: int = 0

    def propose(self, t: float) -> float:
        """Return the next step."""
        return float(self.steps.dt[self._next])

    def accept(self, t: float, dt: float, measure: float) -> float | None:
        """Return the time reached."""
        self.worst = max(self.worst, measure)
        index, self._next = self._next, self._next + 1
        if index in self.steps.save:  # the sum of many steps drifts: land on the time itself
            return self.steps.times[self.steps.save.index(index)]
        return t + dt

    def schedule(self) -> Schedule:
        """Return the schedule itself."""
        return self.steps
