r"""The limit N → ∞ of a time-discrete sampler, computed on a lattice without any particles.

Where one step is a Gaussian move, X ↦ N(X − h∇V(X), 2h) with h = α dt, and then a weight at every
point, the law of infinitely many particles obeys a recursion for densities: an integral against
the Gaussian kernel and a product. On a regular lattice that is finer than the kernel the
trapezoidal rule makes the integral exact to many digits. The outcome differs from the flow by the
bias of the time step alone: no noise, no finite N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.comparison.density import Density
from wfrpde.samplers.birth_death import BirthDeathLangevin
from wfrpde.samplers.density import KERNEL_REACH, DensitySource, KernelDensity, MeshDensity
from wfrpde.samplers.langevin import Langevin
from wfrpde.samplers.lattice import Lattice
from wfrpde.samplers.smc_wfr import SmcWfr
from wfrpde.samplers.weighted import MeanFieldReaction, PathReaction, WeightedLangevin

if TYPE_CHECKING:
    from wfrpde.case.problem import Problem
    from wfrpde.discretisation.interpolation import Interpolation
    from wfrpde.starts.initial import InitialDensity
    from wfrpde.targets import Target

Array = npt.NDArray[np.float64]
Weighing = Callable[[Array, float, float], Array]

FINENESS = 0.8
"""Spacing of the lattice at most, in standard deviations of the kernel."""

SCALE = 0.5
"""Spacing of the lattice at most, in shortest lengths of V and ρ₀."""

REACH = {1: 8.0, 2: 6.5}
"""Standard deviations after which the kernel ends, by dimension."""

DEPTH = 50.0
"""Logarithms further below the largest count as that much below it."""

MOST_ENTRIES = 15_000_000
"""Entries of the matrix of moves beyond which the limit is not computed."""


@dataclass(frozen=True)
class LawStep:
    """What one step does to the law of infinitely many particles.

    Attributes
    ----------
    alpha
        Rate of the diffusion of the move.
    before
        Factor at the positions before the move: (points, t, dt) → ``(n,)``; None for 1.
    after
        Law after the move → law after the step: (points, masses, t, dt, log π) → masses.
    spacing
        ``(1,)`` length over which the sampler smooths its density, if it is fixed: the spacing of
        a mesh or the bandwidth of a kernel.
    """

    alpha: float
    before: Callable[[Array, float, float], Array] | None
    after: Callable[[Array, Array, float, float, Array], Array]
    spacing: Array | None = None


LogRelative = Callable[[Array, Array, float, Array], Array]


def law_step(sampler: Any) -> LawStep | None:
    """Give the step of a sampler's law, or None where it is not known."""
    if isinstance(sampler, Langevin):
        return LawStep(sampler.alpha, None, lambda x, mass, t, dt, log_target: mass)
    if isinstance(sampler, SmcWfr):
        return LawStep(sampler.alpha, None, _fisher_rao(sampler.beta, _log_relative(None)))
    if isinstance(sampler, WeightedLangevin | BirthDeathLangevin):
        reaction = sampler.reaction
        if isinstance(reaction, PathReaction):
            rate = reaction.rate
            return LawStep(
                sampler.alpha,
                lambda x, t, dt: np.exp(0.5 * dt * rate(t, x)),
                lambda x, mass, t, dt, log_target: mass * np.exp(0.5 * dt * rate(t + dt, x)),
            )
        if isinstance(reaction, MeanFieldReaction):
            source = reaction.source
            after = _fisher_rao(reaction.beta, _log_relative(source))
            return LawStep(sampler.alpha, None, after, _spacing(source))
    return None


def _log_relative(source: DensitySource | None) -> LogRelative:
    """Give log(ρ/π) as infinitely many particles have it.

    A fixed mesh or bandwidth smooths their density, too (in the plane the lattice would have to be
    too fine to show it); a bandwidth by Silverman's rule goes to zero.
    """
    if isinstance(source, MeshDensity) and source.lattice.dim == 1:
        return lambda x, mass, t, log_target: source.log_relative(x, mass, t)
    width = _spacing(source)
    if width is None:
        return lambda x, mass, t, log_target: _log(mass) - log_target
    return lambda x, mass, t, log_target: _log(_smoothed(x, mass, width)) - log_target


def _smoothed(x: Array, mass: Array, width: Array) -> Array:
    """Masses on the points ``(n, 1)`` of a regular lattice, smoothed by a Gaussian."""
    from scipy.ndimage import gaussian_filter1d

    sigma = float(width[0] / (x[1, 0] - x[0, 0]))
    return np.asarray(gaussian_filter1d(mass, sigma, mode="constant", truncate=KERNEL_REACH))


def _spacing(source: DensitySource | None) -> Array | None:
    """Give the length ``(1,)`` over which a density is smoothed for any number of particles."""
    if isinstance(source, MeshDensity) and source.lattice.dim == 1:
        return source.lattice.spacing
    if isinstance(source, KernelDensity) and source.target.dim == 1:
        return source.bandwidth
    return None


