"""Axes of the box: those that a case asks for, or those that pay."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.case.domain import AUTOMATIC, COORDINATE
from wfrpde.case.problem import Problem
from wfrpde.domain.frame import Frame, orthogonal
from wfrpde.domain.oblique import narrow_obliquely
from wfrpde.domain.principal import principal_frame
from wfrpde.errors import InputError

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.targets import Target

FEWER = 2.0
"""Ratio of numbers of cells, x and y to turned axes, from which on these are taken. With 2.1 to 120
they were 1.1 to 25 times as fast, with 1.2 and 1.8 no faster."""

OF_NO_CONSEQUENCE = {
    "domain": {"cut_off_share", "axes"},
    "numerics": {
        "formulation", "certify", "cross_check", "dt", "time_order", "engine", "petsc_options",
        "solver",
    },
    "flow": {"alpha", "beta", "t_end", "save"},
}  # fmt: skip
"""Keys that may be given where axes are chosen; others say by what a flow is solved, and where,
which is along x and y then."""


def frame_of(case: Case, target: Target) -> Frame | None:
    """Return the axes that the case asks for, if they are no others; None for x, y and z."""
    axes = case.domain.axes
    if axes == COORDINATE:
        return None
    if isinstance(axes, str):
        return principal_frame(target.potential, target.seeds)
    frame = Frame.of(orthogonal(axes, case.dim, "domain.axes", "an orthogonal matrix"))
    return None if frame == Frame.of(np.eye(case.dim)) else frame


def may_turn(case: Case) -> bool:
    """Whether the axes of a case are left to choose, and a flow can be solved along others.

    Without a tolerance cells are as small as the densities bend, and fewer of them are less exact.
    """
    if case.is_factored or case.noising is not None or case.dim != 2:
        return False
    left = case.domain.axes == AUTOMATIC and case.numerics.chooses
    by_hand = any(getattr(case, name).altered - keys for name, keys in OF_NO_CONSEQUENCE.items())
    other = case.dynamics.altered or case.path.kind is not None or case.equation.alpha == 0
    return left and case.accuracy.tolerance is not None and not (by_hand or other)


def where_they_pay(pose: Callable[[bool], Problem]) -> Problem:
    """Return a problem along its principal axes if that takes far fewer cells, else along x and y.

    Chosen once from the landscape, and where u = log(ρ/π) is solved for, on smooth potentials.

    Parameters
    ----------
    pose
        Poses it, along its principal axes or along x and y.
    """
    plain = pose(False)
    gaussian = plain.target.gaussian is not None and plain.initial.gaussian is not None
    if gaussian or not narrow_obliquely(plain.landscape, plain.box, plain.target.seeds):
        return plain
    try:
        turned = pose(True)
    except InputError:  # of no use to who has asked for none
        return plain
    fewer = _cells(plain) / _cells(turned)
    if turned.frame is None or fewer < FEWER or not (turned.smooth and turned.bounded):
        return plain
    turned.facts["fewer_cells"] = fewer
    return turned


def _cells(problem: Problem) -> float:
    """Return how many cells of the shortest lengths a box holds."""
    return float(np.prod(np.ptp(problem.box, axis=1) / problem.scales))
