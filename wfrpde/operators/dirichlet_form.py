r"""The Dirichlet form of a target, in differences.

.. math:: \mathcal{E}(f, g) = \int \pi\,\nabla f\cdot\nabla g, \qquad
          \langle f, -Lg\rangle_\pi = \mathcal{E}(f, g), \quad L = \Delta - \nabla V\cdot\nabla.

A gap of 1e-16 is the ratio of such a form to ∫π f². A matrix entry K_ij carries a round-off of
1e-16 of its own size, which is that of the wells, so that fᵀKf would drown it. Here the form is a
sum of non-negative terms, each the square of a difference between nodes: wherever f is flat the
difference is exactly small, and the sum keeps its relative accuracy.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.discretisation.edges import (
    Edges,
    Lines,
    cell_lines,
    line_edges,
    merge_edges,
    simplex_edges,
)
from wfrpde.discretisation.fluxes import half_bernoulli, steep
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.nodes import Nodes
from wfrpde.domain.grid import SimplexGrid

LineTerms = tuple[Integers, Array]
"""Nodes and coefficients ``(L, p+1)`` of Σ_q c_q (D f)_q (D g)_q on lines."""


class DirichletForm:
    """Energy and mass of functions on the nodes, π normalised to Σ M = 1.

    Functions are arrays ``(k, n)`` over the nodes of this rank, ghosts included; results of
    `stiffness` are complete at ghosts, too.

    Parameters
    ----------
    nodes
        The nodes.
    potential
        V ``(n,)`` at all of them (kT).
    """

    def __init__(self, nodes: Nodes, potential: Array) -> None:
        self.nodes, self.potential = nodes, potential
        n = nodes.n_owned
        log_mass = np.log(nodes.weights) - potential
        self.log_partition = nodes.logsumexp(log_mass[:n])
        """log Z of π = e^{−V}/Z on the mesh."""
        self.log_mass: Array = log_mass - self.log_partition
        """``(n,)`` log of the nodal mass of π."""
        self._lines, self._edges = self._terms()

    @cached_property
    def mass(self) -> Array:
        """``(n,)`` nodal mass M of π; Σ M = 1 over the owned nodes of all ranks."""
        return np.exp(self.log_mass)

    def _terms(self) -> tuple[list[LineTerms], list[Edges]]:
        """Lines, and edges whose conductance is the coefficient of (f_i − f_j)(g_i − g_j)."""
        nodes = self.nodes
        if isinstance(nodes.grid, SimplexGrid):
            return [], [self._weighted(merge_edges(simplex_edges(nodes.points, nodes.cell_nodes)))]
        lines, edges = [], []
        for every in cell_lines(nodes):
            rough = np.full(len(every.length), nodes.degree == 1) | steep(every, self.potential)
            if rough.any():
                edges.append(self._weighted(line_edges(every.where(rough), nodes.degree)))
            if not rough.all():
                lines.append(self._line_terms(every.where(~rough)))
        return lines, edges

    def _line_terms(self, lines: Lines) -> LineTerms:
        weights = gll_rule(self.nodes.degree).weights
        density = np.exp(-self.potential[lines.nodes] - self.log_partition)
        factor = 2 * lines.transverse / lines.length
        return lines.nodes, factor[:, None] * weights[None, :] * density

    def _weighted(self, edges: Edges) -> Edges:
        vi, vj = self.potential[edges.i], self.potential[edges.j]
        mean = np.exp(-(vi + vj) / 2 - self.log_partition) * half_bernoulli((vi - vj) / 2)
        return Edges(edges.i, edges.j, edges.conductance * mean)

    def _slopes(self, functions: Array, lines: Integers) -> Array:
        """Return derivatives ``(k, L, p+1)`` along the reference line, from differences."""
        local = functions[:, lines]
        local = local - local[:, :, [lines.shape[1] // 2]]
        return np.asarray(local @ gll_rule(self.nodes.degree).derivative.T)

    def energy(self, functions: Array) -> Array:
        """Matrix ``(k, k)`` of ∫π ∇f_a·∇f_b (collective)."""
        count = len(functions)
        total = np.zeros((count, count))
        for lines, coefficient in self._lines:
            slopes = self._slopes(functions, lines) * np.sqrt(coefficient)
            flat = slopes.reshape(count, -1)
            total += flat @ flat.T
        for edges in self._edges:
            gaps = functions[:, edges.i] - functions[:, edges.j]
            total += (gaps * edges.conductance) @ gaps.T
        return self._over_ranks(total)

    def stiffness(self, functions: Array) -> Array:
        """Return K f ``(k, n)`` from differences, complete at ghosts (collective)."""
        count, n = functions.shape
        derivative = gll_rule(self.nodes.degree).derivative
        result = np.zeros((count, n))
        for lines, coefficient in self._lines:
            flux = (self._slopes(functions, lines) * coefficient) @ derivative
            for row, values in zip(result, flux, strict=True):
                row += np.bincount(lines.ravel(), values.ravel(), minlength=n)
        for edges in self._edges:
            gaps = (functions[:, edges.i] - functions[:, edges.j]) * edges.conductance
            for row, values in zip(result, gaps, strict=True):
                row += np.bincount(edges.i, values, minlength=n)
                row -= np.bincount(edges.j, values, minlength=n)
        return np.array([self.nodes.added_up(row) for row in result])

    def product(
        self, functions: Array, others: Array | None = None, by: Array | None = None
    ) -> Array:
        """Matrix ``(k, m)`` of ∫π f_a g_b, or of ∫π w f_a g_b with w `by` (collective)."""
        n = self.nodes.n_owned
        mass = self.mass[:n] if by is None else self.mass[:n] * by[:n]
        second = functions if others is None else others
        return self._over_ranks((functions[:, :n] * mass) @ second[:, :n].T)

    def mean(self, functions: Array) -> Array:
        """Return ∫π f ``(k,)`` (collective)."""
        n = self.nodes.n_owned
        return self._over_ranks(functions[:, :n] @ self.mass[:n])

    def _over_ranks(self, local: Array) -> Array:
        return np.asarray(self.nodes.comm.allreduce(local))
