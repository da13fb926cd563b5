"""Studies in the number of particles: the error of a sampler's averages against N.

A replicate is an independent run of a sampler with a seed of its own; its average of an observable
at the last saved time is compared with the Eulerian flow that the sampler claims to follow. Over
replicates the root of the mean square (RMSE) falls like N^(−1/2), and the mean, the bias, like
1/N, until the bias of the time step shows. Replicates are made in blocks, which are shared among
the ranks and kept in files; no number depends on the ranks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import math
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from wfrpde.comparison.flows import Flows
from wfrpde.comparison.validation import Contestant, make_contestant
from wfrpde.errors import InputError, SamplerError
from wfrpde.parallel import StopRequest, collectively
from wfrpde.samplers import SamplerContext
from wfrpde.studies.convergence.orders import fit_power
from wfrpde.studies.convergence.sharing import shares
from wfrpde.studies.convergence.study import Row, StudyResult, Verdict

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.case.convergence import ConvergenceSpec
    from wfrpde.comparison.harness import Level

Array = npt.NDArray[np.float64]
Observer = Callable[[str, int, int], None]
logger = logging.getLogger("wfrpde")

EXPECTED = {"rmse": 0.5, "bias": 1.0}

BLOCK = 50_000
"""Particles in a block of replicates."""

OVERHEAD = 1000
"""What a replicate costs beside its particles, in particles."""

MOST_REPLICATES = 1000
"""A level has at most that many times the replicates of the one with most particles."""

UNCERTAIN = 0.25
"""Half width of the interval of an order beyond which nothing is concluded."""


@dataclass(frozen=True)
class _Block:
    """Some replicates of one level: the numbers from `first` on."""

    level: Level
    first: int
    count: int

    @property
    def key(self) -> str:
        """File name: it changes with everything that the numbers depend on."""
        text = f"{self.level.key(self.first)} {self.count} {self.level.seed}"
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.level.key(self.first)}-{digest}"

    @property
    def cost(self) -> float:
        """In particles."""
        return float((self.level.particles + OVERHEAD) * self.count)


@dataclass(frozen=True)
class _Planned:
    """One study: its sampler, its levels, and the observable that is looked at."""

    spec: ConvergenceSpec
    contestant: Contestant
    levels: tuple[Level, ...]
    observable: int

    @property
    def name(self) -> str:
        """What it is called."""
        observable = self.contestant.judge.observables[self.observable].name
        kind = {"rmse": "RMSE", "bias": "bias"}[self.spec.error]
        return self.spec.name or f"N, {self.contestant.name}, {kind} of {observable}"


def particle_studies(
    case: Case,
    specs: Sequence[tuple[int, ConvergenceSpec]],
    comm: Comm,
    folder: Path | None,
    observer: Observer | None,
) -> tuple[StudyResult, ...]:
    """Run the studies in N of a case (collective); `specs` with their places in its file.

    Raises
    ------
    InputError
        If a study does not fit the case.
    """
    plain = case.with_overrides({"validation.metrics": False})
    with ExitStack() as leaving, StopRequest() as stop:
        planned: list[_Planned] = []
        with collectively(comm):
            closely = any(s.parameters.get("density") == "oracle" for s in case.samplers)
            flows = Flows(plain, None, closely)
            for number, spec in specs:
                try:
                    planned.append(_planned(plain, spec, flows))
                except InputError as error:
                    where = f"convergence[{number}]: {error.where}"
                    raise InputError(where, error.found, error.needed, error.do) from None
                leaving.callback(planned[-1].contestant.close)
        if stop.requested(comm):
            raise KeyboardInterrupt
        blocks = {b.key: b for study in planned for level in study.levels for b in _blocks(level)}
        values, failures = _made(list(blocks.values()), comm, folder, observer, stop)
        return tuple(_judged(study, values, failures) for study in planned)


def _planned(case: Case, spec: ConvergenceSpec, flows: Flows) -> _Planned:
    names = [s.name for s in case.samplers]
    if not names:
        raise InputError("vary", "'particles' in a case without samplers", "a [[sampler]] table")
    name = spec.sampler or names[0]
    if name not in names:
        raise InputError("sampler", repr(name), f"one of {', '.join(names)}")
    table = case.samplers[names.index(name)]
    if table.samples is not None:
        raise InputError("sampler", f"{name!r}, recorded samples", "a sampler that can be run")
    context = SamplerContext.of(case, flows.oracle)
    contestant = make_contestant(case, table, flows, context)
    if contestant.failure:
        raise InputError("sampler", f"{name!r}, which fails: {contestant.failure}", "one that runs")
    judge = contestant.judge
    if judge.claims is None:
        raise InputError("sampler", f"{name!r}, which is judged by π", "one that claims a flow")
    known = [observable.name for observable in judge.observables]
    wanted = spec.observable or known[0]
    if wanted not in known:
        raise InputError("observable", repr(wanted), f"one of {', '.join(known)}")
    most = int(spec.values[-1])
    levels = []
    for value in spec.values:
        count = math.ceil(table.replicates * most / value)
        levels.append(
            dataclasses.replace(
                contestant.base,
                label=f"N={int(value)}",
                particles=int(value),
                replicates=min(count, MOST_REPLICATES * table.replicates),
            )
        )
    if min(level.replicates for level in levels) < 2:
        raise InputError("sampler.replicates", "1", "2 or more, better 20")
    return _Planned(spec, contestant, tuple(levels), known.index(wanted))


def _blocks(level: Level) -> list[_Block]:
    size = max(1, BLOCK // level.particles)
    starts = range(0, level.replicates, size)
    return [_Block(level, k, min(size, level.replicates - k)) for k in starts]


def _made(
    blocks: list[_Block],
    comm: Comm,
    folder: Path | None,
    observer: Observer | None,
    stop: StopRequest,
) -> tuple[dict[str, Array], dict[str, str]]:
    """Averages ``(R, k)`` by block, and why samplers failed, on every rank (collective)."""
    found: dict[str, Array] = {}
    with collectively(comm):
        if comm.rank == 0 and folder is not None:
            loaded = {block.key: _load(folder, block) for block in blocks}
            found = {key: values for key, values in loaded.items() if values is not None}
    found = comm.bcast(found, root=0)
    todo = [block for block in blocks if block.key not in found]
    if found and comm.rank == 0:
        logger.info("%d of %d blocks of replicates were finished before", len(found), len(blocks))
    mine: dict[str, Array] = {}
    failures: dict[str, str] = {}
    with collectively(comm):
        share = shares(todo, comm.size)[comm.rank]
        for number, block in enumerate(share):
            if stop.requested():
                break
            try:
                values = _replicates(block, stop)
            except SamplerError as error:
                failures.setdefault(block.level.sampler, error.what)
                continue
            if values is None:  # interrupted
                break
            mine[block.key] = values
            if folder is not None:
                _save(folder, block, values)
            if observer is not None and comm.rank == 0:
                done = len(found) + round(len(todo) * (number + 1) / len(share))
                words = f"{block.level.sampler}, {block.level.label}"
                observer(words, done, len(blocks))
    for values, why in comm.allgather((mine, failures)):
        found |= values
        failures = {**why, **failures}
    return found, failures


def _replicates(block: _Block, stop: StopRequest) -> Array | None:
    """Averages of all observables at the last time ``(count, k)``; None if it was stopped."""
    level, rows = block.level, []
    for number in range(block.first, block.first + block.count):
        seed = level.seed_of(number)
        trajectory = level.run(seed, level.particles, level.dt, lambda: stop.requested())
        if not trajectory.facts.get("complete", True):
            return None
        rows.append(level.judge.assess(level.sampler, trajectory, 0.0).values[-1])
    return np.array(rows)


def _load(folder: Path, block: _Block) -> Array | None:
    unreadable = suppress(OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)
    with unreadable, np.load(folder / f"{block.key}.npz", allow_pickle=False) as file:
        return np.asarray(file["values"], dtype=np.float64)
    return None


def _save(folder: Path, block: _Block, values: Array) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{block.key}.npz"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with temporary.open("wb") as stream:
        np.savez(stream, values=values)
    os.replace(temporary, path)


def _judged(study: _Planned, values: dict[str, Array], failures: dict[str, str]) -> StudyResult:
    judge, spec = study.contestant.judge, study.spec
    time = judge.times[-1]
    reference = judge.references[time][study.observable]
    rows = []
    for level in study.levels:
        blocks = _blocks(level)
        if any(block.key not in values for block in blocks):
            continue
        every = np.concatenate([values[block.key][:, study.observable] for block in blocks])
        gap = np.asarray((every - reference.value) / reference.spread, dtype=np.float64)
        error, spread = _error(gap, spec.error)
        known_to = reference.error / reference.spread
        rows.append(
            Row(
                study=study.name,
                value=float(level.particles),
                unknowns=level.particles,
                error=error,
                kl_error=np.nan,
                local=np.nan,
                used=True,
                seconds=np.nan,
                ranks=1,
                standard_error=float(np.hypot(spread, known_to)),
                replicates=level.replicates,
            )
        )
    fit = None
    if len(rows) >= 2:
        size = [1 / row.value for row in rows]
        fit = fit_power(size, [r.error for r in rows], [r.standard_error for r in rows])
    expected = EXPECTED[spec.error] if spec.order is None else spec.order
    verdict: Verdict
    if study.contestant.name in failures:
        verdict, reason = "failed", failures[study.contestant.name]
    elif len(rows) < len(study.levels) or fit is None:
        verdict, reason = "unfinished", f"{len(rows)} of {len(study.levels)} numbers are done"
    else:
        reason = (
            f"order {fit.order:.3f}, 95 % within {fit.low:.2f} … {fit.high:.2f}, expected "
            f"{expected:g} ± {spec.within:g}"
        )
        verdict = "passed"
        if not fit.high - fit.low <= 2 * UNCERTAIN:
            verdict, reason = "failed", f"{reason}; the error bars leave it open: more replicates"
        elif not fit.low - spec.within <= expected <= fit.high + spec.within:
            verdict = "failed"
    return StudyResult(
        study.name,
        "particles",
        tuple(rows),
        fit,
        expected,
        spec.within,
        f"the Eulerian flow ({judge.label}), t = {time:g}",
        float(reference.error / reference.spread),
        verdict,
        reason,
    )


def _error(gap: Array, kind: str) -> tuple[float, float]:
    """RMSE or bias of the replicates' errors ``(R,)``, and its standard error."""
    count = len(gap)
    if kind == "bias":
        return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(count))
    rmse = float(np.sqrt(np.mean(gap**2)))
    return rmse, float((gap**2).std(ddof=1) / np.sqrt(count) / (2 * rmse))
