"""Vectors and matrices of numbers and formulas, as functions of x with their divergences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np

from wfrpde.arrays import Array
from wfrpde.fields.protocols import Formula

Entry = float | Formula


def entry(value: float | str, dim: int, where: str, *, timed: bool = False) -> Entry:
    """Return a number, or the formula that a text holds, which may be in t if it is `timed`.

    Raises
    ------
    InputError
        If the text is no formula; the message names ``where``.
    """
    if not isinstance(value, str):
        return float(value)
    return Formula(value, dim, where, timed).checked()


def _value(part: Entry, x: Array, t: float = 0.0) -> Array:
    return part(x, t) if isinstance(part, Formula) else np.full(len(x), part)


def _slope(part: Entry, x: Array, t: float = 0.0) -> Array:
    return part.gradient(x, t) if isinstance(part, Formula) else np.zeros_like(x)


@dataclass(frozen=True)
class VectorField:
    """A vector at every point; two are equal if their entries are.

    Attributes
    ----------
    entries
        ``d`` numbers or formulas.
    time
        The time at which formulas in t are meant.
    """

    entries: tuple[Entry, ...]
    time: float = field(default=0.0, compare=False)

    @property
    def moving(self) -> bool:
        """Whether an entry depends on time."""
        return any(isinstance(part, Formula) and part.moving for part in self.entries)

    def at(self, t: float) -> Self:
        """Return the vectors of a time."""
        return replace(self, time=t)

    def __call__(self, x: Array) -> Array:
        """Return the vectors ``(n, d)`` at points ``(n, d)``."""
        return np.stack([_value(part, x, self.time) for part in self.entries], axis=1)

    def divergence(self, x: Array) -> Array:
        """Return ``Σ_i ∂_i f_i (n,)`` at points ``(n, d)``."""
        total = np.zeros(len(x))
        for i, part in enumerate(self.entries):
            total += _slope(part, x, self.time)[:, i]
        return total


@dataclass(frozen=True)
class MatrixField:
    """A matrix at every point; two are equal if their entries are.

    Attributes
    ----------
    rows
        ``d`` rows of ``d`` numbers or formulas.
    """

    rows: tuple[tuple[Entry, ...], ...]

    @classmethod
    def diagonal(cls, entries: Sequence[Entry]) -> Self:
        """Return the matrix with these entries on its diagonal, and 0 elsewhere."""
        dim = range(len(entries))
        return cls(tuple(tuple(entries[i] if i == j else 0.0 for j in dim) for i in dim))

    @property
    def dim(self) -> int:
        """Number of rows d."""
        return len(self.rows)

    @property
    def constant(self) -> bool:
        """Whether all entries are numbers."""
        return not any(isinstance(part, Formula) for row in self.rows for part in row)

    @property
    def is_diagonal(self) -> bool:
        """Whether all entries besides those of the diagonal are the number 0."""
        rows = enumerate(self.rows)
        return all(part == 0.0 for i, row in rows for j, part in enumerate(row) if i != j)

    @cached_property
    def matrix(self) -> Array:
        """The constant matrix ``(d, d)``; only where `constant`."""
        return np.array(self.rows, dtype=float)

    def __call__(self, x: Array) -> Array:
        """Return the matrices ``(n, d, d)`` at points ``(n, d)``."""
        if self.constant:
            return np.broadcast_to(self.matrix, (len(x), *self.matrix.shape))
        return np.stack([np.stack([_value(p, x) for p in row], axis=1) for row in self.rows], 1)

    def divergence(self, x: Array) -> Array:
        """Return ``(div A)_i = Σ_j ∂_j A_ij (n, d)`` at points ``(n, d)``."""
        return np.stack([VectorField(row).divergence(x) for row in self.rows], axis=1)
