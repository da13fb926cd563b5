"""Checks of a run that a person wants to see green, and warnings where the numbers are poor."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Equation
from wfrpde.flow.accuracy import missed
from wfrpde.flow.outcome import Outcome
from wfrpde.flow.solution import Solution

SEEN = 1e-9
"""Masses and other numbers above which a poor relative error is worth a warning."""


def invariants(
    equation: Equation, outcome: Outcome, series: dict[str, Array], *, keeps_mass: bool
) -> list[dict[str, Any]]:
    """Collect what a person wants to see green: mass, sign and entropy.

    `keeps_mass`: whether the scheme does, up to round-off; else the mass that transport makes of 1
    is a residual.
    """
    checks = []

    def add(title: str, value: float, limit: float, passed: bool) -> None:
        checks.append(
            {"name": title, "value": float(value), "limit": limit, "passed": bool(passed)}
        )

    # elements larger than ρ is wide say nothing of its integrals step by step
    by_step = bool(outcome.history)
    if equation.conserve and (by_step or keeps_mass or equation.beta == 0):
        drift = float(np.abs(outcome.mass - 1).max())
        title, limit = ("mass drift", 1e-12) if keeps_mass else ("normalisation residual", 1e-2)
        add(title, drift, limit, drift <= limit)
    smallest = float(series["min_density"].min())
    add("smallest nodal density", smallest, 0.0, smallest >= 0.0)
    if equation.descends:
        start = float(series["kl"][0])
        slack = 1e-12 * (1 + start)
        increase, title = outcome.kl_increase, "largest increase of KL in a step"
        if not by_step and equation.dynamics is not None:
            increase = float(np.diff(series["kl"]).max(initial=0.0))
            title, slack = "largest increase of KL between saved times", 1e-6 * (1 + start)
        add(title, increase, slack, increase <= slack)
    return checks


def error_warnings(solution: Solution) -> list[str]:
    """Say so when what is reported is known to be poor."""
    warnings = [
        f"check failed: {check['name']} is {check['value']:.1e}, allowed {check['limit']:.1e}"
        for check in solution.numerics["checks"]
        if not check["passed"]
    ]
    error, tolerance = solution.error, solution.case.accuracy.tolerance
    if error is None or not solution.complete:
        return warnings
    limit = 1e-2 if tolerance is None else tolerance
    short, worst = missed(solution), float(error.density.max())
    if short is not None:
        warnings.append(short)
    if not worst <= limit and tolerance is None:  # nor is NaN
        warnings.append(
            f"the estimated relative error of the density reaches {worst:.1e} (L2), "
            f"above {limit:g}: "
            "take more cells ([numerics] cells) or a shorter [numerics] dt"
        )

    def shares(value: Array, error: Array, what: str) -> None:
        # of values below SEEN the numbers tell, with their errors; no need to raise one's voice
        share = np.where(value > SEEN, error / np.maximum(value, SEEN), 0.0)
        if share.max(initial=0.0) > max(limit, 0.1):  # relative error that is worth a warning
            when = solution.times[len(solution.times) - len(share) + int(np.argmax(share))]
            warnings.append(f"{what} at t = {when:g} is known only to {share.max():.0%}")

    annealed = solution.case.equation.annealed is not None
    of_path = annealed and solution.series["kl"][0] <= SEEN  # it is to stay 0
    for name in () if of_path else ("kl", "fisher_information", "reaction_variance"):
        shares(solution.series[name][1:], error.series[name][1:], name.replace("_", " "))
    for name, mass in solution.mode_mass.items():
        shares(mass, error.mode_mass[name], f"the mass of '{name}'")
    return warnings
