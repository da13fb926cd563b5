"""How well the averages along Markov chains are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.comparison.mixing import autocovariance, bulk_ess, r_hat
from wfrpde.comparison.statistics import expectation

BATCHES = 32
"""Pieces of a chain whose averages tell the error as well."""

MIXED = 1.05
"""R̂ above which chains do not know their own errors."""

WINDOW = 5.0
"""Autocorrelation times over which the error of a series is summed: it is known like a variance of
so many times fewer points than the series is worth."""

FEW_POINTS = 50.0
"""Independent points that a chain has to be worth before it is believed what its error is."""

TELLING = 0.1
"""Correlation, where there should be none, that says that an array is in another order."""


def integrated_time(series: Array) -> Array:
    """Integrated autocorrelation time τ = 1 + 2 Σ ρ_k of each series, in steps.

    The sum over lags is cut at the smallest M ≥ 5 τ(M) (Sokal 1997, §3).

    Parameters
    ----------
    series
        ``(n, k)``: k observables along one chain.

    Returns
    -------
    Array
        ``(k,)``, at least 1; n where the chain is too short to tell.
    """
    n = len(series)
    covariance = autocovariance(series)
    variance = covariance[0]
    moving = variance > 1e-300
    correlation = covariance / np.where(moving, variance, 1.0)
    tau = 2 * np.cumsum(correlation, axis=0) - 1
    # 5.0: the sum of autocorrelations ends at the first lag that is this many times its own result
    wide = np.arange(n)[:, None] >= 5.0 * np.maximum(tau, 1e-3)
    end = np.where(wide.any(axis=0), wide.argmax(axis=0), n - 1)
    result = np.maximum(tau[end, np.arange(series.shape[1])], 1.0)
    return np.where(moving, np.minimum(result, n), 1.0)


def chain_error(series: Array, weights: Array | None = None) -> tuple[Array, Array, Array]:
    """Give the standard errors of a chain's averages, and how much is known of them, ``(k,)``.

    The larger one of s √(τ/n), and that of the averages of `BATCHES` pieces.

    Parameters
    ----------
    series
        ``(n, k)`` observables along the chain.
    weights
        ``(n,)``, or ``(n, k)`` for each observable its own: weights of the points, summing to one;
        equal where there are none.

    Returns
    -------
    tuple of Array
        Standard errors, the number n/τ of points that the chain is worth, and the degrees of
        freedom of the standard errors.
    """
    n = len(series)
    if weights is None:
        weights = np.full(n, 1.0 / n)
    columns = weights.reshape(n, -1)
    mean = series[0] + (columns * (series - series[0])).sum(axis=0)  # exact of what never changes
    # linearised self-normalised average: its summands are a chain with equal weights
    summands = n * columns * (series - mean)
    worth = n / integrated_time(summands)
    error = np.sqrt((summands**2).mean(axis=0) / worth)
    freedom = np.maximum(worth - 1.0, 1.0)
    length = n // BATCHES
    if length > 1:
        batches = summands[: BATCHES * length].reshape(BATCHES, length, -1).mean(axis=1)
        other = batches.std(axis=0, ddof=1) / np.sqrt(BATCHES)
        freedom = np.where(other > error, BATCHES - 1.0, freedom)
        error = np.maximum(error, other)
    return error, worth, freedom


@dataclass(frozen=True)
class Averages:
    """How well the averages of k observables over all chains are known.

    Attributes
    ----------
    error, freedom
        ``(k,)`` standard errors, and their degrees of freedom; an error is 0 where no chain moves,
        and all are at the same value, and ∞ where a single chain is too short to know it.
    ess, r_hat
        ``(k,)`` effective sample size and R̂; see `wfrpde.comparison.mixing`.
    note
        What speaks for another order of the points than was said, or "".
    """

    error: Array
    freedom: Array
    ess: Array
    r_hat: Array
    note: str = ""


def chains_error(
    series: Array, weights: Array, chains: int, spread: Array | None = None
) -> Averages:
    """Find the errors of chains of one length that stand behind one another.

    The larger one of the errors within and between the chains counts, the latter with Student's
    C − 1 degrees of freedom. Where the chains disagree (R̂ > 1.05), or a chain is worth fewer than
    50 points, there are C − 1 of them in any case, and a chain that is alone does not know its
    error. Many chains are themselves a series, whose autocorrelation counts.

    Chains that have missed the tails of π find averages that are off *and* too small a variance,
    both at once. What is tested is that they sample π, under which the variance is known: errors
    are widened by the ratio of the standard deviations wherever the chains' own is the smaller one.

    Parameters
    ----------
    series
        ``(n, k)`` observables, chain after chain.
    weights
        ``(n,)`` weights of the points, summing to one.
    chains
        How many chains there are; taken for one if they are not of one length.
    spread
        ``(k,)`` standard deviations of the observables under π; None where they are not known.
    """
    found = _chains_error(series, weights, chains)
    if spread is None:
        return found
    own = np.sqrt(weights @ (series - expectation(series.T, weights)) ** 2)
    ratio = np.divide(spread, own, out=np.ones_like(own), where=own > 0)
    return replace(found, error=found.error * np.maximum(ratio, 1.0))


def _chains_error(series: Array, weights: Array, chains: int) -> Averages:
    """Do what `chains_error` does, from the chains alone."""
    if len(series) % chains:
        chains = 1
    # (C, n, k), (C, n)
    phi, w = series.reshape(chains, -1, series.shape[1]), weights.reshape(chains, -1)
    first, own = _distinct_chains(phi)
    if len(first) < chains:
        sums = np.zeros((len(first), w.shape[1]))
        np.add.at(sums, own, w)
        return _chains_error(np.concatenate(phi[first]), sums.ravel(), len(first))
    errors, worth, known = _alone(phi, w)
    share = w.sum(axis=1)
    error = np.sqrt(((share[:, None] * errors) ** 2).sum(axis=0))
    freedom = known.sum(axis=0)
    columns = np.moveaxis(phi, 2, 0)
    ratio = np.array([r_hat(x) for x in columns])
    ess = np.array([bulk_ess(x) for x in columns])
    if chains == 1:
        short = worth[0] < FEW_POINTS
        error, freedom = np.where(short, np.inf, error), np.where(short, 1.0, freedom)
        return _one_chain(series, weights, Averages(error, freedom, ess, ratio))
    gaps = phi - expectation(series.T, weights)
    summands = chains * np.array([v @ x for x, v in zip(gaps, w, strict=True)])
    between, count = summands.std(axis=0, ddof=1) / np.sqrt(chains), chains - 1.0
    note, alike = _order_of_chains(phi)
    if chains >= BATCHES:
        between, length, known = chain_error(summands)
        if alike:  # one series, as it seems, of which no R̂ tells when it is too short
            known = np.maximum(length / WINDOW, 1.0)
    else:
        known = np.full(len(between), count)
    doubtful = ~(ratio <= MIXED) | (worth.min(axis=0) < FEW_POINTS)
    freedom = np.where(between > error, known, np.where(doubtful, count, freedom))
    return Averages(np.maximum(error, between), freedom, ess, ratio, note)


def _distinct_chains(phi: Array) -> tuple[Integers, Integers]:
    """Return one of each of the chains ``(C, n, k)`` that differ, and whose copy each chain is.

    Chains that stand still may agree by chance.
    """
    chains, n = phi.shape[:2]
    alike = np.unique(phi[:, [0, n // 2, n - 1]].reshape(chains, -1), axis=0, return_inverse=True)[
        1
    ]
    every = np.arange(chains)
    if alike.max() + 1 == chains:  # as a rule
        return every, every
    flat = phi.reshape(chains, -1)
    own = every.copy()
    for k in every[np.ptp(phi, axis=1).any(axis=1)]:
        same = [j for j in np.flatnonzero(alike[:k] == alike[k]) if (flat[j] == flat[k]).all()]
        own[k] = own[same[0]] if same else k
    first, own = np.unique(own, return_inverse=True)
    return first, own


def _alone(phi: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Return what `chain_error` says of each of the chains ``(C, n, k)``: three ``(C, k)``."""
    chains, n, k = phi.shape
    # values of chains that are looked at together: short chains are many, and long ones large
    at_once = max(1, 1_000_000 // (n * k))
    found = []
    for first in range(0, chains, at_once):
        x, w = phi[first : first + at_once], weights[first : first + at_once]
        series = np.moveaxis(x, 0, 1).reshape(n, -1)  # chain after chain, each with k columns
        columns = np.repeat((w / w.sum(axis=1, keepdims=True)).T, k, axis=1)
        found.append([part.reshape(len(x), k) for part in chain_error(series, columns)])
    errors, worth, freedom = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return errors, worth, freedom


def _one_chain(series: Array, weights: Array, alone: Averages) -> Averages:
    """Take a chain for several that are interleaved, if it looks like that."""
    period = interleaved(series)
    if period < 2:
        return alone
    length = len(series) // period
    order = np.arange(length * period).reshape(length, period).T.ravel()
    several = _chains_error(series[order], weights[order] / weights[order].sum(), period)
    larger = several.error > alone.error
    return Averages(
        np.where(larger, several.error, alone.error),
        np.where(larger, several.freedom, alone.freedom),
        several.ess,
        several.r_hat,
        f'looks like {period} chains, one point of each after the other: if so, say layout = '
        f'"(steps*chains, d)" and chains = {period}',
    )  # fmt: skip


def interleaved(series: Array) -> int:
    """Find how many chains a series ``(n, k)`` has interleaved; 0 if it does not look like that.

    Points that lie this number apart are correlated, and none that lie closer are.
    """
    n = len(series)
    covariance = autocovariance(series)
    moving = covariance[0] > 1e-300
    if n < 64 or not moving.any():
        return 0
    rho = (covariance[:, moving] / covariance[0, moving]).mean(axis=1)
    least = max(TELLING, 5 / np.sqrt(n))
    above = np.flatnonzero(rho[1 : n // 8] > least) + 1
    if not len(above) or above[0] < 2:
        return 0
    # chains of slow points are correlated more than those of fast ones, at the same lag
    period = int(above[0])
    return period if np.abs(rho[1:period]).max() < rho[period] / 2 else 0


def _order_of_chains(phi: Array) -> tuple[str, bool]:
    """Say what is odd about chains ``(C, n, k)``, and whether neighbours are alike."""
    chains, n = phi.shape[:2]
    centred = phi - phi.mean(axis=(0, 1))
    variance = (centred**2).mean(axis=(0, 1))
    moving = variance > 1e-300
    across = (centred[1:] * centred[:-1]).mean(axis=(0, 1))[moving] / variance[moving]
    along = (centred[:, 1:] * centred[:, :-1]).mean(axis=(0, 1))[moving] / variance[moving]
    if not moving.any() or n < 2:
        return "", False
    where = 'layout = "(steps, chains, d)" or "(chains, steps, d)" says which axis is which'
    least = max(TELLING, 5 / np.sqrt(chains * n))
    if across.mean() > least and across.mean() > along.mean():
        return (
            f"neighbouring chains are correlated ({across.mean():.2f}), and the points of one "
            f"hardly are ({along.mean():.2f}): {where}"
        ), True
    if chains > n:
        return f"{chains} chains of {n} points each: {where}", False
    return "", False
