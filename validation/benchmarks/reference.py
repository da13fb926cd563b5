"""What is taken for the truth: the exact Gaussian flow, else a fine run checked by a second.

The two runs of a reference share no formulation: log-density or spectral elements on one side,
the edge-averaged form on the other. Their distance is printed and stored; no error below it means
anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from problems import G2_COVARIANCE, BenchmarkProblem
from scipy.stats import norm
from with_wfrpde import case

import wfrpde
from wfrpde.flow.exact import gaussian_flow, gaussian_log_density

Array = np.ndarray[Any, Any]

FINEST: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "D1": (
        {"formulation": "log-density", "cells": [60]},
        {"formulation": "spectral", "degree": 8, "cells": [60], "dt": 0.0025},
    ),
    "W2": (
        {"formulation": "spectral", "degree": 8, "cells": [32, 40]},
        {"formulation": "edge-averaged", "cells": [192, 288]},
    ),
}


@dataclass(frozen=True)
class Reference:
    """ρ at t_end on the fine grid, the mass of the smaller mode, and how well both are known.

    `at` gives ρ at any points ``(n, d)``.
    """

    fine: Array
    mode_mass: float
    at: Any
    known_to: float
    mass_known_to: float


def reference(problem: BenchmarkProblem) -> Reference:
    """Compute the reference of a problem; takes up to a minute."""
    if problem.name == "G2":
        return _gaussian(problem)
    first, second = (_finest(problem, numerics) for numerics in FINEST[problem.name])
    fine, check = (run.density(problem.t_end, problem.fine_points) for run in (first, second))
    masses = [float(run.mode_mass["smaller"][-1]) for run in (first, second)]
    return Reference(
        fine,
        masses[0],
        lambda x: first.density(problem.t_end, x),
        float(np.linalg.norm(fine - check) / np.linalg.norm(fine)),
        abs(masses[1] / masses[0] - 1),
    )


def _gaussian(problem: BenchmarkProblem) -> Reference:
    mean, covariance = gaussian_flow(
        problem.mean, problem.covariance, np.zeros(2), G2_COVARIANCE, problem.t_end
    )

    def at(x: Array) -> Array:
        return np.asarray(np.exp(gaussian_log_density(x, mean, covariance)))

    sign, bound = problem.mode
    mass = float(norm.sf(sign * bound, sign * mean[0], np.sqrt(covariance[0, 0])))
    return Reference(at(problem.fine_points), mass, at, 1e-12, 1e-12)


def _finest(problem: BenchmarkProblem, numerics: dict[str, Any]) -> wfrpde.Solution:
    # the edge-averaged form is extrapolated by its second solution, the others gain nothing by one
    certify = numerics["formulation"] == "edge-averaged"
    return wfrpde.solve(case(problem, numerics={**numerics, "certify": certify}))
