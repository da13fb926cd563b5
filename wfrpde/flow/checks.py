"""Checks of a run that a person wants to see green, and warnings where the numbers are poor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.flow.accuracy import missed
from wfrpde.flow.outcome import Outcome
from wfrpde.flow.solution import Solution

if TYPE_CHECKING:
    from wfrpde.case import Case

Array = npt.NDArray[np.float64]

SEEN = 1e-9
"""Masses and other numbers above which a poor relative error is worth a warning."""

POOR = 0.1
"""Relative error that is worth a warning."""


def invariants(
    case: Case, outcome: Outcome, series: dict[str, Array], name: str
) -> list[dict[str, Any]]:
    """Collect what a person wants to see green: mass, sign and entropy."""
    checks = []

    def add(title: str, value: float, limit: float, passed: bool) -> None:
        checks.append(
            {"name": title, "value": float(value), "limit": limit, "passed": bool(passed)}
        )

    if case.flow.conserve_mass:
        drift = float(np.abs(outcome.mass - 1).max())
        limit = 1e-2 if name == "log-density" else 1e-12
        title = "normalisation residual" if name == "log-density" else "mass drift"
        add(title, drift, limit, drift <= limit)
    smallest = float(series["min_density"].min())
    add("smallest nodal density", smallest, 0.0, smallest >= 0.0)
    if case.flow.reaction is None:  # a linear reaction leads away from π
        start = float(series["kl"][0])
        slack = 1e-12 * (1 + start)
        increase = outcome.kl_increase
        add("largest increase of KL in a step", increase, slack, increase <= slack)
    return checks


def warnings_of_errors(solution: Solution) -> list[str]:
    """Say so when what is reported is known to be poor."""
    found = [
        f"check failed: {check['name']} is {check['value']:.1e}, allowed {check['limit']:.1e}"
        for check in solution.numerics["checks"]
        if not check["passed"]
    ]
    if solution.error is None or not solution.complete:
        return found
    short = missed(solution.case, solution)
    if short is not None:
        found.append(short)
    tolerance = solution.case.accuracy.tolerance
    limit = 1e-2 if tolerance is None else tolerance
    worst = float(solution.error.density.max())
    if worst > limit and tolerance is None:
        found.append(
            f"the estimated relative error of the density reaches {worst:.1e} (L2), "
            f"above {limit:g}: "
            "take more cells ([numerics] cells) or a shorter [numerics] dt"
        )
    for name in ("kl", "fisher_information", "reaction_variance"):
        value, error = solution.series[name][1:], solution.error.series[name][1:]
        share = np.where(value > SEEN, error / np.maximum(value, SEEN), 0.0)
        if share.max(initial=0.0) > max(limit, POOR):
            found.append(
                f"{name.replace('_', ' ')} at t = {solution.times[1 + int(np.argmax(share))]:g} is "
                f"known only to {share.max():.0%}"
            )
    for name, mass in solution.mode_mass.items():
        # of masses below SEEN the numbers tell, with their errors; no need to raise one's voice
        share = np.where(mass > SEEN, solution.error.mode_mass[name] / np.maximum(mass, SEEN), 0.0)
        if share.max() > max(limit, POOR):
            worst_time = solution.times[int(np.argmax(share))]
            found.append(
                f"the mass of '{name}' at t = {worst_time:g} is known only to {share.max():.0%}"
            )
    return found
