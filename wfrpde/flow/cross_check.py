"""A closed form compared with a run on a mesh, number by number; weights in two boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from wfrpde.case.case import Case
from wfrpde.flow.solution import Solution

APART = 3.0
"""Largest distance of two numbers, in units of both error bars, that passes."""


CUT = 3e-3
"""Least difference of log(N/ESS) that counts as one."""

WIDER = 1.25
"""Factor of the box in which weights are looked at again."""


def wider(case: Case, solution: Solution) -> Case | None:
    """Return the case of a flow whose weights are told, in a wider box; None where it has none."""
    box = np.array(solution.numerics.get("box", []), dtype=float)
    if "ess" not in solution.series or len(box) != case.dim or case.mesh_path is not None:
        return None
    if case.domain.sides:
        return None
    centre, half = box.mean(axis=1), WIDER * np.diff(box, axis=1)[:, 0] / 2
    changes: dict[str, Any] = {
        "domain.box": np.stack([centre - half, centre + half], axis=1).tolist(),
        "numerics.cross_check": False,
    }
    if case.numerics.cells is not None:
        changes["numerics.cells"] = [2 * int(np.ceil(WIDER * n / 2)) for n in case.numerics.cells]
    return case.with_overrides(changes)


def two_boxes(solution: Solution, other: Solution) -> dict[str, Any]:
    """Return a check: how far log(N/ESS) in a wider box is from that in the box.

    In error bars, `CUT` at least, as a box cuts tails off. Weights without a second moment have
    another one in every box.
    """
    first, second = (-np.log(one.series["ess"]) for one in (solution, other))
    bars = [
        np.nan_to_num(one.estimated("ess").error / one.series["ess"], posinf=0.0)
        for one in (solution, other)
    ]
    apart = float((np.abs(first - second) / np.maximum(bars[0] + bars[1], CUT)).max())
    title = f"log(N/ESS) in this box and in one a quarter wider, in error bars ({CUT:g} at least)"
    return {"name": title, "value": apart, "limit": APART, "passed": bool(apart <= APART)}


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
