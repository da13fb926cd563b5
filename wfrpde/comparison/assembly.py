"""The report of a validation, put together from finished replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.density import MeshedDensity
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
)
from wfrpde.comparison.statistics import Average, average, chain_average
from wfrpde.comparison.tails import doubt_of
from wfrpde.comparison.verdicts import RARE, Comparison, Rules, judge
from wfrpde.numbers import number

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.case.samplers import SamplerSpec


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


ENOUGH = 10.0
"""Expected particles of one replicate in a region, from which each replicate sees it."""


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
    rows = []
    for k, t in enumerate(replicates[0].times):
        at = [r for r in replicates if k < len(r.times)]
        tail = float(np.median([r.tail[k] for r in at]))
        doubt = doubt_of(tail, float(np.median([r.particles for r in at])))
        for i, observable in enumerate(judge_.observables):
            reference = judge_.references[float(t)][i]
            values = np.array([r.values[k, i] for r in at])
            trials, witnesses = 0.0, np.inf
            ess = r_hat = None
            if np.isinf(t):
                mean = _along_chains(at, values, (k, i), reference.spread)
                ess = _known(np.sum([r.effective[k, i] for r in at]))
                r_hat = _known(np.max([r.r_hat[k, i] for r in at]))
            else:
                if observable.share:
                    trials = float(sum(r.particles for r in at))
                    if judge_.claims is not None and judge_.claims.reaction is not None:
                        witnesses = witnesses_of(reference.value, values, trials / len(at))
                mean = average(values, _least_error(reference.value, values.mean(), trials))
            rows.append(
                Comparison(
                    name,
                    observable.name,
                    float(t),
                    len(at),
                    mean,
                    reference,
                    trials,
                    witnesses,
                    ess,
                    r_hat,
                    weights=doubt,
                )
            )
        if len(at) >= 8:  # fewer halves know no error
            for label, gap in judge_.gaps.get(float(t), {}).items():
                distance = tested([r.gaps[label][k] for r in at])
                mean = Average(distance.value, distance.standard_error, distance.freedom)
                nothing = ReferenceValue(0.0, 0.0, gap.spread)
                rows.append(
                    Comparison(
                        name, label, float(t), len(at), mean, nothing, weights=doubt, above=True
                    )
                )
    return _told_of_unseen(rows, judge_)


def _told_of_unseen(rows: list[Comparison], judge_: Judge) -> list[Comparison]:
    """Tell all rows of chains of a region that none of them has been in, and should have been.

    An average over chains that stay in one mode is off by what the others hold, and no chain can
    know. A region is missed if its mass, times the effective points of the median row, is `ENOUGH`.
    """
    along = [row for row in rows if np.isinf(row.time) and row.ess is not None]
    regions = {o.name for o in judge_.observables if o.region is not None}
    points = float(np.median([row.ess for row in along if row.ess])) if along else 0.0
    for row in rows:
        found = row.average.value
        if row.observable in regions and np.isinf(row.time) and min(found, 1 - found) < 1e-12:
            inside = found < 0.5
            share = row.reference.value if inside else 1 - row.reference.value
            if share * points >= ENOUGH:
                where = f"{'in' if inside else 'outside'} {row.observable.partition(' ')[2]}"
                why = f"no chain has been {where}, where {number(share, 2)} of π is"
                return [replace(r, unseen=why) if np.isinf(r.time) else r for r in rows]
    return rows


def _known(value: float) -> float | None:
    """NaN, which equals nothing, as None."""
    return None if np.isnan(value) else float(value)


def _along_chains(
    replicates: Sequence[Replicate], values: Array, at: tuple[int, int], spread: float
) -> Average:
    """Average of Markov chains; where none of them moves, each of C counts as a single point."""
    errors = np.array([r.errors[at] for r in replicates])
    mean = chain_average(values, errors, np.array([r.freedom[at] for r in replicates]))
    # standard error, in standard deviations, below which chains do not move at all
    if mean.standard_error > 1e-8 * spread:
        return mean
    chains = sum(r.chains for r in replicates)
    error = spread / np.sqrt(chains) if chains > 1 else np.inf
    return Average(mean.value, error, max(chains - 1.0, 1.0))


def _least_error(p: float, found: float, trials: float) -> float:
    """Binomial standard error of a mass that few particles decide, or 0."""
    if not trials:
        return 0.0
    share = max(min(p, 1 - p), 0.0)
    if trials * share >= RARE:
        hits = trials * min(found, 1 - found)
        if hits >= 10:
            return 0.0
        share = max(hits, 1.0) / trials  # the replicates may agree by chance, on none
    return float(np.sqrt(share * (1 - share) / trials))


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
        warnings=tuple(dict.fromkeys(r.note for r in replicates if r.note)),
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
        doubts = [row.doubt for row in open_ if row.doubt]
        if doubts:
            return "undecided", f"undecided in {len(open_)} of {len(rows)} rows: {doubts[0]}"
        more = max(row.needed_replicates for row in open_)
        needs = f": needs about {more} more replicates" if more < 10**9 else ""
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
