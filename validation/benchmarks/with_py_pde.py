"""py-pde: finite differences compiled by Numba, explicit adaptive Runge–Kutta steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pde
from peer import Answer
from problems import BenchmarkProblem
from scipy.interpolate import CubicSpline, RectBivariateSpline

Array = np.ndarray[Any, Any]

PACKAGES = ("py-pde", "numba")


def settings(problem: BenchmarkProblem) -> list[dict[str, Any]]:
    """Return cells and tolerances."""
    sizes = [(50, 1e-4), (100, 1e-5), (200, 1e-6), (400, 1e-7)]
    if problem.dim == 2:
        sizes = [(30, 1e-4), (60, 1e-5), (120, 1e-6), (200, 1e-7)]
    return [{"series": "adaptive", "cells": n, "tolerance": t} for n, t in sizes]


def answer(problem: BenchmarkProblem, cells: int, tolerance: float) -> Answer:
    """Solve."""
    lengths = problem.box[:, 1] - problem.box[:, 0]
    number = [round(cells * length / lengths[0]) for length in lengths]
    grid = pde.CartesianGrid(problem.box.tolist(), number)
    points = grid.cell_coords.reshape(-1, problem.dim)
    potential = problem.potential(points).reshape(number)
    fields = {"V": pde.ScalarField(grid, potential - potential.min())}
    start = pde.ScalarField(grid, np.exp(problem.log_start(points)).reshape(number))
    positive = "((c + abs(c))/2 + 1e-300)"  # Numba knows no maximum of an array and a number
    flow = pde.PDE(
        {
            "c": "laplace(c) + dot(gradient(c), gradient(V)) + c * laplace(V)"
            f" - {problem.beta} * {positive} * (log({positive}) + V)"
        },
        consts=fields,
        bc="auto_periodic_neumann",
    )
    result = flow.solve(
        start,
        t_range=problem.t_end,
        dt=1e-5,
        solver="runge-kutta",
        adaptive=True,
        tolerance=tolerance,
        tracker=None,
    )
    rho = np.asarray(result.data, dtype=float)
    if not np.isfinite(rho).all():
        raise FloatingPointError("the solution blew up")
    volume = float(np.prod(lengths / number))
    rho /= rho.sum() * volume
    centres = [np.asarray(axis) for axis in grid.axes_coords]

    def on_grid(axes: list[Array]) -> Array:
        if problem.dim == 1:
            return np.asarray(CubicSpline(centres[0], rho)(axes[0]))
        return np.asarray(RectBivariateSpline(*centres, rho)(*axes)).ravel()

    share = float(rho.ravel()[problem.in_mode(points)].sum() * volume)
    return Answer(points, rho.ravel(), np.full(rho.size, volume), on_grid, share)
