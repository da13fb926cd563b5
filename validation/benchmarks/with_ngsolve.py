"""NGSolve: elements of degree 4 for ρ on quadrilaterals or intervals, stepped by SBDF2."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import ngsolve as ng
import numpy as np
from netgen.meshing import Element0D, Element1D, MeshPoint, Pnt
from netgen.meshing import Mesh as NetgenMesh
from ngsolve.meshes import MakeStructured2DMesh
from peer import Answer
from problems import BenchmarkProblem

Array = np.ndarray[Any, Any]

PACKAGES = ("ngsolve",)
DEGREE = 4
TINY = 1e-300
FIRST = 10


def settings(problem: BenchmarkProblem) -> list[dict[str, Any]]:
    """Return cells and steps, refined together."""
    pairs = [(20, 100), (30, 200), (40, 400), (60, 800), (80, 1600)]
    if problem.dim == 2:
        pairs = [(10, 25), (12, 50), (16, 100), (20, 200), (24, 400), (32, 800), (40, 1600)]
    return [{"series": "degree 4", "cells": n, "steps": steps} for n, steps in pairs]


def _interval(low: float, high: float, cells: int) -> ng.Mesh:
    mesh = NetgenMesh(dim=1)
    points = [mesh.Add(MeshPoint(Pnt(x, 0, 0))) for x in np.linspace(low, high, cells + 1)]
    region = mesh.AddRegion("line", dim=1)
    for a, b in pairwise(points):
        mesh.Add(Element1D([a, b], index=region))
    for number, point in enumerate((points[0], points[-1])):
        mesh.Add(Element0D(point, index=number + 1))
    return ng.Mesh(mesh)


def _expression(problem: BenchmarkProblem) -> tuple[Any, Any]:
    """V and log ρ₀ as NGSolve functions."""
    x, y = ng.x, ng.y
    gap = [x - problem.mean[0], *([y - problem.mean[1]] if problem.dim == 2 else [])]
    variance = np.diag(problem.covariance)
    start = -sum(g**2 / (2 * v) for g, v in zip(gap, variance, strict=True))
    if problem.name == "D1":
        return 8 * (x**2 - 1) ** 2 + 0.5 * x, start
    if problem.name == "W2":
        return 4 * (x**2 - 1) ** 2 + 0.5 * x + 2 * (y - 0.4 * x**2) ** 2, start
    p = np.linalg.inv(np.array(problem.target["covariance"]))
    return (p[0, 0] * x**2 + 2 * p[0, 1] * x * y + p[1, 1] * y**2) / 2, start


def answer(problem: BenchmarkProblem, cells: int, steps: int) -> Answer:
    """Solve."""
    lengths = problem.box[:, 1] - problem.box[:, 0]
    (low, high) = problem.box[0]
    if problem.dim == 1:
        mesh = _interval(low, high, cells)
    else:
        bottom = problem.box[1, 0]
        mesh = MakeStructured2DMesh(
            quads=True,
            nx=cells,
            ny=round(cells * lengths[1] / lengths[0]),
            mapping=lambda x, y: (low + lengths[0] * x, bottom + lengths[1] * y),
        )
    potential, log_start = _expression(problem)
    slope = [potential.Diff(ng.x), *([potential.Diff(ng.y)] if problem.dim == 2 else [])]
    force = ng.CF(tuple(slope)) if problem.dim == 2 else slope[0]
    space = ng.H1(mesh, order=DEGREE)
    u, v = space.TnT()
    mass = ng.BilinearForm(u * v * ng.dx).Assemble().mat
    flux = ng.grad(u) + u * force
    stiffness = ng.BilinearForm(space)
    stiffness += problem.alpha * ng.InnerProduct(flux, ng.grad(v)) * ng.dx
    stiffness.Assemble()
    rho = ng.GridFunction(space)
    rho.Set(ng.exp(log_start))
    positive = ng.IfPos(rho - TINY, rho, TINY)
    source = ng.LinearForm(
        -problem.beta * positive * (ng.log(positive) + potential) * v * ng.dx(bonus_intorder=2)
    )
    combined = mass.CreateMatrix()

    def solver(a: float, b: float) -> Any:
        combined.AsVector().data = a * mass.AsVector() + b * stiffness.mat.AsVector()
        return combined.Inverse(space.FreeDofs(), inverse="umfpack")

    def reacted() -> Any:
        source.Assemble()
        copy = source.vec.CreateVector()
        copy.data = source.vec
        return copy

    tau = problem.t_end / steps
    before, right = rho.vec.CreateVector(), rho.vec.CreateVector()
    before.data = rho.vec
    old = reacted()
    first = solver(1.0, tau / FIRST)
    for _ in range(FIRST):
        right.data = mass * rho.vec + tau / FIRST * reacted()
        rho.vec.data = first * right
    inverse = solver(1.5, tau)
    state = rho.vec.CreateVector()
    for _ in range(steps - 1):
        new = reacted()
        state.data = 2 * rho.vec - 0.5 * before
        right.data = mass * state + 2 * tau * new - tau * old
        before.data = rho.vec
        rho.vec.data = inverse * right
        old = new
    rho.vec.data *= 1 / ng.Integrate(rho, mesh, order=2 * DEGREE)
    sign, bound = problem.mode
    share = ng.Integrate(ng.IfPos(sign * (ng.x - bound), rho, 0), mesh, order=12)
    points, weights = _own_points(problem, mesh, lengths, cells)
    return Answer(
        points,
        _evaluate(mesh, rho, points),
        weights,
        lambda axes: _evaluate(mesh, rho, _tensor(axes)),
        float(share),
    )


def _tensor(axes: list[Array]) -> Array:
    return np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)


def _own_points(
    problem: BenchmarkProblem, mesh: Any, lengths: Array, cells: int
) -> tuple[Array, Array]:
    """Gauss points of its own cells: a hierarchical basis has no nodes."""
    x, w = np.polynomial.legendre.leggauss(DEGREE + 1)
    axes, weights = [], []
    for (low, high), length in zip(problem.box, lengths, strict=True):
        breaks = np.linspace(low, high, round(cells * length / lengths[0]) + 1)
        half = np.diff(breaks) / 2
        axes.append((breaks[:-1, None] + half[:, None] * (1 + x)).ravel())
        weights.append((half[:, None] * w).ravel())
    return _tensor(axes), np.prod(_tensor(weights), axis=1)


def _evaluate(mesh: Any, rho: Any, points: Array) -> Array:
    columns = [np.ascontiguousarray(c) for c in points.T]
    return np.asarray(rho(mesh(*columns))).ravel()
