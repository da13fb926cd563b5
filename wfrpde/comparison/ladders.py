"""Runs at other steps and numbers of particles, from which biases are split."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.comparison.bias import Measurement, split_bias
from wfrpde.comparison.harness import Level
from wfrpde.comparison.replicates import Replicate
from wfrpde.comparison.results import BiasSplit, LadderPoint
from wfrpde.comparison.statistics import average

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.case_samplers import SamplerSpec

MOST = 8
"""A level has at most that many times the replicates of the judged runs."""


def ladder_levels(case: Case, base: Level, spec: SamplerSpec) -> list[Level]:
    """Give the further levels of a sampler: cheaper ones, so that they have more replicates."""
    if base.judge.claims == "target" or spec.samples is not None or spec.command is not None:
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


def split_all(
    levels: Sequence[Level], replicates: Sequence[list[Replicate]]
) -> tuple[list[BiasSplit], list[LadderPoint]]:
    """Split the bias of every row whose sampler was run on a ladder."""
    splits: list[BiasSplit] = []
    points: list[LadderPoint] = []
    for level, own in zip(levels, replicates, strict=True):
        if level.label != "base" or not own:
            continue
        ladder = [
            (other, found)
            for other, found in zip(levels, replicates, strict=True)
            if other.sampler == level.sampler and len(found) > 1
        ]
        if len(ladder) < 2:
            continue
        judge = level.judge
        for k, t in enumerate(own[0].times):
            for i, observable in enumerate(judge.observables):
                reference = judge.references[float(t)][i].value
                means = [average(np.array([r.values[k, i] for r in rs])) for _, rs in ladder]
                measurements = [
                    Measurement(other.dt, other.particles, mean.value, mean.standard_error)
                    for (other, _), mean in zip(ladder, means, strict=True)
                ]
                split = split_bias(measurements, reference)
                splits.append(
                    BiasSplit(
                        sampler=level.sampler,
                        observable=observable.name,
                        time=float(t),
                        limit_step=float("nan"),
                        **dataclasses.asdict(split)
                        | {"order_dt": split.order_dt, "order_n": split.order_n},
                    )
                )
                points += [
                    LadderPoint(
                        sampler=level.sampler,
                        observable=observable.name,
                        time=float(t),
                        particles=int(m.particles),
                        dt=m.dt,
                        bias=m.mean - reference,
                        standard_error=m.standard_error,
                        limit_bias=float("nan"),
                    )
                    for m in measurements
                ]
    return splits, points
