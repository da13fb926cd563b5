r"""What circulation and a further drift carry through the faces of a grid: fluxes with a direction.

The flux of probability is that of the reversible part and of c = π(v + f), v = −J∇V + div J.
Between neighbours with the coupling K the two together are

.. math:: K\,[B(-P)\,h_i - B(P)\,h_j],\qquad P = F/K,\quad B(z) = z/(e^z - 1),

with F, what c carries through the face between them: mass is kept, h stays positive whatever the
size of P, and the order is 2, since P is small where cells are. As πv = div(πJ), in the plane F of
it is the difference of the stream function πJ₁₂ at the two ends of a face: h = 1 is stationary to
round-off. It is 0 on walls, so that the process is reflected along n·(D + J)∇h = 0, which keeps π,
as it is in spectra. What flows along a wall does not shrink with the cells, nor does P there: where
π matters B(z) = 1 − z/2, which spreads nothing.

Elsewhere the flux diffuses (P/2) coth(P/2) times as much as it should. Where P is large on all
grids they agree on what is smeared: how much of that is left, `Sweep.smeared` tells.

References
----------
Scharfetter and Gummel, IEEE Trans. Electron Devices 16 (1969) 64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfrpde.arrays import Array, Flags, Integers
from wfrpde.discretisation.edges import Edges
from wfrpde.discretisation.fluxes import bernoulli
from wfrpde.discretisation.nodes import Nodes
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine.layout import Triplets
from wfrpde.equation import Dynamics

STEEPEST = 600.0
"""Largest change of V (kT) between neighbours that an exponential is taken of."""


MATTERS = 6.0
"""Level of V (kT) up to which the flow along a wall is not taken upwind."""


class Sweep:
    """Circulation and drift of some dynamics on the tensor grid of nodes of degree 1.

    Parameters
    ----------
    value
        V at points ``(m, d)``.
    """

    def __init__(
        self,
        nodes: Nodes,
        potential: Array,
        dynamics: Dynamics,
        value: Callable[[Array], Array],
    ) -> None:
        assert isinstance(nodes.grid, TensorGrid)
        self._nodes, self._grid, self._potential = nodes, nodes.grid, potential
        self._dynamics, self._value = dynamics, value
        floor = -nodes.max(-potential)
        self._smeared = np.zeros(2)
        self._share = np.exp(np.maximum(floor - potential, -STEEPEST))
        self._matters = potential < floor + MATTERS
        self._widths = [np.diff(breaks) for breaks in nodes.grid.breaks]
        self._number: list[Integers] = [
            np.searchsorted((breaks[1:] + breaks[:-1]) / 2, x)
            for breaks, x in zip(nodes.grid.breaks, nodes.points.T, strict=True)
        ]

    def edges(self, axis: int, edges: Edges, coupling: Array) -> Triplets:
        """Entries that edges along an axis add to S; `coupling` is K over the mass of ``edges.i``.

        Both K and `edges` may be this rank's part of them.
        """
        i, j = edges.i, edges.j
        face, through = self.through(axis, i)
        share = edges.conductance * self._widths[axis][self._cell(axis, i)] / face
        weights, potential = self._nodes.weights, self._potential
        peclet = share * through / weights[i] / coupling
        central = self._along_wall(axis, i, j)
        weight = edges.conductance * self._share[i]
        excess = np.where(central, 0.0, np.abs(_excess(peclet)))
        self._smeared += (weight * excess).sum(), weight.sum()
        out, back = (
            coupling * np.where(central, -z / 2, bernoulli(z) - 1) for z in (-peclet, peclet)
        )
        # √(M_i/M_j), by which entries of y = √M h differ from those of the mass
        root = np.sqrt(weights[i] / weights[j]) * np.exp((potential[j] - potential[i]) / 2)
        row, column = np.concatenate([i, i, j, j]), np.concatenate([i, j, i, j])
        return Triplets(
            row, column, np.concatenate([out, -back * root, -out * root, back * root**2])
        )

    def smeared(self) -> float:
        """Diffusion that extrapolation leaves in excess, over the true one (collective).

        The mean over π of the edges so far, all of them those of a finer grid of two.
        """
        excess, whole = (self._nodes.sum(np.array([part])) for part in self._smeared)
        return excess / whole if whole > 0 else 0.0

    def leaving(
        self,
        axis: int,
        i: Integers,
        j: Integers,
        swap: Flags,
        conductance: Array,
        rate: Array,
    ) -> Array:
        """Return the rate ``(m,)`` at which what is at i goes to the wall on the way to j.

        `rate` is that of the reversible part, ``K/M_i``; `swap` says where i is the upper one.
        """
        low = np.where(swap, j, i)
        face, through = self.through(axis, low, relative_to=i)
        share = conductance * self._widths[axis][self._cell(axis, low)] / face
        way = np.where(swap, -1.0, 1.0)
        peclet = way * share * through / self._nodes.weights[i] / rate
        return np.asarray(rate * bernoulli(-peclet))

    def _along_wall(self, axis: int, i: Integers, j: Integers) -> Flags:
        """Which edges lie on a wall of the box where π matters."""
        if self._nodes.dim == 1 or self._grid.closed[1 - axis]:
            return np.zeros(len(i), dtype=bool)
        other = self._number[1 - axis][i]
        wall = (other == 0) | (other == len(self._widths[1 - axis]))
        return np.asarray(wall & (self._matters[i] | self._matters[j]))

    def through(
        self, axis: int, i: Integers, relative_to: Integers | None = None
    ) -> tuple[Array, Array]:
        """Return areas of faces ``(m,)``, and what is carried through them over π at a node.

        They are those between the nodes `i` and their upper neighbours along an axis; the node is
        that, or another one.
        """
        base = i if relative_to is None else relative_to
        x = self._nodes.points[i]
        middle = x.copy()
        middle[:, axis] += self._widths[axis][self._cell(axis, i)] / 2
        face, through = np.ones(len(i)), np.zeros(len(i))
        if self._nodes.dim == 2:
            face = np.zeros(len(i))
            for side in (1, -1):
                half, there = self._half_cell(axis, i, side)
                face += half
                centre = middle.copy()
                centre[:, 1 - axis] += side * half
                through += side * np.where(there, self._stream(axis, base, centre), 0.0)
        if self._dynamics.drift is not None:
            along = self._dynamics.drift(middle)[:, axis]
            through += face * along * self._relative(base, middle)
        return face, through

    def _stream(self, axis: int, i: Integers, x: Array) -> Array:
        """πJ_ab ``(m,)`` over π at the node, b being the other axis."""
        if self._dynamics.circulation is None:
            return np.zeros(len(x))
        return self._dynamics.circulation(x)[:, axis, 1 - axis] * self._relative(i, x)

    def _relative(self, i: Integers, x: Array) -> Array:
        """π at points over π at the node."""
        climb = self._potential[i] - self._value(x)
        return np.asarray(np.exp(np.clip(climb, -STEEPEST, STEEPEST)))

    def _cell(self, axis: int, i: Integers) -> Integers:
        return np.asarray(self._number[axis][i])

    def _half_cell(self, axis: int, i: Integers, side: int) -> tuple[Array, Flags]:
        """Half the width of the cell that the edge has on a side, 0 without one; and whether."""
        other = 1 - axis
        count, index = len(self._widths[other]), self._number[other][i] - (side < 0)
        if self._grid.closed[other]:
            index = index % count
        there = (index >= 0) & (index < count)
        index = np.clip(index, 0, count - 1)
        cell = (self._cell(axis, i), index) if axis == 0 else (index, self._cell(axis, i))
        there &= self._grid.active[cell]
        return np.where(there, self._widths[other][index] / 2, 0.0), there


def _excess(peclet: Array) -> Array:
    """``δ(P) − (δ(2P) − δ(P))/3``, δ = (P/2) coth(P/2) − 1: about P⁴/180."""

    def spread(z: Array) -> Array:
        return (bernoulli(z) + bernoulli(-z)) / 2

    return np.asarray((4 * spread(peclet) - spread(2 * peclet)) / 3 - 1)
