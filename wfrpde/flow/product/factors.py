"""`Factors`: which factors a product has, where their coordinates lie, and what adds up over them.

Points x = R y are in the coordinates of the case, y in those of the factors, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, ComplexArray, Integers
from wfrpde.discretisation.interpolation import points_of
from wfrpde.errors import InputError
from wfrpde.flow.product.axial import AxialPart
from wfrpde.flow.product.gaussian_part import GaussianPart
from wfrpde.flow.product.lines import Line
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.parts import Index, Part
from wfrpde.flow.product.phase_part import PhasePart
from wfrpde.flow.product.radial import RadialPart
from wfrpde.flow.product.sums import SumLaw
from wfrpde.flow.saved import Estimated

AnyPart = MeshPart | GaussianPart | RadialPart | AxialPart | PhasePart
"""The kinds of `Part`, as results that can be kept."""


@dataclass(frozen=True, eq=False)
class Factors:
    """The factors of a product.

    Attributes
    ----------
    parts
        The flows of the factors that differ.
    order
        For each factor, in order, which of the `parts` it is.
    names
        For each factor its name, or "".
    rotation
        R ``(d, d)``, or None.
    """

    parts: tuple[AnyPart, ...]
    order: tuple[int, ...]
    names: tuple[str, ...]
    rotation: Array | None

    @cached_property
    def starts(self) -> Integers:
        """Where each factor's coordinates begin, and the end of the last."""
        return np.cumsum([0, *(self.parts[k].dim for k in self.order)])

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How many factors are like each of the `parts`."""
        return tuple(self.order.count(k) for k in range(len(self.parts)))

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.starts[-1])

    def __iter__(self) -> Iterator[tuple[int, slice]]:
        """For each factor, which of the `parts` it is, and its coordinates."""
        for kind, start in zip(self.order, self.starts, strict=False):
            yield kind, slice(start, start + self.parts[kind].dim)

    @cached_property
    def columns(self) -> tuple[Integers, ...]:
        """For each of the `parts` the coordinates ``(n, dim)`` of the factors that are like it."""
        order, starts = np.array(self.order), self.starts[:-1]
        return tuple(
            starts[order == kind][:, None] + np.arange(part.dim)
            for kind, part in enumerate(self.parts)
        )

    def coordinates(self, x: npt.ArrayLike) -> Array:
        """Return y = Rᵀ x ``(n, d)`` of points ``(n, d)``."""
        points = points_of(x, self.dim)
        return points if self.rotation is None else points @ self.rotation

    def turned(self, weights: npt.ArrayLike) -> Array:
        """Return v = Rᵀ w of linear forms w·x = v·y ``(…, d)``."""
        w = np.asarray(weights, dtype=float)
        if w.shape[-1] != self.dim:
            raise ValueError(f"the weights have shape {w.shape}; needed (…, {self.dim})")
        return w if self.rotation is None else w @ self.rotation

    def summed(self, x: npt.ArrayLike, function: Callable[[Part, Array], Array]) -> Array:
        """Return Σ f(part, y_part) ``(n,)`` over the factors, of points ``(n, d)``."""
        y = self.coordinates(x)
        total = np.zeros(len(y))
        for part, columns in zip(self.parts, self.columns, strict=True):
            values = function(part, y[:, columns].reshape(-1, part.dim))
            total += values.reshape(len(y), -1).sum(axis=1)
        return total

    def blocks(self, name: str, count: int) -> Estimated:
        """Put the means ``(T, d)`` or covariances ``(T, d, d)`` of the factors together."""
        square = name == "covariance"
        shape = (count, self.dim, self.dim) if square else (count, self.dim)
        value, error = np.zeros(shape), np.zeros(shape)
        entries = [part.estimated(name) for part in self.parts]
        for kind, block in self:
            at = (slice(None), block, block) if square else (slice(None), block)
            value[at] = entries[kind].value[:count]
            error[at] = entries[kind].error[:count]
        if self.rotation is None:
            return Estimated(value, error)
        r, size = self.rotation, np.abs(self.rotation)
        if square:
            return Estimated(r @ value @ r.T, size @ error @ size.T)
        return Estimated(value @ r.T, error @ size.T)

    def variances(self, count: int) -> Estimated:
        """Return the variance of each coordinate, ``(T, d)``."""
        entries = [part.estimated("covariance") for part in self.parts]
        value, error = np.zeros((count, self.dim)), np.zeros((count, self.dim))
        for kind, block in self:
            own, spread = entries[kind].value[:count], entries[kind].error[:count]
            if self.rotation is None:
                value[:, block] = np.einsum("tii->ti", own)
                error[:, block] = np.einsum("tii->ti", spread)
            else:
                r = self.rotation[:, block]
                value += np.einsum("ai,tij,aj->ta", r, own, r)
                error += np.einsum("ai,tij,aj->ta", np.abs(r), spread, np.abs(r))
        return Estimated(value, error)

    def law(self, index: Index, inner: Array) -> SumLaw:
        """Return the law of a linear form v·y of the factors' coordinates."""
        groups: dict[tuple[int, bytes], int] = {}
        for kind, at in self:
            block = inner[at] + 0.0  # no −0
            if block.any():
                key = (kind, block.tobytes())
                groups[key] = groups.get(key, 0) + 1
        lines: list[Line] = [self.parts[k].line(index, np.frombuffer(block)) for k, block in groups]
        if not lines:
            raise InputError("weights", "zeros", "at least one that is not zero")
        return SumLaw(tuple(lines), tuple(groups.values()))

    def characteristic(self, index: Index, omega: Array) -> ComplexArray:
        """Return E e^{iω·x} at frequencies ``(m, d)``, in the coordinates of the case."""
        inner = self.turned(omega)
        total = np.ones(len(inner), dtype=complex)
        for part, columns in zip(self.parts, self.columns, strict=True):
            waves = inner[:, columns]
            felt = waves.any(axis=(0, 2))
            if felt.any():
                waves = waves[:, felt].reshape(-1, part.dim)
                total *= part.characteristic(index, waves).reshape(len(inner), -1).prod(axis=1)
        return total

    def alone(self, coordinate: int) -> AnyPart | None:
        """Return the one-dimensional factor that a coordinate is, if it is one."""
        if self.rotation is not None:
            return None
        number = int(np.searchsorted(self.starts, coordinate, side="right")) - 1
        part = self.parts[self.order[number]]
        return part if part.dim == 1 else None