def _fisher_rao(
    beta: float, log_relative: LogRelative
) -> Callable[[Array, Array, float, float, Array], Array]:
    """Multiply the moved density by (ρ/π)^{θ−1}, θ = e^{−β dt}."""

    def after(x: Array, mass: Array, t: float, dt: float, log_target: Array) -> Array:
        mass = mass / mass.sum()
        growth = math.expm1(-beta * dt) * log_relative(x, mass, t + dt, log_target)
        return np.asarray(np.exp(_log(mass) + growth))

    return after


@dataclass(frozen=True)
class Law:
    """The law of infinitely many particles at one time, on a lattice.

    Attributes
    ----------
    lattice
        Regular nodes.
    masses
        ``(n,)`` mass at each node.
    """

    lattice: Lattice
    masses: Array

    def log_density(self, x: Array) -> Array:
        """Log density ``(n,)`` at points ``(n, d)``, by cubic splines of the logarithm."""
        from scipy.ndimage import map_coordinates

        field = _log(self.masses / np.prod(self.lattice.spacing)).reshape(self.lattice.shape)
        # beyond a cliff the spline would swing high above what is left there
        field = np.maximum(field, field.max() - DEPTH)
        at = np.stack(self.lattice.coordinates(np.array(x, dtype=float)))
        return np.asarray(map_coordinates(field, at, order=3, mode="nearest"))

    def density(self, interpolation: Interpolation, t: float, error: float) -> Density:
        """Give the law as a density on the mesh of a solution."""
        return Density(t, interpolation, self.log_density, error)


def limit_laws(
    step: LawStep,
    target: Target,
    initial: InitialDensity,
    problem: Problem,
    dt: float,
    times: Sequence[float],
    *,
    stop: Callable[[], bool] | None = None,
) -> list[Law] | None:
    """Advance the law of a sampler to the given times; None where the lattice would be too large.

    Parameters
    ----------
    dt
        Largest step; between two times all steps are equal, as in `wfrpde.samplers.simulate`.
    times
        Ascending times > 0.
    """
    if target.dim > 2 or step.alpha <= 0:
        return None
    counts = np.diff([0.0, *times]) / dt * (1 - 1e-10)
    steps = np.maximum(np.ceil(counts), 1).astype(int)
    sizes = np.diff([0.0, *times]) / steps
    deviation = math.sqrt(2 * step.alpha * float(sizes.min()))
    spacing = np.minimum(FINENESS * deviation, SCALE * problem.scales)
    if step.spacing is not None:
        spacing = np.minimum(spacing, step.spacing / 2)
    lattice = Lattice.over(problem.box, spacing, 20_000)
    widest = math.sqrt(2 * step.alpha * float(sizes.max()))
    band = np.prod(2 * np.ceil(REACH[target.dim] * widest / lattice.spacing) + 1)
    if band * np.prod(lattice.shape) > MOST_ENTRIES:
        return None
    points = lattice.points
    log_target = -target.potential(points)
    log_target -= log_target.max()
    mass = np.exp(initial.log_density(points) - np.max(initial.log_density(points)))
    mass /= mass.sum()
    laws, now = [], 0.0
    matrices: dict[float, Any] = {}
    for count, size, end in zip(steps, sizes, times, strict=True):
        key = float(f"{size:.12g}")
        if key not in matrices:
            matrices[key] = _moves(lattice, points, target, step.alpha * size)
        for k in range(count):
            t = now + size * k
            if step.before is not None:
                mass = mass * step.before(points, t, size)
            mass = step.after(points, matrices[key] @ mass, t, size, log_target)
            mass = mass / mass.sum()
            if stop is not None and stop():
                return None
        now = end
        laws.append(Law(lattice, mass))
    return laws


def _moves(lattice: Lattice, points: Array, target: Target, h: float) -> Any:
    """Matrix that takes masses to masses: column j is the Gaussian around x_j − h∇V(x_j)."""
    from scipy.sparse import csr_array

    deviation = math.sqrt(2 * h)
    slope = np.nan_to_num(target.gradient(points), nan=0.0, posinf=1e9, neginf=-1e9)
    centre = (points - h * slope - lattice.low) / lattice.spacing
    number = np.zeros((len(points), 1), dtype=np.int64)
    value = np.ones((len(points), 1))
    for axis, n in enumerate(lattice.shape):
        step = lattice.spacing[axis]
        reach = math.ceil(REACH[lattice.dim] * deviation / step)
        middle = np.clip(np.rint(centre[:, axis]), -2.0 * n, 3.0 * n)
        index = middle[:, None].astype(np.int64) + np.arange(-reach, reach + 1)
        gap = (index - centre[:, axis, None]) * (step / deviation)
        weight = np.exp(-0.5 * gap**2) * (step / deviation / math.sqrt(2 * math.pi))
        weight[(index < 0) | (index >= n)] = 0.0
        index = np.clip(index, 0, n - 1)
        number = (number[:, :, None] * n + index[:, None, :]).reshape(len(points), -1)
        value = (value[:, :, None] * weight[:, None, :]).reshape(len(points), -1)
    column = np.broadcast_to(np.arange(len(points))[:, None], number.shape)
    kept = value > 0
    shape = (len(points), len(points))
    return csr_array((value[kept], (number[kept], column[kept])), shape=shape)


def _log(mass: Array) -> Array:
    return np.asarray(np.log(np.maximum(mass, 1e-300)))
