r"""Densities on a grid, noised: sums of the noise's kernel over the nodes.

.. math:: p_t(x) = \int p_0(z)\, N(x; a z, s^2)\,dz
          \approx \sum_j w_j p_0(z_j) N(x; a z_j, s^2)

For smooth data the sum is right to exp(−2π² s²/(a h)²), h being the distance of the nodes. All
terms are positive, so that log p and its derivatives are right in the tails, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError

FINENESS = 1.2
"""Least s/(a h) for which the sum stands: its error is then below 1e-12."""

MOST_NODES = {1: 8001, 2: 1001, 3: 121}
"""Nodes along an axis, by dimension."""

_LETTERS = "abc"


@dataclass(frozen=True, eq=False)
class Tabulated:
    """A density on the nodes of a tensor grid.

    Attributes
    ----------
    axes
        Nodes along each axis, evenly spread.
    masses
        w_j p₀(z_j), of sum one, one axis for each dimension.
    """

    axes: tuple[Array, ...]
    masses: Array

    @classmethod
    def of(
        cls, log_density: Callable[[Array], Array], box: Array, least: float, where: str
    ) -> Tabulated:
        """Tabulate a density up to its constant, so finely that noise of s/a ≥ ``least`` is right.

        Raises
        ------
        InputError
            If that takes too many nodes; the message names ``where``.
        """
        dim, widths = len(box), box[:, 1] - box[:, 0]
        counts = np.ceil(FINENESS * widths / least).astype(int) + 1
        # nodes along an axis that are taken at least
        counts = np.maximum(counts, {1: 301, 2: 161, 3: 41}[dim])
        if counts.max() > MOST_NODES[dim]:
            raise InputError(
                where,
                f"noise of {least:.2g} of a box of {widths.max():.3g}, the earliest that is asked",
                f"at least {FINENESS * widths.max() / (MOST_NODES[dim] - 1):.2g}",
                "Ask for later times, or a larger noising.stop.",
            )
        axes: tuple[Array, ...] = tuple(
            np.asarray(np.linspace(float(box[k, 0]), float(box[k, 1]), int(counts[k])), dtype=float)
            for k in range(dim)
        )
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)
        logs = log_density(points)
        masses = np.exp(logs - logs.max()).reshape(tuple(counts))
        return cls(axes, masses / masses.sum())

    @property
    def dim(self) -> int:
        """Dimension d."""
        return len(self.axes)

    def noised(self, scale: float, variance: float) -> Blurred:
        """Return the law of a X + s Z."""
        return Blurred(self, scale, variance)

    @property
    def mean(self) -> Array:
        """Mean ``(d,)``."""
        sums = [self.masses.sum(axis=self._others(k)) for k in range(self.dim)]
        return np.array([m @ z for m, z in zip(sums, self.axes, strict=True)])

    @property
    def covariance(self) -> Array:
        """Covariance ``(d, d)``."""
        grids = np.meshgrid(*self.axes, indexing="ij")
        gaps = np.array([(g - m).ravel() for g, m in zip(grids, self.mean, strict=True)])
        return np.asarray((gaps * self.masses.ravel()) @ gaps.T)

    @property
    def narrowest(self) -> float:
        """Least length of change: standard deviation of the Gaussian with the sharpest maximum."""
        logs = np.log(np.maximum(self.masses, 1e-300))
        bends = []
        for k, axis in enumerate(self.axes):
            bend = -np.diff(logs, 2, axis=k) / (axis[1] - axis[0]) ** 2
            inner = np.take(logs, range(1, len(axis) - 1), axis=k)
            bends.append(np.max(bend[inner > logs.max() - 8.0], initial=1e-6))
        return float(1 / math.sqrt(max(bends)))

    def _others(self, k: int) -> tuple[int, ...]:
        return tuple(i for i in range(self.dim) if i != k)

    def reach(self, deviations: float) -> Array:
        """Box ``(d, 2)`` of what carries mass, at the level of so many standard deviations."""
        level, sides = np.exp(-(deviations**2) / 2), []
        for k, axis in enumerate(self.axes):
            seen = axis[self.masses.max(axis=self._others(k)) > level * self.masses.max()]
            sides.append((seen[0], seen[-1]))
        return np.array(sides)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n draws ``(n, d)``, spread evenly about their nodes."""
        flat = rng.choice(self.masses.size, size=n, p=self.masses.ravel())
        places = np.unravel_index(flat, self.masses.shape)
        nodes = [axis[i] for axis, i in zip(self.axes, places, strict=True)]
        steps = np.array([axis[1] - axis[0] for axis in self.axes])
        return np.stack(nodes, axis=1) + steps * (rng.random((n, self.dim)) - 0.5)


