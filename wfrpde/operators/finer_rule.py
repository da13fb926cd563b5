r"""What a finer rule of quadrature makes of eigenvalues on spectral elements.

Masses and energies are sums over the nodes of the elements. Where V is smooth these know
eigenvalues to all digits long before the functions are resolved to half of them; where V is like
:math:`|x - c|^q` within an element sums are off by a power of the node distance times what chance
makes of the place of c between two nodes, so that degrees agree, or differ, by chance as well. The
forms of the same functions by a composite Gauss rule, :math:`E + \delta E` and :math:`1 + \delta M`
in place of E = diag λ and 1, tell it: the Ritz values of their span are the eigenvalues without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg as sla
from numpy.polynomial import legendre

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.edges import cell_lines
from wfrpde.discretisation.fluxes import steep
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.lattice import cell_extents
from wfrpde.domain.grid import TensorGrid

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.operators.operator import Operator

PARTS = {1: 4, 2: 2}
"""Parts of each element along each axis, by dimension, with p + 1 Gauss points each: on lines what
such parts leave is 1/4^{q+1} of what it is, in the plane half of it at places without order."""

AT_ONCE = 4_000_000
"""Points of the rule beyond which it is not tried."""

OF_CHANGE, OF_ROW = 1.5, 0.75
"""Share of what the rule changes an eigenvalue by; and, where V is not smooth in places that cells
cannot follow, of the root mean square of what it changes of the forms of one function with all:
one rate changed by a quarter of what it was off by, and by a sixth of that."""

LEAST_HELD = 0.5
"""Least norm of functions by the finer rule: from there on it tells no correction."""


@dataclass(frozen=True)
class Rule:
    """Points and weights on [−1, 1], and matrices that take nodal values to values and slopes."""

    points: Array
    weights: Array
    values: Array
    slopes: Array

    @staticmethod
    def of_nodes(degree: int) -> Rule:
        """Return the rule of the nodes themselves."""
        rule = gll_rule(degree)
        return Rule(rule.nodes, rule.weights, np.eye(degree + 1), rule.derivative)

    @staticmethod
    def composite(degree: int, parts: int) -> Rule:
        """Return Gauss rules of p + 1 points in so many equal parts."""
        x, w = legendre.leggauss(degree + 1)
        ends = np.linspace(-1.0, 1.0, parts + 1)[:-1, None]
        points = (ends + (x + 1) / parts).ravel()
        to_coefficients = np.linalg.inv(legendre.legvander(gll_rule(degree).nodes, degree))
        slopes = [legendre.legval(points, legendre.legder(row)) for row in np.eye(degree + 1)]
        return Rule(
            points,
            np.tile(w / parts, parts),
            legendre.legvander(points, degree) @ to_coefficients,
            np.transpose(slopes) @ to_coefficients,
        )


def off_by_rule(problem: Problem, operator: Operator, values: Array, functions: Array) -> Array:
    """Return how far eigenvalues ``(k,)`` are off by what a finer rule tells (collective).

    Parameters
    ----------
    operator
        −(αL + U) on spectral elements; on other nodes, and in space, nothing is tried: 0.
    values, functions
        Its lowest eigenvalues ``(k,)`` and functions ``(k, n)``, with ∫π u_a u_b = δ_ab.
    """
    nodes = operator.form.nodes
    degree, dim = nodes.degree, nodes.dim
    elements = isinstance(nodes.grid, TensorGrid) and degree > 2 and dim in PARTS
    if not elements or len(values) == 0:
        return np.zeros_like(values)
    finer = Rule.composite(degree, PARTS[dim])
    if nodes.comm.allreduce(len(nodes.cell_nodes)) * len(finer.points) ** dim > AT_ONCE:
        return np.zeros_like(values)
    cells = nodes.cell_nodes[_polynomial(operator)]
    energy, mass = (
        nodes.comm.allreduce(fine - own)
        for fine, own in zip(
            *(
                _forms(problem, operator, cells, functions, rule)
                for rule in (finer, Rule.of_nodes(degree))
            ),
            strict=True,
        )
    )
    held = np.eye(len(values)) + mass
    if not np.linalg.eigvalsh(held)[0] > LEAST_HELD:
        return np.zeros_like(values)
    otherwise = sla.eigh(np.diag(values) + energy, held, eigvals_only=True)
    off = OF_CHANGE * np.abs(otherwise - values)
    if not (problem.kinks.oblique or problem.kinks.bent):
        return np.asarray(off)
    size = np.sqrt(np.abs(np.outer(values, values)))
    row = np.sqrt(((energy - size * mass) ** 2).mean(axis=1))
    return np.asarray(np.maximum(off, OF_ROW * row))


def _polynomial(operator: Operator) -> Flags:
    """Whether functions are polynomials on each element, as where V is not steep."""
    nodes, touched = operator.form.nodes, np.zeros(len(operator.form.nodes.points), dtype=bool)
    for lines in cell_lines(nodes):
        touched[lines.nodes[steep(lines, operator.form.potential)]] = True
    return np.asarray(~touched[nodes.cell_nodes].any(axis=1))


def _forms(
    problem: Problem, operator: Operator, cells: Integers, functions: Array, rule: Rule
) -> tuple[Array, Array]:
    """Matrices ``(k, k)`` of ⟨u_a, −(αL + U) u_b⟩ and ⟨u_a, u_b⟩ on elements, by a rule."""
    form = operator.form
    nodes, dim, count = form.nodes, form.nodes.dim, len(functions)
    assert isinstance(nodes.grid, TensorGrid)
    extents = cell_extents(nodes.grid, cells, nodes.points)
    within = np.stack(np.meshgrid(*[(rule.points + 1) / 2] * dim, indexing="ij"), axis=-1)
    x = nodes.points[cells[:, :1]] + extents[:, None, :] * within.reshape(1, -1, dim)
    weight = rule.weights / 2
    for _ in range(dim - 1):
        weight = np.multiply.outer(weight, rule.weights / 2)
    density = np.exp(-problem.potential(x.reshape(-1, dim)) - form.log_partition)
    held = extents.prod(axis=1)[:, None] * weight.ravel() * density.reshape(x.shape[:2])
    shape = (count, len(cells), *[nodes.degree + 1] * dim)
    local = functions[:, cells]
    # slopes from differences: where u is flat its energy keeps its digits
    flat = (local - local[:, :, [local.shape[2] // 2]]).reshape(shape)
    energy = np.zeros((count, count))
    for axis in range(dim):
        along = [rule.slopes if k == axis else rule.values for k in range(dim)]
        slopes = _at_points(flat, along) * np.sqrt(operator.alpha * held) * 2 / extents[:, [axis]]
        energy += _products(slopes, slopes)
    u = _at_points(local.reshape(shape), [rule.values] * dim)
    if operator.rate is not None:
        rate = problem.rate(x.reshape(-1, dim)).reshape(held.shape)
        energy -= _products(u * (rate * held), u)
    return energy, _products(u * held, u)


def _at_points(values: Array, matrices: list[Array]) -> Array:
    """Apply matrices to the axes of elements ``(k, cells, p + 1, …)``: ``(k, cells, points)``."""
    for axis, matrix in enumerate(matrices, 2):
        values = np.moveaxis(np.moveaxis(values, axis, -1) @ matrix.T, -1, axis)
    return values.reshape(*values.shape[:2], int(np.prod(values.shape[2:])))


def _products(one: Array, other: Array) -> Array:
    size = one.shape[1] * one.shape[2]
    return np.asarray(one.reshape(len(one), size) @ other.reshape(len(other), size).T)
