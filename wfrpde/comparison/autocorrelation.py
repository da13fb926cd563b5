"""How many independent points the points of a Markov chain are worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

WINDOW = 5.0
"""The sum of autocorrelations ends at the first lag that is this many times its own result."""


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
    centred = series - series.mean(axis=0)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size, axis=0)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), size, axis=0)[:n]
    variance = covariance[0]
    moving = variance > 1e-300
    correlation = covariance / np.where(moving, variance, 1.0)
    tau = 2 * np.cumsum(correlation, axis=0) - 1
    wide = np.arange(n)[:, None] >= WINDOW * np.maximum(tau, 1e-3)
    end = np.where(wide.any(axis=0), wide.argmax(axis=0), n - 1)
    result = np.maximum(tau[end, np.arange(series.shape[1])], 1.0)
    return np.where(moving, np.minimum(result, n), 1.0)


def chain_error(series: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Give the standard errors of a chain's averages, and how many points they are worth, ``(k,)``.

    Parameters
    ----------
    series
        ``(n, k)`` observables along the chain.
    weights
        ``(n,)`` weights of the points, summing to one; equal where there are none.
    """
    n = len(series)
    if weights is None:
        weights = np.full(n, 1.0 / n)
    mean = weights @ series
    # linearised self-normalised average: its summands are a chain with equal weights
    summands = n * weights[:, None] * (series - mean)
    effective = n / integrated_time(summands)
    error = np.sqrt((summands**2).mean(axis=0) / effective)
    return error, effective


def chains_error(series: Array, weights: Array, chains: int) -> tuple[Array, Array]:
    """Combine several chains of one length that stand behind one another; see `chain_error`.

    From four chains on, the larger of the two standard errors is taken, within and between: a
    chain that is stuck looks sure of itself.

    Parameters
    ----------
    series
        ``(n, k)`` observables, chain after chain.
    weights
        ``(n,)`` weights of the points, summing to one.
    chains
        How many chains there are.
    """
    if chains < 2 or len(series) % chains:
        return chain_error(series, weights)
    parts = [
        chain_error(phi, w / w.sum())
        for phi, w in zip(np.split(series, chains), np.split(weights, chains), strict=True)
    ]
    error = np.sqrt(sum(e**2 for e, _ in parts)) / chains
    worth = np.sum([n for _, n in parts], axis=0)
    if chains < 4:
        return error, worth
    means = [
        w @ phi / w.sum()
        for phi, w in zip(np.split(series, chains), np.split(weights, chains), strict=True)
    ]
    between = np.std(means, axis=0, ddof=1) / np.sqrt(chains)
    stuck = between > error
    return np.where(stuck, between, error), np.where(stuck, float(chains), worth)
