r"""Density sources: log(ρ/π) at the particles, from the particles or from the flow that was solved.

Every source costs O(N + nodes) in time and memory: particles are gathered on a regular lattice,
and fields are read from it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from wfrpde.arrays import Array
from wfrpde.errors import InputError
from wfrpde.samplers.lattice import Lattice
from wfrpde.samplers.law import log_mass
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.walls import Walls
from wfrpde.targets import Target

CELLS = {1: 2048, 2: 512, 3: 96}
"""Most cells along an axis of a lattice that is laid out by itself."""

NODES = 2**24
"""Most nodes of a lattice that follows the particles."""

KERNEL_REACH = 5.0
"""Standard deviations after which the kernel of a density estimate ends."""

TINY = 1e-300
"""What stands for an empty node: its logarithm is finite."""


class DensitySource(ABC):
    """Tells the density of an ensemble relative to π at its own particles."""

    @abstractmethod
    def log_relative(self, positions: Array, weights: Array, t: float) -> Array:
        """Return log(ρ_t/π) ``(N,)`` up to a constant at the positions ``(N, d)`` (collective).

        ``weights`` ``(N,)`` sum to 1 over all ranks.
        """

    @property
    def has_law(self) -> bool:
        """Whether `log_relative_of_law` tells what infinitely many particles have."""
        return True

    @property
    def width(self) -> Array | None:
        """Length ``(1,)`` over which it smooths for any number of particles; None if it vanishes.

        In the plane the lattice of a law would have to be too fine to show it.
        """
        return None

    def log_relative_of_law(self, x: Array, mass: Array, t: float, log_target: Array) -> Array:
        """Return log(ρ/π) ``(n,)`` up to a constant, as infinitely many particles have it.

        Their law has masses ``(n,)`` on the points ``(n, d)`` of a regular lattice.
        """
        return log_relative_of_law(x, mass, t, log_target, self.width)


def log_relative_of_law(
    x: Array, mass: Array, t: float, log_target: Array, width: Array | None = None
) -> Array:
    """Return log(ρ/π) ``(n,)`` up to a constant of masses on a lattice, smoothed over ``width``."""
    if width is not None:
        from scipy.ndimage import gaussian_filter1d

        sigma = float(width[0] / (x[1, 0] - x[0, 0]))
        mass = gaussian_filter1d(mass, sigma, mode="constant", truncate=KERNEL_REACH)
    return log_mass(mass) - log_target


@dataclass(frozen=True, eq=False)
class MeshDensity(DensitySource):
    r"""The particles' relative density, projected on the hat functions of a fixed mesh.

        h_j = Σ_i W_i φ̃_j(X_i) / ∫ π φ̃_j,      log(ρ/π)(x) ≈ Σ_j φ_j(x) log h_j

    This is the lumped L²(π) projection of ρ/π. φ̃_j is the hat function φ_j, smoothed by a Gaussian
    of ``smoothing`` nodes. As π passes through the same smoothing, h_j = 1 in the mean for
    particles from π, whatever the spacing: there is no smoothing bias at equilibrium, and one of
    O(spacing²) on the way. For a fixed mesh the bias that comes from the number of particles is
    O(1/N), times a power of log N for what light tails contribute.

    Parameters
    ----------
    target
        π.
    lattice
        The mesh. Particles outside count at its walls.
    smoothing
        Standard deviation of the Gaussian, in units of the spacing.
    """

    target: Target
    lattice: Lattice
    smoothing: float = 1.0
    ranks: Ranks = field(default_factory=Ranks)

    def log_relative(self, positions: Array, weights: Array, t: float) -> Array:
        """Return log(ρ/π) ``(N,)`` (collective)."""
        stencil = self.lattice.stencil(positions)
        mass = self._smooth(self.ranks.sum(stencil.gathered(weights)))
        return stencil.read(np.log(np.maximum(mass, TINY)) - self._log_target)

    @property
    def width(self) -> Array | None:
        """Spacing of the mesh, on a line."""
        return self.lattice.spacing if self.lattice.dim == 1 else None

    def log_relative_of_law(self, x: Array, mass: Array, t: float, log_target: Array) -> Array:
        """Project the law, like particles, on the mesh, on a line."""
        if self.width is not None:
            return self.log_relative(x, mass, t)
        return super().log_relative_of_law(x, mass, t, log_target)

    def _smooth(self, mass: Array) -> Array:
        if self.smoothing == 0:
            return mass
        return self.lattice.smoothed(mass, self.smoothing)

    @cached_property
    def _log_target(self) -> Array:
        """Logarithm of ∫ π φ̃_j, by the midpoint rule on the parts of every cell."""
        lattice, parts = self.lattice, {1: 16, 2: 4, 3: 2}[self.lattice.dim]
        mass = np.zeros(lattice.shape)
        floor = min(float(self.target.potential(lattice.points).min()),
                    float(self.target.potential(self.target.seeds).min()))  # fmt: skip
        inner = tuple(n - 1 for n in lattice.shape)  # one a cell
        corner = Lattice(lattice.low, lattice.spacing, inner).points
        for part in np.ndindex(*([parts] * lattice.dim)):
            points = corner + (np.array(part) + 0.5) / parts * lattice.spacing
            density = np.exp(floor - self.target.potential(points))
            mass += lattice.stencil(points).gathered(density)
        mass *= 1.0 / mass.sum()
        return np.asarray(np.log(np.maximum(self._smooth(mass), TINY)))


@dataclass(frozen=True, eq=False)
class KernelDensity(DensitySource):
    r"""Gaussian kernel density estimate ρ̂, compared with π: log(ρ̂/π) = log ρ̂ + V + const.

    The particles are gathered on a lattice that follows them, convolved with the kernel, and the
    sum is read at the particles. The hats of gathering and reading widen the kernel by a third of
    the spacing squared, which is taken off its variance beforehand.

    Parameters
    ----------
    target
        π.
    bandwidth
        ``(d,)`` standard deviations h_k of the kernel, or None for Silverman's rule
        h_k = s_k (4 / ((d + 2) n))^{1/(d+4)} with the particles' standard deviations s_k and their
        effective number n. Its smoothing bias is O(h²), also at equilibrium.
    walls
        What brings particles back into the box: images of them at its sides count, too.

    References
    ----------
    B. W. Silverman (1986), Density Estimation, equation 4.14.
    """

    target: Target
    bandwidth: Array | None = None
    ranks: Ranks = field(default_factory=Ranks)
    walls: Walls | None = None

    def log_relative(self, positions: Array, weights: Array, t: float) -> Array:
        """Return log(ρ̂/π) ``(N,)`` up to a constant (collective)."""
        width = self.bandwidth
        if width is None:
            width = silverman(positions, weights, self.ranks)
        centres, shares = positions, weights
        if self.walls is not None:
            centres, shares = self.walls.images(positions, weights, KERNEL_REACH * width)
        density = kernel_sum(centres, shares, width, positions, self.ranks)
        log_density: Array = np.log(np.maximum(density, TINY))
        return log_density + self.target.potential(positions)

    @property
    def has_law(self) -> bool:
        """Not where a fixed kernel meets walls."""
        return self.width is None or self.walls is None or self.walls.open

    @property
    def width(self) -> Array | None:
        """Bandwidth, on a line; one by Silverman's rule goes to zero."""
        return self.bandwidth if self.target.dim == 1 else None


