"""Even tensor grids in one to three dimensions, and integrals over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.arrays import Array, Flags

Condition = Callable[[Array], Flags]


@dataclass(frozen=True, eq=False)
class Lattice:
    """A tensor grid.

    Attributes
    ----------
    axes
        Nodes along each axis, evenly spread.
    """

    axes: tuple[Array, ...]

    @classmethod
    def of(cls, box: npt.ArrayLike, cells: tuple[int, ...]) -> Lattice:
        """Divide a box ``(d, 2)`` into cells."""
        sides = np.asarray(box, dtype=float).tolist()
        pairs = zip(sides, cells, strict=True)
        return cls(tuple(np.linspace(low, high, n + 1) for (low, high), n in pairs))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of nodes along each axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return len(self.axes)

    @property
    def steps(self) -> Array:
        """Distance of the nodes along each axis ``(d,)``."""
        return np.array([axis[1] - axis[0] for axis in self.axes])

    @cached_property
    def points(self) -> Array:
        """All nodes ``(n, d)``, in C order."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij"), axis=-1).reshape(-1, self.dim)

    @cached_property
    def weights(self) -> Array:
        """Weights of the trapezoidal rule, of the lattice's shape."""
        whole = np.ones(self.shape)
        for k, step in enumerate(self.steps):
            whole *= self.along(self.line_weights(k, float(step)), k)
        return whole

    def line_weights(self, axis: int, step: float) -> Array:
        """Weights of the trapezoidal rule along one axis."""
        weights = np.full(self.shape[axis], step)
        weights[0] = weights[-1] = step / 2
        return weights

    def along(self, values: Array, axis: int) -> Array:
        """Shape values along one axis so that they fit the lattice."""
        return values.reshape([-1 if k == axis else 1 for k in range(self.dim)])

    def mass_in(self, density: Array, region: Condition) -> float:
        """Integral of a density ``shape`` over a region.

        Lines along the axis that its boundary crosses most often are cut where it is crossed.
        """
        from scipy.interpolate import CubicSpline

        inside = np.asarray(region(self.points)).reshape(self.shape)
        counts = [int((np.diff(inside.astype(int), axis=k) != 0).sum()) for k in range(self.dim)]
        k = int(np.argmax(counts))
        spline = CubicSpline(self.axes[k], np.moveaxis(density, k, -1).reshape(-1, self.shape[k]).T)
        lines = np.moveaxis(self.points.reshape(*self.shape, self.dim), k, -2)
        lines = lines.reshape(-1, self.shape[k], self.dim)
        flags = np.moveaxis(inside, k, -1).reshape(-1, self.shape[k])
        step = float(self.steps[k])
        # c[i] multiplies (x - x_j)^(3 - i)
        powers = np.array([4, 3, 2, 1])[:, None]

        def partial(cell: Any, line: Any, width: Array) -> Array:
            coefficients = spline.c[:, cell, line]
            return np.asarray((coefficients * width**powers / powers).sum(axis=0))

        cells = np.broadcast_to(np.arange(self.shape[k] - 1), (len(lines), self.shape[k] - 1))
        rows = np.broadcast_to(np.arange(len(lines))[:, None], cells.shape)
        whole = partial(cells.ravel(), rows.ravel(), np.full(cells.size, step)).reshape(cells.shape)
        total = (whole * (flags[:, :-1] & flags[:, 1:])).sum(axis=1)
        line, cell = np.nonzero(flags[:, :-1] != flags[:, 1:])
        low: Array = np.zeros(len(line))
        high: Array = np.full(len(line), step)
        start = lines[line, cell]
        first = flags[line, cell]
        for _ in range(48):  # bisections that find where a region begins
            middle = (low + high) / 2
            place = start.copy()
            place[:, k] += middle
            same = np.asarray(region(place)) == first
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        part = partial(cell, line, low)
        full = partial(cell, line, np.full(len(line), step))
        np.add.at(total, line, np.where(first, part, full - part))
        others = np.moveaxis(self.weights, k, -1).reshape(-1, self.shape[k])[:, 1] / step
        return float(total @ others)


def kl(p: Array, q: Array) -> float:
    """KL(p‖q) of nodal masses."""
    held = p > 1e-290
    return float((p[held] * (np.log(p[held]) - np.log(np.maximum(q[held], 1e-300)))).sum())


DISTANCES: dict[str, Callable[[Array, Array], float]] = {
    "kl": kl,
    "reverse_kl": lambda rho, exact: kl(exact, rho),
    "l1": lambda rho, exact: float(np.abs(rho - exact).sum()),
}
"""Distances of nodal masses ρ from the exact ones, by name."""
