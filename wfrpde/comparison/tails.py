r"""How heavy the tail of importance weights is: what averages of few heavy points can be trusted.

Weights above a high level exceed it by about a generalised Pareto law, with moments below 1/k.
Averages of N points converge slower the larger k is; from k = min(1 − 1/log₁₀ N, 0.7) on they are
off by more than any error that the points tell, as the heaviest weights have not been drawn. Tests
at an error rate of many averages need such errors far out, too: up to three quarters of that.

References
----------
A. Vehtari, D. Simpson, A. Gelman, Y. Yao and J. Gabry (2024), JMLR 25(72): the level, the number of
points above it, the limit of k.
J. Zhang and M. A. Stephens (2009), Technometrics 51, 316–325: the fit.
"""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array, Integers

LEAST = 5
"""Points above the level below which nothing is said."""

PRIOR, POINTS = 0.5, 10
"""Fits of few points are drawn to this k, as if so many more points had said it."""

STEEP = 5
"""Points with at least so many copies, beside those with more: no law is spread evenly there."""

CAUTION = 0.75
"""Share of the k up to which averages converge, up to which their errors are trusted in a test."""


def pareto_shape(log_weights: Array, copies: Integers | None = None) -> float:
    """Return k of weights ``(n,)``, their logs up to a constant; −∞ where there is no tail.

    Where points stand for ``copies`` ``(n,)``, as resampling or a chain leaves them, weights are
    whole numbers of a unit, which stand for what was rounded, evenly from half a unit less to half
    a unit more; points that are none any more had next to nothing. The tail begins between two
    numbers of copies: a sliver of one of them, below the others, would look like a long tail.
    """
    if not np.isfinite(log_weights.max()):
        return -np.inf
    w, points = np.exp(log_weights - log_weights.max()), len(log_weights)
    whole = copies is not None and copies.max() > 1
    if copies is not None and whole:
        w, points = w * (1 + _rounded(copies) / copies), int(copies.sum())
    count = int(np.ceil(min(0.2 * points, 3 * np.sqrt(points))))
    if copies is not None and whole and np.ptp(log_weights - np.log(copies)) < 1e-9:
        count = _between(copies, count)
    w = np.sort(w)
    beyond = w[-count:] - (w[-count - 1] if count < len(w) else 0.0)
    beyond = beyond[beyond > 1e-12]
    return fitted(beyond) if len(beyond) >= LEAST else -np.inf


def _between(copies: Integers, count: int) -> int:
    """Return so many, or to the nearest end of a number of copies that five times fewer exceed."""
    sizes = np.cumsum(np.unique(copies, return_counts=True)[1][::-1])
    k = int(np.searchsorted(sizes, count))  # among those with one number of copies the tail begins
    if k == 0 or k == len(sizes) or sizes[k] < STEEP * sizes[k - 1]:
        return count
    return int(sizes[k - 1] if count**2 < sizes[k] * sizes[k - 1] else sizes[k])


def _rounded(copies: Integers) -> Array:
    """Evenly spread from −1/2 to 1/2 over all that have one number of copies: ``(n,)``."""
    order = np.argsort(copies, kind="stable")
    _, first, equal = np.unique(copies[order], return_index=True, return_counts=True)
    rank = np.arange(len(copies)) - np.repeat(first, equal)
    result = np.empty(len(copies))
    result[order] = (rank + 0.5) / np.repeat(equal, equal) - 0.5
    return result


def fitted(beyond: Array) -> float:
    """Return k of a generalised Pareto law of points ``(n,)``, positive and ascending.

    With 1 − b x in the likelihood of which k = ⟨log(1 − b x)⟩ is the maximum at given b, the
    posterior mean of b under a prior that the points scale.
    """
    n = len(beyond)
    grid = 30 + int(np.sqrt(n))
    quartile = beyond[int(n / 4 + 0.5) - 1]
    at = 1 - np.sqrt(grid / (np.arange(grid) + 0.5))
    b = at / (3 * quartile) + 1 / beyond[-1]
    b = b[np.abs(b) * beyond[-1] > 1e-9]  # −b/k has a limit there, and no value
    k = np.log1p(-np.multiply.outer(b, beyond)).mean(axis=1)
    logs = n * (np.log(-b / k) - k - 1)
    share = np.exp(logs - logs.max())
    best = float(np.log1p(-(share @ b / share.sum()) * beyond).mean())
    return (n * best + POINTS * PRIOR) / (n + POINTS)


def most_shape(points: float, caution: float = CAUTION) -> float:
    """Return the k up to which errors of averages over so many weighted points are trusted."""
    return caution * float(min(1 - 1 / np.log10(max(points, 2.0)), 0.7))


def doubt_of(shape: float, points: float, worth: float, caution: float = CAUTION) -> str:
    """Say why weights with this k tell nothing of an average over so many points, or "".

    They are `worth` as many of equal weights, 1/Σw². The `caution` is 1 where what no point has
    seen is granted to a few averages, which are right then up to the limit of k itself.
    """
    most = most_shape(points, caution)
    if not shape > most:
        return ""
    return (
        f"the weights have too heavy a tail (Pareto k = {shape:.2f}, where {points:g} points of "
        f"a replicate bear {most:.2f}; they are worth {worth:.3g}): it takes lighter weights, or "
        "more points in a replicate"
    )
