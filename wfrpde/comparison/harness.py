"""Runs the replicates of all samplers, spread over the ranks.

Every replicate has a seed of its own, which follows from the case's seed, the sampler's name, the
level of its ladder and the replicate's number: which rank computes it makes no difference.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.comparison.replicates import UNKNOWN, Judge, Replicate
from wfrpde.errors import InputError, SamplerError
from wfrpde.fields.user_code import changed_code
from wfrpde.parallel import Progress, StopRequest
from wfrpde.parallel.screen import logger
from wfrpde.parallel.tasks import Store, Task, run_tasks, store_key

if TYPE_CHECKING:
    from wfrpde.samplers import Trajectory

#: Runs replicates: (their seeds, particles, dt, asked to stop?) -> trajectories.
Run = Callable[
    [Sequence[np.random.SeedSequence], int, float, Callable[[], bool]], "list[Trajectory]"
]


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
        How replicates are made, and one of them reduced.
    stored
        Whether its replicates are worth a file.
    batch
        How many replicates are made at a time.
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
    batch: int = 1

    @property
    def batches(self) -> list[range]:
        """The numbers of the replicates that are made together."""
        every = range(self.replicates)
        return [every[k : k + self.batch] for k in range(0, self.replicates, self.batch)]

    def key(self, numbers: range) -> str:
        """File name of replicates."""
        last = f"-{numbers[-1]:05d}" if len(numbers) > 1 else ""
        name = f"{self.sampler[:28]} {self.label}"
        return store_key(name, self.digest, f"{numbers[0]:05d}{last}")

    def seed_of(self, number: int) -> np.random.SeedSequence:
        """Seed of a replicate."""
        words = (zlib.crc32(self.sampler.encode()), zlib.crc32(self.label.encode()), number)
        return np.random.SeedSequence(self.seed, spawn_key=words)

    def made(self, numbers: range, stop: StopRequest) -> list[Replicate] | None:
        """Make replicates and reduce them to their numbers; None if one was stopped.

        Raises
        ------
        SamplerError, InputError
            If the sampler fails.
        """
        began = time.perf_counter()
        seeds = [self.seed_of(number) for number in numbers]
        trajectories = self.run(seeds, self.particles, self.dt, lambda: stop.requested())
        if not all(trajectory.facts.get("complete", True) for trajectory in trajectories):
            return None
        seconds = (time.perf_counter() - began) / len(numbers)
        return [
            self.judge.assess(
                self.sampler, trajectory, seconds, show=number == 0 and self.label == "base"
            )
            for number, trajectory in zip(numbers, trajectories, strict=True)
        ]

    def task(self, numbers: range) -> Task[list[Replicate]]:
        """Give what makes replicates."""
        cost = self.particles / self.dt if self.dt > 0 else float(self.particles)
        return Task(
            lambda _, stop: self.made(numbers, stop),
            self.sampler if self.label == "base" else f"{self.sampler} {self.label}",
            self.key(numbers) if self.stored else "",
            group=self.sampler,
            cost=cost * len(numbers),
        )


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
    folder: Path | None = None,
    observer: Callable[[Progress], None] | None = None,
    failed: Mapping[str, str] | None = None,
) -> Harvest:
    """Run every replicate of every level (collective).

    A sampler that fails is not run any further, and the others go on.

    Parameters
    ----------
    folder
        Where finished replicates are looked for, and kept.
    failed
        Samplers that have failed before, and why: they are not run.
    """
    failed = dict(failed or {})
    running = [k for k, level in enumerate(levels) if level.sampler not in failed]
    jobs = [(k, numbers) for k in running for numbers in levels[k].batches]
    alone = all(len(numbers) == 1 for _, numbers in jobs)
    stale: set[str] = set()
    done = run_tasks(
        [levels[k].task(numbers) for k, numbers in jobs],
        comm,
        store=None if folder is None else Store(folder, _packed, partial(_valid, stale)),
        observer=observer,
        counted="replicates" if alone else "batches",
        tolerated=(SamplerError, InputError),
    )
    if stale and (comm is None or comm.rank == 0):
        why = ", ".join(sorted(stale))
        logger.warning("replicates that were kept were made anew: %s", why)
    for name, error in done.failures.items():
        failed[name] = error.what if isinstance(error, SamplerError) else str(error)
    if comm is None or comm.rank == 0:
        rest = {level.sampler for level in levels} - failed.keys()
        for name, message in failed.items():
            logger.warning("sampler %s failed%s: %s", name,
                           ", the others go on" if rest else "", message)  # fmt: skip
    replicates: list[list[Replicate]] = [[] for _ in levels]
    for job, made in done.results.items():
        replicates[jobs[job][0]] += made
    reused = sum(len(jobs[job][1]) for job in done.kept)
    computed = sum(map(len, replicates)) - reused
    return Harvest(replicates, failed, done.complete, computed, reused)


def _packed(replicates: Sequence[Replicate]) -> dict[str, Any]:
    """Replicates as named arrays, for a file."""
    return {
        f"{k}:{name}": array
        for k, replicate in enumerate(replicates)
        for name, array in replicate.arrays().items()
    }


def _valid(stale: set[str], arrays: dict[str, Any]) -> list[Replicate]:
    """Read replicates; raise ValueError, and say why, if other code has made them."""
    split: dict[int, dict[str, Any]] = {}
    for key, array in arrays.items():
        number, _, name = key.partition(":")
        split.setdefault(int(number), {})[name] = array
    try:
        found = [Replicate.of(split[k]) for k in sorted(split)]
    except ValueError as error:
        stale.add(str(error))
        raise
    return [_current(stale, replicate) for replicate in found]


def _current(stale: set[str], replicate: Replicate) -> Replicate:
    if replicate.code == UNKNOWN:
        stale.add("what a command consists of is not known unless sampler.depends names its files")
        raise ValueError
    if replicate.code:
        changed = changed_code(json.loads(replicate.code))
        if changed:
            stale.update(f"{name} has changed" for name in changed)
            raise ValueError
    return replicate
