r"""Resampling: weighted particles are replaced by copies of equal weights.

A scheme draws the number of copies n_i of every particle, so that Σ n_i = N and E n_i = N W_i:
what it does is unbiased. The schemes differ in the variance of n_i: multinomial draws N times
from W; stratified takes one uniform point in each [k/N, (k+1)/N), systematic the same point in
all of them; residual takes ⌊N W_i⌋ copies for sure and draws the rest.

References
----------
R. Douc, O. Cappé and E. Moulines (2005), Comparison of resampling schemes for particle filtering.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.ranks import Ranks

Scheme = Literal["systematic", "stratified", "residual", "multinomial"]


def offspring(
    scheme: Scheme, weights: Array, rng: np.random.Generator, ranks: Ranks | None = None
) -> Integers:
    """Draw the number of copies ``(N,)`` of every particle on this rank (collective).

    Parameters
    ----------
    scheme
        Name of the scheme.
    weights
        ``(N,)`` weights here; they sum to 1 over all ranks.
    """
    ranks = Ranks() if ranks is None else ranks
    total = int(ranks.sum(len(weights)))
    return _SCHEMES[scheme](weights, total, rng, ranks)


@dataclass(frozen=True)
class Resampling:
    """When to resample and how.

    Parameters
    ----------
    scheme
        ``systematic``, ``stratified``, ``residual`` or ``multinomial``.
    threshold
        Resample when the effective sample size falls below this share of N: 0 never does, and
        1 does in every step.
    """

    scheme: Scheme = "systematic"
    threshold: float = 0.5

    @classmethod
    def named(cls, scheme: Scheme | Literal["none"], threshold: float) -> Self:
        """Return what case files say: ``none`` never resamples."""
        return cls(threshold=0.0) if scheme == "none" else cls(scheme, threshold)

    def __call__(
        self, ensemble: Ensemble, rng: np.random.Generator, ranks: Ranks | None = None
    ) -> Ensemble:
        """Return the ensemble, resampled if its weights ask for it (collective)."""
        ranks = Ranks() if ranks is None else ranks
        weights = ranks.normalised(ensemble)
        ess = 1.0 / ranks.sum(float(np.square(weights).sum()))
        if not ess < self.threshold * ranks.count(ensemble):
            return ensemble
        copies = offspring(self.scheme, weights, rng, ranks)
        positions = redistributed(ensemble.positions, copies, ranks)
        # counts are added up over the ranks in the end
        return ensemble.reweighted(np.zeros(ensemble.size)).moved(
            positions, resampled=1.0 / ranks.size
        )


def redistributed(positions: Array, copies: Integers, ranks: Ranks) -> Array:
    """Return as many particles ``(N, d)`` as before, of all ranks' copies (collective)."""
    here = np.repeat(positions, copies, axis=0)
    if ranks.size == 1:
        return here
    made, wanted = (np.concatenate([[0], np.cumsum(ranks.every(k))]) for k in
                    (len(here), len(positions)))  # fmt: skip
    start = made[ranks.rank]
    cuts = np.clip(wanted - start, 0, len(here))
    parcels = [here[a:b] for a, b in pairwise(cuts)]
    return np.concatenate(ranks.exchange(parcels))


def _edges(weights: Array, ranks: Ranks) -> Array:
    """Cumulative weights ``(N + 1,)``, from 0 on the first rank to 1 on the last."""
    totals = np.concatenate([[0.0], np.cumsum(ranks.every(float(weights.sum())))])
    bounds = totals / totals[-1]
    edges = bounds[ranks.rank] + np.concatenate([[0.0], np.cumsum(weights)]) / totals[-1]
    edges[-1] = bounds[ranks.rank + 1]  # the next rank starts at exactly the same number
    return np.asarray(np.minimum(edges, edges[-1]))


def _systematic(weights: Array, total: int, rng: np.random.Generator, ranks: Ranks) -> Integers:
    offset = ranks.first(rng.random())
    below = np.clip(np.ceil(total * _edges(weights, ranks) - offset), 0, total)
    return np.diff(below).astype(np.int64)


def _stratified(weights: Array, total: int, rng: np.random.Generator, ranks: Ranks) -> Integers:
    scaled = total * _edges(weights, ranks)
    stratum = np.minimum(np.floor(scaled), total).astype(np.int64)
    # One stream for all ranks, of which each reads its own part: a double takes one draw.
    stream = np.random.PCG64(ranks.first(int(rng.integers(2**63))))
    points = np.random.Generator(stream.advance(int(stratum[0]))).random(
        int(stratum[-1] - stratum[0]) + 1
    )
    below = stratum + (points[stratum - stratum[0]] < scaled - stratum)
    return np.diff(np.minimum(below, total)).astype(np.int64)


def _multinomial(weights: Array, total: int, rng: np.random.Generator, ranks: Ranks) -> Integers:
    own = float(weights.sum())
    shares = np.array(ranks.every(own))
    here = ranks.first(rng.multinomial(total, shares / shares.sum()))[ranks.rank]
    if here == 0:
        return np.zeros(len(weights), dtype=np.int64)
    return np.asarray(rng.multinomial(here, weights / own), dtype=np.int64)


def _residual(weights: Array, total: int, rng: np.random.Generator, ranks: Ranks) -> Integers:
    # a weight of k/N has to yield k copies, whatever round-off makes of it
    sure = np.floor(total * weights * (1 + 1e-14)).astype(np.int64)
    rest = total - int(ranks.sum(int(sure.sum())))
    if rest <= 0:
        return sure
    remainder = np.maximum(total * weights - sure, 0.0)
    return sure + _multinomial(remainder, rest, rng, ranks)


_SCHEMES: dict[str, Callable[[Array, int, np.random.Generator, Ranks], Integers]] = {
    "systematic": _systematic,
    "stratified": _stratified,
    "residual": _residual,
    "multinomial": _multinomial,
}
