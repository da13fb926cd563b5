"""`validate`: the samplers of a case, judged against the flows that they claim to solve."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.comparison.exact_samples import ExactSampler, exact_sampler
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.harness import Harvest, Level, harvest
from wfrpde.comparison.ladders import ladder_levels, split_all
from wfrpde.comparison.metrics import METRICS
from wfrpde.comparison.replicates import Judge, Replicate
from wfrpde.comparison.results import (
    Curve,
    MetricRow,
    Row,
    SamplerSummary,
    ValidationReport,
)
from wfrpde.comparison.statistics import average, chain_average
from wfrpde.comparison.store import Store, digest_of
from wfrpde.comparison.verdicts import Comparison, Rules, judge
from wfrpde.errors import InputError
from wfrpde.parallel import StopRequest, collectively, world

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.case_samplers import SamplerSpec
    from wfrpde.samplers import SamplerRun, Trajectory

Array = npt.NDArray[np.float64]

FLOOR_DRAWS = 400_000
"""Points that are drawn, in all, for the noise floor at each time."""


@dataclass(frozen=True)
class Contestant:
    """A sampler of the case, ready to run, and what judges it."""

    spec: SamplerSpec
    run: SamplerRun
    judge: Judge
    base: Level

    @property
    def name(self) -> str:
        """What it is called."""
        return self.spec.name


def validate(
    case: Case,
    comm: Any = None,
    observer: Callable[[Any], None] | None = None,
    resume: str | Path | None = None,
) -> ValidationReport:
    """Judge the samplers of a case against the flows that they claim to solve (collective).

    R replicates of each sampler, spread over the ranks, give the average of every observable at
    every saved time with its standard error, which is compared with the Eulerian value and *its*
    error. The probability that any row of correct samplers is called biased is at most
    ``validation.level``. What one replicate gives does not depend on the number of ranks.

    Parameters
    ----------
    case
        A case with one ``[[sampler]]`` or more; ``[validation]`` says how they are judged.
    comm
        MPI communicator; all of MPI.COMM_WORLD by default.
    observer
        Called on every rank with what is being done; see `wfrpde.parallel.ProgressReporter`.
    resume
        Folder where finished replicates are kept. Those that are there already, of the same
        inputs, are not computed again.

    Returns
    -------
    ValidationReport
        The same on every rank. After Ctrl-C it holds what the finished replicates say.

    Raises
    ------
    InputError
        If the case has no samplers, or one of them cannot be made.
    """
    if comm is None:
        comm = world()
    began = time.perf_counter()
    if not case.samplers:
        raise InputError(
            "sampler",
            "no [[sampler]]",
            "at least one",
            'For example: [[sampler]] with kind = "langevin".',
        )
    store = None if resume is None else Store(Path(resume))
    with StopRequest() as stop:
        with collectively(comm):
            flows = Flows(case, observer)
            contestants = [_contestant(case, spec, flows) for spec in case.samplers]
        if stop.requested(comm):
            raise KeyboardInterrupt
        levels = [c.base for c in contestants]
        for contestant in contestants:
            levels += ladder_levels(case, contestant.base, contestant.spec)
        found = harvest(levels, comm, store=store, observer=observer)
        floors = _floors(case, contestants, found, comm, store, observer)
        return _report(case, contestants, levels, found, floors, comm, began)


def _contestant(case: Case, spec: SamplerSpec, flows: Flows) -> Contestant:
    from wfrpde.initial import make_initial
    from wfrpde.samplers import SamplerContext, make_sampler

    solution = flows.solution("WFR")
    initial = make_initial(
        kind=case.initial.kind,
        parameters=case.initial.parameters,
        target=solution.target,
        box=case.domain.box,
    )
    sampler = make_sampler(spec, SamplerContext(case, solution.target, initial, solution))
    judge_ = flows.judge(sampler.claims)
    times = [t for t in map(float, solution.times) if t > 0]

    def run(
        seed: np.random.SeedSequence, n: int, dt: float, stop: Callable[[], bool]
    ) -> Trajectory:
        return sampler.run(seed, n, dt, times, stop=stop)

    table = spec.model_dump(mode="json")
    base = Level(
        sampler=spec.name,
        label="base",
        particles=spec.particles,
        dt=spec.dt,
        replicates=spec.replicates,
        seed=case.validation.seed if spec.seed is None else spec.seed,
        digest=digest_of(
            case,
            table,
            validation=case.validation.model_dump(
                mode="json",
                include={"moments", "modes", "observables", "probabilities", "metrics", "seed"},
            ),
        ),
        run=run,
        judge=judge_,
    )
    return Contestant(spec, sampler, judge_, base)


@dataclass(frozen=True)
class _Floor:
    """Distances of independent draws: ``(R, T, m)`` at the judge's times."""

    metrics: Array


