r"""Samples in any dimension, judged against a product or a chain whose numbers are known.

A density on a mesh cannot be compared with samples in d = 100; averages can, whose truth a
`ProductSolution` or a `ChainSolution` knows with an error bar: moments of coordinates,
probabilities of half-spaces along fixed and random directions, masses of regions such as
``count(x > 0) >= 50``, and the averages of log(ρ/π), of its square about KL, and of the squared
distance from the mean. Each is tested by Student's t over independent replicates, and by the error
that the points of these tell
(`wfrpde.comparison.weighed`); the energy distance and MMD by halves of the replicates
(`wfrpde.comparison.halves`). All tests together keep one error rate (Holm, 1979), however they
depend on one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags
from wfrpde.comparison.flows import meshless_density
from wfrpde.comparison.halves import Distance, gaps_of, tested
from wfrpde.comparison.law_tails import LawTails
from wfrpde.comparison.observables import reference_values, values
from wfrpde.comparison.product_observables import observables_of, shares
from wfrpde.comparison.statistics import holm
from wfrpde.comparison.weighed import (
    EFFECTIVE,
    Means,
    Weighed,
    check_independent,
    check_weights,
    corrected,
    normalised,
)
from wfrpde.errors import InputError
from wfrpde.flow.chain.solution import ChainSolution
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
        Two-sided, of Student's t; the truth's error is granted. Of distances one-sided.
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
    doubt
        Why nothing is decided, and no average is found to differ; "" if it is.
    """

    averages: tuple[Average, ...]
    left_out: tuple[str, ...]
    level: float
    doubt: str = ""

    @property
    def passed(self) -> bool:
        """Whether no average differs, and that is decided."""
        return not self.doubt and not any(average.found for average in self.averages)

    def __str__(self) -> str:
        found = [average for average in self.averages if average.found]
        if not found and self.doubt:
            return f"undecided: {self.doubt}"
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
        solution: ProductSolution | ChainSolution,
        t: float,
        *,
        directions: int = 8,
        coordinates: int = 20,
        level: float = 0.01,
        seed: int = 0,
    ) -> None:
        self.solution, self.t, self.level = solution, t, level
        self._density = meshless_density(solution, t)
        observables = observables_of(
            solution.dim,
            moving=bool(np.isfinite(t)),
            directions=directions,
            coordinates=coordinates,
            seed=seed,
        )
        observables += shares(solution.case.target.modes, "mass", "target.modes")
        self._observables = observables
        known = reference_values(observables, self._density, {})
        self._truths = np.array([(truth.value, truth.error) for truth in known])
        self._gaps = gaps_of(self._density)
        self._tails = LawTails.of_all(observables, self._density)

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
            If there are too few replicates or effective points, replicates with common points, or
            points that are none.
        """
        replicates = [np.asarray(x, dtype=float) for x in samples]
        if len(replicates) < REPLICATES:
            raise InputError("samples", f"{len(replicates)} replicates", f"at least {REPLICATES}")
        for x in replicates:
            if x.ndim != 2 or x.shape[1] != self.solution.dim or not np.isfinite(x).all():
                needed = f"points (N, {self.solution.dim}), all finite"
                raise InputError("samples", f"an array of shape {x.shape}", needed)
        if log_weights is not None:
            check_weights(replicates, log_weights)
        check_independent(replicates)
        found, gaps = [], []
        for k, x in enumerate(replicates):
            logs = np.zeros(len(x)) if log_weights is None else np.asarray(log_weights[k], float)
            found.append(Weighed.of(x, self.values(x), logs))
            w = corrected(normalised(logs))
            gaps.append([gap.of(x, w) for gap in self._gaps.values()])
        distances = [
            (name, tested(own, gap.error))
            for (name, gap), own in zip(self._gaps.items(), zip(*gaps, strict=True), strict=True)
        ]
        names = [observable.name for observable in self._observables]
        means, tails = Means.of(found), self._tails
        missed, heavy = tails.beyond(means.beyond), tails.doubts(means.effective)
        return compared(names, self._truths, means, self.level, distances, missed, heavy)


def compared(
    names: Sequence[str],
    truths: Array,
    means: Means,
    level: float,
    distances: Sequence[tuple[str, Distance]] = (),
    missed: Array | float = 0.0,
    heavy: Sequence[str] = (),
) -> Judgement:
    """Compare averages of independent replicates with the truth.

    Parameters
    ----------
    names, truths
        Of each average its name, and its true value and the error of that ``(m, 2)``.
    means
        The averages.
    level
        Probability that a right sample is found wrong, all averages together.
    distances
        Distances that are 0 of a right sample, by their names.
    missed
        ``(2, m)``: what of each average no point may have seen (`weighed.unseen`). What it alone
        excuses is undecided.
    heavy
        Why each average has no error bar (`LawTails.doubts`), or "": such is undecided.

    Raises
    ------
    InputError
        If replicates have too few points, or weights leave too few effective ones.
    """
    size = means.effective / means.replicates
    if size < EFFECTIVE:
        # resampled points would hide how few they were before
        few = f"{size:.3g} effective points in a replicate"
        least = f"at least {EFFECTIVE:g}: nothing can be said of fewer"
        do = "more points in each replicate, copies of one point counted once"
        raise InputError("samples", few, least, do)
    truth, error = truths.T
    region = np.array([name.startswith(("mass ", "P ", "P(")) for name in names])
    rare = region & (size * np.minimum(truth, 1 - truth) < FEWEST)
    kept = np.flatnonzero(~rare)
    of_distances = [distance.p for _, distance in distances]

    unknown = np.array(heavy or [""] * len(names))

    def differing(p: Array) -> Flags:
        return holm(np.concatenate([np.where(unknown == "", p, 1.0)[kept], of_distances]), level)

    p, standard = means.p_values(truth, error, missed), means.standard_error
    found, seeming = differing(p), differing(means.p_values(truth, error))
    excused = seeming & ~found
    doubt = means.doubt
    if not doubt and excused.any() and not found.any():
        k = kept[np.argmax(excused)]
        doubt = (
            f"{names[k]} is {means.value[k]:.5g} ± {standard[k]:.1g} instead of {truth[k]:.5g}, "
            f"but beyond the heaviest point may lie {means.beyond:.1%} of the law, and the error "
            f"rests on {means.carriers[k]:.2g} points: it takes lighter weights, or more points "
            "in a replicate"
        )
    elif not doubt and any(heavy) and not found.any():
        k = int(np.argmax(unknown != ""))
        doubt = f"{names[k]}: {unknown[k]}"
    if doubt:
        found[:] = False
    averages = [
        Average(names[k], truth[k], error[k], means.value[k], standard[k], p[k], bool(own))
        for k, own in zip(kept, found, strict=False)
    ]
    averages += [
        Average(name, 0.0, d.allowed, d.value, d.standard_error, d.p, bool(own))
        for (name, d), own in zip(distances, found[len(kept) :], strict=True)
    ]
    averages.sort(key=lambda average: average.p)
    left_out = tuple(name for name, out in zip(names, rare, strict=True) if out)
    return Judgement(tuple(averages), left_out, level, doubt)
