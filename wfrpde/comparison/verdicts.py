"""From replicate averages to verdicts, with the family-wise error rate kept over all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wfrpde.comparison.autocorrelation import MIXED
from wfrpde.comparison.observables import ReferenceValue
from wfrpde.comparison.results import Row, Verdict
from wfrpde.comparison.statistics import (
    MOST,
    ROUND_OFF,
    Average,
    detectable,
    holm,
    needed_replicates,
    p_above,
    p_value,
    poisson_p_value,
)
from wfrpde.numbers import number

RARE = 50.0
"""Expected number of particles in a region below which the normal approximation is not trusted."""

FEW = 10.0
"""Replicates that must have seen a region before their average of it is judged.

Where a reaction multiplies mass, the particles in a region descend from few that came first, or
carry large weights: the average over replicates that none of these reached is no sign of a bias,
and that over a few is far from normal.
"""


@dataclass(frozen=True)
class Comparison:
    """One row before it is judged.

    ``trials`` is the number of particles of all replicates if the observable is the mass of a
    region, or that of the independent points that Markov chains are worth, else 0. ``witnesses`` is
    how many replicates, in effect, have seen a region that one replicate need not see; ∞ where that
    does not matter. ``ess`` and ``r_hat`` are those of Markov chains; ``unseen`` says of a region
    that they should have seen, and hardly have, or is "".
    ``weights`` says why those of particles tell nothing, or "". A distance cannot be negative: it
    is tested ``above`` its reference alone. ``granted`` is what of a difference weights may have
    made where it is negative, and where it is positive, by what their points have not seen, and
    ``beyond`` how much of the law that is. ``bent`` is the
    skewness of the average of weighted points, away from a negative and from a positive difference.
    """

    sampler: str
    observable: str
    time: float
    replicates: int
    average: Average
    reference: ReferenceValue
    trials: float = 0.0
    witnesses: float = np.inf
    ess: float | None = None
    r_hat: float | None = None
    unseen: str = ""
    weights: str = ""
    above: bool = False
    granted: tuple[float, float] = (0.0, 0.0)
    beyond: float = 0.0
    bent: tuple[float, float] = (0.0, 0.0)

    @property
    def granted_here(self) -> float:
        """What is granted to a difference of this sign."""
        return self.granted[self._side]

    @property
    def bent_here(self) -> float:
        """The skewness away from a difference of this sign."""
        return self.bent[self._side]

    @property
    def _side(self) -> int:
        return int(self.average.value > self.reference.value)

    @property
    def unseen_words(self) -> str:
        """What is said where only what is granted keeps a difference from being one."""
        return (
            f"beyond the heaviest point may lie {number(100 * self.beyond, 2)}% of the law, and "
            f"weights of so few points may be off by {number(max(self.granted), 2)}: it takes "
            "lighter ones, or more points in a replicate"
        )

    @property
    def doubt(self) -> str:
        """Why there is no evidence of a bias, or "": replicates know their error without chains."""
        if self.unseen or self.weights:
            return self.unseen or self.weights
        if self.ess is not None and np.isinf(self.average.standard_error):
            return "one chain, too short to know its error"
        if self.r_hat is None or self.replicates > 1 or self.r_hat <= MIXED:
            return ""
        return f"the chains have not mixed (R̂ = {number(self.r_hat, 3)})"

    @property
    def seen_by_too_few(self) -> bool:
        """Whether rare particles whose mass grows decide the average, and hardly any were seen."""
        return self.witnesses < FEW

    @property
    def expected_hits(self) -> float:
        """Expected number of particles on the rarer side of a region; ∞ for other observables."""
        p = self.reference.value
        return self.trials * max(min(p, 1 - p), 0.0) if self.trials else np.inf


def least_error(p: float, found: float, trials: float, replicates: int = 0) -> float:
    """Binomial standard error of a mass that few particles decide, or what counts leave.

    Points that avoid one another may agree on a count in all ``replicates`` by chance, but no
    whole number of mean k + θ has a variance below θ (1 − θ).
    """
    if not trials:
        return 0.0
    share = max(min(p, 1 - p), 0.0)
    if trials * share >= RARE:
        hits = trials * min(found, 1 - found)
        if hits >= 10:
            part = trials / replicates * p % 1 if replicates else 0.0
            return float(np.sqrt(replicates * part * (1 - part))) / trials
        share = max(hits, 1.0) / trials  # the replicates may agree by chance, on none
    return float(np.sqrt(share * (1 - share) / trials))


@dataclass(frozen=True)
class Rules:
    """How rows are judged; see `wfrpde.case.validation.ValidationSpec`."""

    level: float = 0.05
    power: float = 0.8
    resolution: float = 0.1
    tolerance: float = 0.0


def judge(comparisons: Sequence[Comparison], rules: Rules) -> list[Row]:
    """Judge all rows together.

    A row is *biased* if Holm's procedure over all rows rejects that the sampler's expectation
    lies within the reference's error (and the tolerance) of the reference. A row that is not
    rejected is *consistent* if a bias of ``resolution`` would have been found, at the level that
    Holm's procedure starts with, with probability ``power``; else it is *undecided*. So is a row of
    Markov chains that have not mixed, and one that would be rejected if nothing were granted to
    its weights.
    """
    if not comparisons:
        return []
    allowed = [c.reference.error + rules.tolerance * c.reference.spread for c in comparisons]
    p, plain = (
        np.array(
            [
                _p_value(c, a + g * c.granted_here, g * c.bent_here)
                for c, a in zip(comparisons, allowed, strict=True)
            ]
        )
        for g in (1, 0)
    )
    rejected = holm(p, rules.level)
    excused = (p > plain) & holm(plain, rules.level)  # and not by what is granted to other rows
    strictest = rules.level / len(comparisons)
    return [
        _row(c, bound, float(value), verdict, strictest, rules)
        for c, bound, value, verdict in zip(
            comparisons, allowed, p, np.where(rejected, "biased", np.where(excused, "excused", "")),
            strict=True,
        )
    ]  # fmt: skip


def _p_value(comparison: Comparison, allowed: float, skewness: float) -> float:
    """Test by t; of rare events also an exact Poisson test, and the less significant of the two."""
    average, reference = comparison.average, comparison.reference
    if comparison.seen_by_too_few or comparison.doubt:
        return 1.0
    gap = average.value - reference.value
    if comparison.above:
        return p_above(gap - allowed, average.standard_error, average.freedom)
    p = p_value(gap, allowed, average.standard_error, average.freedom, skewness)
    if comparison.expected_hits >= RARE:
        return p
    if reference.value > 0.5:
        gap = -gap
    rare = min(reference.value, 1 - reference.value)
    expected = comparison.trials * max(rare + np.sign(gap) * min(allowed, abs(gap)), 0.0)
    return max(p, poisson_p_value(comparison.trials * (rare + gap), expected))


def _count(wanted: float) -> int | None:
    """Return a number of replicates, rounded up; None where there are never enough."""
    return int(np.ceil(wanted)) if wanted < MOST else None


def _row(
    comparison: Comparison,
    allowed: float,
    p: float,
    found: str,
    level: float,
    rules: Rules,
) -> Row:
    average, reference = comparison.average, comparison.reference
    visible = allowed + detectable(
        average.standard_error, average.freedom, level, rules.power, max(comparison.bent)
    )
    # of what has no spread round-off is all that could matter
    lost = max(reference.lost, ROUND_OFF * abs(reference.value))
    matters = max(rules.resolution * reference.spread, 10 * lost) + allowed
    verdict: Verdict = "consistent"
    needed: int | None = 0
    doubt = comparison.doubt
    granted = max(comparison.granted)
    visible += granted
    # more replicates make up for a part of the resolution, and hardly for most of it
    if found == "excused" or (visible > matters and granted > (matters - allowed) / 2):
        doubt = doubt or comparison.unseen_words
    if np.isinf(allowed):
        doubt = "nothing bounds the error of its reference"
    if found == "biased":
        verdict = "biased"
    elif comparison.seen_by_too_few:
        verdict, visible = "undecided", np.inf
        more = FEW / comparison.witnesses - 1 if comparison.witnesses > 0 else np.inf
        needed = _count(more * comparison.replicates)
    elif doubt:  # which more of the same does not end
        verdict, needed = "undecided", None
    elif visible > matters:
        verdict = "undecided"
        total: float = needed_replicates(
            average.standard_error,
            comparison.replicates,
            matters - allowed - granted,
            level,
            rules.power,
            max(comparison.bent),
        )
        if np.isinf(comparison.time):  # the length of the chains counts, not their number
            with np.errstate(divide="ignore"):
                factor = np.float64(visible - allowed) / (matters - allowed)
            total = np.ceil(factor**2 * comparison.replicates)
        needed = _count(max(total - comparison.replicates, 1) if total < MOST else np.inf)
    return Row(
        sampler=comparison.sampler,
        observable=comparison.observable,
        time=comparison.time,
        replicates=comparison.replicates,
        mean=average.value,
        standard_error=average.standard_error,
        interval=average.interval(0.05),
        reference=reference.value,
        reference_error=reference.error,
        spread=reference.spread,
        p_value=p,
        verdict=verdict,
        detectable=visible,
        needed_replicates=needed,
        ess=comparison.ess,
        r_hat=comparison.r_hat,
        doubt=doubt,
    )
