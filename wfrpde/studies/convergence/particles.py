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
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.contestants import Contestant, make_contestant
from wfrpde.comparison.flows import Flows
from wfrpde.errors import InputError, SamplerError
from wfrpde.parallel import Progress, StopRequest, collectively
from wfrpde.parallel.tasks import Store, Task, run_tasks
from wfrpde.samplers import SamplerContext
from wfrpde.studies.convergence.orders import fit_power
from wfrpde.studies.convergence.study import Row, StudyResult, Verdict

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.case.convergence import ConvergenceSpec
    from wfrpde.comparison.harness import Level


BLOCK = 50_000
"""Particles in a block of replicates."""


@dataclass(frozen=True)
class _Block:
    """Some replicates of one level: the numbers from `first` on."""

    level: Level
    first: int
    count: int

    @property
    def key(self) -> str:
        """File name: it changes with everything that the numbers depend on."""
        first = self.level.key(range(self.first, self.first + 1))
        text = f"{first} {self.count} {self.level.seed}"
        return f"{first}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def task(self) -> Task[Array]:
        """What gives the averages of its replicates; its cost is in particles."""
        level = self.level
        words = f"{level.sampler}, {level.label}"
        # what a replicate costs beside its particles, in particles
        cost = float((level.particles + 1000) * self.count)
        return Task(partial(_replicates, self), words, self.key, level.sampler, cost)


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
    observer: Callable[[Progress], None] | None,
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
        store: Store[Array] | None = None
        if folder is not None:
            store = Store(folder, lambda own: {"values": own}, lambda file: file["values"])
        done = run_tasks(
            [b.task for b in blocks.values()],
            comm,
            store=store,
            observer=observer,
            counted="blocks of replicates",
            tolerated=(SamplerError,),
        )
        keys = list(blocks)
        values = {keys[k]: averages for k, averages in done.results.items()}
        return tuple(_judged(study, values, done.failures) for study in planned)


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
                # at most that many times the replicates of the level with most particles
                replicates=min(count, 1000 * table.replicates),
            )
        )
    if min(level.replicates for level in levels) < 2:
        raise InputError("sampler.replicates", "1", "2 or more, better 20")
    return _Planned(spec, contestant, tuple(levels), known.index(wanted))


def _blocks(level: Level) -> list[_Block]:
    size = max(1, BLOCK // level.particles)
    starts = range(0, level.replicates, size)
    return [_Block(level, k, min(size, level.replicates - k)) for k in starts]


def _replicates(block: _Block, comm: Any, stop: StopRequest) -> Array | None:
    """Averages of all observables at the last time ``(count, k)``; None if it was stopped."""
    made = block.level.made(range(block.first, block.first + block.count), stop)
    return None if made is None else np.array([replicate.values[-1] for replicate in made])


def _judged(study: _Planned, values: dict[str, Array], failures: Mapping[str, Any]) -> StudyResult:
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
    expected = {"rmse": 0.5, "bias": 1.0}[spec.error] if spec.order is None else spec.order
    verdict: Verdict
    if study.contestant.name in failures:
        verdict, reason = "failed", failures[study.contestant.name].what
    elif len(rows) < len(study.levels) or fit is None:
        verdict, reason = "unfinished", f"{len(rows)} of {len(study.levels)} numbers are done"
    else:
        reason = (
            f"order {fit.order:.3f}, 95 % within {fit.low:.2f} … {fit.high:.2f}, expected "
            f"{expected:g} ± {spec.within:g}"
        )
        verdict = "passed"
        # width of the interval of an order beyond which nothing is concluded
        if not fit.high - fit.low <= 0.5:
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
