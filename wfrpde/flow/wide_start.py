"""A start that lies in part in no cell: its own numbers, and how soon that part is forgotten.

Cells more than `wfrpde.case.problem.Problem.span` above the minimum of V are left out. What starts
there is lost to a flow by transport alone. A reaction has forgotten it long before it came down.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.case.forgotten import LEFT_OUT, NOTHING, forgets
from wfrpde.case.problem import Problem
from wfrpde.discretisation.functionals import Evaluator, Points
from wfrpde.discretisation.pieces import Functionals, Samples
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.extent import share_outside
from wfrpde.domain.grid import TensorGrid
from wfrpde.domain.landscape import lattice
from wfrpde.flow.exact import GeometricMean, sampled
from wfrpde.flow.outcome import Outcome

SEEN = 1e-15
"""The same from which its numbers are its own: there (log ρ/π)² is 1e6 and more."""


def left_out(outcome: Outcome) -> float:
    """Return the share of the start that lies in no cell; 0 where it is not worth telling."""
    share = outside(outcome)
    return share if share > LEFT_OUT else 0.0


def outside(outcome: Outcome) -> float:
    """Return the share of the start that lies in no cell, however small."""
    runs = outcome.facts["runs"]
    return float(runs[-1].get("start_left_out", 0.0)) if runs else 0.0


def whole_grid(problem: Problem, outcome: Outcome) -> TensorGrid | None:
    """Return cells of the whole box that hold the start; None where its numbers need none."""
    nodes = outcome.interpolation
    if not isinstance(nodes, TensorInterpolation) or outcome.parts is not None:
        return None
    if problem.absorption is not None or not problem.equation.conserve:
        return None
    grid = nodes.grid
    if problem.dim == 1:
        return _whole_line(problem, grid)
    if outside(outcome) < SEEN:
        return None
    if not np.allclose([[b[0], b[-1]] for b in grid.breaks], problem.box):
        return None
    # a start of which much lies outside is wide, and so may cells be: to a tolerance four times
    wide = 2 if problem.tolerance is None else 4
    step = wide if left_out(outcome) > 0 else 1
    breaks = tuple(np.append(b[:-1:step], b[-1]) for b in grid.breaks)
    whole = TensorGrid(breaks, np.ones([len(b) - 1 for b in breaks], dtype=bool), grid.closed)
    return replace(whole, active=_hold(grid, step) | starts_in(problem, whole))


def _hold(grid: TensorGrid, step: int) -> Flags:
    """Return which cells ``(n_1, …)`` as wide as `step` of a grid's hold some of these."""
    active = grid.active
    for axis, count in enumerate(active.shape):
        active = np.logical_or.reduceat(active, np.arange(0, count, step), axis=axis)
    return np.asarray(active)


def starts_in(problem: Problem, whole: TensorGrid) -> Flags:
    """Return in which cells ``(n_1, …)`` the start is, as far as their corners tell."""
    vertices = whole.vertices()
    start = problem.log_initial(vertices.reshape(-1, whole.dim))
    return whole.cut((start > start.max() - NOTHING).reshape(vertices.shape[:-1])).active


def _whole_line(problem: Problem, grid: TensorGrid) -> TensorGrid | None:
    """Return cells of a line up to the ends of its box; None where the start has nothing there."""
    (breaks,), (low, high) = grid.breaks, problem.box[0]
    if problem.equation.path is not None or any(grid.closed):
        return None
    if share_outside(problem.initial.log_density, grid.box, problem.box) < SEEN:
        return None
    first, last = breaks[1] - breaks[0], breaks[-1] - breaks[-2]
    before = np.linspace(low, breaks[0], 1 + _cells((breaks[0] - low) / first))[:-1]
    after = np.linspace(breaks[-1], high, 1 + _cells((high - breaks[-1]) / last))[1:]
    every = np.concatenate([before, breaks, after])
    if not np.isfinite(problem.target.potential(every[:, None])).all():
        return None
    return TensorGrid((every,), np.ones(len(every) - 1, dtype=bool), grid.closed)


def _cells(lengths: float) -> int:
    """Return in how many cells an end goes that is so many of them long: enough, not endless."""
    return 0 if lengths < 1e-9 else min(int(np.ceil(lengths)), 4000)


