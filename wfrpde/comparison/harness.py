"""Runs the replicates of all samplers, spread over the ranks.

Every replicate has a seed of its own, which follows from the case's seed, the sampler's name, the
level of its ladder and the replicate's number: which rank computes it makes no difference. In each
round every rank computes one; after it all agree on what failed and whether to stop.
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.comparison.replicates import Judge, Replicate
from wfrpde.comparison.store import Store, replicate_key
from wfrpde.errors import InputError, SamplerError
from wfrpde.parallel import StopRequest

if TYPE_CHECKING:
    from wfrpde.samplers import Trajectory

logger = logging.getLogger("wfrpde")

#: Runs one replicate: (seed, particles, dt, asked to stop?) -> trajectory.
Run = Callable[[np.random.SeedSequence, int, float, Callable[[], bool]], "Trajectory"]


@dataclass(frozen=True)
class Level:
    """One setting of a sampler, of which there are R replicates.

    Attributes
    ----------
    sampler
        Its name.
    label
        ``"base"``, or a step of a ladder: ``"dt×2"``, ``"N×0.5"``.
    particles, dt, replicates
        N, dt and R.
    seed
        Entropy of its random numbers.
    digest
        Changes with everything that a replicate depends on.
    run, judge
        How a replicate is made and reduced.
    stored
        Whether its replicates are worth a file.
    """

    sampler: str
    label: str
    particles: int
    dt: float
    replicates: int
    seed: int
    digest: str
    run: Run
    judge: Judge
    stored: bool = True

    def key(self, number: int) -> str:
        """File name of a replicate."""
        return replicate_key(f"{self.sampler} {self.label}", self.digest, number)

    def seed_of(self, number: int) -> np.random.SeedSequence:
        """Seed of a replicate."""
        words = (zlib.crc32(self.sampler.encode()), zlib.crc32(self.label.encode()), number)
        return np.random.SeedSequence(self.seed, spawn_key=words)


@dataclass(frozen=True)
class ReplicateProgress:
    """What an observer is told; see `wfrpde.parallel.ProgressEvent`."""

    phase: str
    t: float
    t_end: float
    fraction: float
    dt: float = 0.0
    kl: float = float("nan")

    @property
    def counted(self) -> str:
        """What is counted, where it is not model time."""
        return "replicates"


@dataclass(frozen=True)
class Harvest:
    """What the replicates gave.

    Attributes
    ----------
    replicates
        For each level its finished replicates, in the order of their numbers.
    failed
        Sampler → why it did not run.
    complete
        Whether all were computed that could be.
    computed, reused
        How many replicates were computed now, and how many were found on the disk.
    """

    replicates: list[list[Replicate]]
    failed: dict[str, str]
    complete: bool
    computed: int
    reused: int


def harvest(
    levels: Sequence[Level],
    comm: Any = None,
    *,
    store: Store | None = None,
    observer: Callable[[ReplicateProgress], None] | None = None,
    failed: Mapping[str, str] | None = None,
) -> Harvest:
    """Run every replicate of every level (collective).

    A sampler that fails is not run any further, and the others go on.

    Parameters
    ----------
    failed
        Samplers that have failed before, and why: they are not run.
    """
    rank, size = (0, 1) if comm is None else (comm.rank, comm.size)
    results: dict[tuple[int, int], Replicate] = {}
    failed = dict(failed or {})
    jobs = [
        (i, r)
        for i, level in enumerate(levels)
        if level.sampler not in failed
        for r in range(level.replicates)
    ]
    if store is not None:
        if rank == 0:
            for i, r in jobs:
                found = store.load(levels[i].key(r)) if levels[i].stored else None
                if found is not None:
                    results[i, r] = found
        if comm is not None and size > 1:
            results = comm.bcast(results, root=0)
    reused = len(results)
    waiting = [job for job in jobs if job not in results]
    complete, done, total = True, 0, len(waiting)
    costs = {job: _cost(levels[job[0]]) for job in waiting}
    work, worked = sum(costs.values()), 0.0
    with StopRequest() as stop:
        while waiting:
            # all of a round are of one level, so that the ranks end together
            level = waiting[0][0]
            batch = [job for job in waiting[:size] if job[0] == level]
            if observer is not None:
                share = worked / work if work else 1.0
                observer(ReplicateProgress(_phase(levels[level]), done, total, share))
            mine = batch[rank] if rank < len(batch) else None
            outcome: tuple[Any, str, bool] = (None, "", False)
            if mine is not None:
                outcome = _one(levels[mine[0]], mine[1], store, stop)
            outcomes = [outcome] if comm is None or size == 1 else comm.allgather(outcome)
            interrupted = stop.requested(comm)
            for job, (replicate, message, _) in zip(batch, outcomes, strict=False):
                if replicate is not None:
                    results[job] = replicate
                elif message:
                    failed.setdefault(levels[job[0]].sampler, message)
            done += len(batch)
            worked += sum(costs[job] for job in batch)
            waiting = [job for job in waiting[len(batch) :] if levels[job[0]].sampler not in failed]
            if interrupted or any(stopped for _, _, stopped in outcomes):
                complete = False
                break
    for name, message in failed.items():
        if rank == 0:
            logger.warning("sampler %s failed, the others go on: %s", name, message)
    return Harvest(
        [
            [results[i, r] for r in range(level.replicates) if (i, r) in results]
            for i, level in enumerate(levels)
        ],
        failed,
        complete,
        len(results) - reused,
        reused,
    )


def _cost(level: Level) -> float:
    """Rough size of a replicate, for the progress."""
    return level.particles / level.dt if level.dt > 0 else float(level.particles)


def _phase(level: Level) -> str:
    return level.sampler if level.label == "base" else f"{level.sampler} {level.label}"


def _one(
    level: Level, number: int, store: Store | None, stop: StopRequest
) -> tuple[Replicate | None, str, bool]:
    """Compute one replicate: (replicate, why it failed, whether it was stopped)."""
    began = time.perf_counter()
    try:
        trajectory = level.run(
            level.seed_of(number), level.particles, level.dt, lambda: stop.requested()
        )
        if not trajectory.facts.get("complete", True):
            return None, "", True
        replicate = level.judge.assess(
            level.sampler,
            trajectory,
            time.perf_counter() - began,
            show=number == 0 and level.label == "base",
        )
    except SamplerError as error:
        return None, error.what, False
    except InputError as error:
        return None, str(error), False
    if store is not None and level.stored:
        try:
            store.save(level.key(number), replicate)
        except OSError as error:  # a full disk costs the copy, not the replicate
            logger.warning("%s was not stored: %s", level.key(number), error)
    return replicate, "", False
