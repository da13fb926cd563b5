r"""The lowest eigenpairs of −(αL + U), with relative accuracy down to the smallest.

Shift-invert Krylov–Schur, which is the engine's, finds the space on the symmetrised matrix.
Round-off of the matrix, 1e-16 of its largest entry, then still hides every eigenvalue below that.
So the space is taken over in the variable u = π^{-1/2} w, where constants are constants; a
Rayleigh–Ritz step and two steps of refinement use energies and defects from differences
(`DirichletForm`), and the small, graded Ritz matrix is diagonalised by a Jacobi method, which keeps
the relative accuracy of every eigenvalue (Demmel and Veselić, SIAM J. Matrix Anal. Appl. 13 (1992)
1204). Vectors that a Krylov space misses, those of multiple or nearly multiple eigenvalues, are
caught by random vectors that are refined along.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.discretisation.nodes import Nodes
from wfrpde.engine import ShiftInvert, Wish
from wfrpde.errors import InputError, SolverError
from wfrpde.operators.operator import Operator

EXTRA = 4
"""Eigenpairs computed beyond those asked for, and random vectors that catch missed ones."""

REFINEMENTS = 2

SOLVED = 1e-12
"""Last correction of a linear solve, relative to the largest value of the solution."""

STALLED = 1e-8
"""Correction up to which a solve may end when it no longer halves: that is round-off."""

MOST_CORRECTIONS = 60


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues λ of −(αL + U), ascending, and their functions.

    Attributes
    ----------
    values
        ``(k,)``.
    functions
        ``(k, n)`` nodal values on this rank, ghosts included, with ∫π u_a u_b = δ_ab.
    residuals
        ``(k,)``: norm of −(αL + U)u − λu in L²(π).
    facts
        JSON-ready: solver, iterations.
    further
        What was asked for besides, ``(n,)``.
    """

    values: Array
    functions: Array
    residuals: Array
    facts: dict[str, Any]
    further: Array | None = None


Further = Callable[[Operator, Eigenpairs, "Inverse"], Array]
"""A question about an operator whose eigenpairs are known and whose inverse is at hand."""


def lowest(
    operator: Operator,
    count: int,
    *,
    scale: float,
    wish: Wish,
    shift: float | None = None,
    further: Further | None = None,
) -> Eigenpairs:
    """Compute the lowest eigenpairs but the constant: `count` and a few more (collective).

    Parameters
    ----------
    operator
        A = αL + U; its β is not looked at.
    count
        How many.
    scale
        A small rate of the problem, e.g. α over the square of its extent: the shift stays below
        it.
    wish
        What the case asks of the solvers.
    shift
        Something below the lowest eigenvalue; by default −max U, minus a share of `scale`.
    further
        What else is to be known, of the same factors.

    Raises
    ------
    InputError
        If there are not that many unknowns.
    SolverError
        If the eigensolver does not converge.
    """
    form, nodes = operator.form, operator.form.nodes
    n = nodes.n_owned
    unknowns = int(nodes.sum(operator.free[:n].astype(float))) - operator.conservative
    if count > unknowns:
        raise InputError(
            "spectrum.count",
            f"{count} with {unknowns} unknowns",
            f"at most {unknowns}",
            "Ask for fewer eigenvalues, or take more cells.",
        )
    if shift is None:
        top = 0.0 if operator.rate is None else nodes.max(operator.rate[:n][operator.free[:n]])
        shift = -top - 1e-3 * scale
    wanted = min(count + EXTRA, unknowns)
    with Inverse(operator, shift, wish) as inverse:
        functions = inverse.krylov(wanted)
        functions = np.concatenate([functions, _random(operator, min(EXTRA, unknowns))])
        for _ in range(2):
            functions[-EXTRA:] = inverse.apply(form.mass * functions[-EXTRA:])
        values, functions = _ritz(operator, functions, wanted)
        for _ in range(REFINEMENTS):
            correction = inverse.apply(operator.weak(functions, values))
            both = np.concatenate([functions - correction, correction])
            values, functions = _ritz(operator, both, wanted)
        defect = operator.weak(functions, values)[:, :n]
        weight = np.where(form.mass[:n] > 0, form.mass[:n], 1.0)
        residuals = np.sqrt([nodes.sum(row * row / weight) for row in defect])
        pairs = Eigenpairs(values, functions, residuals, inverse.facts)
        if further is not None:
            pairs = replace(pairs, further=further(operator, pairs, inverse))
    return pairs


def _random(operator: Operator, count: int) -> Array:
    """Random functions, the same for any number of ranks (collective)."""
    nodes = operator.form.nodes
    # a hash of the canonical number, so that no rank needs to know the whole mesh
    number = nodes.canonical.astype(np.uint64)
    rows = []
    for k in range(count):
        bits = (number + np.uint64(k * 7919 + 1)) * np.uint64(0x9E3779B97F4A7C15)
        bits ^= bits >> np.uint64(29)
        bits *= np.uint64(0xBF58476D1CE4E5B9)
        bits ^= bits >> np.uint64(32)
        rows.append(bits.astype(np.float64) / 2.0**63 - 1.0)
    return np.where(operator.free, np.array(rows).reshape(count, -1), 0.0)