def silverman(positions: Array, weights: Array, ranks: Ranks) -> Array:
    """Bandwidths ``(d,)`` by Silverman's rule for weighted particles (collective)."""
    d = positions.shape[1]
    mean = ranks.sum(weights @ positions)
    variance = ranks.sum(weights @ np.square(positions - mean))
    effective = 1.0 / ranks.sum(float(np.square(weights).sum()))
    factor = (4.0 / ((d + 2.0) * effective)) ** (1.0 / (d + 4.0))
    # one particle alone has no spread; any width will do then
    return np.asarray(np.sqrt(np.maximum(variance, 1e-30)) * factor)


def kernel_sum(
    centres: Array, weights: Array, width: Array, at: Array, ranks: Ranks, *, fineness: float = 3.0
) -> Array:
    r"""Σ_j W_j N(x; c_j, diag(width²)) at points ``(n, d)``, relative to Lebesgue measure.

    Collective. Computed on a lattice, with ``fineness`` nodes within one width; the relative error
    is some 1e-3 where the sum is not far below its maximum.

    Raises
    ------
    InputError
        If the lattice would be too large, as the kernel is very narrow.
    """
    from scipy.ndimage import gaussian_filter

    every = np.concatenate([centres, at])
    high = np.array([ranks.max(float(p.max())) for p in every.T])
    low = -np.array([ranks.max(float(-p.min())) for p in every.T])
    low, high = low - 4.0 * width, high + 4.0 * width
    spacing: Array = np.asarray(width / fineness, dtype=float)
    shape = tuple(int(n) for n in np.ceil((high - low) / spacing) + 1)
    if math.prod(shape) > NODES:
        found = f"a kernel of width {np.array2string(width, precision=3)} on a lattice of {shape}"
        raise InputError("bandwidth", found, f"a wider kernel: at most {NODES} nodes fit")
    lattice = Lattice(np.asarray(low, dtype=float), spacing, shape)
    mass = ranks.sum(lattice.stencil(centres).gathered(weights))
    sigma = math.sqrt(fineness**2 - 1.0 / 3.0)
    smoothed = gaussian_filter(mass, sigma, mode="constant", truncate=KERNEL_REACH)
    return np.asarray(lattice.stencil(at).read(smoothed) / float(np.prod(spacing)))
