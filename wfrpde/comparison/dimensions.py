r"""Samples in any dimension, judged against a product whose numbers are known.

A density on a mesh cannot be compared with samples in d = 100; averages can, whose truth a
`ProductSolution` knows with an error bar: moments of coordinates, probabilities of half-spaces
along fixed and random directions, masses of regions such as ``count(x > 0) >= 50``, and the
averages of log(ρ/π) and of its square about KL. Each is tested by Student's t over independent
replicates, and all tests together keep one error rate (Holm, 1979), however they depend on one
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.comparison.observables import reference_values, values
from wfrpde.comparison.product_density import ProductDensity
from wfrpde.comparison.product_observables import along, directions_of, log_ratios, shares
from wfrpde.errors import InputError
from wfrpde.flow.product.solution import ProductSolution

FEWEST = 5.0
"""Hits of a region, expected in a replicate, below which it is left out: its average is not
near to a normal one."""

REPLICATES = 8
"""Independent replicates that are needed at least."""


@dataclass(frozen=True)
class Average:
    """One average of a sample beside its truth.

    Attributes
    ----------
    name
        Of what.
    truth, truth_error
        As the flow gives it.
    value, standard_error
        Mean over the replicates, and its standard error.
    p
        Two-sided, of Student's t; the truth's error is granted.
    found
        Whether it differs at the error rate of all tests together.
    """

    name: str
    truth: float
    truth_error: float
    value: float
    standard_error: float
    p: float
    found: bool


@dataclass(frozen=True)
class Judgement:
    """What was found; `passed` if nothing differs.

    Attributes
    ----------
    averages
        Every test, the least probable first.
    left_out
        Regions that too few points fall in.
    level
        Probability that a right sample is found wrong at all.
    """

    averages: tuple[Average, ...]
    left_out: tuple[str, ...]
    level: float

    @property
    def passed(self) -> bool:
        """Whether no average differs."""
        return not any(average.found for average in self.averages)

    def __str__(self) -> str:
        found = [average for average in self.averages if average.found]
        if not found:
            return f"no difference in {len(self.averages)} averages (level {self.level:g})"
        first = found[0]
        return (
            f"{len(found)} of {len(self.averages)} averages differ (level {self.level:g}); most of "
            f"all {first.name}: {first.value:.5g} ± {first.standard_error:.1g}, truth "
            f"{first.truth:.5g}"
        )


class ProductJudge:
    """Knows the truth at one time, and judges samples of it.

    Parameters
    ----------
    solution
        The flow.
    t
        One of its times, or ∞ for the target.
    directions
        How many random directions w are looked along, besides (1, …, 1)/√d.
    coordinates
        How many single coordinates are looked at, evenly spread.
    level
        Probability that a right sample is found wrong, all tests together.
    seed
        Of the directions.
    """

    def __init__(
        self,
        solution: ProductSolution,
        t: float,
        *,
        directions: int = 8,
        coordinates: int = 20,
        level: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.solution, self.t, self.level = solution, t, level
        self._density = ProductDensity(solution, t)
        observables = along(directions_of(solution.dim, directions, coordinates, seed=seed))
        if np.isfinite(t):
            observables += log_ratios()
        observables += shares(solution.case.target.modes, "mass", "target.modes")
        self._observables = observables
        known = reference_values(observables, self._density, {})
        self._truths = np.array([(truth.value, truth.error) for truth in known])

    def values(self, x: Array) -> Array:
        """Return the functions whose averages are compared, ``(m, n)`` at points ``(n, d)``."""
        return values(self._observables, x, self._density).T

    def judge(
        self, samples: Sequence[npt.ArrayLike], log_weights: Sequence[npt.ArrayLike] | None = None
    ) -> Judgement:
        """Compare independent replicates with the truth.

        Parameters
        ----------
        samples
            ``R`` arrays of points ``(N, d)``. Points of one replicate may depend on each other.
        log_weights
            ``R`` arrays ``(N,)``, up to a constant each; None for equal weights.

        Raises
        ------
        InputError
            If there are too few replicates, or points that are none.
        """
        replicates = [np.asarray(x, dtype=float) for x in samples]
        if len(replicates) < REPLICATES:
            raise InputError("samples", f"{len(replicates)} replicates", f"at least {REPLICATES}")
        for x in replicates:
            if x.ndim != 2 or x.shape[1] != self.solution.dim or not np.isfinite(x).all():
                needed = f"points (N, {self.solution.dim}), all finite"
                raise InputError("samples", f"an array of shape {x.shape}", needed)
        means = []
        for k, x in enumerate(replicates):
            log_w = np.zeros(len(x)) if log_weights is None else np.asarray(log_weights[k], float)
            w = np.exp(log_w - log_w.max())
            means.append(self.values(x) @ (w / w.sum()))
        names = [observable.name for observable in self._observables]
        size = min(len(x) for x in replicates)
        return compared(names, self._truths, np.array(means), size, self.level)


def compared(
    names: Sequence[str], truths: Array, means: Array, size: int, level: float
) -> Judgement:
    """Compare averages of independent replicates with the truth.

    Parameters
    ----------
    names, truths
        Of each average its name, and its true value and the error of that ``(m, 2)``.
    means
        Averages of each replicate ``(R, m)``.
    size
        Points of a replicate: what too few of them fall in is left out.
    level
        Probability that a right sample is found wrong, all averages together.
    """
    from scipy.stats import t as student

    count = len(means)
    truth, error = truths.T
    value = means.mean(axis=0)
    standard = means.std(axis=0, ddof=1) / np.sqrt(count)
    gap = np.maximum(np.abs(value - truth) - error, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * student.sf(np.where(gap > 0, gap / standard, 0.0), count - 1)
    p = np.where(np.isfinite(gap), p, 0.0)  # what is no number is no average of a right sample
    region = np.array([name.startswith(("mass ", "P ", "P(")) for name in names])
    rare = region & (size * np.minimum(truth, 1 - truth) < FEWEST)
    tested = np.flatnonzero(~rare)
    order = tested[np.argsort(p[tested])]
    averages, still = [], True
    for rank, k in enumerate(order):
        still = bool(still and p[k] <= level / (len(order) - rank))
        averages.append(Average(names[k], truth[k], error[k], value[k], standard[k], p[k], still))
    left_out = tuple(name for name, out in zip(names, rare, strict=True) if out)
    return Judgement(tuple(averages), left_out, level)
