"""The problems of the benchmark by `wfrpde.solve`, with its certifying second solution."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import numpy as np
from peer import Answer
from problems import BenchmarkProblem

import wfrpde

Array = np.ndarray[Any, Any]

PACKAGES = ("numpy", "scipy", "petsc4py", "fenics-dolfinx")

TOLERANCES = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)

BY_HAND: dict[str, list[dict[str, Any]]] = {
    "G2": [
        {"formulation": "spectral", "degree": degree, "cells": [cells, cells], "dt": 1 / steps}
        for degree, cells, steps in (
            (4, 8, 8),
            (4, 12, 8),
            (4, 16, 16),
            (6, 12, 16),
            (6, 16, 16),
            (8, 14, 32),
            (8, 18, 32),
        )
    ],
    "D1": [{"formulation": "log-density", "cells": [cells]} for cells in (8, 12, 16, 24, 40)],
    "W2": [
        {"formulation": "edge-averaged", "cells": [cells, 3 * cells // 2]}
        for cells in (16, 24, 36, 56, 96)
    ],
}
"""What a user might set instead of a tolerance."""


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


def forget() -> None:
    """Forget what earlier solves have made, so that one is timed with all it needs."""
    with suppress(ImportError):  # older checkouts keep nothing
        from wfrpde.case.posed import forget as forget_problems
        from wfrpde.discretisation.log_density import kept_elements

        forget_problems()
        kept_elements.cache_clear()


def settings(problem: BenchmarkProblem) -> list[dict[str, Any]]:
    """Return tolerances, for which the solver chooses everything, and numerics set by hand."""
    return [
        *({"series": "tolerance", "tolerance": tolerance} for tolerance in TOLERANCES),
        *({"series": "by hand", "numerics": numerics} for numerics in BY_HAND[problem.name]),
    ]


def answer(problem: BenchmarkProblem, **asked: Any) -> Answer:
    """Solve to a tolerance, or with given numerics."""
    logging.getLogger("wfrpde").setLevel(logging.ERROR)  # a missed tolerance shows in the table
    forget()
    tables = {"accuracy": asked} if "tolerance" in asked else asked
    return from_solution(problem, wfrpde.solve(case(problem, **tables)))


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
