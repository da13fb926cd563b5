"""The flow of the distance from a centre, for what is the same in all directions around it.

ρ/π is a function of the distance r then, whose flow on a line has the same KL: see
`wfrpde.flow.product.radial`. Mean and covariance follow by symmetry, masses of regions by `around`.
Nothing but pictures depends on the grid: densities at points are those of the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.case.setup import make_problem
from wfrpde.case.symmetry import CAUTION, Round, case_of_distance, round_problem
from wfrpde.case.terms import EMPTY, Densities
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.errors import InputError
from wfrpde.flow.accuracy import level_for, worst_error
from wfrpde.flow.around import is_simple, region_masses
from wfrpde.flow.ladder import Ladder
from wfrpde.flow.outcome import Context
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.radial import RadialPart
from wfrpde.flow.product.spheres import log_area
from wfrpde.flow.saved import ErrorEstimate
from wfrpde.flow.schemes.gaussian import picture_grid
from wfrpde.flow.schemes.scheme import Fit, Scheme, unheeded
from wfrpde.flow.solution import Solution

TRIES = 3
"""Lines, each with a tolerance that is `CAUTION`² times smaller, that are solved to meet one."""


class Radial(Scheme):
    """A line in place of a plane or of space."""

    name = "radial"
    outdoes_cells = True

    def suits(self, problem: Problem) -> Fit:
        """Whether the problem is the same in all directions, and nothing is asked of a mesh."""
        good = problem.numerics.formulation != "mesh" and self.objection(problem) is None
        return Fit(good, "target and start depend on the distance from one point alone")

    def objection(self, problem: Problem) -> InputError | None:
        """Return what depends on a direction, or what of a mesh it would not heed."""
        what = _beyond(problem)
        if what is None and _round(problem) is None:
            what = "a target or a start that is not known to be the same in all directions"
        if what is not None:
            needed = (
                "a target and a start that are formulas of the distance from one point, in the "
                "plane or in space, and overdamped dynamics without a linear reaction or a box"
            )
            return InputError("numerics.formulation", f"'radial' with {what}", needed)
        return unheeded(problem.numerics, self.name)

    def runs(self, context: Context) -> Ladder:
        """There is none of its own."""
        raise NotImplementedError("the runs are those of the distance")

    def answer(self, context: Context, reason: str, began: float) -> Solution:
        """Solve on a line, and return the flow in the plane or in space (collective)."""
        from wfrpde.flow.solve import answered  # a line is solved as any problem is

        problem, found = context.problem, _round(context.problem)
        assert found is not None
        caution, tolerance = CAUTION, problem.tolerance
        for _ in range(TRIES):
            case = case_of_distance(problem, found, caution)
            tight = level_for(None if tolerance is None else tolerance / caution)
            line_context = replace(context, problem=make_problem(case, level=tight))
            line = answered(line_context, began, " of the distance")
            solution = _in_space(context, found, line, self.name, reason)
            if tolerance is None or not line.complete or worst_error(solution)[0] <= tolerance:
                break
            caution *= CAUTION**2
        return solution


def _beyond(problem: Problem) -> str | None:
    """Say what of a problem a line does not know."""
    equation, domain = problem.equation, problem.domain
    dynamics = equation.dynamics
    unknown = {
        "one dimension": problem.dim == 1,
        "no transport": dynamics is None,
        "dynamics of its own": dynamics is not None and bool(dynamics.terms),
        "a linear reaction": equation.rate is not None,
        "a target that moves": equation.path is not None,
        "transport and reaction in turns": equation.alternation is not None,
        "mass that changes": not equation.conserve,
        "weights": problem.tells_weights,
        "what stands for a point": problem.initial.blur > 0,
        "turned axes": problem.frame is not None,
        "a box or a mesh": domain.box is not None or problem.mesh is not None,
        "simplices": domain.cell == "simplex",
    }
    return next((what for what, found in unknown.items() if found), None)


def _round(problem: Problem) -> Round | None:
    """Return the problem by its radius, if all regions have masses there."""
    found = round_problem(problem)
    if found is None:
        return None
    reach = float(np.ptp(problem.box, axis=1).max())
    simple = all(is_simple(one, found.centre, reach) for one in problem.target.regions.values())
    return found if simple else None


def _in_space(context: Context, found: Round, line: Solution, name: str, reason: str) -> Solution:
    """Return what the flow of the distance says of that in space."""
    problem, centre, count = context.problem, found.centre, len(line.times)
    interpolation = TensorInterpolation(picture_grid(problem), 2)
    nodes = interpolation.nodes
    part = RadialPart(problem.target, MeshPart(line))
    masses = region_masses(part.mesh, centre, problem.target.regions, part.lost)
    covariance = part.estimated("covariance")
    log_normalisation = line.log_normalisation + log_area(problem.dim)
    shown = Solution(
        case=problem.case,
        densities=Densities(problem.target, problem.initial, problem.equation),
        times=line.times,
        series={},
        mean=np.tile(centre, (count, 1)),
        covariance=covariance.value,
        mode_mass={key: value[:count] for key, (value, _) in masses.items()},
        error=None,
        log_relative=np.zeros((count, len(nodes))),
        log_normalisation=log_normalisation,
        history=line.history,
        numerics={},
        warnings=line.warnings,
        complete=line.complete,
        wall_time=line.wall_time,
        interpolation=interpolation,
        known={},
        distance=line,
    )
    errors = line.error
    u = np.maximum(shown.log_relative_densities(nodes), EMPTY)
    log_density = u - problem.potential(nodes) - log_normalisation
    series = {key: part.estimated(key).value for key in part.names}
    series["min_density"] = np.exp(log_density.min(axis=1))
    solution = replace(
        shown,
        log_relative=u,
        series=series,
        error=None if errors is None else _errors(part, errors, series["min_density"], masses),
        numerics={
            "formulation": name,
            "reason": reason,
            **_facts(problem, interpolation, line),
            "target_mode_mass": {key: float(value[-1]) for key, (value, _) in masses.items()},
        },
    )
    if problem.tolerance is None or "accuracy" not in line.numerics:
        return solution
    estimate, worst = worst_error(solution)
    told = {"tolerance": problem.tolerance, "estimate": estimate, "worst": worst,
            "met": bool(estimate <= problem.tolerance)}  # fmt: skip
    accuracy = {**line.numerics["accuracy"], **told}
    return replace(solution, numerics={**solution.numerics, "accuracy": accuracy})


def _errors(
    part: RadialPart,
    line: ErrorEstimate,
    smallest: Array,
    masses: Mapping[str, tuple[Array, Array]],
) -> ErrorEstimate:
    spread = {key: part.estimated(key).error for key in part.names}
    count, density = len(line.density), line.density + part.lost
    spread["min_density"] = smallest * density
    return ErrorEstimate(
        spread,
        part.estimated("mean").error,
        part.estimated("covariance").error,
        {key: error[:count] for key, (_, error) in masses.items()},
        density,
    )


def _facts(problem: Problem, interpolation: TensorInterpolation, line: Solution) -> dict[str, Any]:
    own = ("formulation", "reason", "nodes", "cells")
    facts = {key: value for key, value in line.numerics.items() if key not in own}
    return {
        **facts,
        "nodes": len(interpolation.nodes),
        "cells": list(interpolation.grid.active.shape),
        **problem.facts,
        "distance": {key: line.numerics[key] for key in own if key in line.numerics},
        "length_scales": problem.scales.tolist(),
    }
