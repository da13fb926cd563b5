"""The part of a line that matters, between walls and without ends that hold nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.domain.extent import share_outside
from wfrpde.domain.landscape import SPAN, TOP
from wfrpde.errors import InputError

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem


def stretch(problem: Problem, *, low: bool = False) -> Array:
    """Return the part ``(1, 2)`` of a 1-D box that matters.

    Without a reaction only the relative density will do, and V must not span more than `SPAN`:
    the ends of a wide start that lie higher are left out, if they hold no mass to speak of; so
    they are if a `low` part is asked for, where V reaches up to `TOP`, whatever they hold of a
    Gaussian: runs tell what of that is left out.
    Ends where V is infinite are left out with all that lies beyond twice the level, whatever
    the start has there: that share is told.
    """
    if any(problem.sides.closed):
        return problem.box
    first, last = problem.box[0]
    x = np.linspace(first, last, 4001)
    step = x[1] - x[0]
    matters = problem.landscape.levels(x[:, None]) < 2 * problem.landscape.level

    def ends(keep: Flags) -> Array:
        inside = x[keep]
        if not len(inside):  # a box so far away, or so wide, that no number is left of V there
            return problem.box
        return np.array([[max(first, inside[0] - step), min(last, inside[-1] + step)]])

    whole = ends(matters)
    value = problem.target.potential(x[:, None])
    within = (x >= whole[0, 0]) & (x <= whole[0, 1])
    walled = np.isposinf(value[within]).any()
    low = low and bool(np.ptp(value[within & np.isfinite(value)]) > TOP)
    posed = problem.equation.path is not None and problem.domain.box is not None
    if (posed or (problem.equation.beta > 0 and not low)) and not walled:
        return whole
    with np.errstate(invalid="ignore"):
        low_enough = value - np.nanmin(value) < (2 * problem.landscape.level if walled else SPAN)
    part = ends(matters & low_enough)
    if walled:
        return _between_walls(problem, part, x, value)
    lost = share_outside(problem.initial.log_density, part, whole)
    told = low and _tells_left_out(problem)
    return part if told or lost < problem.domain.cut_off_share else whole


def _tells_left_out(problem: Problem) -> bool:
    """Whether runs find what of the start is in no cell: that of a Gaussian well within."""
    if problem.initial.gaussian is None or problem.absorption is not None:
        return False
    mean, covariance = problem.initial.gaussian
    # standard deviations of a start that a box has to hold for its moments to be a formula's
    reach = 6.0 * np.sqrt(np.diag(covariance))
    low, high = problem.box.T
    return bool(((mean - reach >= low) & (mean + reach <= high)).all())


def _between_walls(problem: Problem, part: Array, x: Array, value: Array) -> Array:
    """Return the part, if no wall stands within it."""
    wall = x[np.isposinf(value) & (x > part[0, 0]) & (x < part[0, 1])]
    if len(wall):
        side = [[f"{wall[-1]:g}", f"{part[0, 1]:g}"], [f"{part[0, 0]:g}", f"{wall[0]:g}"]]
        right = float(problem.initial.seeds[0, 0]) > wall[0] if len(problem.initial.seeds) else True
        box = ", ".join(side[0] if right else side[1])
        raise InputError(
            "target",
            f"a potential that is inf at x = {wall[0]:g}, between parts of the domain",
            "a domain on one side of the wall, which nothing crosses",
            f"For example: [domain] box = [[{box}]].",
        )
    return part
