"""From a case to the `Problem` that it poses: its box above all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.axes import frame_of, may_turn, where_they_pay
from wfrpde.case.misfits import check_cut_off, check_digits, refuse_coarse, refuse_moving
from wfrpde.case.path import frozen_potential
from wfrpde.case.posed import posed
from wfrpde.case.problem import Problem
from wfrpde.case.terms import EMPTY, Densities
from wfrpde.case.walls import without_walls
from wfrpde.domain.extent import (
    automatic_box,
    diffused,
    with_favoured,
    with_orbits,
    with_spread,
    within_reach,
)
from wfrpde.domain.landscape import LEVEL, Landscape
from wfrpde.domain.meshes import read_gmsh
from wfrpde.domain.sides import Sides
from wfrpde.domain.turned import turned_start, turned_target
from wfrpde.equation import Equation, Path
from wfrpde.errors import InputError
from wfrpde.fields.schedules import gauss, integral, is_moving
from wfrpde.starts import InitialDensity

if TYPE_CHECKING:
    from wfrpde.case import Case


HORIZONS = 4
"""Times, the end among them, at which it is asked where a moving reaction has led to."""

STATIONS = 5
"""Times, both ends among them, at which the levels of a V that moves are looked at."""

FAR = 50.0
"""Levels (kT) that the box of dynamics that are not reversible holds at least: what is cut off from
tails comes back along the characteristics."""


def make_problem(
    case: Case,
    *,
    at_equilibrium: bool = False,
    level: float = LEVEL,
    walls: bool = False,
    turned: bool = False,
) -> Problem:
    """Check the case against its densities and choose the box.

    Parameters
    ----------
    case
        The case.
    at_equilibrium
        Whether π itself takes the place of the initial density: for questions about the target.
    level
        Levels (kT) beyond which nothing matters.
    walls
        Whether those that the case gives count, even if its tolerance should not feel them.
    turned
        Whether it is posed along the axes of the case's domain, and not along x, y and z.
    """
    choose = turned and may_turn(case)
    turned = turned and case.domain.turns

    def pose() -> Problem:
        look = partial(_looked_at, case, at_equilibrium=at_equilibrium, level=level, walls=walls)
        if choose:
            return where_they_pay(lambda turned: look(turned=turned))
        try:
            return look(turned=turned)
        except InputError as error:
            if not turned or error.where == "domain.axes":
                raise
            look(turned=False)  # which names places in x, y and z
            where, found = error.where, f"{error.found}, in coordinates along domain.axes"
            raise InputError(where, found, error.needed, error.do) from error

    return posed(case, pose, *(at_equilibrium, level, walls, turned, choose))


def _looked_at(
    case: Case, *, at_equilibrium: bool, level: float, walls: bool, turned: bool = False
) -> Problem:
    """Do what `make_problem` does for a case whose densities nobody has looked at yet."""
    if case.is_factored:
        raise InputError(
            "target",
            f"{case.dim} dimensions, or factors",
            "one to three dimensions, momenta counted: this question is answered on a mesh",
        )
    flow, equation = case.flow, case.equation
    if at_equilibrium:
        refuse_moving(case)
        if case.domain.turns:
            found = "turned axes, for a question about the generator"
            raise InputError("domain.axes", found, "'coordinate' there")
    user_box = None if case.domain.box is None else np.array(case.domain.box, dtype=float)
    mesh = None if case.mesh_path is None else read_gmsh(case.mesh_path, case.dim)
    bounds = user_box if mesh is None else mesh.box
    target = case.build_target(bounds)
    if at_equilibrium and case.path.at is not None:
        frozen = case.target.model_copy(update={"potential": frozen_potential(case), "kind": None,
                                                "parameters": {}})  # fmt: skip
        target = frozen.build(bounds)
    if at_equilibrium:
        floor = float(target.potential(target.seeds).min())  # so that no offset looks like EMPTY
        initial = InitialDensity(
            target.dim, "target", "π", target.seeds, lambda x: floor - target.potential(x), False
        )
    else:
        initial = case.initial.build(target, bounds, Sides.of(case.domain.sides, case.dim).closed)
    if flow.conserve_mass and case.initial.mass != 1.0:
        raise InputError(
            "initial.mass",
            f"{case.initial.mass:g} with flow.conserve_mass = true",
            "1, or flow.conserve_mass = false",
        )
    if at_equilibrium:
        if equation.annealed is not None:  # a path's weights are nothing of π's
            equation = equation.without_rate()
        equation = replace(equation, path=None)
    if equation.path is not None:
        equation = equation.along(equation.path.between(initial, target))
    frame, told = (frame_of(case, target) if turned else None), None
    if frame is not None:
        told = Densities(target, initial, equation)
        target, initial = turned_target(target, frame), turned_start(initial, frame)
    landscape = Landscape(
        target.potential,
        lambda x: -np.fmin(np.fmax(initial.log_density(x), EMPTY), -EMPTY),
        np.concatenate([target.seeds, initial.seeds]),
        reaction=flow.beta > 0 and not at_equilibrium,
        transport=flow.alpha > 0,
        level=level,
    )
    dynamics = equation.dynamics
    if not (dynamics is None or dynamics.reversible or at_equilibrium):
        landscape = replace(landscape, level=max(level, FAR))
        if bounds is None:
            landscape = with_orbits(landscape)
    if equation.path is not None:
        landscape = replace(landscape, favoured=_along(equation.path, flow.t_end))
    elif equation.rate is not None and not at_equilibrium:
        landscape = _favoured(landscape, equation, flow.t_end, bounds)
    heavy, all_levels = False, landscape.level
    if bounds is None:
        whole = automatic_box(landscape, heavy=not at_equilibrium)
        if not at_equilibrium:
            landscape, whole = _spread(landscape, whole, equation, initial, flow.t_end)
        posed_so = Problem(target, initial, equation, case, landscape, whole, mesh, flow.save)
        graded = target.dim == 1 and not at_equilibrium and posed_so.grading is not None
        landscape, box = (landscape, whole) if graded else within_reach(landscape, whole)
        heavy = box is not whole
    else:
        box = np.asarray(bounds)
    problem = Problem(
        target, initial, equation, case, landscape, box, mesh, flow.save, frame=frame, told=told
    )
    if frame is not None:
        problem.facts["axes"] = frame.matrix.tolist()
    if mesh is not None:
        refuse_coarse(mesh, problem.scales)
    problem.facts["box"] = box.tolist()
    points, height, _ = landscape.on(box)
    problem.log_initial(points)  # refuses NaN
    problem.rate(points)  # and what is not finite
    # dynamics may have poles at walls, and be beyond all numbers where nothing ever comes
    within = (points > box[:, 0]).all(axis=1) & (points < box[:, 1]).all(axis=1)
    points = points[within & (height <= np.nanmin(height) + landscape.level)]
    if mesh is not None:
        points = mesh.points
    if problem.absorption is not None:
        points = points[~problem.absorption.holds(points)]
    problem.check_drifts(points, problem.looks)
    check_digits(problem, points)
    confined = check_cut_off(problem, box if heavy else bounds, all_levels)
    felt = walls or at_equilibrium or user_box is None or not confined
    return problem if felt else without_walls(problem)


def _spread(
    landscape: Landscape, box: Array, equation: Equation, initial: InitialDensity, t_end: float
) -> tuple[Landscape, Array]:
    """Widen a box by what a start spreads to that is Gaussian, or on a line.

    A reaction leaves it the time 2/β, and widens it: ρ₀ becomes ρ₀^θ, θ = e^{−βt}.
    """
    dynamics = equation.dynamics
    if dynamics is None or dynamics.terms or equation.path is not None:
        return landscape, box
    beta = 0.0 if is_moving(equation.beta) else float(equation.beta)
    time = -np.expm1(-beta * t_end / 2) / (beta / 2) if beta > 0 else t_end
    square, theta = 2 * integral(equation.alpha, 0.0, time), max(np.exp(-beta * t_end), 0.25)
    if initial.gaussian is not None:
        mean, covariance = initial.gaussian
        inverse = np.linalg.inv(covariance + square * np.eye(len(mean)))
        bottom = float(landscape.potential(mean[None])[0])

        def kernel(x: Array) -> Array:
            return np.asarray(theta * np.einsum("ni,ij,nj->n", x - mean, inverse, x - mean) / 2)

        return with_spread(landscape, box, kernel, bottom)
    if landscape.dim > 1 or square == 0.0:
        return landscape, box
    found, bottom = diffused(landscape, box, square)
    return with_spread(landscape, box, lambda x: np.asarray(theta * found(x)), bottom)


def _along(path: Path, t_end: float) -> tuple[Callable[[Array], Array], ...]:
    """Return V_t at a few times, where a density that follows it has its mass."""
    times = t_end * np.linspace(0.0, 1.0, STATIONS)
    return tuple(path.at(float(t)) for t in times)


def _favoured(
    landscape: Landscape, equation: Equation, t_end: float, bounds: Array | None
) -> Landscape:
    """Add what the linear reaction leads to by the end; where it moves, also on the way there."""
    rate = equation.rate
    assert rate is not None
    rates = (equation.alpha, equation.beta)
    if not rate.moving:
        return with_favoured(landscape, rate, *rates, t_end, bounds)

    def average(end: float) -> Callable[[Array], Array]:
        return lambda x: np.mean([rate(x, t) for t, _ in gauss(0.0, end)], axis=0)

    ways = [
        with_favoured(landscape, average(end), *rates, end, bounds)
        for end in t_end * np.arange(1, HORIZONS + 1) / HORIZONS
    ]
    return replace(landscape, favoured=tuple(f for way in ways for f in way.favoured))
