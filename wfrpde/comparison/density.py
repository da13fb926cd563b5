"""The Eulerian density as samplers are judged by it: its cells, their masses, expectations.

A `MeshedDensity` is ρ_t of a solved flow at one saved time, or the target π (t = ∞), on the mesh of
the flow. It integrates functions against ρ, and has the same values on every rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.polynomial.legendre import leggauss

from wfrpde.arrays import Array
from wfrpde.discretisation.interpolation import Interpolation, evaluate, frame_of, on_axes
from wfrpde.discretisation.quadrature import make_quadrature
from wfrpde.discretisation.region_corners import RegionFunction
from wfrpde.domain.frame import Frame
from wfrpde.fields.protocols import Density

if TYPE_CHECKING:
    from wfrpde.flow.solution import Solution


CELL_POINTS = {1: 4, 2: 3, 3: 2}
"""Gauss points along each axis of a sub-cell, by dimension."""

CHUNK = 16_384
"""Points that are handled at once."""

LARGEST = 1 / 512
"""On a line cells with more of the mass than that are halved."""


@runtime_checkable
class Survivors(Protocol):
    """A density of what has not been absorbed."""

    @property
    def survival(self) -> float:
        """Share that has not been."""
        ...


@dataclass(frozen=True)
class Cells:
    """The sub-cells of a mesh, and how much of a density each of them holds.

    Attributes
    ----------
    corners
        ``(m, k, d)``: lowest and highest corner of a box (k = 2), or the corners of a simplex
        (k = d + 1). An interval is a box.
    box
        Whether the cells are boxes.
    points
        ``(m, q, d)`` quadrature points.
    log_values
        ``(m, q)`` log ρ there.
    masses
        ``(m,)``, which sum to one.
    frame
        Axes that boxes, whose corners are told along these, are turned by; None for x, y and z.
    """

    corners: Array
    box: bool
    points: Array
    log_values: Array
    masses: Array
    frame: Frame | None = None


@dataclass(frozen=True)
class MeshedDensity:
    """A probability density, and the mesh of a solution to integrate on.

    Attributes
    ----------
    time
        Flow time; ∞ for the target.
    interpolation
        The mesh.
    source
        What knows log ρ, which is −∞ outside the mesh.
    error
        Estimated error of ρ in L2, relative to its norm; NaN where it was not estimated.
    survival
        Share that has not been absorbed; ρ is the law of that.
    """

    time: float
    interpolation: Interpolation
    source: Density
    error: float
    survival: float = 1.0

    def log_density(self, x: Array) -> Array:
        """Return log ρ ``(n,)`` at points ``(n, d)``, per unit volume."""
        return self.source.log_density(x)

    def of(self, other: Density) -> MeshedDensity:
        """Return another density on the same mesh, as if it were exact."""
        left = other.survival if isinstance(other, Survivors) else 1.0
        return replace(self, source=other, error=0.0, survival=left)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self.interpolation.nodes.shape[1])

    @cached_property
    def cells(self) -> Cells:
        """Sub-cells with their masses."""
        dim, frame = self.dim, frame_of(self.interpolation)
        grid = on_axes(self.interpolation, None)
        nodes, cells = grid.nodes, grid.cells
        node, weight = leggauss(CELL_POINTS[dim])
        box = self.interpolation.cell_type in ("interval", "quadrilateral", "hexahedron")
        if box:
            opposite = {1: 1, 2: 2, 3: 6}[dim]
            corners = np.stack([nodes[cells[:, 0]], nodes[cells[:, opposite]]], axis=1)
            if dim == 1:
                corners = self._halved(corners)
            lattice = _lattice((node + 1) / 2, dim)
            factor = _lattice(weight / 2, dim).prod(axis=1)
            size = corners[:, 1] - corners[:, 0]
            points = corners[:, None, 0] + lattice[None] * size[:, None]
            volume = size.prod(axis=1)
        else:
            corners = nodes[cells]
            # the midpoint of the pieces that a simplex's centre and corners make
            barycentric = (np.eye(dim + 1) + 1.0 / (dim + 1)) / 2
            factor = np.full(dim + 1, 1.0 / (dim + 1))
            points = np.einsum("qi,mid->mqd", barycentric, corners)
            edges = corners[:, 1:] - corners[:, :1]
            volume = np.abs(np.linalg.det(edges)) / (1.0 if dim == 1 else {2: 2.0, 3: 6.0}[dim])
        points = placed(points, frame)
        log_values = self.log_density(points.reshape(-1, dim)).reshape(points.shape[:2])
        masses = volume * (np.exp(log_values) @ factor)
        return Cells(corners, box, points, log_values, masses / masses.sum(), frame)

    def _halved(self, corners: Array) -> Array:
        """Halve intervals ``(m, 2, 1)`` until each holds little of the mass."""
        for _ in range(8):
            middle = corners.mean(axis=1, keepdims=True)
            size = (corners[:, 1] - corners[:, 0])[:, 0]
            mass = size * np.exp(self.log_density(middle[:, 0]))
            large = mass > LARGEST * mass.sum()
            if not large.any():
                break
            left = np.concatenate([corners[large, :1], middle[large]], axis=1)
            right = np.concatenate([middle[large], corners[large, 1:]], axis=1)
            corners = np.concatenate([corners[~large], left, right])
        return corners

    def atoms(
        self, regions: Sequence[RegionFunction] = (), *, fewer: int = 0
    ) -> tuple[Array, Array]:
        """Points ``(n, d)`` and masses ``(n,)`` that stand for ρ in integrals.

        Parameters
        ----------
        regions
            Regions whose boundaries the points respect.
        fewer
            How many Gauss points fewer to take on each axis, for a second opinion.
        """
        frame = frame_of(self.interpolation)
        shapes: list[RegionFunction] = list(regions)
        if frame is not None:
            shapes = [frame.turned(region) for region in regions]
        rule = make_quadrature(on_axes(self.interpolation, None), shapes, fewer=fewer)
        points = placed(rule.points, frame)
        masses = rule.weights * np.exp(self.log_density(points))
        return points, masses / masses.sum()

    @cached_property
    def plain_atoms(self) -> tuple[Array, Array]:
        """The quadrature points of the sub-cells with their masses; see `atoms`."""
        cells = self.cells
        shape = cells.points.shape
        with np.errstate(under="ignore", invalid="ignore"):  # cells may hold nothing
            share = np.exp(cells.log_values - cells.log_values.max(axis=1, keepdims=True))
        if cells.box:
            _, weight = leggauss(CELL_POINTS[self.dim])
            share = share * _lattice(weight / 2, self.dim).prod(axis=1)
        share = np.where(cells.masses[:, None] > 0, share, 1.0)
        share /= share.sum(axis=1, keepdims=True)
        return cells.points.reshape(-1, shape[2]), (cells.masses[:, None] * share).ravel()

    def along(self, direction: Array) -> tuple[Array, Array]:
        """Points ``(n,)`` and masses ``(n,)`` that stand for the law of a form in integrals."""
        points, mass = self.plain_atoms
        return points @ direction, mass

    @property
    def scales(self) -> Array:
        """Lengths ``(d,)`` in which kernels are wide enough: standard deviations."""
        return np.asarray(np.sqrt(np.diag(self.moments[1])))

    def mean_cosines(self, frequency: Array, phase: Array) -> Array:
        """E cos(ω·x + b) ``(k,)`` at the frequencies ``(d, k)``."""
        return mean_cosines(*self.plain_atoms, frequency, phase)

    @cached_property
    def moments(self) -> tuple[Array, Array]:
        """Mean ``(d,)`` and covariance ``(d, d)``."""
        points, masses = self.plain_atoms
        mean = masses @ points
        gap = points - mean
        return mean, np.einsum("n,ni,nj->ij", masses, gap, gap)


def placed(points: Array, frame: Frame | None) -> Array:
    """Return in x, y and z points ``(…, d)`` that are told along the axes of a frame."""
    if frame is None:
        return points
    return frame.back(points.reshape(-1, points.shape[-1])).reshape(points.shape)


def mean_cosines(points: Array, masses: Array, frequency: Array, phase: Array) -> Array:
    """Return Σ m cos(ω·x + b) / Σ m ``(k,)`` of points ``(n, d)`` at frequencies ``(d, k)``."""
    total = np.zeros(len(phase))
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        total += masses[part] @ np.cos(points[part] @ frequency + phase)
    return np.asarray(total / masses.sum())


def density_of(solution: Solution, t: float) -> MeshedDensity:
    """Give ρ_t of a solution at one of its saved times; the target for t = ∞."""
    if np.isinf(t):
        return MeshedDensity(np.inf, solution.interpolation, TargetOnMesh(solution), 0.0)
    index = int(np.argmin(np.abs(solution.times - t)))
    t = float(solution.times[index])
    error = np.nan if solution.error is None else float(solution.error.density[index])
    left = float(solution.series.get("survival", np.ones(index + 1))[index])
    return MeshedDensity(t, solution.interpolation, solution.at(t), error, left)


@dataclass(frozen=True)
class TargetOnMesh:
    """The target π on the mesh of a solution."""

    solution: Solution

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.solution.target.dim

    def log_density(self, x: Array) -> Array:
        """Return log π ``(n,)`` at points ``(n, d)``; −∞ outside the mesh."""
        interpolation, target = self.solution.interpolation, self.solution.target
        inside = np.zeros((1, len(interpolation.nodes)))
        outside = np.isnan(evaluate(interpolation, inside, x)[0][0])
        value = -target.potential(x) - self.solution.log_normalisation
        return np.where(outside, -np.inf, value)


def _lattice(values: Array, dim: int) -> Array:
    return np.stack(np.meshgrid(*([values] * dim), indexing="ij"), axis=-1).reshape(-1, dim)
