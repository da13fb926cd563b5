"""R-hat and effective sample size of Markov chains, rank-normalised, as ArviZ defines them.

References
----------
A. Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Bürkner (2021), Bayesian Analysis 16,
667–718.
"""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array

SHORTEST = 4
"""Points of a chain below which neither number is defined."""


def r_hat(chains: Array) -> float:
    """Rank-normalised split R̂ of chains ``(C, n)``: the larger one of bulk and tails.

    NaN of chains that are too short or never move; ∞ where each is constant, and they differ.
    """
    if chains.shape[1] < SHORTEST or np.ptp(chains) == 0:
        return float("nan")
    halves = _split(chains)
    folded = np.abs(halves - np.median(halves))
    return float(np.fmax(_ratio(_normal_scores(halves)), _ratio(_normal_scores(folded))))


def bulk_ess(chains: Array) -> float:
    """Effective sample size of the bulk of chains ``(C, n)``, all of them together.

    NaN of chains that are too short or never move.
    """
    if chains.shape[1] < SHORTEST or np.ptp(chains) == 0:
        return float("nan")
    scores = _normal_scores(_split(chains))
    count, n = scores.shape
    covariance = autocovariance(scores.T).mean(axis=1)
    within = covariance[0] * n / (n - 1.0)
    total = covariance[0] + (scores.mean(axis=1).var(ddof=1) if count > 1 else 0.0)
    rho = 1.0 - (within - covariance) / total
    rho[0] = 1.0
    # Geyer: sums of neighbouring pairs are positive, and fall
    kept = np.zeros(n)
    kept[:2] = rho[:2]
    even, odd, t = rho[0], rho[1], 1
    while t < n - 3 and even + odd > 0:
        even, odd = rho[t + 1], rho[t + 2]
        if even + odd >= 0:
            kept[t + 1 : t + 3] = even, odd
        t += 2
    last = t - 2
    if even > 0:
        kept[last + 1] = even
    for t in range(1, last - 1, 2):
        before = kept[t - 1] + kept[t]
        if kept[t + 1] + kept[t + 2] > before:
            kept[t + 1 : t + 3] = before / 2
    tau = -1.0 + 2.0 * kept[: last + 1].sum() + kept[last + 1]
    points = count * n
    return float(points / max(tau, 1.0 / np.log10(points)))


def autocovariance(series: Array) -> Array:
    """Autocovariances ``(n, k)``, divided by n, of series ``(n, k)``."""
    n = len(series)
    centred = series - series.mean(axis=0)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size, axis=0)
    return np.asarray(np.fft.irfft(spectrum * spectrum.conj(), size, axis=0)[:n] / n)


def _split(chains: Array) -> Array:
    """Halves of chains; of an odd number of points the middle one is left out."""
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, -half:]])


def _normal_scores(chains: Array) -> Array:
    """Φ⁻¹((r − 3/8)/(n + 1/4)) of the ranks r among all points, equal ones sharing theirs."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    ranks = rankdata(chains, method="average").reshape(chains.shape)
    return np.asarray(ndtri((ranks - 0.375) / (chains.size + 0.25)))


def _ratio(chains: Array) -> float:
    n = chains.shape[1]
    between = n * chains.mean(axis=1).var(ddof=1)
    within = chains.var(axis=1, ddof=1).mean()
    if within <= 1e-20 * between:  # constant but for round-off
        return float("inf") if between > 0 else float("nan")
    return float(np.sqrt((between / within + n - 1) / n))
