"""FiPy: finite volumes with exponential convection terms (Scharfetter–Gummel), implicit steps.

FiPy's steps are implicit Euler; three are combined to second order by Richardson extrapolation.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from peer import Answer
from problems import BenchmarkProblem
from scipy.interpolate import CubicSpline, RectBivariateSpline

os.environ.setdefault("FIPY_SOLVERS", "scipy")

import fipy

Array = np.ndarray[Any, Any]

PACKAGES = ("FiPy", "scipy")
TINY = 1e-300


def settings(problem: BenchmarkProblem) -> list[dict[str, Any]]:
    """Return cells and steps, refined together."""
    pairs = [(50, 25), (100, 50), (200, 100), (400, 200), (800, 400)]
    if problem.dim == 2:
        pairs = [(24, 10), (40, 20), (60, 40), (90, 80), (140, 160), (200, 320)]
    return [{"series": "exponential", "cells": n, "steps": steps} for n, steps in pairs]


def _march(problem: BenchmarkProblem, mesh: Any, points: Array, steps: int) -> Array:
    log_pi = -problem.potential(points)
    log_pi -= log_pi.max()
    rho = fipy.CellVariable(mesh=mesh, value=np.exp(problem.log_start(points)))
    rate = fipy.CellVariable(mesh=mesh, value=0.0)
    faces = np.array(mesh.faceCenters.value).T
    force = fipy.FaceVariable(mesh=mesh, rank=1, value=problem.gradient(faces).T)
    equation = fipy.TransientTerm() == (
        fipy.DiffusionTerm(coeff=problem.alpha)
        + fipy.ExponentialConvectionTerm(coeff=problem.alpha * force)
        + fipy.ImplicitSourceTerm(coeff=rate)
    )
    solver = fipy.LinearLUSolver(tolerance=1e-12, iterations=5)
    for _ in range(steps):
        value = np.maximum(rho.value, TINY)
        rate.setValue(-problem.beta * (np.log(value) - log_pi))
        equation.solve(var=rho, dt=problem.t_end / steps, solver=solver)
    return np.array(rho.value)


def answer(problem: BenchmarkProblem, cells: int, steps: int) -> Answer:
    """Solve."""
    lengths = problem.box[:, 1] - problem.box[:, 0]
    number = [round(cells * length / lengths[0]) for length in lengths]
    step = lengths / number
    if problem.dim == 1:
        mesh = fipy.Grid1D(nx=number[0], dx=step[0])
    else:
        mesh = fipy.Grid2D(nx=number[0], ny=number[1], dx=step[0], dy=step[1])
    mesh = mesh + problem.box[:, :1]
    points = np.array(mesh.cellCenters.value).T
    one, two = (_march(problem, mesh, points, n) for n in (steps, 2 * steps))
    volume = float(np.prod(step))
    one, two = one / (one.sum() * volume), two / (two.sum() * volume)
    rho = 2 * two - one
    centres = [
        lo + (np.arange(n) + 0.5) * h
        for (lo, _), n, h in zip(problem.box, number, step, strict=True)
    ]

    def on_grid(axes: list[Array]) -> Array:
        if problem.dim == 1:
            return np.asarray(CubicSpline(centres[0], rho)(axes[0]))
        table = rho.reshape(number[::-1]).T  # its first axis is the fastest
        return np.asarray(RectBivariateSpline(*centres, table)(*axes)).ravel()

    share = float(rho[problem.in_mode(points)].sum() * volume)
    return Answer(points, rho, np.full(rho.size, volume), on_grid, share)
