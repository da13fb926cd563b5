r"""Axes of a box that is turned: orthogonal coordinates, in which a flow is what it was.

.. math:: y = Ax,\qquad x = A^{\mathsf T}y,\qquad \nabla_x = A^{\mathsf T}\nabla_y

The rows of A are the directions of the axes. A flow is solved in y, where its box is one along the
coordinates, and told in x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array
from wfrpde.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Frame:
    """Directions of the axes of a box.

    Attributes
    ----------
    rows
        The orthogonal matrix A ``(d, d)``, row by row.
    """

    rows: tuple[tuple[float, ...], ...]

    @staticmethod
    def of(matrix: Array) -> Frame:
        """Return the frame whose axes are the rows of an orthogonal matrix ``(d, d)``."""
        return Frame(tuple(tuple(map(float, row)) for row in matrix))

    @cached_property
    def matrix(self) -> Array:
        """A ``(d, d)``."""
        return np.array(self.rows, dtype=float)

    def along(self, x: Array) -> Array:
        """Return the coordinates y ``(n, d)`` along the axes of points, or vectors, ``(n, d)``."""
        return np.stack(combined(self.matrix, x.T), axis=1)

    def back(self, y: Array) -> Array:
        """Return points, or vectors, ``(n, d)`` from their coordinates along the axes."""
        return np.stack(combined(self.matrix.T, y.T), axis=1)

    def turned(self, function: Callable[[Array], T]) -> Callable[[npt.ArrayLike], T]:
        """Return a function of points x as one of y."""
        return lambda y: function(self.back(np.asarray(y, dtype=float)))


def combined(matrix: Array, parts: Sequence[Array] | Array) -> list[Array]:
    """Return ``Σ_k m_ik p_k`` of components ``p_k``, term by term.

    So one sum does not depend on how many others there are, and what is 0 in the matrix, or 1,
    leaves no round-off.
    """
    result = []
    for row in matrix:
        first, *terms = [float(a) * part for a, part in zip(row, parts, strict=True) if a != 0.0]
        for term in terms:
            first = first + term
        result.append(first)
    return result


def orthogonal(given: Any, dim: int, where: str, needed: str) -> Array:
    """Return the orthogonal matrix ``(d, d)`` that somebody has typed.

    Raises
    ------
    InputError
        If it is none; it says what is `needed`.
    """
    try:
        matrix = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise InputError(where, "what is no matrix", needed) from None
    if matrix.shape != (dim, dim):
        shape = "×".join(map(str, matrix.shape)) or "single"
        raise InputError(where, f"a {shape} array", needed)
    defect = float(np.abs(matrix @ matrix.T - np.eye(dim)).max())
    if not defect < 1e-8:
        raise InputError(where, f"a matrix with |R Rᵀ − 1| = {defect:.1e}", needed)
    # the nearest orthogonal matrix: what was typed has a few digits only
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right)
