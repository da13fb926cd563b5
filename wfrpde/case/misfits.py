"""What is wrong with a case and its box together: refused, or told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.case.problem import Problem
from wfrpde.domain.extent import automatic_box, share_outside
from wfrpde.domain.grid import SimplexGrid
from wfrpde.domain.landscape import sample
from wfrpde.errors import InputError
from wfrpde.fields.protocols import Formula
from wfrpde.fields.schedules import is_moving, written

if TYPE_CHECKING:
    from wfrpde.case import Case

COARSE = 1e-5
"""Steps of V (kT) in floating point from which on they are told."""

CLOSES_SMOOTHLY = 1e-5
"""Difference there of the slope, and of the start, relative to the largest of them."""


def refuse_coarse(mesh: SimplexGrid, scales: Array) -> None:
    """Refuse a mesh whose smallest cell is far larger than what it should resolve."""
    corners = mesh.points[mesh.cells]
    smallest = float(np.ptp(corners, axis=1).max(axis=1).min())
    length = float(scales.max())
    # size of a mesh's smallest cell, in units of the longest of the length scales, beyond which the
    # mesh cannot be one of this problem
    if smallest > 30.0 * length:
        raise InputError(
            "domain.mesh",
            f"cells of {smallest:.2g} and more, where the densities vary over {length:.2g}",
            "cells of that length where the densities are",
            "Make a finer mesh, or choose the units of the potential.",
        )


def refuse_moving(case: Case) -> None:
    """Refuse rates that depend on time: their generator has no one spectrum."""
    equation = case.equation
    for name, moves in (
        ("alpha", is_moving(equation.alpha)),
        ("beta", is_moving(equation.beta)),
        ("reaction", isinstance(equation.rate, Formula) and equation.rate.moving),
    ):
        if moves:
            given = written(getattr(case.flow, name))
            raise InputError(
                f"flow.{name}",
                f"{given!r}, which depends on time",
                "what does not, for questions about the generator",
                f"For example: --set flow.{name}=1.",
            )


def check_digits(problem: Problem, points: Array) -> None:
    """Tell of a constant in V so large that floating point keeps few digits of the rest."""
    bottom = np.inf
    for x in (problem.target.seeds, points):  # seeds of a user's own may lie anywhere
        bottom = float(np.abs(problem.target.potential(x)).min(initial=bottom))
        kept = np.finfo(float).eps * bottom
        if kept <= COARSE:
            return
    if kept < np.inf:
        problem.warnings.append(
            f"of the potential, {bottom:.0e} kT at its lowest, floating point keeps steps of "
            f"{kept:.0e} kT alone, which no error bar counts: take the constant away"
        )


def check_cut_off(problem: Problem, bounds: Array | None, level: float) -> bool:
    """Report the mass that the box cuts off, and refuse a start that lies outside.

    Each density is looked at in a box of its own, of all levels (kT) up to the given one. Return
    whether there is one for each.
    """
    limit, confined = problem.domain.cut_off_share, True
    closed = np.array(problem.sides.closed)
    if closed.any():
        _check_closed(problem)
    landscape = problem.landscape
    dead = False if problem.absorption is None else problem.absorption.faces

    def beyond(
        surprise: Callable[[Array], Array],
        log_density: Callable[[Array], Array],
        nothing: bool | Flags,
    ) -> float:
        """Share of a density beyond a box that the case gives, in a box of its own.

        Beyond some faces there is `nothing`.
        """
        nonlocal confined
        if bounds is None:
            return 0.0
        alone = replace(
            landscape, potential=surprise, surprise=surprise, reaction=False, transport=False,
            favoured=(), level=level,
        )  # fmt: skip
        try:
            wide = automatic_box(alone, trimmed=False)
        except InputError:
            confined = False
            return 0.0  # not confining: nothing to compare with
        wide = np.where(closed[:, None] | nothing, problem.box, wide)
        return share_outside(log_density, problem.box, wide, landscape.seeds)

    def of_potential(potential: Callable[[Array], Array]) -> float:
        return beyond(potential, lambda x: -potential(x), dead | _walled(potential, problem.box))

    shares = {
        "target": of_potential(problem.target.potential),
        # beyond the box the formula of a density need not make sense
        "initial": beyond(landscape.surprise, problem.initial.log_density, nothing=False)
        + _absorbed_at_first(problem),
    }
    if landscape.favoured:
        shares["favoured"] = max(map(of_potential, landscape.favoured))
    if problem.dim == 1 and problem.mesh is None:
        shares["initial"] += share_outside(
            problem.initial.log_density, problem.stretch, problem.box, landscape.seeds
        )
    problem.facts["cut_off_share"] = shares
    inside = problem.log_initial(problem.landscape.seeds_in(problem.box))
    if shares["initial"] > 1 - 1e-9 or (len(inside) == 0 and shares["initial"] > 0.999):
        raise InputError(
            "initial",
            "a density with no mass in the domain",
            f"some in the box {problem.box.tolist()}",
            "Move the start, or widen [domain] box.",
        )
    of = {
        "target": "the mass of the target density",
        "initial": "the mass of the initial density",
        "favoured": "the paths that carry the weight",
    }
    for name, share in shares.items():
        if name == "initial" and problem.initial.name == "target":
            continue  # π itself: said already
        if share > limit:
            problem.warnings.append(
                f"the domain cuts off {share:.1e} of {of[name]} (more than "
                f"domain.cut_off_share = {limit:g}): the result is that of the truncated problem"
            )
    return confined


def _check_closed(problem: Problem) -> None:
    """Refuse a potential that jumps where an axis closes upon itself, and tell of kinks there."""
    points, target = sample(problem.box), problem.target
    for axis, closed in enumerate(problem.sides.closed):
        if not closed:
            continue
        name, (low, high) = "xyz"[axis], problem.box[axis]
        first = points[points[:, axis] == low]
        last = first + (high - low) * np.eye(problem.dim)[axis]
        jump = float(np.abs(problem.potential(last) - problem.potential(first)).max())
        # difference of V (kT) between the ends of an axis up to which it counts as closed
        if jump > 1e-6:
            raise InputError(
                f"domain.sides.{name}",
                f"a potential that differs by {jump:.3g} kT between the two ends of the axis",
                "the same at both, as the axis closes upon itself",
            )
        slopes = np.stack([target.gradient(end)[:, axis] for end in (first, last)])
        kink = float(np.abs(slopes[1] - slopes[0]).max())
        if kink > CLOSES_SMOOTHLY * max(1.0, float(np.abs(slopes).max())):
            problem.warnings.append(
                f"the slope of the potential jumps by {kink:.3g} where {name} closes upon itself: "
                "V has a kink there, as if its period were another than the length of the box"
            )
        start = np.exp([problem.log_initial(end, zero=-np.inf) for end in (first, last)])
        top = float(np.exp(problem.log_initial(points).max()))
        gap = float(np.abs(start[1] - start[0]).max()) / top
        if gap > CLOSES_SMOOTHLY and problem.initial.name != "uniform":
            problem.warnings.append(
                f"the initial density jumps by {gap:.2g} of its maximum where {name} closes upon "
                "itself: its formula is not periodic"
            )


def _absorbed_at_first(problem: Problem) -> float:
    """Share of the start that lies where it is absorbed, within the box."""
    if problem.absorption is None:
        return 0.0
    points = sample(problem.box)
    weight = problem.log_initial(points, zero=-np.inf)
    weight = np.exp(weight - weight.max())
    return float(weight[problem.absorption.holds(points)].sum() / weight.sum())


def _walled(potential: Callable[[Array], Array], box: Array) -> Flags:
    """Return the sides ``(d, 2)`` on all of which V is +∞: what lies beyond is another matter."""
    points = sample(box)
    with np.errstate(all="ignore"):
        wall = np.isposinf(potential(points))
    on = points[:, :, None] == box
    return np.asarray((wall[:, None, None] | ~on).all(axis=0) & on.any(axis=0))
