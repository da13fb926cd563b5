r"""Averages of weighted points, and how certain the points of one replicate make them.

Few replicates agree by chance more often than Student's t foresees where each of them has few
effective points, n = 1/Σw²: an average over these is skewed. So their spread is not all that is
asked: the points of a replicate tell an error of their own, Σ w_i² (φ_i − φ̂)², which does not
depend on how well replicates agree, and only what *both* errors make improbable is a difference.
Points that avoid one another (antithetic, stratified) have a smaller error than that: of such a
sampler less is found, and nothing wrongly.

An average whose summands are skewed is rarely far out on the side of their tail and often on the
other one: together with the error that the points tell, which is too small where the tail has not
been drawn. Hall's transformation of Student's t takes that into account to first order; it may
excuse a gap, and makes none significant.

Errors that points tell do not know what no point has seen. A point stands for its share w of the
law. Where weights grow like u^−k as the share u of proposals beyond goes to 0, ∫ u^−k du, which is
w/(1 − k), is beyond the heaviest of them, and all may have missed it: what such a tail of the law
that is claimed holds of an average (`unseen`) is granted on its side.

Where all replicates miss the heaviest weights no error knows it: the tail of the weights
(`wfrpde.comparison.tails`) says when nothing can be said. Weights are those of points that differ:
resampling makes copies of heavy points, which are no further ones.

References
----------
P. Hall (1992), On the removal of skewness by transformation, J. R. Stat. Soc. B 54, 221–228.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Integers
from wfrpde.comparison.statistics import expectation, unskewed
from wfrpde.comparison.tails import doubt_of, pareto_shape
from wfrpde.errors import InputError

SHARED = 0.05
"""Share of points in several replicates from which these are no independent ones."""

EFFECTIVE = 20.0
"""Effective points of a replicate, 1/Σw², below which its averages are far from normal ones."""

LATTICE = 5
"""Numbers that differ below which nothing tells a lattice."""


def check_weights(
    replicates: Sequence[npt.ArrayLike], log_weights: Sequence[npt.ArrayLike], when: str = ""
) -> None:
    """Raise InputError unless each point has a log weight, and not all of a replicate are −∞."""
    shapes = [np.shape(own) for own in log_weights]
    fit = shapes == [(len(np.asarray(own)),) for own in replicates]
    if not fit or not all(np.isfinite(np.max(own)) for own in log_weights):
        found = f"{len(shapes)} arrays that do not fit, or are not numbers{when}"
        raise InputError("log_weights", found, "one log weight (N,) for each point")


def check_independent(replicates: Sequence[Array], when: str = "") -> None:
    """Raise InputError where replicates ``(N, d)`` have points in common, as those of one pool do.

    Points on a lattice coincide without being copies, and numbers of seven digits may.
    """
    if len(np.unique(first := np.concatenate([np.unique(x[:, 0]) for x in replicates]))) == len(
        first
    ):
        return
    own = [np.unique(x, axis=0) for x in replicates]
    every = np.concatenate(own)
    common = 1 - len(np.unique(every, axis=0)) / len(every)
    coarse = every.shape[1] == 1 and _few_digits(every)
    if common > SHARED and not coarse and not all(map(on_lattice, every.T)):
        raise InputError(
            "samples",
            f"{common:.0%} of the points of a replicate in others, too{when}",
            "independent replicates",
            "points that are drawn again from one pool tell no more than the pool: give it once",
        )


def _few_digits(x: Array) -> bool:
    """Whether numbers are of single precision, or written with at most seven digits."""
    if (x == x.astype(np.float32)).all():
        return True
    size = np.abs(x[x != 0])
    digits = size * 10.0 ** (6 - np.floor(np.log10(size)))
    return bool((np.abs(digits - np.rint(digits)) < 1e-7).all())


def normalised(log_weights: Array) -> Array:
    """Return weights ``(n,)`` of sum 1."""
    w = np.exp(log_weights - log_weights.max())
    return np.asarray(w / w.sum())


def distinct(x: Array, log_weights: Array) -> tuple[Integers, Array, Integers]:
    """Take points ``(n, d)`` that coincide for one, with all of their weight.

    Resampling leaves copies of heavy points, and chains that stand still write down the same one
    again: how many of them there are is a weight, which has to be told from many points. Points on
    a lattice, such as numbers that are written with two digits, coincide without being copies.

    Returns
    -------
    tuple of arrays
        Indices ``(m,)`` of one of each, their log weights, up to the same constant, and how many
        there are.
    """
    n, top = len(x), log_weights.max()
    coincide = len(np.unique(x[:, 0])) < n  # hardly ever
    if coincide and np.isfinite(top) and not all(map(on_lattice, x.T)):
        _, first, own, copies = np.unique(
            x, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        sums = np.bincount(own.ravel(), np.exp(log_weights - top))
        with np.errstate(divide="ignore"):
            return first, np.asarray(top + np.log(sums)), copies
    return np.arange(n), log_weights, np.ones(n, dtype=int)


def on_lattice(x: Array) -> bool:
    """Whether numbers ``(n,)`` lie on a lattice, most of them next to another one."""
    apart = np.unique(x)
    if len(apart) < LATTICE:
        return False
    gaps = np.diff(apart)
    steps = (apart - apart[0]) / gaps.min()
    # what rounding leaves of the smallest gap grows with their number
    rounded = 8 * np.finfo(float).eps * np.abs(apart).max() / gaps.min() * (1 + steps)
    dense = np.median(gaps) < 2.5 * gaps.min() and rounded.max() < 0.05
    return bool(dense and (np.abs(steps - np.rint(steps)) <= rounded).all())


def corrected(w: Array) -> Array:
    """Return W ``(n,)`` of sum 1, as w is: Σ W_i φ_i is the average of every φ, less its bias.

    Jackknife: with φ̂ = Σ w_i φ_i, leaving out a point changes it by −w_i (φ_i − φ̂)/(1 − w_i), and
    n − 1 times the mean of that is the bias of order 1/n. It differs by order 1/n² from
    −Σ w_i² (φ_i − φ̂), which sees less of it where points are few, as w tells less than it should
    of what lies beyond the heaviest.
    """
    n = np.count_nonzero(w)
    if n < 2:
        return w
    left = 1 / np.maximum(1 - w, np.finfo(float).eps)
    return np.asarray(w * (1 + (1 - 1 / n) * (left - w @ left)))


def unseen(values: Array, masses: Array, share: float | Array) -> Array:
    """Return what the tails of a law with so much mass hold of averages: ``(2, m)``.

    ∫ (⟨φ⟩ − φ) dρ where φ is smallest, and ∫ (φ − ⟨φ⟩) dρ where it is largest, over the `share`.

    Parameters
    ----------
    values, masses
        Of m functions ``(m, n)`` at points that stand for the law, and of these ``(n,)``.
    share
        A mass between 0 and 1, or ``(L,)`` of them: then ``(2, m, L)``.
    """
    gaps = values - expectation(values, masses)[:, None]
    found = np.empty((2, len(values), *np.shape(share)))
    for k, row in enumerate(gaps):
        order = np.argsort(row)
        for side, (sign, way) in enumerate(((-1, order), (1, order[::-1]))):
            own = np.append(0.0, masses[way])
            held = np.append(0.0, sign * row[way]) * own
            found[side, k] = np.interp(share, np.cumsum(own), np.cumsum(held))
    return np.maximum(found, 0.0)


def skewness_of(squares: Array, cubes: Array) -> Array:
    """Return that of a sum with these second and third moments ``(m,)``; 0 of what is constant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(cubes / squares**1.5, posinf=0.0, neginf=0.0)


