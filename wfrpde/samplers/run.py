"""`SamplerRun`: a sampler of a case, ready to run replicates."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Equation
from wfrpde.errors import InputError
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.exchange import shaped_positions, to_trajectory
from wfrpde.samplers.law import LawStep


@dataclass(frozen=True)
class Request:
    """What `SamplerRun.run` is asked for."""

    seed: np.random.SeedSequence
    n: int
    dt: float
    times: Sequence[float] | Array
    stop: Callable[[], bool] | None = None


class SamplerRun(ABC):
    """A sampler of a case, ready to run replicates.

    Attributes
    ----------
    name
        What it is called.
    claims
        The equation that it claims to solve; None: only that its samples are those of π.
    """

    name: str
    claims: Equation | None

    def run(
        self,
        replicate_seed: np.random.SeedSequence,
        n: int,
        dt: float,
        times: Sequence[float] | Array,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Trajectory:
        """Run one replicate of n particles with steps of at most dt; the ensembles at ``times``.

        Of a sampler of π itself there is one ensemble, at t = ∞.

        Raises
        ------
        SamplerError
            Names the sampler and what happened.
        """
        return self.replicate(Request(replicate_seed, n, dt, times, stop))

    @abstractmethod
    def replicate(self, request: Request) -> Trajectory:
        """Run the replicate that is asked for; see `run`."""

    def together(self, requests: Sequence[Request]) -> list[Trajectory]:
        """Run the replicates that are asked for, one after the other; they end with a stopped one.

        A sampler whose start is dear may do better.
        """
        made: list[Trajectory] = []
        for request in requests:
            made.append(self.replicate(request))
            if not made[-1].facts.get("complete", True):
                break
        return made

    @property
    def replicates(self) -> float:
        """Number of replicates that there are at most."""
        return np.inf

    def law(self) -> LawStep | None:
        """Say what a step does to the law of infinitely many particles; None if that is unknown."""
        return None

    def close(self) -> None:  # noqa: B027 (most have none)
        """End the process that it may have."""


class ArraySampler(SamplerRun):
    """A sampler that hands over arrays of positions at all the times at once."""

    layout: str
    context: SamplerContext

    @abstractmethod
    def draw(self, request: Request, times: Array) -> tuple[Any, Any]:
        """Return positions and log weights (or None) at times ``(T,)``: of π itself [∞]."""

    def replicate(self, request: Request) -> Trajectory:
        """Run one replicate, and check what comes of it."""
        times, began = self.times(request), time.monotonic()
        positions, log_weights = self.draw(request, times)
        return self.checked(request, times, positions, log_weights, time.monotonic() - began)

    def times(self, request: Request) -> Array:
        """Return the times ``(T,)`` of the arrays: of a sampler of π itself [∞]."""
        return np.array([np.inf]) if self.claims is None else checked_times(request.times)

    def checked(
        self, request: Request, times: Array, positions: Any, log_weights: Any, seconds: float
    ) -> Trajectory:
        """Return the trajectory of arrays that took so many seconds.

        Raises
        ------
        SamplerError
            If they are not what is needed.
        """
        n, dim = request.n, self.context.target.dim
        shaped = shaped_positions(self.name, positions, len(times), dim, self.layout, n)
        facts = {"particles": n, "seconds": seconds, "complete": True}
        return to_trajectory(self.name, shaped, log_weights, times, facts)


def checked_times(times: Sequence[float] | Array) -> Array:
    """Return ``(T,)`` times, which have to ascend from 0 or later.

    Raises
    ------
    InputError
        If they do not.
    """
    ladder = np.atleast_1d(np.asarray(times, dtype=float))
    if ladder.ndim != 1 or not ladder.size or not np.isfinite(ladder).all():
        raise InputError("times", repr(times), "a list of finite times")
    if ladder[0] < 0 or (np.diff(ladder) <= 0).any():
        raise InputError("times", repr(ladder.tolist()), "ascending times ≥ 0, each once")
    return ladder
