r"""The spectrum of kinetic Langevin dynamics on a line, dq = p dt, dp = −(U' + γp) dt + √(2γ) dW.

In the orthonormal Hermite polynomials of p, h = Σ_n c_n(q) ψ_n(p), the generator is

.. math:: -L = \gamma\,n - a^\dagger b + b^\dagger a, \qquad
          b = \partial_q,\quad b^\dagger = -\partial_q + U',

with a ψ_n = √n ψ_{n−1}: block tridiagonal. On √π c the operators are ±∂ + U'/2, which a sinc
collocation at equidistant points makes adjoint matrices. Elements in (q, p) would have a second
zero mode, and modes in the corners. Eigenvalues count when two resolutions agree that differ in
both directions: with too few Hermite polynomials rates at low friction come out too large, and a
grid in q alone says nothing of it. Paths at equilibrium look the same backwards once momenta are
turned, p → −p: left functions are right ones with the signs (−1)ⁿ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.case.problem import Problem
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.interpolation import interpolation_of
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine.nonsymmetric import Eigenpairs, lowest
from wfrpde.errors import InputError, SolverError
from wfrpde.operators.irreversible import EXTRA, Rotating
from wfrpde.operators.ladder import vague_warnings
from wfrpde.parallel import Progress, collectively, watched
from wfrpde.parallel.screen import logger

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case


POINTS, MORE_POINTS = 1.7, 0.2
"""Points of the grid in a shortest length of U: at first, and more with each refinement."""

MOMENTA, GROWTH = 30, 2
"""Hermite polynomials at first, and how their number grows."""

MOST_REFINEMENTS = 3

ROUND_OFF = 4e-16


@dataclass(frozen=True)
class _Solved:
    q: Array
    step: float
    momenta: int
    pairs: Eigenpairs
    norm: float


def solve_kinetic(case: Case, comm: Comm, friction: float, count: int) -> Rotating:
    """Compute the `count` lowest modes of −L (collective; one process solves).

    The functions are averages over the momenta, of which there is one number at each q.

    Raises
    ------
    InputError
        If there is more than one position, or the axis has sides of its own.
    SolverError
        If the eigensolver does not converge.
    """
    if case.target.dimension != 1 or case.domain.sides or case.spectrum.absorbing:
        raise InputError(
            "dynamics.kind",
            "'kinetic' with more than one position, domain.sides or spectrum.absorbing",
            "one position between reflecting sides, for a spectrum",
        )
    with collectively(comm):
        # level of U (kT) at which the grid in q ends
        problem = make_problem(of_positions(case), at_equilibrium=True, level=70.0)
        result = _refined(problem, friction, count) if comm.rank == 0 else None
    combined = comm.bcast(result)
    interpolation = interpolation_of(*_shown(problem))
    facts = {**combined.pop("facts"), "ranks": comm.size, **problem.facts}
    warnings = [*problem.warnings, *combined.pop("warnings")]
    return Rotating(
        problem=problem, interpolation=interpolation, warnings=warnings, facts=facts, **combined
    )


def of_positions(case: Case) -> Case:
    """Return the overdamped case of the positions alone."""
    changes: dict[str, Any] = {"dynamics": {}, "initial": {"kind": "uniform"}}
    if case.domain.box is not None:
        changes["domain.box"] = [list(axis) for axis in case.domain.box[: case.target.dimension]]
    return case.with_overrides(changes)


def _shown(problem: Problem) -> tuple[Any, int]:
    """Return the grid on which functions are given, and the degree there."""
    low, high = problem.box[0]
    q = np.linspace(low, high, 4001)
    value = problem.potential(q[:, None])
    # level (kT) up to which functions are given: beyond, √π is no larger than round-off
    inside = q[value - value.min() < 25.0]
    width = float(inside[-1] - inside[0])
    cells = int(np.ceil(2 * width / float(problem.scales[0]))) + 8
    breaks = np.linspace(inside[0], inside[-1], cells + 1)
    return TensorGrid((breaks,), np.ones(cells, dtype=bool)), 8


def matrix_of(slope: Array, step: float, friction: float, momenta: int) -> Any:
    """Return −L ``(nm, nm)``, sparse, with the momenta outside; `slope` is U' ``(n,)``."""
    import scipy.sparse as sparse

    n = len(slope)
    gap = np.subtract.outer(np.arange(n), np.arange(n))
    derivative = np.where(gap == 0, 0.0, (-1.0) ** gap / np.where(gap == 0, 1, gap)) / step
    lowering = derivative + np.diag(slope / 2)  # b on √π c; its transpose is b†
    root = np.sqrt(np.arange(1.0, momenta))
    up, down = sparse.diags(root, -1), sparse.diags(root, 1)
    coupling = sparse.kron(down, lowering.T) - sparse.kron(up, lowering)
    damping = sparse.kron(sparse.diags(friction * np.arange(float(momenta))), sparse.identity(n))
    return (coupling + damping).tocsr()