def beyond_heaviest(heaviest: Array, shape: float) -> float:
    """Return how much of a law may lie beyond the heaviest points ``(R,)`` of all replicates.

    w/(1 − k) of the heaviest, which stands for w/R, where weights have a tail of this `shape` k.
    """
    return float(np.max(heaviest) / len(heaviest) / (1 - np.clip(shape, 0.0, 0.9)))


@dataclass(frozen=True)
class Weighed:
    """Averages of m functions over the points of one replicate.

    Attributes
    ----------
    means
        ``(m,)``, less the bias that the division by the sum of the weights has to first order in
        1/n: Σ w_i² (φ_i − φ̂) is added to Σ w_i φ_i.
    squares, cubes, fourths
        ``(m,)``: squared standard error of each, and third moment of the error, of points that do
        not depend on one another; sum of the fourth powers of what points add to it.
    effective, heaviest
        n = 1/Σw², and the largest w.
    points, shape
        Their number, and k of the tail of the weights of those that differ.
    """

    means: Array
    squares: Array
    cubes: Array
    fourths: Array
    effective: float
    heaviest: float
    points: int
    shape: float

    @classmethod
    def of(cls, x: Array, values: Array, log_weights: Array | None = None) -> Weighed:
        """Weigh the values ``(m, n)`` of functions at points, log weights up to a constant."""
        count = len(x)
        logs = np.zeros(count) if log_weights is None else log_weights
        some, logs, copies = distinct(x, logs)
        w, values = normalised(logs), values[:, some]
        gap = values - expectation(values, w)[:, None]
        squares, cubes, fourths = (gap**p @ w**p for p in (2, 3, 4))
        effective, heaviest = float(1 / (w @ w)), float(w.max())
        return cls(
            expectation(values, corrected(w)), squares, cubes, fourths, effective, heaviest, count,
            pareto_shape(logs, copies),
        )  # fmt: skip


