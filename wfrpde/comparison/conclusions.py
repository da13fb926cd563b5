"""What is said of a sampler whose path was compared with candidate equations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wfrpde.comparison.replicates import Judge
from wfrpde.comparison.results import Candidate, Diagnosis
from wfrpde.comparison.statistics import t_quantile
from wfrpde.equation import Equation
from wfrpde.numbers import number


def ranked(candidates: list[Candidate], rows: int) -> list[Candidate]:
    """Sort: what explains the path with the fewest rates comes first, then what misses it least.

    What does not explain it is charged log(rows) for each rate, in units of the best misfit.
    """
    scale = max(1.0, min(c.misfit for c in candidates) ** 2)

    def rank(c: Candidate) -> tuple[bool, int, bool, float]:
        rates, linear = len(c.parameters), "c" in c.parameters
        score = c.misfit**2 * max(rows - rates, 1) / scale + rates * np.log(rows)
        good = names(c)
        return not good, rates if good else 0, good and linear, float(score)

    return sorted(candidates, key=rank)


def names(candidate: Candidate) -> bool:
    """Whether an equation explains the path, which tells its rates."""
    return candidate.explains and _determined(candidate)


def _determined(candidate: Candidate) -> bool:
    """Whether the path says what the rates are, to a factor of ten or so."""
    return all(fit.high < 100 * fit.low for fit in candidate.parameters.values())


def _substantial(candidate: Candidate, claims: Equation, rates: dict[str, float]) -> bool:
    """Whether an equation differs from the claimed one by more than a small bias can feign."""
    if not _determined(candidate):
        return False
    known = {"α": claims.dynamics is not None, "β": claims.reaction is not None}
    for name, fit in candidate.parameters.items():
        usual = rates.get("β" if name == "c" else name) or 1.0
        if not known.get(name, False) and fit.value < 0.1 * usual:
            return False
    return True


def off_rates(candidate: Candidate, rates: dict[str, float], replicates: int) -> list[str]:
    """Name the rates that are surely not those of the case."""
    # a rate is called wrong by intervals with an error probability of 0.0005 on either side
    wider = t_quantile(0.9995, replicates - 1.0) / t_quantile(0.975, replicates - 1.0)
    names = []
    for name, fit in candidate.parameters.items():
        if not rates.get(name) or not 0 < fit.low < fit.high:
            continue
        half = wider * np.log(fit.high / fit.low) / 2
        # logarithms of rates that differ from the claimed ones by less are called the same
        if abs(np.log(fit.value / rates[name])) > max(half, 0.05):
            names.append(name)
    return names


def _as_well(subject: Candidate, ranked: Sequence[Candidate]) -> str:
    """Name the other equations that explain the path and are no special case of the `subject`."""
    others = [
        c.words
        for c in ranked
        if names(c) and len(c.parameters) >= len(subject.parameters)
        if c is not subject
    ]
    return f". What it does would also be {' or '.join(others)}" if others else ""


def conclude(
    name: str,
    judge: Judge,
    ranked: list[Candidate],
    rates: dict[str, float],
    replicates: int,
    *,
    biased: bool,
) -> Diagnosis:
    """Say what a sampler solves, and whether that is what it claims, from `ranked` candidates."""
    best, claims = ranked[0], judge.label
    assert judge.claims is not None
    claimed = next((c for c in ranked if c.equation == claims), None)
    # two equations may both explain a short path: the benefit of the doubt is the claim's
    wrong_kind = best.explains and best.equation != claims and judge.claims.rate is None
    if wrong_kind and claimed is not None:
        # α and β fitted as nothing is the other equation in all but name
        vanishing = any(
            f.value < 0.15 * rates[n] for n, f in claimed.parameters.items() if rates.get(n)
        )
        near = claimed.explains or not _substantial(best, judge.claims, rates)
        wrong_kind = vanishing or not near
    subject = best if wrong_kind or claimed is None else claimed
    off = off_rates(subject, rates, replicates)
    impostor = False
    if not any(c.explains for c in ranked):
        conclusion = (
            "no equation that was tried explains its path; the closest is "
            f"{best.words}, {number(best.misfit, 2)} standard errors off"
        )
    elif best.explains and not best.parameters:
        conclusion = f"solves what it claims with the bias of its step: {best.words}"
    elif judge.claims.rate is not None:
        conclusion = f"moves like {best.words}"
    elif wrong_kind and not biased:
        conclusion = f"no row is biased; as a whole its path is like {best.words}"
    elif wrong_kind:
        conclusion, impostor = f"moves like {best.words}, not like {claims}", True
    elif off and subject.explains:
        meant = ", ".join(f"{n} = {rates[n]:g}" for n in off)
        conclusion = (
            f"moves like {subject.words}, instead of {meant}: the rate is wrong, or the bias of "
            "its step or of its number of particles looks like that"
        ) + _as_well(subject, ranked)
    elif subject.explains:
        near = all(
            f.low <= rates[n] <= f.high for n, f in subject.parameters.items() if rates.get(n)
        )
        how = "solves what it claims" if near else "is closest to what it claims"
        conclusion = f"{how}: {subject.words}"
    else:
        conclusion = (
            f"is close to what it claims, {subject.words}, but only {best.words} explains its path"
        )
    return Diagnosis(name, claims, tuple(ranked), conclusion, impostor)