def _solved(problem: Problem, friction: float, count: int, refinement: int) -> _Solved:
    low, high = problem.box[0]
    wanted = (high - low) / float(problem.scales[0]) * (POINTS + MORE_POINTS * refinement)
    q = np.linspace(low, high, int(np.ceil(wanted)) + 1)
    step = float(q[1] - q[0])
    momenta = int(MOMENTA * GROWTH**refinement)
    matrix = matrix_of(problem.target.gradient(q[:, None])[:, 0], step, friction, momenta)

    def rotation(values: ComplexArray) -> float:
        """No bound is known: well beyond the frequencies of U and of what was found."""
        found = 1.5 * np.abs(values.imag).max(initial=0.0) + values.real.max(initial=0.0)
        # how far up modes that rotate are looked for, in units of the inverse of the shortest
        # length of U, a frequency
        return float(max(found, 1.2 / float(problem.scales[0])))

    scale = 0.1 * min(friction, 1 / friction) / float(high - low) ** 2
    pairs = lowest(
        matrix,
        count + EXTRA,
        scale=scale,
        rotation=rotation,
        left=refinement > 0,
        mirror=np.repeat((-1.0) ** np.arange(momenta), len(q)),
        ordering="NATURAL",
    )
    logger.debug("%d positions, %d Hermite polynomials: %d shifts", len(q), momenta, pairs.shifts)
    return _Solved(q, step, momenta, pairs, float(abs(matrix).max()))


def _refined(problem: Problem, friction: float, count: int) -> dict[str, Any]:
    """Refine q and p together until the eigenvalues stay."""
    runs = [_solved(problem, friction, count, 0)]
    gap = np.full(count, np.inf)
    with watched(None, None, "eigenvalues") as observer:
        for refinement in range(1, MOST_REFINEMENTS + 1):
            if observer is not None:
                observer(Progress.count("", refinement, MOST_REFINEMENTS + 1, "resolutions"))
            runs.append(_solved(problem, friction, count, refinement))
            values, before = runs[-1].pairs.values[:count], runs[-2].pairs.values
            gap = np.abs(values[:, None] - before[None, :]).min(axis=1)
            # 1e-7: change of the eigenvalues, relative to |λ|, at which refinement ends
            if (gap <= 1e-7 * np.abs(values) + 1e-12).all():
                break
    return _combined(problem, runs, gap, count)


def _combined(problem: Problem, runs: list[_Solved], gap: Array, count: int) -> dict[str, Any]:
    from wfrpde.parallel.mpi import MPI

    best = runs[-1]
    pairs = best.pairs
    values = pairs.values[:count].copy()
    residual = pairs.residuals[:count] + ROUND_OFF * best.norm
    errors = gap + pairs.conditions[:count] * residual
    # where eigenvalues meet, a perturbation δ moves them by no more than about its root
    errors = np.minimum(errors, gap + np.sqrt(residual * (1 + np.abs(values))))
    values[0], errors[0] = 0.0, 0.0
    # 0.1: change, relative to |λ|, up to which both resolutions know an eigenvalue
    known = gap <= 0.1 * np.abs(values) + 1e-12
    known[0] = True
    if not known.any():
        raise SolverError("no mode is known to both resolutions")
    grid, degree = _shown(problem)
    nodes = make_nodes(MPI.COMM_SELF, grid, degree)
    potential = problem.potential(nodes.points)
    log_mass = np.log(nodes.weights) - potential
    log_partition = nodes.logsumexp(log_mass)
    mass = np.exp(log_mass - log_partition)
    basis = np.sinc((nodes.points[:, 0][:, None] - best.q[None, :]) / best.step)
    basis *= np.sqrt(1 / best.step) * np.exp((potential[:, None] + log_partition) / 2)
    positions = len(best.q)
    right = (basis @ pairs.right[:count, :positions].T).T
    left = (basis @ pairs.left[:count, :positions].T).T
    peak = right[np.arange(count), (np.abs(right) * np.sqrt(mass)).argmax(axis=1)]
    turn = (np.abs(peak) / peak)[:, None]
    right, left = right * turn, left * turn
    warnings = []
    if not known.all():
        warnings.append(
            f"{int((~known).sum())} of {count} eigenvalues are not known to both resolutions, and "
            "left out"
        )
    warnings += vague_warnings(values[known], errors[known], 1e-12)
    return {
        "values": values[known],
        "errors": errors[known],
        "residuals": pairs.residuals[:count][known],
        "conditions": pairs.conditions[:count][known],
        "functions": right[known],
        "left": left[known],
        "mass": mass,
        "log_partition": log_partition,
        "warnings": warnings,
        "facts": {
            "nodes": nodes.n_global,
            "degree": degree,
            "cells": [grid.n_cells],
            "runs": [
                {"positions": len(run.q), "momenta": run.momenta, "shifts": run.pairs.shifts}
                for run in runs
            ],
            "searched_rotation": float(pairs.searched),
            "extrapolated": False,
        },
    }
