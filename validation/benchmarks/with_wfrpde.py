"""The problems of the benchmark by `wfrpde.solve`, with its certifying second solution."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from peer import Answer
from problems import BenchmarkProblem

import wfrpde

Array = np.ndarray[Any, Any]

PACKAGES = ("numpy", "scipy", "petsc4py", "fenics-dolfinx")

TOLERANCES = tuple(float(f"{a}e-{k}") for k in range(2, 9) for a in (1, 0.3))[:-1]


def case(problem: BenchmarkProblem, **tables: Any) -> wfrpde.Case:
    """Return the case of a problem; `tables` adds numerics and accuracy."""
    sign, bound = problem.mode
    region = f"x {'>' if sign > 0 else '<'} {bound}"
    return wfrpde.Case.model_validate(
        {
            "title": problem.title,
            "target": {**problem.target, "modes": {"smaller": region}},
            "initial": {
                "kind": "gaussian",
                "mean": problem.mean.tolist(),
                "covariance": problem.covariance.tolist(),
            },
            "domain": {"box": problem.box.tolist()},
            "flow": {"alpha": problem.alpha, "beta": problem.beta, "save": [problem.t_end]},
            **tables,
        }
    )


def settings(problem: BenchmarkProblem) -> list[dict[str, Any]]:
    """Tolerances, nothing else: whatever the solver chooses for them."""
    return [{"series": "tolerance", "tolerance": tolerance} for tolerance in TOLERANCES]


def answer(problem: BenchmarkProblem, tolerance: float) -> Answer:
    """Solve to a tolerance."""
    logging.getLogger("wfrpde").setLevel(logging.ERROR)  # a missed tolerance shows in the table
    return from_solution(problem, wfrpde.solve(case(problem, accuracy={"tolerance": tolerance})))


def from_solution(problem: BenchmarkProblem, solution: wfrpde.Solution) -> Answer:
    """Take the density at t_end."""
    points = solution.nodes

    def on_grid(axes: list[Array]) -> Array:
        grids = np.meshgrid(*axes, indexing="ij")
        return solution.density(problem.t_end, np.stack([g.ravel() for g in grids], axis=1))

    log_density = solution.log_relative[-1] - problem.potential(points) - solution.log_normalisation
    estimate = {}
    if solution.error is not None:
        estimate = {
            "estimate": float(solution.error.density[-1]),
            "estimate of the mode mass": float(
                solution.error.mode_mass["smaller"][-1] / solution.mode_mass["smaller"][-1]
            ),
            "formulation": solution.numerics["formulation"],
        }
    return Answer(
        points,
        np.exp(log_density),
        _weights(points),
        on_grid,
        float(solution.mode_mass["smaller"][-1]),
        estimate,
    )


def _weights(points: Array) -> Array:
    """Share of the box of each node of a tensor grid, some of whose nodes may be missing."""
    weight = np.ones(len(points))
    for column in points.T:
        x, inverse = np.unique(np.round(column, 10), return_inverse=True)
        weight *= np.gradient(x)[inverse]
    return weight
