"""Unknowns shared out over ranks: who owns which, and what the ranks tell one another.

An array over the unknowns of a rank holds its own first, and after them ghosts: copies of those of
other ranks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags, Integers

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

Rows = tuple[npt.NDArray[Any], npt.NDArray[Any], Array]
"""Compressed rows of a matrix: pointers, columns, values."""


@dataclass(frozen=True)
class Triplets:
    """Entries ``(row, column, value)`` in local numbers, to be summed; rows may be ghosts."""

    row: Integers
    column: Integers
    value: Array

    @staticmethod
    def joined(parts: list[Triplets]) -> Triplets:
        """Put lists of entries together."""
        return Triplets(
            np.concatenate([p.row for p in parts]),
            np.concatenate([p.column for p in parts]),
            np.concatenate([p.value for p in parts]),
        )

    def of(self, some: Flags) -> Triplets:
        """Return some of them."""
        return Triplets(self.row[some], self.column[some], self.value[some])

    def compressed(self, first: int, height: int, width: int) -> Rows:
        """Return so many rows from a first one, and what is double summed."""
        from scipy.sparse import coo_array

        place = self.row - first, self.column
        made = coo_array((self.value, place), shape=(height, width)).tocsr()
        return made.indptr, made.indices, made.data


@dataclass(frozen=True)
class RowBlocks:
    """All entries of the rows of a rank, some rows after the other, so that lists stay short.

    ``most``: entries of all rows together, at most. Each block is a range of own rows and their
    entries in local numbers, to be summed. Rows in which there is no block are empty.
    """

    most: int
    blocks: Iterable[tuple[slice, Triplets]]

    def compressed(self, layout: Layout) -> tuple[Rows, Rows]:
        """Return the rows as they are, compressed, in two parts.

        The columns of the first are own unknowns in local numbers, those of the second the ghosts,
        by the numbers of all.
        """
        n, width = layout.n_owned, layout.n_global
        kind: Any = np.int32 if max(self.most, width) < 2**31 else np.int64
        columns, values = np.empty(self.most, dtype=kind), np.empty(self.most)
        far: list[Rows] = []  # few
        pointers: list[npt.NDArray[Any]] = [np.zeros(1, dtype=kind)]
        row = count = 0
        for rows, entries in self.blocks:
            assert rows.start == row
            own, height = entries.column < n, rows.stop - row
            part = entries.of(own).compressed(row, height, n)
            columns[count : count + len(part[1])] = part[1]
            values[count : count + len(part[1])] = part[2]
            pointers.append((count + part[0][1:]).astype(kind))
            others = entries.of(~own)
            ghosts = layout.ghosts[others.column - n]
            far.append(replace(others, column=ghosts).compressed(row, height, width))
            row, count = rows.stop, count + len(part[1])
        near = np.concatenate(pointers), columns[:count], values[:count]
        ends = np.concatenate([np.zeros(1), *(np.diff(p) for p, _, _ in far)]).cumsum().astype(kind)
        beyond = (np.concatenate([np.zeros(0), *(p[k] for p in far)]) for k in (1, 2))
        return near, (ends, next(beyond).astype(kind), next(beyond))


@dataclass(frozen=True, eq=False)
class Layout:
    """Unknowns shared out over the ranks of a communicator.

    Attributes
    ----------
    comm
        The ranks.
    sizes
        How many unknowns each rank owns; they are numbered rank by rank.
    ghosts
        ``(g,)`` those numbers of the unknowns of other ranks that this one has copies of.
    """

    comm: Comm
    sizes: tuple[int, ...]
    ghosts: Integers

    @property
    def n_owned(self) -> int:
        """How many unknowns this rank owns."""
        return self.sizes[self.comm.rank]

    @property
    def n_global(self) -> int:
        """How many there are on all ranks."""
        return sum(self.sizes)

    @property
    def first(self) -> int:
        """Number of this rank's first unknown."""
        return sum(self.sizes[: self.comm.rank])

    @property
    def global_numbers(self) -> Integers:
        """``(n,)`` row of each unknown in a distributed matrix, ghosts included."""
        return np.concatenate([np.arange(self.first, self.first + self.n_owned), self.ghosts])

    def elimination(self, entries: int) -> Integers | None:
        """Order of the own unknowns in which factors of a matrix of so many entries fill little.

        None where nothing but the matrix tells.
        """
        return None

    @cached_property
    def owners(self) -> Integers:
        """``(g,)`` ranks that own the ghosts."""
        return np.searchsorted(np.cumsum(self.sizes), self.ghosts, side="right").astype(np.int64)

    @cached_property
    def _exchange(self) -> tuple[Integers, list[int], Integers, list[int]]:
        """Own unknowns that others have copies of, and the ghosts, both rank by rank (collective).

        Each with how many go to or come from every rank.
        """
        ranks = range(self.comm.size)
        order = [np.flatnonzero(self.owners == rank) for rank in ranks]
        wanted = self.comm.alltoall([self.ghosts[numbers] for numbers in order])
        own = np.concatenate(wanted) - self.first
        ghosts = np.concatenate(order) + self.n_owned
        return own, [len(w) for w in wanted], ghosts, [len(o) for o in order]

    def with_ghosts(self, owned: Array) -> Array:
        """Append the values of the ghosts (collective)."""
        if self.comm.size == 1:
            return owned
        own, to, ghosts, come = self._exchange
        values = np.empty(len(ghosts))
        self.comm.Alltoallv((owned[own], to), (values, come))
        result = np.empty(self.n_owned + len(ghosts))
        result[: self.n_owned] = owned
        result[ghosts] = values
        return result

    def added_up(self, local: Array) -> Array:
        """Add what the ranks contribute to shared unknowns; complete at ghosts (collective)."""
        if self.comm.size == 1:
            return local
        own, come, ghosts, to = self._exchange
        values = np.empty(len(own))
        self.comm.Alltoallv((local[ghosts], to), (values, come))
        total = local[: self.n_owned].copy()
        np.add.at(total, own, values)
        return self.with_ghosts(total)

    def sum(self, owned: Array) -> float:
        """Sum over all unknowns (collective)."""
        total = float(owned.sum())
        return total if self.comm.size == 1 else float(self.comm.allreduce(total))

    def max(self, owned: Array) -> float:
        """Maximum over all unknowns (collective)."""
        largest = float(owned.max(initial=-np.inf))
        if self.comm.size == 1:
            return largest
        from wfrpde.parallel.mpi import MPI

        return float(self.comm.allreduce(largest, op=MPI.MAX))

    def least(self, local: Array) -> float:
        """Minimum of numbers on all ranks, NaN aside (collective)."""
        return -self.max(-local[~np.isnan(local)])

    def logsumexp(self, owned: Array) -> float:
        """``log Σ exp`` over all unknowns (collective)."""
        shift = self.max(owned)
        shares = owned - shift
        return shift + float(np.log(self.sum(np.exp(shares, out=shares))))
