"""Averages along Markov chains beside those of π, before they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.replicates import Judge, Replicate
from wfrpde.comparison.statistics import Average, chain_average
from wfrpde.comparison.sticking import WORDS
from wfrpde.comparison.verdicts import Comparison, least_error
from wfrpde.comparison.visits import hardly_seen


def chain_rows(
    name: str, judge: Judge, replicates: Sequence[Replicate], weights: str
) -> list[Comparison]:
    """Put the averages along Markov chains beside those of π.

    All rows are told of a region that the chains have hardly been in, and should have been: an
    average over chains that stay in one mode is off by what the others hold, and none can know.

    Parameters
    ----------
    weights
        Why those of the points tell nothing, or "".
    """
    effective = np.sum([r.effective[0] for r in replicates], axis=0)
    points = 0.0 if np.isnan(effective).all() else float(np.nanmedian(effective))
    visits = np.sum([r.visits[0] for r in replicates], axis=0)
    asked = np.sum([judge.watched_in(r.particles) for r in replicates], axis=0)
    unseen = hardly_seen(*judge.watched, visits, np.minimum(points, asked))
    stuck = np.mean([r.sticks[0] for r in replicates], axis=0) > 0.5
    heavy = judge.tails_at(np.inf).doubts(points)
    rows = []
    references = judge.references[np.inf]
    for i, (observable, reference) in enumerate(zip(judge.observables, references, strict=True)):
        values = np.array([r.values[0, i] for r in replicates])
        trials = points if observable.share else 0.0
        constant = reference.spread == 0 and not reference.beyond
        own = weights or reference.beyond
        mean = _average(replicates, values, i, reference.spread)
        # what so many points of π, whose spread is known, cannot know better
        worth = points if np.isnan(effective[i]) else effective[i]
        known = reference.spread / np.sqrt(worth) if worth else 0.0
        least = max(known, least_error(reference.value, values.mean(), trials))
        rows.append(
            Comparison(
                name,
                observable.name,
                np.inf,
                len(replicates),
                replace(mean, standard_error=max(mean.standard_error, least)),
                reference,
                trials,
                ess=_known(effective[i]),
                r_hat=None if constant else _known(np.max([r.r_hat[0, i] for r in replicates])),
                unseen=unseen,
                weights=own or ("" if constant else heavy[i] or (WORDS if stuck[i] else "")),
            )
        )
    return rows


def _known(value: float) -> float | None:
    """NaN, which equals nothing, as None."""
    return None if np.isnan(value) else float(value)


def _average(replicates: Sequence[Replicate], values: Array, i: int, spread: float) -> Average:
    """Average of Markov chains; where none of them moves, each of C counts as a single point.

    What has no spread moves in none.
    """
    errors = np.array([r.errors[0, i] for r in replicates])
    mean = chain_average(values, errors, np.array([r.freedom[0, i] for r in replicates]))
    # standard error, in standard deviations, below which chains do not move at all
    if mean.standard_error > 1e-8 * spread or spread == 0:
        return mean
    chains = sum(r.chains for r in replicates)
    error = spread / np.sqrt(chains) if chains > 1 else np.inf
    return Average(mean.value, error, max(chains - 1.0, 1.0))
