"""scikit-fem: quadratic elements for ρ on quadrilaterals or intervals, stepped by SBDF2."""

from __future__ import annotations

from typing import Any

import numpy as np
import skfem
from imex import reaction, sbdf2
from peer import Answer
from problems import BenchmarkProblem
from scipy.sparse.linalg import splu
from skfem.helpers import dot, grad

Array = np.ndarray[Any, Any]

PACKAGES = ("scikit-fem", "scipy")


def settings(problem: BenchmarkProblem) -> list[dict[str, Any]]:
    """Return cells and steps, refined together."""
    pairs = [(40, 100), (80, 200), (160, 400), (320, 800), (640, 1600)]
    if problem.dim == 2:
        pairs = [(16, 25), (24, 50), (32, 100), (48, 200), (72, 400), (108, 800), (160, 1600)]
    return [{"series": "quadratic", "cells": n, "steps": steps} for n, steps in pairs]


def answer(problem: BenchmarkProblem, cells: int, steps: int) -> Answer:
    """Solve."""
    lengths = problem.box[:, 1] - problem.box[:, 0]
    axes = [
        np.linspace(lo, hi, round(cells * length / lengths[0]) + 1)
        for (lo, hi), length in zip(problem.box, lengths, strict=True)
    ]
    if problem.dim == 1:
        basis = skfem.Basis(skfem.MeshLine(axes[0]), skfem.ElementLineP2(), intorder=5)
    else:
        basis = skfem.Basis(skfem.MeshQuad.init_tensor(*axes), skfem.ElementQuad2(), intorder=5)

    @skfem.BilinearForm
    def transport(u: Any, v: Any, w: Any) -> Any:
        x = np.stack([c.ravel() for c in w.x], axis=1)
        slope = problem.gradient(x).T.reshape(w.x.shape)
        return problem.alpha * dot(grad(u) + u * slope, grad(v))

    @skfem.BilinearForm
    def product(u: Any, v: Any, w: Any) -> Any:
        return u * v

    stiffness, mass = transport.assemble(basis).tocsc(), product.assemble(basis).tocsc()
    nodes = basis.doflocs.T
    log_pi = -problem.potential(nodes)
    log_pi -= log_pi.max()
    rho = sbdf2(
        np.exp(problem.log_start(nodes)),
        lambda rho: reaction(rho, log_pi, problem.beta),
        lambda x: np.asarray(mass @ x),
        lambda a, b: splu((a * mass + b * stiffness).tocsc(), permc_spec="MMD_AT_PLUS_A").solve,
        problem.t_end,
        steps,
    )
    weights = np.asarray(mass.sum(axis=1)).ravel()
    rho = rho / (weights @ rho)

    def on_grid(axes: list[Array]) -> Array:
        grids = np.meshgrid(*axes, indexing="ij")
        points = np.stack([g.ravel() for g in grids])
        parts = [
            basis.probes(points[:, a : a + 20_000]) @ rho for a in range(0, points.shape[1], 20_000)
        ]
        return np.concatenate(parts)

    @skfem.Functional
    def mode(w: Any) -> Any:
        inside = problem.in_mode(np.stack([c.ravel() for c in w.x], axis=1))
        return w["rho"] * inside.reshape(w.x.shape[1:])

    share = float(mode.assemble(basis, rho=basis.interpolate(rho)))
    return Answer(nodes, rho, weights, on_grid, share)
