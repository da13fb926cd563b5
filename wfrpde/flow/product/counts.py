r"""How many of independent events happen, and the probability that at least k do.

The number N = Σ X_i of events with probabilities p_i is tilted like a sum: under the law
∝ e^{an} the events have the odds e^a p/(1 − p), and P(N ≥ k) = E e^{aN} Σ_{n ≥ k} e^{−an} P_a(n).
With the mean of the tilted law at k nothing underflows, and every term is positive.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammaln, logsumexp

from wfrpde.arrays import Array, Integers


def log_at_least(k: int, log_p: Array, log_q: Array, counts: npt.ArrayLike) -> float:
    """Return log P(N ≥ k).

    Parameters
    ----------
    k
        How many events at least.
    log_p, log_q
        ``(m,)`` logs of the probabilities of an event and of its opposite.
    counts
        ``(m,)`` numbers of events with each.
    """
    numbers = np.asarray(counts, dtype=int)
    total = int(numbers.sum())
    if k <= 0:
        return 0.0
    if k > total:
        return -np.inf
    with np.errstate(invalid="ignore"):
        odds = log_p - log_q
    a = _tilt(k, total, odds, numbers)
    pmf: Array = np.ones(1)
    log_mgf = 0.0
    for lp, lq, odd, n in zip(log_p, log_q, odds, numbers, strict=True):
        log_mgf += n * float(logsumexp([lp + a, lq]))
        share = float(expit(odd + a))
        pmf = np.asarray(np.convolve(pmf, _binomial(int(n), share, float(expit(-odd - a)))))
    n = np.arange(k, total + 1)
    with np.errstate(divide="ignore"):
        return float(log_mgf + logsumexp(np.log(pmf[k:]) - a * n))


def _tilt(k: int, total: int, odds: Array, numbers: Integers) -> float:
    """Return a at which the mean of the tilted law is k − ½, or 0 where it is above."""
    from scipy.optimize import brentq

    def excess(a: float) -> float:
        return float(numbers @ expit(odds + a)) - min(k, total - 0.5)

    if excess(0.0) >= 0 or not np.isfinite(odds).any():
        return 0.0
    high = 1.0
    while excess(high) < 0 and high < 1e6:
        high *= 2
    return float(brentq(excess, 0.0, high)) if excess(high) > 0 else high


def _binomial(n: int, p: float, q: float) -> Array:
    """Probabilities ``(n + 1,)`` of 0 … n of n equal events."""
    if p == 0 or q == 0:
        return np.asarray(np.eye(n + 1)[0 if p == 0 else n], dtype=float)
    j = np.arange(n + 1)
    choose = gammaln(n + 1) - gammaln(j + 1) - gammaln(n - j + 1)
    return np.asarray(np.exp(choose + j * np.log(p) + (n - j) * np.log(q)))
