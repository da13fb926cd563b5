"""The report of a validation, put together from finished replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.chains import chain_rows
from wfrpde.comparison.density import MeshedDensity
from wfrpde.comparison.dependence import moving_together
from wfrpde.comparison.halves import tested
from wfrpde.comparison.harness import Level
from wfrpde.comparison.ladders import split_all
from wfrpde.comparison.observables import ReferenceValue
from wfrpde.comparison.replicates import Judge, Replicate
from wfrpde.comparison.results import (
    Curve,
    DensityPicture,
    Diagnosis,
    MetricRow,
    Row,
    SamplerSummary,
    ValidationReport,
    more_replicates,
)
from wfrpde.comparison.statistics import Average, average, skewness_between
from wfrpde.comparison.tails import CAUTION, doubt_of
from wfrpde.comparison.verdicts import Comparison, Rules, judge, least_error
from wfrpde.comparison.visits import ENOUGH
from wfrpde.comparison.weighed import EFFECTIVE, beyond_heaviest, skewness_of

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.case.samplers import SamplerSpec


LIGHT = 0.95
"""Share of the points that weights leave, from which on their tail is not asked."""


@dataclass(frozen=True)
class Judged:
    """A sampler of the case with what its replicates gave.

    Attributes
    ----------
    spec
        Its table in the case.
    judge
        What it is compared with.
    replicates
        Those of the judged runs.
    failure
        Why it did not run, or None.
    """

    spec: SamplerSpec
    judge: Judge
    replicates: list[Replicate]
    failure: str | None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.spec.name


def judged_rows(case: Case, judged: Sequence[Judged]) -> list[Row]:
    """Judge the rows of all samplers together."""
    spec = case.validation
    comparisons: list[Comparison] = []
    for one in judged:
        if one.failure is None:
            comparisons += compare(one.name, one.judge, one.replicates)
    return judge(comparisons, Rules(spec.level, spec.power, spec.resolution, spec.tolerance))


def assemble(
    case: Case,
    judged: Sequence[Judged],
    rows: Sequence[Row],
    ladders: Sequence[tuple[Level, list[Replicate]]],
    limits: Mapping[tuple[str, float], Array],
    floors: Mapping[str, Mapping[str, Array]],
    diagnoses: Sequence[Diagnosis],
    facts: dict[str, Any],
    *,
    complete: bool,
) -> ValidationReport:
    """Collect all that was found out.

    Parameters
    ----------
    rows
        Those of `judged_rows`.
    ladders
        All levels of all samplers with their replicates.
    limits
        (sampler, dt) → averages ``(T, k)`` of infinitely many particles.
    floors
        Sampler → metric → distances ``(R, T)`` of independent draws.
    """
    samplers: list[SamplerSummary] = []
    metrics: list[MetricRow] = []
    for one in judged:
        samplers.append(_summary(one, [row for row in rows if row.sampler == one.name]))
        if one.replicates and one.name in floors:
            metrics += _metric_rows(one.name, one.replicates, floors[one.name])
    splits, points = split_all(ladders, limits)
    errors = {(row.sampler, row.observable, row.time): row.standard_error for row in rows}
    for k, split in enumerate(splits):  # few replicates may agree by chance, here as in the rows
        error = errors.get((split.sampler, split.observable, split.time), 0.0)
        splits[k] = replace(split, total=(split.total[0], max(split.total[1], error)))
    claims = {one.judge.label: one.judge for one in judged}
    return ValidationReport(
        case=case,
        table=tuple(rows),
        verdicts={s.name: s.words for s in samplers},
        failed={one.name: one.failure for one in judged if one.failure is not None},
        unexpected=[s.name for s in samplers if s.expected and s.verdict != s.expected],
        samplers=samplers,
        metrics=metrics,
        splits=splits,
        ladders=points,
        diagnoses=list(diagnoses),
        curves=[curve for claim, j in claims.items() for curve in _curves(claim, j)],
        pictures=[p for j in claims.values() for p in _pictures(j)],
        particles=_shown(judged),
        facts={**facts, "rows": len(rows)},
        complete=complete,
    )


def compare(name: str, judge_: Judge, replicates: Sequence[Replicate]) -> list[Comparison]:
    """Put the averages of replicates beside the Eulerian values, before they are judged."""
    if not replicates:
        return []
    rows: list[Comparison] = []
    for k, t in enumerate(replicates[0].times):
        at = [r for r in replicates if k < len(r.times)]
        every, at = len(at), different(judge_, at, k)
        tail = float(np.median([r.tail[k] for r in at]))
        points, worth = (
            float(np.median(a)) for a in ([r.particles for r in at], [r.worth[k] for r in at])
        )
        few = np.isfinite(t) and isinstance(judge_.densities[float(t)], MeshedDensity)
        doubt = doubt_of(tail, points, worth, 1.0 if few else CAUTION)
        if few and worth >= LIGHT * points:  # whatever their tail, it holds next to nothing
            doubt = ""
        if np.isinf(t):
            rows += chain_rows(name, judge_, at, doubt)
        else:
            if len(at) < min(every, 2):
                doubt = f"all {every} replicates are the same: it ignores the seed"
            rows += _particle_rows(name, judge_, at, k, doubt)
        if len(at) >= 8:  # fewer halves know no error
            for label, gap in judge_.gaps.get(float(t), {}).items():
                distance = tested([r.gaps[label][k] for r in at], gap.error)
                mean = Average(distance.value, distance.standard_error, distance.freedom)
                nothing = ReferenceValue(0.0, gap.error, gap.spread)
                rows.append(
                    Comparison(
                        name, label, float(t), len(at), mean, nothing, weights=doubt, above=True
                    )
                )
    return rows


def different(judge_: Judge, replicates: Sequence[Replicate], k: int = 0) -> list[Replicate]:
    """Leave out replicates whose averages at the k-th time are those of others: copies.

    Shares alone may agree by chance.
    """
    if all(observable.share or observable.survival for observable in judge_.observables):
        return list(replicates)
    _, first = np.unique([r.values[k] for r in replicates], axis=0, return_index=True)
    return [replicates[i] for i in np.sort(first)]


def _particle_rows(
    name: str, judge_: Judge, at: Sequence[Replicate], k: int, doubt: str
) -> list[Comparison]:
    """Put the averages over replicates at the k-th time beside the Eulerian values."""
    rows, t = [], float(at[0].times[k])
    tails = judge_.tails_at(t)
    heavy = tails.doubts(float(sum(r.ess[k] for r in at)))
    shape = float(np.median([r.tail[k] for r in at]))
    beyond = beyond_heaviest(np.array([r.heaviest[k] for r in at]), shape)
    missed = tails.beyond(beyond)
    divided = np.mean([r.divided[k] for r in at], axis=0)
    skews = np.array(
        [
            skewness_of(*np.sum([r.summed[k] for r in at], axis=0)),
            skewness_between(np.array([r.values[k] for r in at])),
        ]
    )
    worth = float(sum(r.worth[k] for r in at))
    bent = np.maximum([skews.max(axis=0), -skews.min(axis=0)], 0.0) * (beyond > 0)
    for i, (observable, reference) in enumerate(
        zip(judge_.observables, judge_.references[t], strict=True)
    ):
        values = np.array([r.values[k, i] for r in at])
        trials, witnesses = 0.0, np.inf
        if observable.share:
            trials = float(sum(r.particles for r in at))
            if judge_.claims is not None and judge_.claims.reaction is not None:
                witnesses = witnesses_of(reference.value, values, trials / len(at))
        least = least_error(reference.value, float(values.mean()), trials, len(at))
        if beyond > 0 and worth < EFFECTIVE * len(at) and not observable.survival:
            least = max(least, reference.spread / np.sqrt(worth))
        mean = average(values, least)
        biases = np.maximum([-divided[i], divided[i]], 0.0)  # of a ratio, the same way
        granted = np.where(observable.survival, 0.0, biases + missed[::-1, i])
        rows.append(
            Comparison(
                name,
                observable.name,
                t,
                len(at),
                mean,
                reference,
                trials,
                witnesses,
                weights=doubt or reference.beyond or (heavy[i] if reference.spread > 0 else ""),
                granted=(float(granted[0]), float(granted[1])),
                beyond=beyond,
                bent=(float(bent[0, i]), float(bent[1, i])),
            )
        )
    return rows


def witnesses_of(p: float, masses: Array, particles: float) -> float:
    """How many replicates have seen the rarer side of a region: (Σm)²/Σm² of its masses (R,).

    ∞ where the reference leaves a replicate `ENOUGH` particles there.
    """
    rare, masses = (p, masses) if p <= 0.5 else (1 - p, 1 - masses)
    if particles * rare >= ENOUGH:
        return np.inf
    squares = float((masses**2).sum())
    return float(masses.sum() ** 2 / squares) if squares > 0 else 0.0


def _summary(one: Judged, rows: list[Row]) -> SamplerSummary:
    spec, replicates = one.spec, one.replicates
    verdict, words = _overall(rows, one.failure)
    notes = [r.note for r in replicates if r.note]
    copies = len(replicates) - len(different(one.judge, replicates)) if replicates else 0
    if copies:
        notes.append(f"{copies} of {len(replicates)} replicates are copies of others: one counts")

    elif replicates:
        notes.append(moving_together(one.judge, replicates, rows))

    def over(name: str) -> Array:
        if not replicates:
            return np.empty(0)
        return np.asarray(np.mean([getattr(r, name) for r in replicates], axis=0))

    return SamplerSummary(
        name=spec.name,
        claims=one.judge.label,
        particles=replicates[0].particles if replicates else spec.particles,
        dt=spec.dt,
        replicates=len(replicates),
        verdict=verdict,
        words=words,
        expected=spec.expected,
        times=replicates[0].times if replicates else np.empty(0),
        ess=over("ess"),
        weight_variance=over("weight_variance"),
        seconds=float(np.mean([r.seconds for r in replicates])) if replicates else float("nan"),
        warnings=tuple(dict.fromkeys(filter(None, notes))),
    )


def _at(row: Row) -> str:
    return "" if np.isinf(row.time) else f" at t = {row.time:g}"


def _overall(rows: list[Row], failure: str | None) -> tuple[str, str]:
    if failure is not None:
        return "failed", f"failed: {failure}"
    if not rows:
        return "undecided", "undecided: no replicate was finished"
    biased = [row for row in rows if row.verdict == "biased"]
    open_ = [row for row in rows if row.verdict == "undecided"]
    if biased:
        worst = max(biased, key=lambda row: abs(row.difference) / max(row.spread, 1e-300))
        return "biased", (
            f"biased in {len(biased)} of {len(rows)} rows; most in {worst.observable}{_at(worst)}: "
            f"{worst.words}"
        )
    if open_:
        doubtful = next((row for row in open_ if row.doubt), None)
        if doubtful is not None:
            every = all(row.doubt == doubtful.doubt for row in open_)
            where = "" if every else f"; in {doubtful.observable}{_at(doubtful)}"
            words = f"undecided in {len(open_)} of {len(rows)} rows{where}: {doubtful.doubt}"
            return "undecided", words
        counts = [row.needed_replicates for row in open_]
        more = [count for count in counts if count is not None]
        needs = f": needs about {more_replicates(max(more))}" if len(more) == len(counts) else ""
        return "undecided", f"undecided in {len(open_)} of {len(rows)} rows{needs}"
    return "consistent", f"consistent in all {len(rows)} rows"


def _metric_rows(
    name: str, replicates: list[Replicate], floors: Mapping[str, Array]
) -> list[MetricRow]:
    result = []
    for k, t in enumerate(replicates[0].times):
        for metric, floor in floors.items():
            mean = average(np.array([r.metrics[metric][k] for r in replicates]))
            exact = floor[:, k]
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


def _pictures(judge_: Judge) -> list[DensityPicture]:
    """Take the densities on a grid that holds nearly all of their mass."""
    result = []
    for t, density in judge_.densities.items():
        if not isinstance(density, MeshedDensity):
            continue
        dim = density.dim
        points, mass = density.plain_atoms
        held = points[mass > 1e-4 * mass.max()]
        low, high = held.min(axis=0), held.max(axis=0)
        low, high = low - 0.03 * (high - low), high + 0.03 * (high - low)
        count = {1: 400, 2: 120, 3: 40}[dim]
        axes = tuple(np.linspace(a, b, count) for a, b in zip(low, high, strict=True))
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        values = np.exp(density.log_density(grid.reshape(-1, dim))).reshape(grid.shape[:-1])
        result.append(DensityPicture(judge_.label, t, axes, values))
    return result


def _shown(judged: Sequence[Judged]) -> dict[str, dict[float, tuple[Array, Array]]]:
    result: dict[str, dict[float, tuple[Array, Array]]] = {}
    for one in judged:
        if one.replicates and one.replicates[0].shown.size:
            first = one.replicates[0]
            result[one.name] = {
                float(t): (shown[:, :-1], shown[:, -1])
                for t, shown in zip(first.times, first.shown, strict=True)
            }
    return result
