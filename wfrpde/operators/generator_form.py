r"""The generator of any dynamics in weak form, on tensor spectral elements.

.. math:: \langle v, -L h\rangle_\pi = \int\pi\,\nabla v\cdot(D - J)\nabla h
          - \int \pi\, v\, f\cdot\nabla h,

for dX = b dt + √(2D) dW with b = −(D + J)∇V + div(D + J) + f: L acts on functions, and densities
over π move with D + J in place of D − J. Constants are in the kernel, and as
test functions too where f = 0: π is stationary to round-off whatever the mesh. Boundaries reflect.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from wfrpde.arrays import Array, ComplexArray, Flags
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.lattice import cell_extents
from wfrpde.discretisation.nodes import Nodes
from wfrpde.domain.grid import TensorGrid
from wfrpde.equation import Dynamics


@dataclass(frozen=True)
class GeneratorForm:
    """−L of some dynamics (α = 1) in the variable √M h, M the nodal mass of π, on one rank.

    Attributes
    ----------
    nodes
        Nodes of a tensor grid.
    mass
        ``(n,)`` nodal mass of π, which sums to 1.
    log_partition
        log Z of π on the mesh.
    matrix
        Sparse ``(m, m)`` S over the free nodes.
    free
        ``(n,)``: nodes that are not absorbing.
    """

    nodes: Nodes
    mass: Array
    log_partition: float
    matrix: Any
    free: Flags

    @classmethod
    def of(
        cls, nodes: Nodes, potential: Array, dynamics: Dynamics, absorbing: Flags | None = None
    ) -> GeneratorForm:
        """Assemble it; `potential` is V ``(n,)`` at the nodes."""
        import scipy.sparse as sparse

        log_mass = np.log(nodes.weights) - potential
        log_partition = nodes.logsumexp(log_mass)
        n, cells = len(nodes.points), nodes.cell_nodes
        block = _cell_blocks(nodes, potential, dynamics)
        root = np.sqrt(nodes.weights)
        block /= root[cells][:, :, None] * root[cells][:, None, :]
        row = np.broadcast_to(cells[:, :, None], block.shape).ravel()
        column = np.broadcast_to(cells[:, None, :], block.shape).ravel()
        kept = block.ravel() != 0
        every = sparse.coo_matrix(
            (block.ravel()[kept], (row[kept], column[kept])), shape=(n, n)
        ).tocsr()
        free = np.ones(n, dtype=bool) if absorbing is None else ~absorbing
        matrix = every[free][:, free]
        return cls(nodes, np.exp(log_mass - log_partition), log_partition, matrix, free)

    @property
    def conservative(self) -> bool:
        """Whether constants are in the kernel: nothing is absorbed."""
        return bool(self.free.all())

    def functions(self, vectors: ComplexArray) -> ComplexArray:
        """Return functions ``(k, n)`` from vectors √M h ``(k, m)``; 0 where absorbed."""
        result = np.zeros((len(vectors), len(self.mass)), dtype=complex)
        root = np.sqrt(np.maximum(self.mass[self.free], 1e-300))
        result[:, self.free] = vectors / root
        return result


def _cell_blocks(nodes: Nodes, potential: Array, dynamics: Dynamics) -> Array:
    """``(cells, m, m)``: √π_i^{-1} K_ij √π_j^{-1} of each cell, m = (p + 1)^d."""
    dim, cells = nodes.dim, nodes.cell_nodes
    rule = gll_rule(nodes.degree)
    assert isinstance(nodes.grid, TensorGrid)
    extents = cell_extents(nodes.grid, cells, nodes.points)
    weights = nodes.cell_weights()
    value = potential[cells]
    scale = np.exp((value[:, None, :] - value[:, :, None]) / 2)  # [q, i]: e^{(V_i − V_q)/2}
    points = nodes.points[cells]  # on a closed axis the last ones are the first, as is D there
    flat = points.reshape(-1, dim)
    shape = (*cells.shape, dim, dim)
    spread = dynamics.diffusion_at(flat).reshape(shape)
    whole = np.array(spread)
    if dynamics.circulation is not None:
        whole -= dynamics.circulation(flat).reshape(shape)
    gradients = []
    for axis in range(dim):
        factors = [rule.derivative if k == axis else np.eye(nodes.degree + 1) for k in range(dim)]
        along = reduce(lambda a, b: np.asarray(np.kron(a, b)), factors)
        gradients.append(along[None] * scale * (2 / extents[:, axis])[:, None, None])
    total = np.zeros_like(scale)
    for a in range(dim):
        for b in range(dim):
            factor = weights * whole[:, :, a, b]
            if factor.any():
                total += gradients[a].mT @ (factor[:, :, None] * gradients[b])
    if dynamics.drift is not None:
        velocity = dynamics.drift(flat).reshape(points.shape)
        for b in range(dim):
            total -= (weights * velocity[:, :, b])[:, :, None] * gradients[b]
    return total


def rotation_bound(dynamics: Dynamics, points: Array) -> tuple[float, float]:
    """Return (s, g): ``|Im λ| ≤ s E + g √E``, with E = ∫πD|∇u|² of a mode u of norm 1.

    s is the largest norm of D^{-1/2} J D^{-1/2}, g that of D^{-1/2} f at the points ``(n, d)``. The
    real part is at least E − g √E.
    """
    value, vectors = np.linalg.eigh(dynamics.diffusion_at(points))
    root = np.einsum("nij,nj,nkj->nik", vectors, 1 / np.sqrt(value), vectors)
    skew, push = 0.0, 0.0
    if dynamics.circulation is not None:
        inner = root @ dynamics.circulation(points) @ root
        skew = float(np.linalg.norm(inner, ord=2, axis=(1, 2)).max())
    if dynamics.drift is not None:
        along = np.einsum("nij,nj->ni", root, dynamics.drift(points))
        push = float(np.linalg.norm(along, axis=1).max())
    return skew, push