class WholeStart:
    """The numbers of the start on the whole box, by the rule of an evaluator (collective)."""

    def __init__(self, problem: Problem, evaluator: Evaluator) -> None:
        self._problem, self._evaluator = problem, evaluator

    @cached_property
    def _found(self) -> tuple[Functionals, float]:
        problem, start = self._problem, GeometricMean(self._problem, 1.0)

        def at(points: Points) -> list[Samples]:
            return [sampled([start], points.points, problem.scales, points.potential)]

        found = self._evaluator.evaluated(at)
        shift = np.log(problem.initial_mass) - found.log_mass(0)
        return found.functionals(0, shift), float(shift[0]) - found.log_normalisation

    def by_second_rule(self) -> WholeStart:
        """Return the same by another rule, whose distance tells the error of this one."""
        return WholeStart(self._problem, self._evaluator.second())

    def within(self, numbers: Functionals) -> Functionals:
        """Return numbers with those of the whole start at t = 0."""
        start, _ = self._found
        changed = {}
        for field in fields(numbers):
            value = getattr(numbers, field.name)
            if isinstance(value, np.ndarray):
                changed[field.name] = np.concatenate([getattr(start, field.name), value[1:]])
        modes = {
            name: np.concatenate([start.mode_mass[name], mass[1:]])
            for name, mass in numbers.mode_mass.items()
        }
        return replace(numbers, **changed, mode_mass=modes)

    def shifted(self, shift: Array, log_normalisation: float) -> Array:
        """Return what normalises ``(T,)``, at t = 0 the whole start beside the same π."""
        return np.append(self._found[1] + log_normalisation, shift[1:])


def beyond_the_box(problem: Problem) -> dict[str, float | Array]:
    """Return what numbers of the start owe at most to the little of it beyond an automatic box.

    The share out there is about ρ₀ at the walls relative to its maximum. log(ρ₀/π) and its slope
    are taken at the walls, too: they may be thousands where the share is 1e-12. Means ``(d,)``
    and covariances ``(d, d)`` owe it its distance and the squares of that, and the mass of a
    region what lies at the walls within it.
    """
    if not problem.endless or problem.equation.path is not None or not len(problem.initial.seeds):
        return {}
    top = float(problem.log_initial(problem.initial.seeds).max())
    count = {1: 1, 2: 101, 3: 31}[problem.dim]
    along = [np.linspace(low, high, count) for low, high in problem.box]
    faces, steps, reach = [], [], []
    for axis, ends in enumerate(problem.box):
        for wall, into in zip(ends, (1.0, -1.0), strict=True):
            steps.append(into * 1e-5 * np.ptp(ends))
            reach.append(float(np.abs(wall - problem.initial.seeds[:, axis]).max()))
            for place in (wall, wall + steps[-1]):
                faces.append(lattice([*along[:axis], np.array([place]), *along[axis + 1 :]]))
    points = np.concatenate(faces)
    logs = problem.log_initial(points)
    depths = logs + problem.target.potential(points)
    # face, at the wall and beside it, point
    logs, depths = (values.reshape(len(steps), 2, -1) for values in (logs, depths))
    with np.errstate(over="ignore", invalid="ignore"):
        share = np.exp(np.minimum(logs[:, 0] - top, 0.0))
        slope = (depths[:, 0] - depths[:, 1]) / np.array(steps)[:, None]
        sizes = {
            "kl": np.abs(depths[:, 0]),
            "reaction_variance": depths[:, 0] ** 2,
            "fisher_information": slope**2,
        }
        most = {name: np.where(share > 0, share * size, 0.0) for name, size in sizes.items()}
    owed: dict[str, float | Array] = {
        name: float(np.nan_to_num(owed, nan=0.0, posinf=0.0).max(axis=1).sum())
        for name, owed in most.items()
    }
    at_walls = np.nan_to_num(share).max(axis=1)
    mean, squares = ((at_walls * np.array(reach) ** k).reshape(-1, 2).sum(axis=1) for k in (1, 2))
    width = np.sqrt(squares)
    if problem.frame is not None:
        mean, width = (np.abs(problem.frame.matrix.T) @ one for one in (mean, width))
    at_wall = points.reshape(len(steps), 2, -1, problem.dim)[:, 0]
    for name, region in problem.target.regions.items():
        within = np.asarray(region(at_wall.reshape(-1, problem.dim))).reshape(at_wall.shape[:2])
        owed[f"mass of {name}"] = float(
            np.where(within, np.nan_to_num(share), 0.0).max(axis=1).sum()
        )
    return owed | {"mean": mean, "covariance": np.outer(width, width)}


def remembered(problem: Problem, outcome: Outcome) -> Array:
    """Return the share ``(T,)`` of the error of a start that is still there at each time.

    All of it, unless it is that of mass far up, which a reaction forgets, and whose own numbers are
    known.
    """
    share: Array = np.ones(len(outcome.times))
    if left_out(outcome) > 0:
        if forgets(problem):
            share = _left(problem, outcome).get("mass", share)
        if whole_grid(problem, outcome) is not None:
            share[0] = 0.0
    return share


def missed(problem: Problem, outcome: Outcome) -> dict[str, Array]:
    """Return how much mass, KL and its rates ``(T,)`` miss after t = 0 of what lies in no cell.

    KL and its rates have more of that than their share of the mass: log(ρ/π) is large there.
    """
    if (share := left_out(outcome)) == 0.0:
        return {}
    after = np.where(outcome.times > 0, share, 0.0)
    found = {name: after * part for name, part in _left(problem, outcome).items()}
    return found or {"mass": after}


def _left(problem: Problem, outcome: Outcome) -> dict[str, Array]:
    ways = problem.descent
    if ways is None or not outcome.history:
        return {}
    return ways.left(problem.span, outcome.times, outcome.history)