@dataclass(frozen=True, eq=False)
class Blurred:
    """Law of a X + s Z for X on nodes."""

    data: Tabulated
    scale: float
    noise: float

    @property
    def mean(self) -> Array:
        """Mean ``(d,)``."""
        return self.scale * self.data.mean

    @property
    def covariance(self) -> Array:
        """Covariance ``(d, d)``."""
        return self.scale**2 * self.data.covariance + self.noise * np.eye(self.data.dim)

    def log_density(self, x: Array) -> Array:
        """``log p`` ``(n,)`` at points ``(n, d)``."""
        return self.derivatives(x)[0]

    def score(self, x: Array) -> Array:
        """``∇ log p`` ``(n, d)``."""
        return self.derivatives(x)[1]

    def derivatives(self, x: Array) -> tuple[Array, Array, Array]:
        """Return ``log p`` ``(n,)``, its gradient ``(n, d)`` and its Laplacian ``(n,)``."""
        kernels = [self._kernels(x[:, k], k) for k in range(self.data.dim)]
        inner, outer = _LETTERS[: self.data.dim], "n"
        rule = ",".join([inner, *(outer + letter for letter in inner)]) + "->n"
        return self._gathered(kernels, rule, (len(x),))

    def on_grid(self, axes: tuple[Array, ...]) -> tuple[Array, Array, Array]:
        """Return `derivatives` at all nodes of another tensor grid, in C order."""
        kernels = [self._kernels(axis, k) for k, axis in enumerate(axes)]
        inner = _LETTERS[: self.data.dim]
        pairs = [upper + lower for upper, lower in zip("xyz", inner, strict=False)]
        rule = ",".join([inner, *pairs]) + "->" + "xyz"[: self.data.dim]
        return self._gathered(kernels, rule, tuple(len(axis) for axis in axes))

    def _kernels(self, x: Array, k: int) -> tuple[Array, Array, Array, Array]:
        """Kernel ``(n, m)`` along an axis, its first two derivatives over it, and its log scale."""
        gap = x[:, None] - self.scale * self.data.axes[k]
        exponent = -(gap**2) / (2 * self.noise)
        most = exponent.max(axis=1)
        kernel = np.exp(exponent - most[:, None])
        first = -gap / self.noise * kernel
        second = (gap**2 / self.noise - 1) / self.noise * kernel
        return kernel, first, second, most

    def _gathered(
        self, kernels: list[tuple[Array, Array, Array, Array]], rule: str, shape: tuple[int, ...]
    ) -> tuple[Array, Array, Array]:
        dim, grid = self.data.dim, len(shape) > 1 or "x" in rule
        plain = [k[0] for k in kernels]
        most = np.zeros(shape)
        for k, (*_, scale) in enumerate(kernels):
            most += scale.reshape([-1 if i == k else 1 for i in range(dim)]) if grid else scale

        def summed(order: int, axis: int) -> Array:
            own = [kernels[k][order] if k == axis else one for k, one in enumerate(plain)]
            return np.asarray(np.einsum(rule, self.data.masses, *own, optimize=True)).ravel()

        whole = np.maximum(summed(0, 0), 1e-300)
        score = np.stack([summed(1, k) / whole for k in range(dim)], axis=1)
        bend = sum(summed(2, k) for k in range(dim)) / whole
        constant = -dim / 2 * math.log(2 * math.pi * self.noise)
        laplacian = bend - np.einsum("nd,nd->n", score, score)
        return np.log(whole) + most.ravel() + constant, score, laplacian
