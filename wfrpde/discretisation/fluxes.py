"""Fluxes of the relative density: edge-averaged, spectral, and their hybrid.

All are rendered as the symmetrised stiffness

    S = M^{-1/2} K M^{-1/2},   K ≈ ∫ π ∇h·∇v,   M = diag(w π),

from differences of the potential alone, so that no power of e^{-V} under- or overflows.
``S √M = 0`` holds to round-off by construction: the diagonal is the negative weighted sum of its
row.
"""

from __future__ import annotations

from functools import reduce
from typing import Protocol

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.edges import (
    Edges,
    Lines,
    cell_lines,
    conductances,
    edges_along_axes,
    line_edges,
    merge_edges,
    simplex_edges,
)
from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.lattice import cell_extents
from wfrpde.discretisation.nodes import Nodes
from wfrpde.domain.grid import SimplexGrid, TensorGrid
from wfrpde.engine.layout import RowBlocks, Triplets

STEEP_LINE = 16.0
"""Change of V (kT) along a line of an element beyond which the spectral flux rings; measured in
docs/numerics: smaller thresholds cost accuracy, larger ones leave spurious tail modes."""

STEEP_FAR, MATTERS, RELIEF = 12.0, 5.0, 0.5
"""The same where a polynomial in S is taken, which pays for the largest eigenvalue (about
e^{change of V}): `STEEP_FAR` up to the level `MATTERS`, and less by `RELIEF` for each kT beyond."""

ROWS = 20_000
"""Rows of a matrix that are made at once, about."""


class Sweep(Protocol):
    """What goes with a direction: see `wfrpde.discretisation.swept`."""

    def edges(self, axis: int, edges: Edges, coupling: Array) -> Triplets:
        """Entries that edges along an axis add to S; `coupling` is K over the mass of i."""
        ...


def half_bernoulli(z: Array) -> Array:
    """``z / sinh z``, the edge average of e^{-V} over the geometric mean of its end values."""
    magnitude = np.abs(z)
    small = magnitude < 1e-4
    safe = np.where(small, 1.0, np.minimum(magnitude, 700.0))
    return np.where(small, 1 - z * z / 6, safe / np.sinh(safe))


def bernoulli(z: Array) -> Array:
    """``z / (e^z − 1)``."""
    small = np.abs(z) < 1e-5
    # e^z − 1 overflows on one side alone; on the other B(z) → −z, which must not be cut off
    safe = np.where(small, 1.0, np.minimum(z, 700.0))
    near = np.where(small, z, 0.0)
    return np.where(small, 1 - near / 2 + near * near / 12, safe / np.expm1(safe))


def edge_averaged(
    edges: Edges, potential: Array, weights: Array, diffusion: Array | None = None
) -> Triplets:
    """Edge-averaged (Scharfetter–Gummel, EAFE) flux.

    ``K_ij = −κ_ij √(π_i π_j) z / sinh z``, z = (V_i − V_j)/2: the harmonic average of π along the
    edge. With a `diffusion` D ``(n,)`` along it, that of πD: V − log D stands for V.

    References
    ----------
    Xu and Zikatanov, Math. Comp. 68 (1999) 1429.
    """
    i, j, kappa = edges.i, edges.j, edges.conductance
    if diffusion is not None:  # D_i/w_i in place of 1/w_i
        potential, weights = potential - np.log(diffusion), weights / diffusion
    z = (potential[i] - potential[j]) / 2
    off = -kappa * half_bernoulli(z) / np.sqrt(weights[i] * weights[j])
    at_i, at_j = kappa / weights[i] * bernoulli(-2 * z), kappa / weights[j] * bernoulli(2 * z)
    row, column = np.concatenate([i, j, i, j]), np.concatenate([j, i, i, j])
    return Triplets(row, column, np.concatenate([off, off, at_i, at_j]))


def couplings(
    edges: Edges, potential: Array, weights: Array, diffusion: Array | None = None
) -> Array:
    """``K_ij/M_i`` of `edge_averaged`, the rate at which what is at i goes to j."""
    i, j, kappa = edges.i, edges.j, edges.conductance
    if diffusion is not None:
        potential, weights = potential - np.log(diffusion), weights / diffusion
    return np.asarray(kappa / weights[i] * bernoulli(potential[j] - potential[i]))


