"""`ConvergenceStudy`: errors of sequences of runs, the orders that they show, and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from wfrpde.case.stored import Result
from wfrpde.studies.convergence.orders import Fit, fit_order, fit_rate
from wfrpde.studies.convergence.plan import PlannedStudy

Verdict = Literal["passed", "failed", "unfinished"]


@dataclass(frozen=True)
class Row:
    """One run of a study.

    Attributes
    ----------
    study
        Name of the study.
    value
        Cells along an axis, degree, time step, factor of the box or number of particles.
    error
        Relative L2 error of the density at the nodes, at the last time; of a sampler the RMSE or
        the bias, with its sign, of an average, in standard deviations of the observable.
    kl_error
        Error of KL(ρ‖π), relative to KL.
    local
        Order between this run and the one before, NaN for the first.
    used
        Whether it counts in the fit: not if its error is below what the truth is known to.
    standard_error, replicates
        Of the error of a sampler, and the number of replicates that gave it; NaN and 0 elsewhere.
    """

    study: str
    value: float
    unknowns: int
    error: float
    kl_error: float
    local: float
    used: bool
    seconds: float
    ranks: int
    failure: str = ""
    standard_error: float = np.nan
    replicates: int = 0


@dataclass(frozen=True)
class StudyResult:
    """One study.

    Attributes
    ----------
    fit
        Order of the density's error in the size (h, dt), or decades that it falls for each unit
        of the value (p, domain); None with fewer than two usable runs.
    expected, within
        What the verdict compares the order with; None: the errors have to fall.
    truth, known_to
        What was taken for the truth, and the relative error that it may have.
    reason
        The verdict in words.
    """

    name: str
    vary: str
    rows: tuple[Row, ...]
    fit: Fit | None
    expected: float | None
    within: float
    truth: str
    known_to: float
    verdict: Verdict
    reason: str

    @property
    def algebraic(self) -> bool:
        """Whether the fit is an order; else it is a rate in decades."""
        return self.vary in ("h", "dt", "particles")


@dataclass(frozen=True, repr=False)
class ConvergenceStudy(Result):
    """All studies of a case.

    Attributes
    ----------
    title
        Title of the case.
    studies
        One result for each.
    """

    title: str
    studies: tuple[StudyResult, ...]

    def __repr__(self) -> str:
        orders = {name: f", order {fit.order:.3f}" for name, fit in self.orders.items()}
        words = (f"{name}: {v}{orders.get(name, '')}" for name, v in self.verdicts.items())
        return f"<ConvergenceStudy of {self.title!r}: {'; '.join(words)}>"

    @property
    def table(self) -> tuple[Row, ...]:
        """All runs, one row each."""
        return tuple(row for study in self.studies for row in study.rows)

    @property
    def orders(self) -> dict[str, Fit]:
        """Study → its fit, for those that have one."""
        return {study.name: study.fit for study in self.studies if study.fit is not None}

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Study → its verdict."""
        return {study.name: study.verdict for study in self.studies}

    @property
    def passed(self) -> bool:
        """Whether every study passed."""
        return all(study.verdict == "passed" for study in self.studies)

    @property
    def complete(self) -> bool:
        """Whether every run was made."""
        return all(study.verdict != "unfinished" for study in self.studies)


def judged(plan: PlannedStudy, measured: list[dict[str, Any]], truth: Any) -> StudyResult:
    """Fit the order of a study and compare it with what is expected.

    Parameters
    ----------
    measured
        One dictionary for each run that was made, with the keys of `Row` that are known.
    truth
        `wfrpde.studies.convergence.truth.Truth`, or None if it could not be computed.
    """
    known_to = truth.known_to if truth is not None else np.nan
    rows = []
    before: tuple[float, float] | None = None
    for entry in measured:
        error = entry["error"]
        usable = not entry["failure"] and bool(error > known_to)
        local = np.nan
        if before is not None and usable:
            local = _fit(plan, [before[0], entry["value"]], [before[1], error]).order
        if usable:
            before = entry["value"], error
        rows.append(Row(study=plan.name, local=local, used=usable, **entry))
    used = [row for row in rows if row.used]
    fit = None
    if len(used) >= 2:
        fit = _fit(plan, [row.value for row in used], [row.error for row in used])
    verdict, reason = _verdict(plan, rows, fit, truth is not None)
    return StudyResult(
        plan.name,
        plan.spec.vary,
        tuple(rows),
        fit,
        plan.expected,
        plan.spec.within,
        truth.name if truth is not None else "none",
        float(known_to),
        verdict,
        reason,
    )


def _fit(plan: PlannedStudy, value: list[float], error: list[float]) -> Fit:
    if plan.spec.vary == "h":
        return fit_order(1 / np.asarray(value), error)
    if plan.algebraic:
        return fit_order(value, error)
    return fit_rate(value, error)


def _verdict(
    plan: PlannedStudy, rows: list[Row], fit: Fit | None, has_truth: bool
) -> tuple[Verdict, str]:
    failed = [row for row in rows if row.failure]
    if failed:
        return "failed", f"the run at {failed[0].value:g} failed: {failed[0].failure}"
    if len(rows) < len(plan.runs) or not has_truth:
        return "unfinished", f"{len(rows)} of {len(plan.runs)} runs are done"
    if fit is None:
        return "failed", "fewer than two errors are larger than what the truth is known to"
    kind = "order" if plan.algebraic else "decades for each unit"
    if plan.expected is None:
        errors = [row.error for row in rows if row.used]
        if all(b < a for a, b in pairwise(errors)):
            return "passed", f"the error falls throughout, {kind} {fit.order:.2f}"
        return "failed", "the error does not fall throughout"
    gap = fit.order - plan.expected
    text = f"{kind} {fit.order:.3f}, expected {plan.expected:g} ± {plan.spec.within:g}"
    return ("passed" if abs(gap) <= plan.spec.within else "failed"), text
