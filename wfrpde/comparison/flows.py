"""The Eulerian flows that samplers claim to follow, solved once each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.comparison.density import density_of
from wfrpde.comparison.observables import AXES, Observable, expressions, masses, moments
from wfrpde.comparison.replicates import Judge
from wfrpde.errors import InputError

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.fields import Region
    from wfrpde.flow.solution import Solution


@dataclass
class Flows:
    """Solutions of the flows of a case, each solved when it is first asked for.

    Each rank solves them for itself, which gives every rank the same bits, whatever their number.

    Attributes
    ----------
    closely
        Whether the WFR flow is saved at as many times as samplers need that ask it for the density.
    """

    case: Case
    observer: Callable[[Any], None] | None = None
    closely: bool = False
    _solved: dict[str, Solution] = field(default_factory=dict, repr=False)
    _judges: dict[str, Judge] = field(default_factory=dict, repr=False)

    def solution(self, claims: str, reaction: str | None = None) -> Solution:
        """Give the flow of a claim; for ``target`` that of the case.

        Parameters
        ----------
        reaction
            U of a linear Feynman–Kac flow, where it is not that of the case.
        """
        changes = self._changes(claims, reaction)
        key = repr(sorted(changes.items()))
        if key not in self._solved:
            from mpi4py import MPI

            from wfrpde.flow.solve import solve

            case = self.case.with_overrides(changes) if changes else self.case
            self._solved[key] = solve(case, comm=MPI.COMM_SELF, observer=self.observer)
        return self._solved[key]

    def judge(self, claims: str, reaction: str | None = None) -> Judge:
        """Make what compares samplers of that claim; see `solution`."""
        key = f"{claims} {reaction}"
        if key not in self._judges:
            solution = self.solution(claims, reaction)
            target = claims == "target"
            times = [np.inf] if target else [float(t) for t in self.case.flow.save]
            self._judges[key] = Judge(
                claims,
                {t: density_of(solution, t) for t in times},
                observables_of(self.case, solution),
                {} if target else known_errors(solution),
                metrics=self.case.validation.metrics,
            )
        return self._judges[key]

    def _changes(self, claims: str, reaction: str | None) -> dict[str, Any]:
        """Name the keys of the case whose change makes its flow the one that is claimed."""
        flow = self.case.flow
        changes: dict[str, Any] = {}
        if claims == "feynman-kac":
            if (reaction or flow.reaction) is None:
                raise InputError(
                    "sampler.claims",
                    "'feynman-kac' without a reaction",
                    "flow.reaction, or kind = 'feynman_kac' with its own reaction",
                )
            if reaction not in (None, flow.reaction) or flow.beta:
                changes = {"flow.reaction": reaction or flow.reaction, "flow.beta": 0.0}
        elif claims in ("W", "FR"):
            rate = "beta" if claims == "W" else "alpha"
            if getattr(flow, rate) or flow.reaction is not None:
                changes = {f"flow.{rate}": 0.0}
        if claims != "feynman-kac" and flow.reaction is not None and claims != "target":
            changes["flow.reaction"] = None
        if changes:
            changes["numerics.formulation"] = "auto"
        if claims == "WFR" and self.closely:
            from wfrpde.samplers.oracle import oracle_times

            changes["flow.save"] = list(oracle_times(self.case))
        return changes


def observables_of(case: Case, solution: Solution) -> list[Observable]:
    """Everything that the case wants to be compared."""
    from wfrpde.fields import parse_region

    spec, dim = case.validation, case.dim
    result = moments(dim) if spec.moments else []
    if spec.modes:
        result += masses(_independent(solution))
    regions = {
        name: parse_region(text, dim, f"validation.probabilities.{name}")
        for name, text in spec.probabilities.items()
    }
    result += masses(regions, "P")
    return result + expressions(spec.observables, dim, "validation.observables")


def _independent(solution: Solution) -> dict[str, Region]:
    """Give the target's modes; where they part space, but the one that holds most at first."""
    regions = dict(solution.target.regions)
    total = sum(solution.mode_mass.values(), np.zeros(len(solution.times)))
    if len(regions) > 1 and np.abs(total - solution.series["mass"]).max() < 1e-6:
        fullest = max(regions, key=lambda name: float(solution.mode_mass[name][0]))
        del regions[fullest]  # its mass is what the others leave
    return regions


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