def _ritz(operator: Operator, functions: Array, keep: int) -> tuple[Array, Array]:
    """Rayleigh–Ritz in differences: values and orthonormal functions, ascending (collective).

    Directions that the others hold already, to round-off, are left out.
    """
    form = operator.form
    if operator.conservative:
        functions = functions - form.mean(functions)[:, None]
    kept: list[Array] = []
    for function in functions:  # Gram–Schmidt, twice is enough; the first ones are the lowest
        norm = np.sqrt(form.product(function[None])[0, 0])
        vector = function[None] / norm if norm > 0 else function[None]
        start = vector
        for _ in range(2):
            if kept:
                basis = np.array(kept)
                vector = vector - form.product(vector, basis) @ basis
        size = np.sqrt(form.product(vector)[0, 0])
        if size > 1e-6 * np.sqrt(max(form.product(start)[0, 0], 1e-300)):
            kept.append(vector[0] / size)
    basis = np.array(kept)
    if operator.conservative:
        basis = basis - form.mean(basis)[:, None]
    rotation = _graded_eigenvectors(operator.energy(basis))
    functions = rotation[:, :keep].T @ basis
    if operator.conservative:
        functions = functions - form.mean(functions)[:, None]
    norm = np.sqrt(np.diag(form.product(functions)))
    functions = functions / norm[:, None]
    values = np.diag(operator.energy(functions)).copy()
    order = np.argsort(values, kind="stable")
    return values[order], functions[order]


def _graded_eigenvectors(matrix: Array) -> Array:
    """Eigenvectors ``(m, m)`` in columns, ascending, of a symmetric, perhaps graded matrix.

    A positive definite D A D with a well-conditioned A of unit diagonal keeps the relative
    accuracy of every eigenvalue: factorise A, and take the singular vectors of (chol A)ᵀ D with
    LAPACK's Jacobi method.
    """
    from scipy.linalg import lapack

    scale = np.diag(matrix).copy()
    if (scale > 0).all():
        root = np.sqrt(scale)
        try:
            factor = np.linalg.cholesky(matrix / np.outer(root, root))
        except np.linalg.LinAlgError:
            pass
        else:
            _, _, right, *_, info = lapack.dgejsv(factor.T * root[None, :])
            if info == 0:
                return np.asarray(right)[:, ::-1]
    return np.asarray(np.linalg.eigh(matrix)[1])


class Inverse:
    """(−αL − U − σ)^{-1} for one shift σ: the matrix and the engine's eigensolver (a context)."""

    def __init__(self, operator: Operator, shift: float, wish: Wish) -> None:
        self._operator, self._shift, self._wish = operator, shift, wish
        self._to_function = np.exp(np.clip(-operator.form.log_mass / 2, -350.0, 350.0))
        self._owned = ExitStack()

    def __enter__(self) -> Inverse:
        with ExitStack() as stack:
            matrix = self._operator.matrix(-self._shift, self._wish)
            stack.callback(matrix.destroy)
            # what an algebraic multigrid must interpolate exactly: √π, the image of the constant
            smooth = self._on_free(1 / self._to_function)
            self._solver: ShiftInvert = stack.enter_context(matrix.shift_invert(smooth))
            self._owned = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._owned.close()

    @property
    def facts(self) -> dict[str, Any]:
        """JSON-ready: solvers, iterations, shift."""
        return {**self._solver.facts, "shift": self._shift}

    def krylov(self, count: int) -> Array:
        """Return eigenfunctions ``(k, n)``, ghosts included; raise unless `count` converged."""
        vectors = self._solver.lowest(count, deflated=self._operator.conservative)
        return np.array([self._function(vector) for vector in vectors])

    def apply(self, functionals: Array) -> Array:
        """Return (αK − M U − σM)^{-1} b for each b ``(n,)`` (collective)."""
        scaled = [self._on_free(functional * self._to_function) for functional in functionals]
        return np.array([self._function(self._solver.solve(vector)) for vector in scaled])

    def _on_free(self, values: Array) -> Array:
        n = self._operator.form.nodes.n_owned
        return np.where(self._operator.free[:n], values[:n], 0.0)

    def _function(self, vector: Array) -> Array:
        values = self._on_free(vector * self._to_function[: len(vector)])
        return self._operator.form.nodes.with_ghosts(values)


def solved(
    operator: Operator,
    inverse: Inverse,
    functional: Array,
    basis: Array,
    *,
    start: Array | None = None,
    value: float = 0.0,
) -> Array:
    """Return f ``(n,)`` with (−αL − U − λ) f = b in the weak sense (collective).

    Parameters
    ----------
    inverse
        That of a shift near λ below which there is none of the other eigenvalues.
    functional
        b ``(n,)``, complete at ghosts.
    basis
        Eigenfunctions ``(k, n)`` along which nothing is solved: f is that of the start there.
    start
        Where to start ``(n,)``; 0 by default.
    value
        λ.

    Raises
    ------
    SolverError
        If the corrections do not become small.
    """
    form, nodes = operator.form, operator.form.nodes
    n = nodes.n_owned
    solution = np.zeros(len(nodes.points)) if start is None else start
    rhs = np.where(operator.free, functional, 0.0)
    size, last = 1.0, np.inf
    for _ in range(MOST_CORRECTIONS):
        defect = rhs - operator.weak(solution[None], value)[0]
        defect = defect - form.mass * (along(nodes, basis, defect) @ basis)
        correction = inverse.apply(defect[None])[0]
        correction = correction - form.product(correction[None], basis)[0] @ basis
        solution = solution + correction
        # the largest component, since a norm in L²(π) does not see the top of a barrier
        size, change = nodes.max(np.abs(solution[:n])), nodes.max(np.abs(correction[:n]))
        if change <= SOLVED * size or (change <= STALLED * size and change > last / 2):
            return np.asarray(solution)
        last = change
    raise SolverError(
        f"a linear solve still changed by {last / size:.0e} after {MOST_CORRECTIONS} corrections"
    )


def along(nodes: Nodes, basis: Array, functional: Array) -> Array:
    """Coefficients ∫ u_k b ``(k,)`` of a functional (collective)."""
    n = nodes.n_owned
    return np.asarray(nodes.comm.allreduce(basis[:, :n] @ functional[:n]))