@dataclass(frozen=True)
class Means:
    """Averages over R replicates, and what their spread and their points say of the error.

    Attributes
    ----------
    value
        ``(m,)``.
    between, within
        ``(m,)``: standard errors.
    skewness, carriers
        ``(m,)``, of the averages, as the points tell it, and the number of points that their error
        rests on: (Σs²)²/Σs⁴ of what points add.
    replicates, effective
        R, and effective points of all of them.
    beyond
        w/(1 − k) of the heaviest point of all: how much of the law may lie beyond it.
    doubt
        Why the weights tell nothing, or "".
    """

    value: Array
    between: Array
    within: Array
    skewness: Array
    carriers: Array
    replicates: int
    effective: float
    beyond: float
    doubt: str = ""

    @classmethod
    def of(cls, found: Sequence[Weighed]) -> Means:
        """Average over replicates."""
        rows, count = np.array([own.means for own in found]), len(found)
        squares = np.sum([own.squares for own in found], axis=0)
        within = np.sqrt(squares) / count
        with np.errstate(divide="ignore", invalid="ignore"):  # of what is the same at all points
            skewness = skewness_of(squares, np.sum([own.cubes for own in found], axis=0))
            carriers = squares**2 / np.sum([own.fourths for own in found], axis=0)
        effective = float(sum(own.effective for own in found))
        between = rows.std(axis=0, ddof=1) / np.sqrt(count)
        shape, points = np.median([(own.shape, own.points) for own in found], axis=0)
        beyond = beyond_heaviest(np.array([own.heaviest for own in found]), float(shape))
        doubt = doubt_of(float(shape), float(points), effective / count)
        return cls(
            rows.mean(axis=0), between, within, skewness, carriers, count, effective,
            beyond, doubt,
        )  # fmt: skip

    @property
    def standard_error(self) -> Array:
        """The larger of the two."""
        return np.maximum(self.between, self.within)

    def p_values(self, truth: Array, allowed: Array, missed: Array | float = 0.0) -> Array:
        """Two-sided, by Student's t: the larger of those that the two errors give.

        Granted is what the truth may be off, and on the side of either tail what of it no point
        may have seen, ``(2, m)`` as `unseen` gives it. A gap that is no number has p = 0: such is
        no average of a right sample.
        """
        from scipy.stats import t as student

        sign = np.sign(self.value - truth)
        low, high = np.broadcast_to(missed, (2, len(truth)))
        granted = allowed + np.where(sign > 0, low, high)
        gap = np.maximum(np.abs(self.value - truth) - granted, 0.0)
        freedom = (self.replicates - 1, max(self.effective - self.replicates, 1.0))
        found = []
        for error, free in zip((self.between, self.within), freedom, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                t = np.where(gap > 0, gap / error, 0.0)
                found.append(2 * student.sf(unskewed(t, sign * self.skewness), free))
        return np.where(np.isfinite(gap), np.maximum(*found), 0.0)
