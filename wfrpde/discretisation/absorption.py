r"""Absorbed nodes: edges that end at a wall, and what stands behind it for interpolation.

An edge of conductance κ from a free node i to an absorbed one meets the wall after a share θ of its
length. It leaves κ/θ on the diagonal of i, with V at the wall, and nothing else: symmetric, an
M-matrix, and of second order in the solution wherever the wall cuts the edges.

References
----------
Gibou, Fedkiw, Cheng and Kang, J. Comput. Phys. 176 (2002) 205.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.edges import Edges, cell_lines, line_edges, merge_edges, simplex_edges
from wfrpde.discretisation.fluxes import bernoulli, couplings, edge_averaged
from wfrpde.discretisation.interpolation import Interpolation
from wfrpde.discretisation.nodes import Nodes
from wfrpde.discretisation.swept import Sweep
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation, lagrange
from wfrpde.domain.absorption import Absorption
from wfrpde.domain.grid import SimplexGrid
from wfrpde.engine.layout import Triplets

BEHIND = 5
"""Free nodes along an axis whose polynomial continues a field to the nodes behind a wall."""


def killed_stiffness(
    nodes: Nodes,
    potential: Array,
    absorption: Absorption,
    absorbed: Flags,
    value: Callable[[Array], Array],
    diffusion: Callable[[Array], Array | None] = lambda _: None,
    sweep: Sweep | None = None,
) -> tuple[Triplets, Array, dict[str, float]]:
    """Return S between free nodes of degree 1, the killing rates ``(n_owned,)``, and facts.

    Parameters
    ----------
    potential, absorbed
        ``(n,)`` V at the nodes, and which of them are absorbed.
    value, diffusion
        V at points ``(m, d)``, and D along each axis ``(m, d)`` there; None where it is 1.
    sweep
        What goes with a direction; None for nothing.
    """
    facts: dict[str, float] = {}
    if isinstance(nodes.grid, SimplexGrid):
        parts = [merge_edges(simplex_edges(nodes.points, nodes.cell_nodes))]
        whole = merge_edges(simplex_edges(nodes.grid.points, nodes.grid.cells)).conductance
        negative = (whole < -1e-12 * np.abs(whole).max(initial=0)).sum()
        facts["obtuse_edges"] = int(negative)
    else:
        parts = [line_edges(lines, 1) for lines in cell_lines(nodes)]
    found, rates = [], np.zeros(len(nodes.points))
    every_spread = diffusion(nodes.points)
    for axis, edges in enumerate(parts):
        spread = None if every_spread is None else every_spread[:, axis]
        dead = absorbed[edges.i].astype(int) + absorbed[edges.j]
        inner = Edges(*(part[dead == 0] for part in (edges.i, edges.j, edges.conductance)))
        found.append(edge_averaged(inner, potential, nodes.weights, spread))
        if sweep is not None:
            coupling = couplings(inner, potential, nodes.weights, spread)
            found.append(sweep.edges(axis, inner, coupling))
        cut = dead == 1
        swap = absorbed[edges.i[cut]]
        i = np.where(swap, edges.j[cut], edges.i[cut])
        j = np.where(swap, edges.i[cut], edges.j[cut])
        way = _way(nodes, i, j)
        share = absorption.before_wall(nodes.points[i], way)
        wall = nodes.points[i] + share[:, None] * way
        climb, size = potential[i] - value(wall), edges.conductance[cut] / share
        beyond = diffusion(wall)
        if spread is not None and beyond is not None:  # V − log D stands for V
            climb = climb - np.log(spread[i] / beyond[:, axis])
            size = size * spread[i]
        # κ/w B(V_wall − V_i): what leaves a node for the wall, per unit of its mass
        rate = size / nodes.weights[i] * bernoulli(-climb)
        if sweep is not None:
            rate = sweep.leaving(axis, i, j, swap, edges.conductance[cut], rate)
        found.append(Triplets(i, i, rate))
        rates += np.bincount(i, rate, minlength=len(rates))
    every = np.arange(nodes.n_owned)  # absorbed ones have a diagonal entry, too: 0
    found.append(Triplets(every, every, np.zeros(len(every))))
    return Triplets.joined(found), nodes.added_up(rates)[: nodes.n_owned], facts


def _way(nodes: Nodes, i: Integers, j: Integers) -> Array:
    """Vectors ``(m, d)`` along edges, the short way around axes that close."""
    way = nodes.points[j] - nodes.points[i]
    if nodes.closed_axes:
        width = np.ptp(nodes.grid.box, axis=1)
        for axis in nodes.closed_axes:
            way[:, axis] -= width[axis] * np.round(way[:, axis] / width[axis])
    return np.asarray(way)


def continued(interpolation: Interpolation, fields: Array, absorbed: Flags) -> Array:
    """Continue fields ``(m, n)`` to the absorbed nodes ``(n,)``, for interpolation before a wall.

    On a tensor grid along the axes: by the polynomial through the `BEHIND` free nodes next to the
    wall, where they stand in a row, for as many nodes behind it; elsewhere the nearest free node
    stands in.
    """
    result = fields.copy()
    if not absorbed.any() or absorbed.all():
        return result
    result[:, absorbed] = np.nan
    if isinstance(interpolation, TensorInterpolation):
        _along_axes(interpolation, result, absorbed)
    missing = np.isnan(result).any(axis=0)
    if missing.any():
        from scipy.spatial import cKDTree

        nodes = interpolation.nodes
        known = np.flatnonzero(~missing)
        _, nearest = cKDTree(nodes[known]).query(nodes[missing])
        result[:, missing] = result[:, known[nearest]]
    return result


def _along_axes(interpolation: TensorInterpolation, fields: Array, absorbed: Flags) -> None:
    """Fill what can be filled along some axis, in place."""
    flat, shape = interpolation.active_nodes, interpolation.shape
    padded = np.full((len(fields), int(np.prod(shape))), np.nan)
    padded[:, flat] = fields
    whole: Array = padded.reshape(len(fields), *shape)
    for axis, coordinates in enumerate(interpolation.axes):
        lines = np.moveaxis(whole, axis + 1, -1)
        missing = np.isnan(lines[0])
        n = len(coordinates)
        for way in (1, -1):
            order = np.arange(n)[::way]
            held = missing[..., order]
            for k in range(BEHIND, n):
                # a wall between k − 1 and k, with a row of free nodes before it
                here = held[..., k] & ~held[..., k - BEHIND : k].any(axis=-1)
                if not here.any():
                    continue
                base = order[k - BEHIND : k]
                for target in order[k : k + BEHIND]:
                    weights, _ = lagrange(coordinates[base][None], coordinates[[target]])
                    made = np.einsum("s,m...s->m...", weights[0], lines[..., base])
                    fill = here & np.isnan(lines[0, ..., target])
                    lines[..., target][:, fill] = made[:, fill]
        whole = np.moveaxis(lines, -1, axis + 1)
    fields[:, absorbed] = whole.reshape(len(fields), -1)[:, flat][:, absorbed]
