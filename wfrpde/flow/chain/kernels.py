"""`SiteKernels`: the diffusion of one site between neighbours that stand still, exactly.

Given its neighbours a and b, a site diffuses in V(x | a, b) = site(x) + coupling(a, x) +
coupling(x, b). On a fine grid the generator has edge-averaged fluxes: an M-matrix, reversible for
the density of the site. e^{τL} is made by squaring alone, of entries that are not negative, so that
each of them is right relative to itself, and log(e^{τL} e^u) is finite however far down u goes.

The logs on two grids, of which one has cells half as wide, are extrapolated. Where a time is so
long that e^{τL} is smooth, a few of the points are enough: the sum over equidistant points of what
is smooth is exact, but for a rest that the rows show, as they add up to one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import factorial

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.discretisation.fluxes import bernoulli
from wfrpde.flow.chain.nodes import SiteNodes

STRIDES = (1, 2, 3, 6)
"""Of points, in cells of the coarser grid, which are enough for a kernel that is smooth."""

ALIASED = 1e-6
"""What a sum over such points of a kernel may be off from one."""


class SiteKernels:
    """e^{τL} of a site for all positions of its neighbours on the nodes.

    Parameters
    ----------
    nodes
        Points of a site.
    site, coupling
        Functions of x ``(m,)``, and of two neighbours ``(m,)``, in kT.
    cells
        Cells of the coarser grid between two nodes.
    lift
        Site and coupling of V less the potential of the π of u = log(ρ/π), which may be that of
        another time; None where they are the same.
    """

    def __init__(
        self,
        nodes: SiteNodes,
        site: Callable[[Array], Array],
        coupling: Callable[[Array, Array], Array],
        cells: int,
        lift: tuple[Callable[[Array], Array], Callable[[Array, Array], Array]] | None = None,
    ) -> None:
        self.nodes = nodes
        inner, at = nodes.grid(cells)
        width = float(inner[1] - inner[0])
        # share of a site's interval by which it diffuses beyond either end, where log(ρ/π) goes on
        # as a straight line: a wall at the end itself would bend it
        count = int(np.ceil(0.08 * (len(inner) - 1)))
        more = -(len(inner) - 1 + 2 * count) % STRIDES[-1]  # by which all strides divide the cells
        beyond = width * np.arange(1, count + more + 1)
        wide = np.concatenate([nodes.low - beyond[count - 1 :: -1], inner, nodes.high + beyond])
        self._grids = [(wide, at + count)]
        fine = np.empty(2 * len(self._grids[0][0]) - 1)
        fine[::2] = self._grids[0][0]
        fine[1::2] = (fine[:-2:2] + fine[2::2]) / 2
        self._grids.append((fine, 2 * self._grids[0][1]))
        self._fine = nodes.extrapolation(fine)
        self._site, self._coupling = site, coupling
        self._lift = None if lift is None else self._fields(nodes.points, *lift)
        self._which: Integers = np.zeros(0, dtype=np.int64)
        self._generators = [self._generator(grid) for grid, _ in self._grids]
        self._whole: tuple[float, list[Array]] = (0.0, [])
        self._rows: dict[float, tuple[Array, Array]] = {}

    def _fields(
        self,
        grid: Array,
        site: Callable[[Array], Array],
        coupling: Callable[[Array, Array], Array],
    ) -> Array:
        """Return V on a grid for each pair of neighbours; the last of n + 1 is none."""
        x = self.nodes.points
        n, m = len(x), len(grid)
        left, right = np.zeros((n + 1, m)), np.zeros((n + 1, m))
        left[:n] = coupling(np.repeat(x, m), np.tile(grid, n)).reshape(n, m)
        right[:n] = coupling(np.tile(grid, n), np.repeat(x, m)).reshape(n, m)
        return (site(grid) + left[:, None] + right).reshape(-1, m)

    def _generator(self, grid: Array) -> Array:
        """Return L on a grid, once for each potential: equal ones share it."""
        potential = self._fields(grid, self._site, self._coupling)
        if not len(self._which):
            differences = np.round((potential - potential[:, :1]) * 1e8)
            _, first, which = np.unique(differences, axis=0, return_index=True, return_inverse=True)
            self._first, self._which = first, np.asarray(which).ravel()
        drop = np.diff(potential[self._first], axis=1)
        size = np.diff(grid)
        volume = np.zeros(len(grid))
        volume[:-1] += size / 2
        volume[1:] += size / 2
        up = bernoulli(drop) / (size * volume[:-1])
        down = bernoulli(-drop) / (size * volume[1:])
        matrix = np.zeros((len(drop), len(grid), len(grid)))
        k = np.arange(len(grid) - 1)
        matrix[:, k, k + 1], matrix[:, k + 1, k] = up, down
        every = np.arange(len(grid))
        matrix[:, every, every] = -matrix.sum(axis=2)
        return matrix

    def at(self, t: float) -> SiteKernels:
        """Return those of a time: of a target that stays, the same."""
        return self

    @property
    def nbytes(self) -> int:
        """Bytes that the matrices take, at most."""
        kept = sum(rows.nbytes for _, rows in self._rows.values())
        return kept + 3 * sum(matrix.nbytes for matrix in self._generators)

    def prepare(self, tau: float) -> None:
        """Make e^{τL}, by squaring what is there where it is half as long."""
        if tau in self._rows:
            return
        last, matrices = self._whole
        if last and abs(2 * last / tau - 1) < 1e-12:
            matrices = [matrix @ matrix for matrix in matrices]
        else:
            matrices = [_exponential(matrix, tau) for matrix in self._generators]
        self._whole = (tau, matrices)
        (_, few), (_, many) = self._grids
        coarse, fine = matrices[0][:, few], matrices[1][:, many]
        stride = 0
        for more in STRIDES:
            if np.abs(2 * more * fine[..., :: 2 * more].sum(axis=2) - 1).max() > ALIASED:
                break
            stride = more
        if stride:
            spread = self._fine[:: 2 * stride]
            rows = np.concatenate([coarse[..., ::stride], fine[..., :: 2 * stride]], axis=1)
            rows /= rows.sum(axis=2, keepdims=True)
        else:
            spread, rows = self._fine, np.zeros((len(fine), 2 * len(few), fine.shape[2]))
            rows[:, : len(few), ::2] = coarse
            rows[:, len(few) :] = fine
        self._rows[tau] = (spread, rows)

    def apply(self, tau: float, u: Array, left: Integers | None, right: Integers | None) -> Array:
        """Return log(e^{τL} e^u) of fibres u ``(n, m)``, by the nodes of their neighbours.

        Parameters
        ----------
        tau
            A time that was prepared.
        u
            ``(n, m)``, each column along the site.
        left, right
            ``(m,)`` numbers of nodes, or None at an end of the chain.
        """
        n = self.nodes.count
        a = n if left is None else left
        b = n if right is None else right
        pairs = np.broadcast_to(np.asarray(a * (n + 1) + b), u.shape[1:])
        kinds = self._which[pairs]
        lift = None if self._lift is None else self._lift[pairs].T
        u = u if lift is None else u + lift
        # fibres of one kind stand side by side while there are few values of each
        order = np.argsort(kinds, kind="stable")
        cuts = np.flatnonzero(np.diff(kinds[order])) + 1
        spans = list(pairwise([0, *map(int, cuts), len(order)]))
        fine = u[:, order]
        top = fine.max(axis=0)
        fine -= top
        # the finer grid holds the coarser; its rows add up to one: the top is the same. A kind at a
        # time, whose values on the fine grid stay in the cache
        spread, rows = self._rows[tau]
        after = np.empty((rows.shape[1], len(order)))
        for start, stop in spans:
            values = spread @ fine[:, start:stop]
            np.exp(values, out=values)
            np.matmul(rows[kinds[order[start]]], values, out=after[:, start:stop])
        np.log(after, out=after)
        result = np.empty_like(u)
        result[:, order] = (4 * after[n:] - after[:n]) / 3 + top
        return result if lift is None else result - lift


def _exponential(generator: Array, tau: float) -> Array:
    """Return e^{τL} by sums and products of what is not negative."""
    every = np.arange(generator.shape[1])
    rate = float(-generator[:, every, every].min())
    squarings = max(0, int(np.ceil(np.log2(2 * rate * tau))))
    result = np.empty_like(generator)
    for found, matrix in zip(result, generator, strict=True):  # one at a time stays in the cache
        # for a step in which a site leaves a cell half a time
        jump = matrix * (tau / 2**squarings)
        jump[every, every] += rate * tau / 2**squarings
        total = _series(jump)
        total /= total.sum(axis=1, keepdims=True)
        for _ in range(squarings):
            total = total @ total
        found[:] = total / total.sum(axis=1, keepdims=True)
    return result


def _series(jump: Array) -> Array:
    """Return the exponential series of a matrix to its twelfth power, by five products."""
    square = jump @ jump
    powers, fourth = (np.eye(len(jump)), jump, square, square @ jump), square @ square
    total = fourth / factorial(12)
    for lowest in (8, 4, 0):
        for k, power in enumerate(powers, lowest):
            total += power / factorial(k)
        if lowest:
            total = total @ fourth
    return total