def spectral(
    lines: Lines, degree: int, potential: Array, weights: Array, diffusion: Array | None = None
) -> Triplets:
    """Spectral-element flux of degree p, collocated at the GLL nodes, one line at a time.

    ``S_ik = Σ_q ŵ_q D_qi D_qk exp((V_i + V_k)/2 − V_q)`` with the weights of the line, times the
    `diffusion` ``(n,)`` along it at q.
    """
    rule = gll_rule(degree)
    value = potential[lines.nodes]
    # e^{(V_i - V_q)/2} D_qi, so that S = Σ_q (…)_qi (…)_qk
    scaled = (
        rule.derivative[None]
        * np.exp((value[:, None, :] - value[:, :, None]) / 2)
        * np.sqrt(rule.weights)[None, :, None]
    )
    if diffusion is not None:
        scaled *= np.sqrt(diffusion[lines.nodes])[:, :, None]
    factor = 2 * lines.transverse / lines.length
    stiffness = np.einsum("lqi,lqk->lik", scaled, scaled) * factor[:, None, None]
    root = np.sqrt(weights[lines.nodes])
    stiffness /= root[:, :, None] * root[:, None, :]
    ratio = (
        np.exp((value[:, :, None] - value[:, None, :]) / 2) * root[:, None, :] / root[:, :, None]
    )
    diagonal = np.arange(degree + 1)
    stiffness[:, diagonal, diagonal] = 0.0
    stiffness[:, diagonal, diagonal] = -(stiffness * ratio).sum(axis=2)
    shape = stiffness.shape
    return Triplets(
        np.broadcast_to(lines.nodes[:, :, None], shape).ravel(),
        np.broadcast_to(lines.nodes[:, None, :], shape).ravel(),
        stiffness.ravel(),
    )


def steep(lines: Lines, potential: Array, levels: Array | None = None) -> Flags:
    """Which lines ``(L,)`` change the potential by more than `STEEP_LINE`.

    With the `levels` (kT) of the nodes, by more than the threshold that falls with them.
    """
    change = np.ptp(potential[lines.nodes], axis=1)
    if levels is None:
        return np.asarray(change > STEEP_LINE)
    level = levels[lines.nodes].min(axis=1)
    # no threshold below 4
    return np.asarray(change > np.clip(STEEP_FAR - RELIEF * (level - MATTERS), 4.0, STEEP_FAR))


def full_matrix(nodes: Nodes, potential: Array, diffusion: Array) -> Triplets:
    """Flux πD∇h of spectral elements with a full matrix D ``(n, d, d)`` at the nodes.

    ``S_ij = Σ_q w_q e^{(V_i + V_j)/2 − V_q} ∇φ_i(x_q)·D(x_q)∇φ_j(x_q) / √(w_i w_j)`` by
    collocation: symmetric, and with the kernel √M to round-off, whatever the anisotropy.
    """
    cells, dim = nodes.cell_nodes, nodes.dim
    assert isinstance(nodes.grid, TensorGrid)
    extents = cell_extents(nodes.grid, cells, nodes.points)
    value, root = potential[cells], np.sqrt(nodes.weights[cells])
    scale = np.exp((value[:, None, :] - value[:, :, None]) / 2)  # [q, i]: e^{(V_i − V_q)/2}
    slope = gll_rule(nodes.degree).derivative
    gradients = []
    for axis in range(dim):
        factors = [slope if k == axis else np.eye(nodes.degree + 1) for k in range(dim)]
        along = reduce(lambda a, b: np.asarray(np.kron(a, b)), factors)
        gradients.append(along[None] * scale * (2 / extents[:, axis])[:, None, None])
    weighted = nodes.cell_weights()[:, :, None, None] * diffusion[cells]
    block = np.zeros_like(scale)
    for a, b in np.ndindex(dim, dim):
        if weighted[:, :, a, b].any():
            block += gradients[a].mT @ (weighted[:, :, a, b, None] * gradients[b])
    block /= root[:, :, None] * root[:, None, :]
    ratio = np.exp((value[:, :, None] - value[:, None, :]) / 2) * root[:, None] / root[:, :, None]
    own = np.arange(cells.shape[1])
    block[:, own, own] = 0.0
    block[:, own, own] = -(block * ratio).sum(axis=2)
    kept = block.ravel() != 0.0
    row = np.broadcast_to(cells[:, :, None], block.shape).ravel()[kept]
    column = np.broadcast_to(cells[:, None, :], block.shape).ravel()[kept]
    return Triplets(row, column, block.ravel()[kept])


def stiffness_along_axes(
    nodes: Nodes, potential: Array, diffusion: Array | None = None
) -> list[Triplets]:
    """Entries of edge-averaged fluxes on tensor cells of degree 1, by axis; S is their sum.

    Each of them is an S of its own: symmetric, an M-matrix, with the kernel √M.
    """
    along = zip(edges_along_axes(nodes), _along(nodes, diffusion), strict=True)
    return [edge_averaged(edges, potential, nodes.weights, spread) for edges, spread in along]


def _along(nodes: Nodes, diffusion: Array | None) -> list[Array | None]:
    return [None] * nodes.dim if diffusion is None else list(diffusion.T)


