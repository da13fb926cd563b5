"""What a validation finds, as plain data, the same on every rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.stored import Result
from wfrpde.numbers import number, with_error

if TYPE_CHECKING:
    from wfrpde.case import Case


Verdict = Literal["consistent", "biased", "undecided"]


def more_replicates(count: int) -> str:
    """Return so many more replicates, in words."""
    return f"{count} more replicate" + ("" if count == 1 else "s")


@dataclass(frozen=True)
class Row:
    """One sampler, one observable, one time.

    Attributes
    ----------
    sampler, observable, time
        What was compared; the time is ∞ where the samples are judged against π.
    replicates
        Number R of replicates.
    mean, standard_error, interval
        Average over the replicates, its standard error, and its 95 % interval (of this row alone).
    reference, reference_error
        Eulerian value, and a bound of its error.
    spread
        Standard deviation of the observable under the Eulerian density.
    p_value
        Of the hypothesis that the sampler's expectation is the reference within its error.
    verdict
        ``consistent``, ``biased`` or ``undecided``.
    detectable
        Smallest bias that would have been found with the power that the case asks for.
    needed_replicates
        Where it is undecided: how many more replicates would decide, None where no number is known
        to; otherwise 0.
    ess, r_hat
        Of Markov chains: effective sample size of the bulk, and R̂, both rank-normalised; else None.
    doubt
        Why chains are not believed, or "".
    """

    sampler: str
    observable: str
    time: float
    replicates: int
    mean: float
    standard_error: float
    interval: tuple[float, float]
    reference: float
    reference_error: float
    spread: float
    p_value: float
    verdict: Verdict
    detectable: float
    needed_replicates: int | None
    ess: float | None = None
    r_hat: float | None = None
    doubt: str = ""

    @property
    def difference(self) -> float:
        """The sampler's average less the Eulerian value."""
        return self.mean - self.reference

    @property
    def words(self) -> str:
        """The verdict in words."""
        if self.verdict == "biased":
            half = (self.interval[1] - self.interval[0]) / 2 + self.reference_error
            return f"biased by {with_error(self.difference, half)}"
        if self.verdict == "undecided":
            if self.doubt:
                return f"undecided: {self.doubt}"
            if self.needed_replicates is None:
                if np.isinf(self.time):
                    return "undecided: the chains never change it"
                if self.replicates == 1:
                    return "undecided: one replicate has no error bar"
                return "undecided: no replicate has got there"
            length = " of this length" if np.isinf(self.time) else ""
            return f"undecided: needs about {more_replicates(self.needed_replicates)}{length}"
        return f"consistent (would have seen {number(self.detectable, 2)})"


@dataclass(frozen=True)
class MetricRow:
    """A distance between a sampler's particles and the Eulerian density.

    Attributes
    ----------
    value, standard_error
        Average over the replicates.
    floor, floor_spread
        The same of N independent draws of the Eulerian density: mean and standard deviation.
    """

    sampler: str
    metric: str
    time: float
    value: float
    standard_error: float
    floor: float
    floor_spread: float

    @property
    def excess(self) -> float:
        """The value less the noise floor."""
        return self.value - self.floor


