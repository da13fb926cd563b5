"""Step sizes: on a ladder ``dt_max / 2^k``, of any size, or repeated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from wfrpde.errors import SolverError
from wfrpde.flow.schedule import Schedule

STARTING_STEPS, CRAWL, MAX_STEPS = 60, 1e7, 20_000
"""A run has stalled if, after so many steps, CRAWL steps of the present size would not reach the
next saved time, or if it takes more than MAX_STEPS in all."""

AT_REST, LATE = 0.1, 16
"""Steps may exceed dt_max where (Δt/dt_max) times their measure is below that after one doubling
more, and the next saved time is so many of them away: near equilibrium errors of steps are shares
of what is still to change, which falls exponentially."""

WILD = 1e3
"""Estimated error of a step, in units of the limit, by which a run blows up."""


@dataclass
class StepPolicy:
    """Chooses steps that land on the times of `save`, and records them.

    `measured` tells whether it looks at the measures of steps, `most_retries` how many of them may
    break an invariant before the run ends.
    """

    measured: ClassVar[bool] = True
    most_retries: ClassVar[float] = math.inf
    _remembered: ClassVar[tuple[str, ...]] = (
        "worst",
        "rejected",
        "_accepted",
        "_steps",
        "_measures",
        "_reached",
    )
    save: tuple[float, ...]
    worst: float = field(init=False, default=0.0)
    rejected: int = field(init=False, default=0)
    _accepted: int = field(init=False, default=0)
    _steps: list[float] = field(init=False, default_factory=list)
    _measures: list[float] = field(init=False, default_factory=list)
    _reached: list[int] = field(init=False, default_factory=list)

    def propose(self, t: float) -> float:
        """Return the next step from time t."""
        raise NotImplementedError

    def takes(self, dt: float, measure: float) -> bool:
        """Whether a step is good enough by its measure."""
        return True

    def accept(
        self, t: float, dt: float, measure: float, parts: Sequence[float] = ()
    ) -> float | None:
        """Return the time reached if the step is good, else None (then propose again).

        What is recorded are the `parts` in which a step was taken that broke an invariant: a finer
        run that halves the step alone would take the same ones.
        """
        self.worst = max(self.worst, measure)
        self._accepted += 1
        self._steps += parts or (dt,)
        self._measures += [measure] * (len(parts) or 1)
        end = self._end
        if self._lands(t, dt):
            self._reached.append(len(self._steps) - 1)
            return end
        return t + dt

    def schedule(self) -> Schedule:
        """Return the steps taken so far."""
        reached = tuple(self._reached)
        done = self.save[: len(reached)]
        return Schedule(np.array(self._steps), reached, done, np.array(self._measures))

    def memory(self) -> dict[str, Any]:
        """Return all that it has come to know, JSON-ready: for `recall`."""
        return {name: copy(getattr(self, name)) for name in self._remembered}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on where another one of the same parameters was."""
        for name in self._remembered:
            value = memory[name]
            setattr(self, name, list(value) if isinstance(value, tuple) else value)

    @property
    def _end(self) -> float:
        """The time to land on next."""
        return self.save[len(self._reached)]

    def _lands(self, t: float, dt: float) -> bool:
        return self._end - t - dt <= 1e-12 * self._end