def symmetrised_stiffness(
    nodes: Nodes,
    potential: Array,
    levels: Array | None = None,
    diffusion: Array | None = None,
    sweep: Sweep | None = None,
) -> tuple[Triplets, dict[str, float]]:
    """Entries of S on `nodes` (degree 1: edge-averaged; beyond: hybrid), and facts about the flux.

    `levels` (kT) of the nodes, at which they matter, keep the largest eigenvalue of S small beyond
    degree 1: see `steep`. `diffusion` ``(n, d)`` is that along each axis; on simplices all are the
    same. ``(n, d, d)`` is a full matrix, on tensor cells beyond degree 1. `sweep` is what goes with
    a direction, on tensor cells of degree 1.

    Facts: ``steep_lines``, the share of lines with the edge-averaged flux (degree > 1), and
    ``obtuse_edges``, the number of edges of simplices with a negative conductance, where the
    scheme is not monotone. Both count the whole mesh (collective).
    """
    if diffusion is not None and diffusion.ndim == 3:
        return full_matrix(nodes, potential, diffusion), {}
    if isinstance(nodes.grid, SimplexGrid):
        edges = merge_edges(simplex_edges(nodes.points, nodes.cell_nodes))
        # of the whole grid, since an edge on the border of two ranks has a part on each
        whole = merge_edges(simplex_edges(nodes.grid.points, nodes.grid.cells)).conductance
        negative = int((whole < -1e-12 * np.abs(whole).max(initial=0)).sum())
        spread = None if diffusion is None else diffusion[:, 0]
        made = edge_averaged(edges, potential, nodes.weights, spread)
        return made, {"obtuse_edges": negative}
    along = _along(nodes, diffusion)
    if nodes.degree == 1:
        parts = stiffness_along_axes(nodes, potential, diffusion)
        if sweep is not None:
            for axis, (edges, spread) in enumerate(
                zip(edges_along_axes(nodes), along, strict=True)
            ):
                coupling = couplings(edges, potential, nodes.weights, spread)
                parts.append(sweep.edges(axis, edges, coupling))
        return Triplets.joined(parts), {}
    parts_t, n_steep, n_lines = [], 0, 0
    for lines, spread in zip(cell_lines(nodes), along, strict=True):
        rough = steep(lines, potential, levels)
        n_steep += int(lines.cells[rough].sum())
        n_lines += int(lines.cells.sum())
        smooth = lines.where(~rough)
        parts_t.append(spectral(smooth, nodes.degree, potential, nodes.weights, spread))
        if rough.any():
            sub = line_edges(lines.where(rough), nodes.degree)
            parts_t.append(edge_averaged(sub, potential, nodes.weights, spread))
    counts = [nodes.comm.allreduce(n) for n in (n_steep, n_lines)]
    return Triplets.joined(parts_t), {"steep_lines": counts[0] / max(counts[1], 1)}


def edge_averaged_rows(nodes: Nodes, potential: Array, diffusion: Array | None = None) -> RowBlocks:
    """Entries of S of edge-averaged fluxes on a box, a few layers of nodes after the other.

    The same as `symmetrised_stiffness` gives, but no list of all edges is ever made. `diffusion`
    ``(n, d)`` is that along each axis. No axis closes upon itself, and the degree is 1.
    """
    grid = nodes.grid
    assert isinstance(grid, TensorGrid)
    lattice = tuple(n + 1 for n in grid.active.shape)
    layer = int(np.prod(lattice[1:]))
    owned = nodes.canonical[: nodes.n_owned]
    layers, number = nodes.numbers()
    depth = max(1, ROWS // layer)

    def block(start: int) -> tuple[slice, Triplets]:
        rows = slice(*np.searchsorted(owned, [start * layer, (start + depth) * layer]))
        index = np.array(np.unravel_index(owned[rows], lattice))
        i = np.arange(rows.start, rows.stop)
        here = owned[rows] - layers.start * layer
        row, column, value = [], [], []
        for axis in range(grid.dim):
            conductance, first = conductances(grid, axis, start, start + depth)
            stride = int(np.prod(lattice[axis + 1 :]))
            v, w = potential, nodes.weights
            if diffusion is not None:  # as `edge_averaged` has it
                v, w = v - np.log(diffusion[:, axis]), w / diffusion[:, axis]
            for way in (-1, 1):
                edge = index.copy()
                edge[0] -= first
                edge[axis] -= way < 0
                held = (edge[axis] >= 0) & (edge[axis] < conductance.shape[axis])
                kappa = np.zeros(len(i))
                kappa[held] = conductance[tuple(edge[:, held])]
                held &= kappa > 0
                at, kappa = i[held], kappa[held]
                j = number[here[held] + way * stride].astype(np.int64)
                z = (v[at] - v[j]) / 2
                row += [at, at]
                column += [j, at]
                value += [
                    -kappa * half_bernoulli(z) / np.sqrt(w[at] * w[j]),
                    kappa / w[at] * bernoulli(-2 * z),
                ]
        parts = (np.concatenate(part) for part in (row, column, value))
        return rows, Triplets(*parts)

    starts = range(layers.start, layers.stop, depth)
    return RowBlocks((2 * grid.dim + 1) * nodes.n_owned, (block(start) for start in starts))
