"""Solves with I + cS_k, where S_k couples neighbours along one axis alone: line after line."""

from __future__ import annotations

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.engine.layout import Layout, Triplets
from wfrpde.engine.shifted import Band, ShiftedSolver

DIGITS = 11
"""Of c, so that two that differ by round-off are one, in a run that is resumed as well."""


class LineSolver:
    """Solves ``(I + c S) x = b`` for a symmetric positive semidefinite S that couples lines.

    All lines in a row make one tridiagonal matrix, which costs some nanoseconds an unknown. Every
    rank solves for all of them.

    Parameters
    ----------
    layout
        Who owns which unknown.
    entries
        Of S, those of this rank's cells.
    place
        ``(n,)`` number of each unknown of this rank, ghosts included: consecutive ones along a
        line.
    """

    def __init__(self, layout: Layout, entries: Triplets, place: Integers) -> None:
        self._layout, comm = layout, layout.comm
        every = np.ascontiguousarray(place[: layout.n_owned])
        if comm.size > 1:
            own, every = every, np.empty(layout.n_global, dtype=every.dtype)
            comm.Allgatherv(own, (every, list(layout.sizes)))
        order = np.argsort(every, kind="stable")
        position = np.searchsorted(every[order], place).astype(np.int64)
        self._order: Integers | None = None
        if (order != np.arange(len(order))).any():
            self._order = order
            here = slice(layout.first, layout.first + layout.n_owned)
            self._back = np.argsort(order)[here]
        row, column = position[entries.row], position[entries.column]
        band = Band(layout.n_global, 1, Triplets(row, column, entries.value))
        if comm.size > 1:
            band.add_up(comm)
        self.solver = ShiftedSolver(band.factor)

    def in_lines(self, owned: Array) -> Array:
        """Return the values of all unknowns, line after line (collective)."""
        every = owned
        if self._layout.comm.size > 1:
            every = np.empty(self._layout.n_global)
            own = np.ascontiguousarray(owned)
            self._layout.comm.Allgatherv(own, (every, list(self._layout.sizes)))
        return every if self._order is None else every[self._order]

    def owned(self, values: Array) -> Array:
        """Return this rank's own ones of what `in_lines` gave."""
        if self._order is not None:
            return values[self._back]
        first = self._layout.first
        return values[first : first + self._layout.n_owned]

    def solve(self, c: float, rhs: Array) -> Array:
        """Return x for a right-hand side in lines."""
        return self.solver.solve(float(f"{c:.{DIGITS - 1}e}"), rhs)