def _floors(
    case: Case,
    contestants: Sequence[Contestant],
    found: Harvest,
    comm: Any,
    store: Store | None,
    observer: Callable[[Any], None] | None,
) -> dict[str, _Floor]:
    """Distances that N independent draws of the claimed densities have, by sampler."""
    if not case.validation.metrics or not found.complete:
        return {}
    levels: dict[tuple[str, int], Level] = {}
    of_sampler: dict[str, tuple[str, int]] = {}
    for contestant, replicates in zip(contestants, found.replicates, strict=False):
        if not replicates:
            continue
        n = replicates[0].particles
        if contestant.run.claims == "target":
            n = max(int(min(np.nanmin(r.effective) for r in replicates)), 2)
        key = (contestant.run.claims, n)
        of_sampler[contestant.name] = key
        if key not in levels:
            levels[key] = _exact_level(case, contestant.judge, *key)
    result = harvest(list(levels.values()), comm, store=store, observer=observer)
    floors = {
        key: _Floor(np.array([r.metrics for r in replicates]))
        for key, replicates in zip(levels, result.replicates, strict=True)
        if replicates
    }
    return {name: floors[key] for name, key in of_sampler.items() if key in floors}


def _exact_level(case: Case, judge_: Judge, claims: str, n: int) -> Level:
    from wfrpde.samplers import Ensemble, Trajectory

    samplers: dict[float, ExactSampler] = {}

    def run(
        seed: np.random.SeedSequence, count: int, dt: float, stop: Callable[[], bool]
    ) -> Trajectory:
        rng = np.random.default_rng(seed)
        for t, density in judge_.densities.items():
            if t not in samplers:
                samplers[t] = exact_sampler(density)
        ensembles = tuple(Ensemble.equal(samplers[t].draw(count, rng)) for t in judge_.times)
        return Trajectory(np.array(judge_.times), ensembles)

    return Level(
        sampler=f"exact samples of {claims}",
        label="base",
        particles=n,
        dt=0.0,
        replicates=int(np.clip(FLOOR_DRAWS // n, 4, 32)),
        seed=case.validation.seed,
        digest=digest_of(case, {"exact": claims, "particles": n}),
        run=run,
        judge=judge_,
        stored=False,
    )


def _report(
    case: Case,
    contestants: Sequence[Contestant],
    levels: Sequence[Level],
    found: Harvest,
    floors: dict[str, _Floor],
    comm: Any,
    began: float,
) -> ValidationReport:
    spec = case.validation
    rules = Rules(spec.level, spec.power, spec.resolution, spec.tolerance)
    comparisons: list[Comparison] = []
    for contestant, replicates in zip(contestants, found.replicates, strict=False):
        if contestant.name not in found.failed:
            comparisons += compare(contestant.name, contestant.judge, replicates)
    rows = judge(comparisons, rules)
    samplers, metrics = [], []
    for contestant, replicates in zip(contestants, found.replicates, strict=False):
        own = [row for row in rows if row.sampler == contestant.name]
        samplers.append(_summary(contestant, replicates, own, found.failed.get(contestant.name)))
        if replicates and contestant.name in floors:
            metrics += _metric_rows(contestant.name, replicates, floors[contestant.name])
    unexpected = [s.name for s in samplers if s.expected and s.verdict != s.expected]
    splits, ladders = split_all(levels, found.replicates)
    claims = {c.run.claims: c.judge for c in contestants}
    return ValidationReport(
        case=case,
        table=rows,
        verdicts={s.name: s.words for s in samplers},
        failed=dict(found.failed),
        unexpected=unexpected,
        samplers=samplers,
        metrics=metrics,
        splits=splits,
        ladders=ladders,
        diagnoses=[],
        curves=[curve for claim, j in claims.items() for curve in _curves(claim, j)],
        particles=_shown(contestants, found),
        facts={
            "ranks": comm.size,
            "wall_time": time.perf_counter() - began,
            "replicates_computed": found.computed,
            "replicates_reused": found.reused,
            "rows": len(rows),
        },
        complete=found.complete,
    )


def compare(name: str, judge_: Judge, replicates: Sequence[Replicate]) -> list[Comparison]:
    """Put the averages of replicates beside the Eulerian values, before they are judged."""
    if not replicates:
        return []
    rows = []
    for k, t in enumerate(replicates[0].times):
        at = [r for r in replicates if k < len(r.times)]
        for i, observable in enumerate(judge_.observables):
            reference = judge_.references[float(t)][i]
            values = np.array([r.values[k, i] for r in at])
            trials = 0.0
            if np.isinf(t):
                worth = np.array([r.effective[k, i] for r in at])
                mean = chain_average(values, np.array([r.errors[k, i] for r in at]), worth)
            else:
                if observable.region is not None:
                    trials = float(sum(r.particles for r in at))
                p = min(max(reference.value, 0.0), 1.0)
                rare = 0 < trials * min(p, 1 - p) < 50
                mean = average(values, float(np.sqrt(p * (1 - p) / trials)) if rare else 0.0)
            rows.append(
                Comparison(name, observable.name, float(t), len(at), mean, reference, trials)
            )
    return rows


def _summary(
    contestant: Contestant, replicates: list[Replicate], rows: list[Row], failure: str | None
) -> SamplerSummary:
    spec = contestant.spec
    verdict, words = _overall(rows, failure)
    times = replicates[0].times if replicates else np.empty(0)

    def over(name: str) -> Array:
        if not replicates:
            return np.empty(0)
        return np.asarray(np.mean([getattr(r, name) for r in replicates], axis=0))

    return SamplerSummary(
        name=spec.name,
        claims=contestant.run.claims,
        particles=replicates[0].particles if replicates else spec.particles,
        dt=spec.dt,
        replicates=len(replicates),
        verdict=verdict,
        words=words,
        expected=spec.expected,
        times=times,
        ess=over("ess"),
        weight_variance=over("weight_variance"),
        seconds=float(np.mean([r.seconds for r in replicates])) if replicates else float("nan"),
    )


def _overall(rows: list[Row], failure: str | None) -> tuple[str, str]:
    if failure is not None:
        return "failed", f"failed: {failure}"
    if not rows:
        return "undecided", "undecided: no replicate was finished"
    biased = [row for row in rows if row.verdict == "biased"]
    open_ = [row for row in rows if row.verdict == "undecided"]
    if biased:
        worst = max(biased, key=lambda row: abs(row.difference) / max(row.spread, 1e-300))
        when = "" if np.isinf(worst.time) else f" at t = {worst.time:g}"
        return "biased", (
            f"biased in {len(biased)} of {len(rows)} rows; most in {worst.observable}{when}: "
            f"{worst.words}"
        )
    if open_:
        more = max(row.needed_replicates for row in open_)
        needs = f": needs about {more} more replicates" if more < 10**9 else ""
        return "undecided", f"undecided in {len(open_)} of {len(rows)} rows{needs}"
    return "consistent", f"consistent in all {len(rows)} rows"


def _metric_rows(name: str, replicates: list[Replicate], floor: _Floor) -> list[MetricRow]:
    result = []
    for k, t in enumerate(replicates[0].times):
        for m, metric in enumerate(METRICS):
            mean = average(np.array([r.metrics[k, m] for r in replicates]))
            exact = floor.metrics[:, k, m]
            result.append(
                MetricRow(
                    sampler=name,
                    metric=metric,
                    time=float(t),
                    value=mean.value,
                    standard_error=mean.standard_error,
                    floor=float(exact.mean()),
                    floor_spread=float(exact.std(ddof=1)),
                )
            )
    return result


def _curves(claims: str, judge_: Judge) -> list[Curve]:
    times = np.array(judge_.times)
    columns = zip(*judge_.references.values(), strict=True)
    return [
        Curve(
            claims,
            observable.name,
            times,
            np.array([v.value for v in column]),
            np.array([v.error for v in column]),
        )
        for observable, column in zip(judge_.observables, columns, strict=True)
    ]


def _shown(
    contestants: Sequence[Contestant], found: Harvest
) -> dict[str, dict[float, tuple[Array, Array]]]:
    result: dict[str, dict[float, tuple[Array, Array]]] = {}
    for contestant, replicates in zip(contestants, found.replicates, strict=False):
        if replicates and replicates[0].shown.size:
            first = replicates[0]
            result[contestant.name] = {
                float(t): (shown[:, :-1], shown[:, -1])
                for t, shown in zip(first.times, first.shown, strict=True)
            }
    return result