@dataclass
class LadderControl(StepPolicy):
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
    rests
        Whether steps may exceed dt_max once little changes.
    whole
        Whether finer runs repeat steps as they were proposed, in parts or not: the finest of four
        break none.
    """

    _remembered: ClassVar[tuple[str, ...]] = (*StepPolicy._remembered, "_level")
    dt_max: float
    limit: float
    levels: int = 12
    growth: float = 2.5
    start: int | None = None
    rests: bool = False
    whole: bool = False
    _level: int = field(init=False)

    def __post_init__(self) -> None:
        self._level = self.levels if self.start is None else self.start

    def propose(self, t: float) -> float:
        """Next step from time t: on the ladder, or an even part of the little that is left."""
        left = self._end - t
        want = self.dt_max / 2**self._level
        parts = math.ceil(left / want - 1e-9)
        even = parts <= 3 or abs(parts * want - left) < 1e-9 * left
        return float(left / parts if even else want)

    def takes(self, dt: float, measure: float) -> bool:
        """Whether the measure is small enough, or the step as small as it gets."""
        return measure <= self.limit or dt <= self.dt_max / 2**self.levels * (1 + 1e-9)

    def _rests(self, t: float, dt: float, measure: float) -> bool:
        """Whether the next step may be longer than dt_max."""
        ratio = dt / self.dt_max
        calm = 4 * ratio * measure < AT_REST and ratio > 0.9 / 2**self._level
        return self.rests and calm and self._end - t > LATE * dt

    def accept(
        self, t: float, dt: float, measure: float, parts: Sequence[float] = ()
    ) -> float | None:
        """Return the time reached if the step is good, else None (then propose again)."""
        if not self.takes(dt, measure):
            self.rejected += 1
            self._level = min(self.levels, 1 + math.ceil(math.log2(self.dt_max / dt) - 1e-9))
            return None
        if measure < self.limit / self.growth and (self._level > 0 or self._rests(t, dt, measure)):
            self._level -= 1
        return super().accept(t, dt, measure, () if self.whole else parts)


@dataclass
class ErrorControl(StepPolicy):
    """Chooses steps of any size so that the estimated error of each stays below `limit`.

    With the error e of a step of size Δt, and an estimate of order 4, the next one is
    0.9 Δt (limit/e)^{1/4}, within factors of 0.2 (0.1 after a rejection) and 6.

    Parameters
    ----------
    save
        Times to land on.
    limit
        Largest estimated error of a step.
    first
        First step.
    longest
        Largest step; None where any will do: then a run whose steps become tiny ends.
    patience
        How many steps may be `WILD` before a run ends that another formulation can replace.
    """

    most_retries = 20  # where steps of any size are small enough, a run that needs more blows up
    _remembered: ClassVar[tuple[str, ...]] = (*StepPolicy._remembered, "_dt", "_wild")
    limit: float
    first: float
    longest: float | None = None
    patience: float = math.inf

    def __post_init__(self) -> None:
        self._most = self.save[-1] if self.longest is None else self.longest
        self._wild = 0
        self._dt = min(self._most, self.first)

    def propose(self, t: float) -> float:
        """Next step from time t."""
        return min(self._dt, self._end - t)

    def takes(self, dt: float, measure: float) -> bool:
        """Whether the error is small enough."""
        return measure <= self.limit

    def accept(
        self, t: float, dt: float, measure: float, parts: Sequence[float] = ()
    ) -> float | None:
        """Return the time reached if the step is good, else None (then propose again).

        Raises
        ------
        SolverError
            If the steps become so small that the end is out of reach.
        """
        if not self.takes(dt, measure):
            self.rejected += 1
            factor = max(0.1, self._ratio(measure)) if math.isfinite(measure) else 0.2
            self._dt = dt * factor
            self._wild += not measure < WILD * self.limit
            if self._dt < 1e-14 * self.save[-1] or self._wild > self.patience:
                raise _stalled(t, self._dt)
            return None
        end = self._end
        reached = super().accept(t, dt, measure, parts)
        assert reached is not None
        taken = len(self._steps)
        # a blow-up ends in ever smaller steps, which may all be accepted
        crawls = taken > STARTING_STEPS and end - reached > CRAWL * dt
        if self.longest is None and (crawls or taken + self.rejected > MAX_STEPS):
            raise _stalled(reached, dt)
        grown = dt * min(6.0, max(0.2, self._ratio(max(measure, 1e-300))))
        # a step that was cut short by a time to land on says little of longer ones
        self._dt = min(self._most, max(grown, self._dt) if dt < 0.9 * self._dt else grown)
        return reached

    def _ratio(self, measure: float) -> float:
        return 0.9 * float((self.limit / measure) ** 0.25)


def _stalled(t: float, dt: float) -> SolverError:
    return SolverError(f"the steps stall at t = {t:.4g} (step {dt:.1e})")


class Replay(StepPolicy):
    """Repeats a given schedule; every step is accepted."""

    measured = False

    def __init__(self, steps: Schedule) -> None:
        super().__init__(steps.times)
        self.steps = steps

    def propose(self, t: float) -> float:
        """Return the next step."""
        return float(self.steps.dt[self._accepted])

    def _lands(self, t: float, dt: float) -> bool:
        return self._accepted - 1 in self.steps.save  # the sum of many steps drifts
