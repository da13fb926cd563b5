r"""The limit N → ∞ of a time-discrete sampler, computed on a lattice without any particles.

Where one step is a Gaussian move, X ↦ N(X − h∇V(X), 2h) with h = α dt, and then a weight at every
point, the law of infinitely many particles obeys a recursion for densities: an integral against
the Gaussian kernel and a product. On a regular lattice that is finer than the kernel the
trapezoidal rule makes the integral exact to many digits. The outcome differs from the flow by the
bias of the time step alone: no noise, no finite N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from wfrpde.arrays import Array, Integers
from wfrpde.fields.schedules import is_moving
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.lattice import Lattice
from wfrpde.samplers.law import LawStep, log_mass
from wfrpde.samplers.protocol import equal_strides
from wfrpde.samplers.walls import Sink, Walls
from wfrpde.targets import Target

REACH = {1: 8.0, 2: 6.5}
"""Standard deviations after which the kernel ends, by dimension,"""

SPACING = 0.8
"""and between two nodes, at most: the sum over a kernel is wrong by 2 exp(−2π²/0.8²) = 8e-14."""

ROUGH_REACH, ROUGH_SPACING = 5.5, 1.05
"""The same for laws that are compared with noise: 4e-8 and 3e-8 a step."""

MARGIN = 12
"""Nodes that are added at both ends of an axis that closes, for splines."""

LEAST = -1e3
"""Log of a mass that stands for none."""

MOST_ENTRIES = 15_000_000
"""Entries of the matrix of moves beyond which the limit is not computed."""


MOST_WORK = 1_500_000_000
"""Entries of all matrices of moves that change in time beyond which it is not."""


@dataclass(frozen=True)
class Law:
    """The law of infinitely many particles at one time, on a lattice.

    Attributes
    ----------
    lattice
        Regular nodes.
    masses
        ``(n,)`` mass at each node.
    volumes
        ``(n,)`` share of its cell that belongs to each; None for 1.
    survival
        Share that has not been absorbed.
    sink
        What absorbs, near which the density vanishes; None where nothing does.
    """

    lattice: Lattice
    masses: Array
    volumes: Array | None = None
    survival: float = 1.0
    sink: Sink | None = None

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.lattice.dim

    def log_density(self, x: Array) -> Array:
        """Log density ``(n,)`` at points ``(n, d)``, by cubic splines of the logarithm."""
        from scipy.ndimage import map_coordinates

        own = np.ones(1) if self.volumes is None else self.volumes
        per_cell = self.masses / np.where(own > 0, own, 1.0) / np.prod(self.lattice.spacing)
        field = self.lattice.joined(per_cell.reshape(self.lattice.shape).copy())
        field = log_mass(field)
        if self.sink is not None:
            field = _less_distance(field, self.lattice, self.sink)
        # beyond a cliff the spline would swing high above what is left there
        # logarithms further below the largest count as that much below it
        field = np.maximum(field, field.max() - 50.0)
        at = np.stack(self.lattice.coordinates(np.array(x, dtype=float)))
        for axis in self.lattice.closed_axes:
            around = np.arange(-MARGIN, self.lattice.shape[axis] + MARGIN)
            field = field.take(around % (self.lattice.shape[axis] - 1), axis=axis)
            at[axis] += MARGIN
        value = np.asarray(map_coordinates(field, at, order=3, mode="nearest"))
        return value if self.sink is None else value + self.sink.log_distance(x)


def _less_distance(field: Array, lattice: Lattice, sink: Sink) -> Array:
    """Take the log of the distance from what absorbs off a field; there the nearest node counts."""
    from scipy.ndimage import distance_transform_edt

    dead = sink.holds(lattice.points).reshape(lattice.shape)
    with np.errstate(invalid="ignore"):
        smooth = field - sink.log_distance(lattice.points).reshape(lattice.shape)
    nearest = distance_transform_edt(dead, return_distances=False, return_indices=True)
    return np.asarray(smooth[tuple(nearest)])


def limit_laws(
    step: LawStep,
    context: SamplerContext,
    dt: float,
    times: Sequence[float],
    *,
    rough: bool = False,
) -> list[Law] | None:
    """Advance the law of a sampler to the given times; None where the lattice would be too large.

    Parameters
    ----------
    dt
        Largest step; between two times all steps are equal, as in `wfrpde.samplers.simulate`.
    times
        Ascending times > 0.
    rough
        Whether 1e-5 of each number will do: in the plane for a quarter of the cost.
    """
    target, initial = context.target, context.initial
    still = step.centre is None
    if target.dim > 2 or step.alpha <= 0 or (still and is_moving(step.alpha)):
        return None
    lay = equal_strides if step.strides is None else step.strides
    strides = [lay(start, end, dt) for start, end in pairwise((0.0, *times))]
    widths = [_deviation(step, t, size) for part in strides for t, size in part]
    deviation = min(widths)
    # at most, in standard deviations of the kernel and in shortest lengths of V and ρ₀
    most, reach = (ROUGH_SPACING, ROUGH_REACH) if rough else (SPACING, REACH[target.dim])
    spacing = np.minimum(most * deviation, 0.5 * context.scales)
    if step.spacing is not None:
        spacing = np.minimum(spacing, step.spacing / 2)
    walls = context.walls
    closed = () if walls is None else tuple(walls.closed)
    lattice = Lattice.over(context.box, spacing, 20_000, closed)
    bands = [np.prod(2 * np.ceil(reach * width / lattice.spacing) + 1) for width in widths]
    if max(bands) * np.prod(lattice.shape) > MOST_ENTRIES:
        return None
    if not still and sum(bands) * np.prod(lattice.shape) > MOST_WORK:
        return None
    points = lattice.points
    volumes = _volumes(lattice, walls)
    sink = None if walls is None else walls.sink
    if sink is not None:
        volumes = np.where(sink.holds(points), 0.0, volumes)
    with np.errstate(divide="ignore"):
        log_target = np.log(volumes) - target.potential(points)
    log_target = np.maximum(log_target - log_target.max(), LEAST)
    mass = volumes * np.exp(initial.log_density(points) - np.max(initial.log_density(points)))
    mass /= mass.sum()
    laws, log_survival = [], 0.0
    matrices: dict[float, Any] = {}
    for part in strides:
        for t, size in part:
            key = float(f"{size:.12g}")
            if not still or key not in matrices:
                width = _deviation(step, t, size)
                centres = _centres(step, points, target, t, size)
                matrix = _moves(lattice, points, centres, width, reach, walls)
                if still:
                    matrices[key] = matrix
            else:
                matrix = matrices[key]
            whole = mass
            if step.before is not None:
                mass = mass * step.before(points, t, size)
            moved = matrix @ mass
            if sink is not None:
                plain = moved if step.before is None else matrix @ whole
                log_survival += math.log(plain.sum() / whole.sum())
            mass = moved
            if step.after is not None:
                mass = step.after(points, mass, t, size, log_target)
            mass = mass / mass.sum()
        laws.append(Law(lattice, mass, volumes, math.exp(log_survival), sink))
    return laws


def _deviation(step: LawStep, t: float, dt: float) -> float:
    """Return the standard deviation of a move."""
    if step.deviation is not None:
        return step.deviation(t, dt)
    return math.sqrt(2 * step.alpha * step.temperature * dt)


def _centres(step: LawStep, points: Array, target: Target, t: float, dt: float) -> Array:
    """Return where moves lead to on average, ``(n, d)``."""
    if step.centre is not None:
        return step.centre(points, t, dt)
    slope = np.nan_to_num(target.gradient(points), nan=0.0, posinf=1e9, neginf=-1e9)
    return np.asarray(points - step.alpha * dt * slope)


def _volumes(lattice: Lattice, walls: Walls | None) -> Array:
    """Share ``(n,)`` of its cell that a node has: half at a wall, none where an axis begins anew.

    Masses beyond a wall come back, so that a node there gets those of half a cell only once.
    """
    volume = np.ones(lattice.shape)
    if walls is not None:
        for axis in range(lattice.dim):
            ends = np.moveaxis(volume, axis, 0)
            for end, here in zip((0, -1), walls.reflecting[axis], strict=True):
                ends[end] *= 0.5 if here else 1.0
            if walls.closed[axis]:
                ends[-1] = 0.0
    return volume.ravel()


def _moves(
    lattice: Lattice,
    points: Array,
    centres: Array,
    deviation: float,
    reach: float,
    walls: Walls | None = None,
) -> Any:
    """Matrix that takes masses to masses: column j is the Gaussian around the j-th centre.

    It ends after ``reach`` deviations.
    """
    from scipy.sparse import csr_array

    centre = (centres - lattice.low) / lattice.spacing
    number = np.zeros((len(points), 1), dtype=np.int64)
    value = np.ones((len(points), 1))
    for axis, n in enumerate(lattice.shape):
        step = lattice.spacing[axis]
        most = math.ceil(reach * deviation / step)
        middle = np.clip(np.rint(centre[:, axis]), -2.0 * n, 3.0 * n)
        index = middle[:, None].astype(np.int64) + np.arange(-most, most + 1)
        gap = (index - centre[:, axis, None]) * (step / deviation)
        weight = np.exp(-0.5 * gap**2) * (step / deviation / math.sqrt(2 * math.pi))
        if walls is not None:
            index = _returned(index, n, walls, axis)
        weight[(index < 0) | (index >= n)] = 0.0
        index = np.clip(index, 0, n - 1)
        number = (number[:, :, None] * n + index[:, None, :]).reshape(len(points), -1)
        value = (value[:, :, None] * weight[:, None, :]).reshape(len(points), -1)
    column = np.broadcast_to(np.arange(len(points))[:, None], number.shape)
    kept = value > 0
    if walls is not None and walls.sink is not None:
        ends = points[column[kept]], points[number[kept]]
        value[kept] *= np.exp(walls.sink.log_survival(*ends, deviation**2 / 2))
    shape = (len(points), len(points))
    # entries of one place are summed
    return csr_array((value[kept], (number[kept], column[kept])), shape=shape)


def _returned(index: Integers, n: int, walls: Walls, axis: int) -> Integers:
    """Return the nodes that those beyond a wall stand for, of n along an axis."""
    below, above = walls.reflecting[axis]
    if walls.closed[axis]:
        return index % (n - 1)
    if below and above:
        turned = index % (2 * (n - 1))
        return np.minimum(turned, 2 * (n - 1) - turned)
    if below:
        return np.abs(index)
    return np.minimum(index, 2 * (n - 1) - index) if above else index