@dataclass(frozen=True)
class Fit:
    """A fitted number with an interval; NaN where the data do not determine it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BiasSplit:
    """Where the bias of one row comes from; each part with its standard error.

    Attributes
    ----------
    total, step, finite_n, rest
        (value, standard error). ``step`` is the bias of the time step, from runs with longer ones,
        ``finite_n`` that of the finite number of particles, ``rest`` what remains. NaN where a
        ladder was not run.
    limit_step, limit_rest
        The bias of the step, and what remains for dt → 0, for N = ∞: computed on the mesh, without
        noise, from steps dt, 2 dt and 4 dt; NaN where that is not possible.
    limit_order
        The order of the step bias in dt, likewise.
    order_dt, order_n
        Fitted orders p in bias ∝ dt^p and q in bias ∝ N^−q.
    """

    sampler: str
    observable: str
    time: float
    total: tuple[float, float]
    step: tuple[float, float]
    finite_n: tuple[float, float]
    rest: tuple[float, float]
    limit_step: float
    limit_rest: float
    limit_order: float
    order_dt: Fit
    order_n: Fit


@dataclass(frozen=True)
class LadderPoint:
    """The bias of one row at another step or number of particles."""

    sampler: str
    observable: str
    time: float
    particles: int
    dt: float
    bias: float
    standard_error: float
    limit_bias: float


@dataclass(frozen=True)
class Candidate:
    """An equation that was tried on a sampler's path.

    Attributes
    ----------
    equation
        ``W``, ``FR``, ``WFR`` or ``feynman-kac``; ``potential`` and ``start`` say which weights.
    words
        The equation with its fitted rates.
    parameters
        Fitted rates with intervals, by name.
    misfit
        Root mean square of the residuals, in standard errors.
    explains
        Whether no residual is significant.
    """

    equation: str
    words: str
    parameters: dict[str, Fit]
    misfit: float
    explains: bool


@dataclass(frozen=True)
class Diagnosis:
    """Which equation a sampler solves.

    Attributes
    ----------
    sampler, claims
        The sampler and the equation that it claims.
    candidates
        The equations that were tried, best first.
    conclusion
        In words.
    impostor
        Whether another equation explains the path and the one that is claimed does not.
    """

    sampler: str
    claims: str
    candidates: tuple[Candidate, ...]
    conclusion: str
    impostor: bool


@dataclass(frozen=True)
class SamplerSummary:
    """A sampler as a whole.

    Attributes
    ----------
    claims
        Equation that it claims to solve.
    particles, dt, replicates
        Of the runs that are judged.
    verdict
        ``consistent`` if all of its rows are, ``biased`` if one is; else ``undecided``. ``failed``
        if it did not run.
    words
        The same in a sentence.
    expected
        What the case declares.
    ess, weight_variance
        ``(T,)`` average effective sample size, and variance of N × weight, at `times`.
    seconds
        Average wall time of a replicate.
    warnings
        What speaks against the order in which its points were read.
    """

    name: str
    claims: str
    particles: int
    dt: float
    replicates: int
    verdict: str
    words: str
    expected: str | None
    times: Array
    ess: Array
    weight_variance: Array
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """An observable of a claimed flow over time, with the bound of its error."""

    claims: str
    observable: str
    times: Array
    value: Array
    error: Array


@dataclass(frozen=True)
class DensityPicture:
    """An Eulerian density on a regular grid of one to three axes, to be drawn under particles."""

    claims: str
    time: float
    axes: tuple[Array, ...]
    values: Array


@dataclass(frozen=True, repr=False)
class ValidationReport(Result):
    """The outcome of a validation.

    Attributes
    ----------
    table
        One `Row` for each sampler, observable and time.
    verdicts
        Sampler → its verdict in words.
    failed
        Sampler → why it did not run.
    unexpected
        Samplers that the case declares consistent and that are not.
    samplers, metrics, splits, ladders, diagnoses, curves, pictures
        Details.
    particles
        Sampler → times → (positions, weights) of some particles of its first replicate.
    complete
        False if the run was interrupted.
    """

    case: Case
    table: Sequence[Row]
    verdicts: Mapping[str, str]
    failed: Mapping[str, str]
    unexpected: Sequence[str]
    samplers: Sequence[SamplerSummary]
    metrics: Sequence[MetricRow]
    splits: Sequence[BiasSplit]
    ladders: Sequence[LadderPoint]
    diagnoses: Sequence[Diagnosis]
    curves: Sequence[Curve]
    pictures: Sequence[DensityPicture]
    particles: Mapping[str, Mapping[float, tuple[Array, Array]]] = field(repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)
    complete: bool = True

    def __repr__(self) -> str:
        words = "; ".join(f"{name}: {verdict}" for name, verdict in self.verdicts.items())
        return f"<ValidationReport of {self.case.title or self.case.name!r}: {words}>"

    def rows(self, sampler: str, observable: str | None = None) -> list[Row]:
        """Return the rows of one sampler, and of one of its observables."""
        return [
            row
            for row in self.table
            if row.sampler == sampler and observable in (None, row.observable)
        ]
