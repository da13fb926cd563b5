"""A closed form compared with a run on a mesh, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfrpde.flow.solution import Solution

APART = 3.0
"""Largest distance of two numbers, in units of both error bars, that passes."""


def cross_check(closed: Solution, mesh: Solution) -> dict[str, Any]:
    """Return a check: the largest distance of any number of two solutions, in their error bars."""
    worst, of = 0.0, ""
    names = [(name, "") for name in ("kl", "mean", "covariance")]
    names += [("mode_mass", region) for region in closed.mode_mass]
    for name, region in names:
        one, other = closed.estimated(name, region), mesh.estimated(name, region)
        both = np.nan_to_num(one.error) + other.error
        apart = float((np.abs(one.value - other.value) / both).max())
        if not apart <= worst:
            worst, of = apart, region or name
    title = f"closed form against a mesh ({mesh.numerics['formulation']}), in error bars: {of}"
    return {"name": title, "value": worst, "limit": APART, "passed": worst <= APART}
