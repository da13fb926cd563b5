"""The Eulerian flows that samplers claim to follow, solved once each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.comparison.density import Density, density_of
from wfrpde.comparison.observables import AXES, Observable, expressions, masses, moments
from wfrpde.comparison.replicates import Judge

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.solution import Solution

RATES: dict[str, dict[str, float]] = {"WFR": {}, "W": {"flow.beta": 0.0}, "FR": {"flow.alpha": 0.0}}
"""Keys of a case that make its flow the one that is claimed."""


@dataclass
class Flows:
    """Solutions of the flows of a case, each solved when it is first asked for.

    Each rank solves them for itself, which gives every rank the same bits, whatever their number.

    Attributes
    ----------
    closely
        Whether the case's own flow is saved at as many times as samplers need that ask it for the
        density.
    """

    case: Case
    observer: Callable[[Any], None] | None = None
    closely: bool = False
    _solved: dict[str, Solution] = field(default_factory=dict, repr=False)

    def solution(self, claims: str) -> Solution:
        """Give the flow of a claim; that of the case for ``target``."""
        from mpi4py import MPI

        from wfrpde.flow.solve import solve

        name = _flow_of(self.case, claims)
        if name not in self._solved:
            changes: dict[str, Any] = dict(RATES[name])
            if name != "WFR":
                changes["numerics.formulation"] = "auto"
            elif self.closely:
                from wfrpde.samplers.oracle import oracle_times

                changes["flow.save"] = list(oracle_times(self.case))
            case = self.case.with_overrides(changes)
            self._solved[name] = solve(case, comm=MPI.COMM_SELF, observer=self.observer)
        return self._solved[name]

    def densities(self, claims: str) -> dict[float, Density]:
        """Densities at the times that are compared: after the start, or t = ∞ alone."""
        solution = self.solution(claims)
        times = [np.inf] if claims == "target" else [float(t) for t in self.case.flow.save]
        return {t: density_of(solution, t) for t in times}

    def judge(self, claims: str) -> Judge:
        """Make what compares samplers of that claim."""
        solution, spec = self.solution(claims), self.case.validation
        return Judge(
            claims,
            self.densities(claims),
            observables_of(self.case, solution),
            {} if claims == "target" else known_errors(solution),
            metrics=spec.metrics,
        )


def _flow_of(case: Case, claims: str) -> str:
    if claims in ("W", "FR"):
        return claims
    return "WFR"


def observables_of(case: Case, solution: Solution) -> list[Observable]:
    """Everything that the case wants to be compared."""
    from wfrpde.expressions import parse_region

    spec, dim = case.validation, case.dim
    result = moments(dim) if spec.moments else []
    if spec.modes:
        result += masses(solution.target.regions)
    regions = {
        name: parse_region(text, dim, f"validation.probabilities.{name}")
        for name, text in spec.probabilities.items()
    }
    result += masses(regions, "P")
    return result + expressions(spec.observables, dim, "validation.observables")


def known_errors(solution: Solution) -> dict[float, dict[str, float]]:
    """Errors that the solver has estimated for the default observables, by time and name."""
    error = solution.error
    if error is None:
        return {}
    dim = solution.mean.shape[1]
    result: dict[float, dict[str, float]] = {}
    for k, t in enumerate(solution.times):
        names = {f"mean {AXES[i]}": float(error.mean[k, i]) for i in range(dim)}
        for i in range(dim):
            for j in range(i, dim):
                name = f"var {AXES[i]}" if i == j else f"cov {AXES[i]}{AXES[j]}"
                names[name] = float(error.covariance[k, i, j])
        names |= {f"mass {mode}": float(bars[k]) for mode, bars in error.mode_mass.items()}
        result[float(t)] = names
    return result
