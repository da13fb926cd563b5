"""Runs at other steps and numbers of particles, from which biases are split."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.bias import NO_FIT, UNKNOWN, Measurement, Split, split_bias
from wfrpde.comparison.harness import Level
from wfrpde.comparison.limit import limit_laws
from wfrpde.comparison.replicates import Replicate
from wfrpde.comparison.results import BiasSplit, LadderPoint
from wfrpde.comparison.statistics import average

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.case.samplers import SamplerSpec
    from wfrpde.samplers import LawStep, SamplerContext


SURE = 3.0
"""Standard errors off the known limit beyond which ladders are not believed."""

FIRST = (0.7, 1.4)
"""Observed orders in dt between which what a score-based sampler owes to its steps is told."""

MOST = 8
"""A level has at most that many times the replicates of the judged runs."""


def ladder_levels(case: Case, base: Level, spec: SamplerSpec) -> list[Level]:
    """Give the further levels of a sampler: cheaper ones, so that they have more replicates."""
    if base.judge.claims is None or spec.samples is not None or spec.command is not None:
        return []
    levels = []
    for factor in case.validation.dt_ladder[1:]:
        count = min(math.ceil(base.replicates * factor), MOST * base.replicates)
        levels.append(
            dataclasses.replace(base, label=f"dt×{factor:g}", dt=base.dt * factor, replicates=count)
        )
    for factor in case.validation.particles_ladder[1:]:
        count = min(math.ceil(base.replicates / factor), MOST * base.replicates)
        particles = max(round(base.particles * factor), 2)
        levels.append(
            dataclasses.replace(base, label=f"N×{factor:g}", particles=particles, replicates=count)
        )
    return levels


def limit_averages(
    law: LawStep,
    level: Level,
    context: SamplerContext,
    steps: Collection[float],
) -> dict[tuple[str, float], Array]:
    """Averages ``(T, k)`` of infinitely many particles, by sampler and step.

    Besides those of the ladder, two and four times the judged step, which show the order.
    """
    judge, dt0 = level.judge, level.dt
    result = {}
    for dt in sorted({*steps, dt0, 2 * dt0, 4 * dt0}):
        laws = limit_laws(law, context, dt, judge.times)
        if laws is not None:
            result[level.sampler, dt] = judge.averages_of_laws(laws)
    return result


def step_part(one: Array, two: Array, four: Array) -> Array:
    """Part of ``one`` that vanishes with dt, from values at dt, 2 dt and 4 dt.

    Extrapolated in dt and dt²; only in dt where the longest step is of another regime.
    """
    linear = two - one
    quadratic = one - (8 * one - 6 * two + four) / 3
    regular = np.abs(four - two) <= 4 * np.abs(linear)
    return np.where(regular, quadratic, linear)


def split_all(
    levels: Sequence[tuple[Level, list[Replicate]]],
    limits: Mapping[tuple[str, float], Array],
) -> tuple[list[BiasSplit], list[LadderPoint]]:
    """Split the bias of every row whose sampler was run on a ladder or has a known limit."""
    splits: list[BiasSplit] = []
    points: list[LadderPoint] = []
    for level, own in levels:
        if level.label != "base" or len(own) < 2:
            continue
        ladder = [(o, rs) for o, rs in levels if o.sampler == level.sampler and len(rs) > 1]
        known = {dt: rows for (name, dt), rows in limits.items() if name == level.sampler}
        if len(ladder) < 2 and not known:
            continue
        for k, t in enumerate(own[0].times):
            for i, observable in enumerate(level.judge.observables):
                reference = level.judge.references[float(t)][i].value
                row = (level.sampler, observable.name, float(t))
                biases = {dt: float(rows[k, i]) - reference for dt, rows in known.items()}
                measured = [
                    Measurement(o.dt, o.particles, mean.value, mean.standard_error)
                    for o, rs in ladder
                    for mean in [average(np.array([r.values[k, i] for r in rs]))]
                ]
                claims = level.judge.claims
                graded = claims is not None and claims.process is not None
                splits.append(_split(row, measured, reference, level.dt, biases, graded=graded))
                points += [
                    LadderPoint(
                        *row, int(m.particles), m.dt, m.mean - reference, m.standard_error,
                        biases.get(m.dt, float("nan")),
                    )
                    for m in measured
                ]  # fmt: skip
    return splits, points


def _split(
    row: tuple[str, str, float],
    measured: list[Measurement],
    reference: float,
    dt: float,
    biases: Mapping[float, float],
    *,
    graded: bool,
) -> BiasSplit:
    split = split_bias(measured, reference)
    one, two, four = (biases.get(factor * dt, float("nan")) for factor in (1, 2, 4))
    ratio = (four - two) / (two - one) if two != one else float("nan")
    order = float(np.log2(ratio)) if ratio > 0 else float("nan")
    step = float(step_part(np.array(one), np.array(two), np.array(four)))
    long = graded and not FIRST[0] < order < FIRST[1]
    if long:  # of another regime: no extrapolation tells what is left as dt goes to 0
        step = float("nan")
    if long or _contradicts(split, step, one - step):
        split = dataclasses.replace(
            split, step=UNKNOWN, finite_n=UNKNOWN, rest=UNKNOWN, order_dt=NO_FIT, order_n=NO_FIT
        )
    return BiasSplit(
        *row,
        **vars(split),
        limit_step=step,
        limit_rest=one - step,
        limit_order=order,
    )


def _contradicts(split: Split, step: float, rest: float) -> bool:
    """Whether what ladders say is more than `SURE` standard errors off the known limit.

    Then their fit is not to be believed: the steps are of another regime, or replicates that take
    large weights have an error bar that is too small.
    """
    pairs = [(split.step, step)]
    if np.isfinite(split.finite_n[0]):  # else the rest holds the bias of a finite N, too
        pairs.append((split.rest, rest))
    return any(abs(value - known) > SURE * error for (value, error), known in pairs)
