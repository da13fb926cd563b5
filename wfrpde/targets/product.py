"""`product_target`: the potential of independent factors, as samplers see it in R^d."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Integers
from wfrpde.targets.target import Target


@dataclass(frozen=True, eq=False)
class Turned:
    """Coordinates y = Rᵀ x of factors one after the other, of points x ``(n, d)``.

    Attributes
    ----------
    columns
        For each factor that differs, the coordinates ``(m, k)`` of the m that are like it.
    rotation
        R ``(d, d)``, or None.
    """

    columns: tuple[Integers, ...]
    rotation: Array | None = None

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]], rotation: Array | None = None) -> Turned:
        """Lay factors out, given the number and the dimension of those that are alike."""
        columns, start = [], 0
        for repeat, dim in sizes:
            columns.append(start + np.arange(repeat * dim).reshape(repeat, dim))
            start += repeat * dim
        return cls(tuple(columns), rotation)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return sum(block.size for block in self.columns)

    def inner(self, x: npt.ArrayLike) -> Array:
        """Return y ``(n, d)``."""
        points = np.asarray(x, dtype=float).reshape(-1, self.dim)
        return points if self.rotation is None else points @ self.rotation

    def outer(self, y: Array) -> Array:
        """Return x = R y ``(n, d)``."""
        return y if self.rotation is None else y @ self.rotation.T

    def summed(self, functions: Sequence[Callable[[Array], Array]], x: npt.ArrayLike) -> Array:
        """Return Σ f_k(y_k) ``(n,)`` over all factors; one function for each that differs."""
        y = self.inner(x)
        total = np.zeros(len(y))
        for function, columns in zip(functions, self.columns, strict=True):
            values = function(y[:, columns].reshape(-1, columns.shape[1]))
            total += values.reshape(len(y), -1).sum(axis=1)
        return total


def product_target(factors: Sequence[tuple[int, Target]], rotation: Array | None = None) -> Target:
    """Return V(x) = Σ V_k(y_k), y = Rᵀ x.

    Its one seed is the lowest minimum.

    Parameters
    ----------
    factors
        How often each target is repeated, in the order of their coordinates.
    rotation
        R ``(d, d)``, or None.
    """
    turned = Turned.of([(repeat, target.dim) for repeat, target in factors], rotation)
    targets = [target for _, target in factors]

    def value(x: npt.ArrayLike) -> Array:
        return turned.summed([target.potential for target in targets], x)

    def slope(x: npt.ArrayLike) -> Array:
        y = turned.inner(x)
        result = np.empty_like(y)
        for target, columns in zip(targets, turned.columns, strict=True):
            slopes = target.gradient(y[:, columns].reshape(-1, columns.shape[1]))
            result[:, columns] = slopes.reshape(len(y), *columns.shape)
        return turned.outer(result)

    lowest = [t.seeds[int(np.argmin(t.potential(t.seeds)))] for t in targets]
    seed = np.concatenate([np.tile(s, n) for (n, _), s in zip(factors, lowest, strict=True)])
    recipes = [{"repeat": n, "recipe": target.recipe} for n, target in factors]
    return Target(
        dim=turned.dim,
        name="product",
        description=f"product in {turned.dim} dimensions",
        seeds=turned.outer(seed[None]),
        value=value,
        slope=slope,
        recipe={
            "factors": recipes,
            "rotation": None if rotation is None else rotation.tolist(),
        },
    )
