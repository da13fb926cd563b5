r"""The spectrum of linear dynamics towards a Gaussian, by polynomials, whose degree it keeps.

In coordinates z in which π = N(0, 1), the generator of dX = −(D + J)∇V dt + √(2D) dW is

.. math:: -L = \sum_{ij} a_i^\dagger\,\tilde M_{ji}\,a_j,\qquad
          a_i = \partial_{z_i},\quad a_i^\dagger = z_i - \partial_{z_i},

with the matrix M̃ of the drift −M̃z. On orthonormal Hermite polynomials a and a† lower and raise the
degree by one, so that −L is a small matrix for each degree n, on which nothing is approximated. Its
eigenvalues are the sums Σ k_i μ_i, Σ k_i = n, of those of M̃ (Metafune, Pallara and Priola,
J. Funct. Anal. 196 (2002) 40), which are computed apart: the distance of the two is the error.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, ComplexArray
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.interpolation import interpolation_of
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.engine.nonsymmetric import ascending
from wfrpde.operators.absorbing import planes
from wfrpde.operators.irreversible import LEVEL, ROUND_OFF, Rotating, finest_grid, phased
from wfrpde.parallel import collectively

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.equation import Dynamics

Power = tuple[int, ...]


def is_linear(case: Case, dynamics: Dynamics) -> bool:
    """Whether a case asks for the spectrum of linear dynamics in the whole space, and no mesh."""
    target, domain, numerics = case.build_target(None), case.domain, case.numerics
    matrices = (dynamics.diffusion, dynamics.circulation)
    whole = domain.box is None and domain.mesh is None and not domain.sides
    nothing = case.spectrum.absorbing is None and not case.sinks
    free = numerics.cells is None and numerics.degree is None
    linear = dynamics.keeps_target and all(m is None or m.constant for m in matrices)
    known = target.gaussian is not None and numerics.formulation in ("auto", "closed form")
    return known and linear and whole and nothing and free and domain.cell != "simplex"


def solve_linear(case: Case, comm: Comm, dynamics: Dynamics, count: int) -> Rotating | None:
    """Return the `count` lowest modes of −L, at α = 1; None if their degree is too high.

    Collective; every rank does the same.
    """
    from wfrpde.parallel.mpi import MPI

    with collectively(comm):
        problem = make_problem(case, at_equilibrium=True, level=LEVEL)
    assert problem.target.gaussian is not None
    mean, covariance = problem.target.gaussian
    root = np.linalg.cholesky(covariance)
    inverse = np.linalg.inv(root)
    drift = inverse @ dynamics.mobility_at(mean[None])[0] @ inverse.T
    found = _lowest(drift, count)
    if found is None:
        return None
    values, errors, residuals, conditions, rows = found
    grid, degree = finest_grid(problem, planes([], problem)[0])
    interpolation = interpolation_of(grid, degree)
    nodes = interpolation.nodes
    z = (nodes - mean) @ inverse.T
    right, left = (_functions(row, z) for row in rows)
    meshed = make_nodes(MPI.COMM_SELF, grid, degree)
    log_mass = np.log(meshed.weights) - problem.potential(meshed.points)
    log_partition = meshed.logsumexp(log_mass)
    mass = meshed.gather_masses(np.exp(log_mass - log_partition))
    functions, left = phased(right, left, mass)
    return Rotating(
        problem, values, errors, residuals, conditions, functions, left, mass, log_partition,
        interpolation, [*problem.warnings, *_idle(case)],
        {"formulation": "closed form", "nodes": len(nodes), "degree": degree,
         "cells": list(grid.active.shape), "runs": [], "spurious": [], "extrapolated": False,
         "ranks": comm.size, **problem.facts},
    )  # fmt: skip


Rows = list[dict[Power, complex]]


def _idle(case: Case) -> list[str]:
    """Say which keys mean nothing where nothing is discretised."""
    keys = sorted({"certify", "solver", "petsc_options"} & case.numerics.altered)
    if not keys:
        return []
    named = ", ".join(f"numerics.{key}" for key in keys)
    return [
        f"{named} had no effect, as the spectrum is known in closed form; "
        "numerics.formulation = 'mesh' does without"
    ]


def _lowest(
    drift: Array, count: int
) -> tuple[ComplexArray, Array, Array, Array, tuple[Rows, Rows]] | None:
    """Return eigenvalues with errors, residuals, conditions, and coefficients of both functions."""
    from scipy.linalg import eig
    from scipy.optimize import linear_sum_assignment

    slow, left_slow, right_slow = eig(drift, left=True)
    pairings = np.abs(np.einsum("ij,ij->j", left_slow.conj(), right_slow))
    # rates that meet are known to a root of round-off: their conditions say so, and Elsner's bound
    whole = float(np.linalg.norm(drift, 2))
    share = ROUND_OFF * len(drift) ** 2
    most = 2 * whole * (share / 2) ** (1 / len(drift))
    blur = np.minimum(share * whole / np.maximum(pairings, share), most)
    values: list[complex] = []
    more: list[tuple[float, float, float]] = []
    right: Rows = []
    left: Rows = []
    # highest degree of the polynomials: the count is left to a mesh where it needs more
    for degree in range(41):
        done = sorted(value.real for value in values)[:count]
        if len(done) == count and degree * slow.real.min() > done[-1] * (1 + 1e-9):
            break
        block = degree_block(drift, degree)
        powers = _powers(len(drift), degree)
        found, dual, vectors = eig(block, left=True)
        sums = np.array([np.dot(power, slow) for power in powers], dtype=complex)
        # eigenvalues that meet scatter over a root of round-off: their sums do not
        row, column = linear_sum_assignment(np.abs(found[:, None] - sums[None, :]))
        for k, at in zip(row, column, strict=True):
            x, y = vectors[:, k], dual[:, k]
            pairing = abs(np.vdot(y, x))
            condition = 1 / pairing if pairing > 0 else np.inf
            size = ROUND_OFF * len(powers) * np.linalg.norm(block, 2)
            gap = min(abs(found[k] - sums[at]), np.sqrt(size * (1 + abs(sums[at]))))
            values.append(complex(sums[at]))
            residual = np.linalg.norm(block @ x - sums[at] * x)
            more.append((gap + size + float(np.dot(powers[at], blur)), float(residual), condition))
            right.append(dict(zip(powers, x, strict=True)))
            left.append(dict(zip(powers, y, strict=True)))
    else:
        return None
    order = sorted(range(len(values)), key=lambda k: ascending(values[k]))[:count]
    errors, residuals, conditions = np.array([more[k] for k in order]).T
    errors[0] = 0.0
    pairs = [right[k] for k in order], [left[k] for k in order]
    chosen = np.array([values[k] for k in order])
    real = np.abs(chosen.imag) <= ROUND_OFF * 100 * (1 + np.abs(chosen))
    chosen[real] = chosen[real].real
    return chosen, errors, residuals, conditions, pairs


@cache
def _powers(dim: int, degree: int) -> list[Power]:
    """All powers ``(k_1, …, k_d)`` of a degree."""
    every = combinations_with_replacement(range(dim), degree)
    return [tuple(chosen.count(axis) for axis in range(dim)) for chosen in every]


def degree_block(drift: Array, degree: int) -> Array:
    """−L on the orthonormal Hermite polynomials of a degree, for the drift −M̃z."""
    powers = _powers(len(drift), degree)
    number = {power: k for k, power in enumerate(powers)}
    block = np.zeros((len(powers), len(powers)))
    for column, power in enumerate(powers):
        for j, below in enumerate(power):
            if below == 0:
                continue
            for i in range(len(drift)):
                raised = list(power)
                raised[j] -= 1
                raised[i] += 1
                row = number[tuple(raised)]
                block[row, column] += np.sqrt(below * raised[i]) * float(drift[j, i])
    return block


def _functions(rows: Rows, z: Array) -> ComplexArray:
    """Return Σ c_k ψ_k(z) ``(m, n)`` at points ``(n, d)``, ψ orthonormal Hermite polynomials."""
    highest = max(max(power) for row in rows for power in row)
    table = np.ones((highest + 1, *z.shape))
    if highest:
        table[1] = z
    for k in range(1, highest):
        table[k + 1] = (z * table[k] - np.sqrt(k) * table[k - 1]) / np.sqrt(k + 1)
    result = np.zeros((len(rows), len(z)), dtype=complex)
    for k, row in enumerate(rows):
        for power, factor in row.items():
            if factor:
                result[k] += factor * np.prod([table[p][:, a] for a, p in enumerate(power)], axis=0)
    return result
