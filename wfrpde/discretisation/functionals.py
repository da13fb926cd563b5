"""Functionals of a density given as nodal values of u = log(ρ/π).

All integrals are quadratures of π e^u; π is normalised on the same points, so that u = 0 gives
KL = 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.discretisation.interpolation import Interpolation, Spread, evaluate
from wfrpde.discretisation.lattices import evaluate_in_cells
from wfrpde.discretisation.pieces import (
    Evaluated,
    Functionals,
    Piece,
    Samples,
    entropy,
)
from wfrpde.discretisation.quadrature import (
    CellShare,
    Quadrature,
    make_quadrature,
    share_of_cells,
    slice_of,
    usual_points,
)
from wfrpde.discretisation.region_corners import RegionFunction
from wfrpde.discretisation.region_cuts import along_planes
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.frame import Frame
from wfrpde.domain.grid import TensorGrid
from wfrpde.fields.exponentials import exp_or_zero

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpi4py.MPI import Comm


AT_ONCE, OF_SIMPLEX = 200_000, 24
"""Points of a piece at most, and about those of a simplex."""


class Points:
    """Points of a rule on some cells, π there, and which of the regions they are in.

    Attributes
    ----------
    points
        ``(n, d)``.
    log_target
        ``(n,)`` log of the mass of e^{−V} at each of them.
    inside
        Region → ``(n,)``.
    frame
        Axes that the points are along, None for x, y and z.
    """

    def __init__(
        self,
        interpolation: Interpolation,
        rule: Quadrature,
        potential: Callable[[Array], Array],
        regions: Mapping[str, RegionFunction],
        spread: Spread | None = None,
        parts: TensorGrid | None = None,
        frame: Frame | None = None,
    ) -> None:
        self._interpolation, self.rule, self.points = interpolation, rule, rule.points
        self._spread, self._parts, self.frame = spread, parts, frame
        self.inside = {
            name: np.asarray(region(rule.points), dtype=bool) for name, region in regions.items()
        }
        v = potential(rule.points) if len(rule.points) else np.empty(0)
        with np.errstate(divide="ignore"):
            self.log_target: Array = np.log(rule.weights) - v

    @property
    def potential(self) -> Array:
        """V at the points ``(n,)``, not kept but found again; 0 where a point has no weight."""
        weights = self.rule.weights
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(weights > 0, np.log(weights) - self.log_target, 0.0)

    @cached_property
    def columns(self) -> Array:
        """Coordinates x, y, z ``(d, n)`` that moments are of, one after the other in memory."""
        points = self.points if self.frame is None else self.frame.back(self.points)
        return np.ascontiguousarray(points.T)

    def sample(self, u: Array, *, slopes: bool = True) -> Samples:
        """Values and squared slopes of nodal fields ``(T, n_nodes)`` at the points."""
        rule, interpolation = self.rule, self._interpolation
        if not isinstance(interpolation, TensorInterpolation):
            return Samples(
                *evaluate(interpolation, u, rule.points, slopes=slopes, spread=self._spread)
            )
        parts = [
            evaluate_in_cells(
                interpolation,
                u,
                cells,
                offsets,
                slopes=slopes,
                spread=self._spread,
                grid=self._parts,
            )
            for cells, offsets in rule.lattices
        ]
        done = sum(value.shape[1] for value, _ in parts)
        rest = rule.points[done:]
        if len(rest) or not parts:
            parts.append(evaluate(interpolation, u, rest, slopes=slopes, spread=self._spread))
        if len(parts) == 1:
            return Samples(*parts[0])
        value, squared = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        return Samples(value, squared)


class Evaluator:
    """Evaluates functionals of nodal fields on one interpolation (collective over `comm`).

    Parameters
    ----------
    potential
        V in kT at points ``(n, d)``.
    regions
        Named regions whose mass is wanted.
    cuts
        Other regions whose boundaries the points respect.
    spread
        D ``(n, d, d)`` at points ``(n, d)``, of Fisher information; None for the unit matrix.
    fewer
        Gauss points on each axis of a cell that are left out; negative for more.
    points
        Gauss points on each axis of a cell; None for the usual ones.
    parts
        Cells that integrals are taken on, where those of the nodes are wider than ρ.
    frame
        Axes that all points are along; None for x, y and z, which moments are of.
    """

    def __init__(
        self,
        comm: Comm,
        interpolation: Interpolation,
        potential: Callable[[Array], Array],
        regions: Mapping[str, RegionFunction],
        *,
        cuts: Sequence[RegionFunction] = (),
        spread: Spread | None = None,
        fewer: int = 0,
        points: int | None = None,
        share: CellShare | None = None,
        parts: TensorGrid | None = None,
        frame: Frame | None = None,
    ) -> None:
        self._frame = frame
        self._comm, self._interpolation = comm, interpolation
        self._per_axis, self._parts = points, parts
        self._potential, self._regions, self._cuts = potential, regions, cuts
        self._fewer, self._spread = fewer, spread
        self._within = interpolation
        if isinstance(interpolation, TensorInterpolation):
            # cells that end where regions do are lattices of points, as the others are
            cells = along_planes(parts or interpolation.grid, self._shapes)
            self._within = replace(interpolation, grid=cells)
            share = share or share_of_cells(self._within, self._shapes, comm.rank, comm.size)
        self._share = share

    @property
    def _shapes(self) -> list[RegionFunction]:
        return [*self._regions.values(), *self._cuts]

    def on(self, parts: TensorGrid, points: int | None = None) -> Evaluator:
        """Return one with the usual rule, or so many points along each axis, on other cells.

        It is for what is known at every point.
        """
        return Evaluator(
            self._comm,
            self._interpolation,
            self._potential,
            self._regions,
            cuts=self._cuts,
            spread=self._spread,
            points=points,
            parts=parts,
            frame=self._frame,
        )

    def second(self) -> Evaluator:
        """Return one with another rule, whose distance tells the error of this one (collective).

        It has a Gauss point more than this one on each axis of a tensor cell, so that the distance
        is all of the error: one less would be off by some twenty times as much, and where a region
        ends by hundreds of times. Simplices have a rule of lower degree.
        """
        interpolation = self._interpolation
        tensor = isinstance(interpolation, TensorInterpolation)
        same = self._comm, interpolation, self._potential, self._regions
        return Evaluator(
            *same,
            cuts=self._cuts,
            spread=self._spread,
            fewer=-1 if tensor else 1,
            points=self._per_axis,
            share=self._share,
            parts=self._parts,
            frame=self._frame,
        )

    def pieces(self) -> Iterator[Points]:
        """Yield the rule on a few cells of this rank after the other, so that nothing is large."""
        interpolation = self._interpolation
        parts: Iterator[CellShare | slice]
        if isinstance(interpolation, TensorInterpolation):
            assert self._share is not None
            per_axis = self._per_axis or usual_points(interpolation.degree)
            most = max(1, AT_ONCE // (per_axis - self._fewer) ** interpolation.grid.dim)
            share, count = self._share, len(self._share.flat)
            parts = (share.part(slice(k, k + most)) for k in range(0, count, most))
        else:
            most = AT_ONCE // OF_SIMPLEX
            mine = slice_of(len(interpolation.macro.cells), self._comm.rank, self._comm.size)
            count = mine.stop - mine.start
            ends = range(mine.start, mine.stop, most)
            parts = (slice(k, min(k + most, mine.stop)) for k in ends)
        if count <= most:
            yield self._whole
            return
        for part in parts:
            yield self._points(part)

    def _points(self, part: CellShare | slice | None) -> Points:
        ranks = {"rank": self._comm.rank, "size": self._comm.size}
        rule = make_quadrature(
            self._within,
            self._shapes,
            **ranks,
            points_per_axis=self._per_axis,
            fewer=self._fewer,
            share=part,
        )
        cells = self._within.grid
        parts = cells if isinstance(cells, TensorGrid) else None
        known = self._potential, self._regions, self._spread, parts, self._frame
        return Points(self._interpolation, rule, *known)

    @cached_property
    def _whole(self) -> Points:
        """The rule on all cells of this rank."""
        return self._points(self._share)

    def evaluated(self, sampled: Callable[[Points], list[Samples]]) -> Evaluated:
        """Evaluate what `sampled` gives of several fields at points, a piece at a time."""
        found = [Piece.of(points, sampled(points)) for points in self.pieces()]
        every = [piece for part in self._comm.allgather(found) for piece in part]
        return Evaluated.of([piece for piece in every if np.isfinite(piece.log_target)])

    def target_mode_mass(self) -> dict[str, float]:
        """Mass of π in each region."""
        pi = np.exp(self.log_target)
        return {name: self._sum(pi[inside]) for name, inside in self._whole.inside.items()}

    def near_walls(self, share: float = 0.01, but: Flags | None = None) -> Flags:
        """Which points lie within a `share` of the box' width of walls, `but` for ``(d, 2)``."""
        from wfrpde.parallel.mpi import MPI

        points, dim = self.points, self._interpolation.grid.dim
        near = np.zeros(len(points), dtype=bool)
        grid = self._within.grid
        closed = grid.closed_axes if isinstance(grid, TensorGrid) else []
        for axis in set(range(dim)) - set(closed):
            x = points[:, axis]
            low = self._comm.allreduce(float(x.min(initial=np.inf)), op=MPI.MIN)
            high = self._comm.allreduce(float(x.max(initial=-np.inf)), op=MPI.MAX)
            below, above = (True, True) if but is None else ~but[axis]
            near |= below & (x - low < share * (high - low))
            near |= above & (high - x < share * (high - low))
        return near

    def shares(self, samples: Samples, where: Flags) -> Array:
        """Share ``(T,)`` of the mass of each field at the points `where`."""
        result = []
        for row in samples.value:
            rho = exp_or_zero(self.log_target + row)
            part, whole = self._sums([rho[where], rho])
            result.append(part / whole)
        return np.array(result)

    def target_share(self, where: Flags) -> float:
        """Share of the mass of π at the points `where`."""
        return self._sum(exp_or_zero(self.log_target)[where])

    @property
    def potential(self) -> Array:
        """V at the points ``(n,)``."""
        return self._whole.potential

    @property
    def points(self) -> Array:
        """Quadrature points ``(n, d)`` of this rank."""
        return self._whole.points

    @cached_property
    def log_normalisation(self) -> float:
        """``log ∫ e^{−V}``."""
        return self._logsumexp(self._whole.log_target)

    @cached_property
    def log_target(self) -> Array:
        """Log of the mass of π at each of the points, ``(n,)``."""
        return self._whole.log_target - self.log_normalisation

    def sample(self, u: Array, *, slopes: bool = True) -> Samples:
        """Values and squared slopes of nodal fields ``(T, n_nodes)`` at the points."""
        return self._whole.sample(u, slopes=slopes)

    def log_mass(self, samples: Samples) -> Array:
        """``log ∫ π e^u`` of each field, ``(T,)``."""
        return np.array([self._logsumexp(self.log_target + row) for row in samples.value])

    def __call__(self, samples: Samples) -> Functionals:
        """Functionals of fields that were sampled at `points`."""
        found = self._comm.allgather(Piece.of(self._whole, [samples]))
        evaluated = Evaluated.of([piece for piece in found if np.isfinite(piece.log_target)])
        return evaluated.functionals(0, np.zeros(len(samples.value)))

    def kl_to(self, samples: Samples, lifts: Array) -> Array:
        """KL ``(T,)`` of each field to the density of another potential, normalised.

        `lifts` ``(T, n)`` are V less that potential at the points.
        """
        result = []
        for row, lift in zip(samples.value, lifts, strict=True):
            log_other = self.log_target + lift
            log_other = log_other - self._logsumexp(log_other)
            with np.errstate(invalid="ignore"):
                field = self.log_target + row - log_other
            rho, other = exp_or_zero(log_other + field), exp_or_zero(log_other)
            field = np.where(rho > 0, field, 0.0)
            terms = np.where(
                (field > 0.5) | (rho == 0),
                rho * field - rho + other,
                other * entropy(np.minimum(field, 0.5)),
            )
            result.append(self._sum(terms))
        return np.array(result)

    def free_energy(self, lifts: Array) -> Array:
        """``−log Z_t/Z_0 (T,)`` of the potentials that `lifts` ``(T, n)`` are V less of."""
        value = np.array([self._logsumexp(self.log_target + lift) for lift in lifts])
        return np.asarray(value[0] - value)

    def l2_difference(self, one: Samples, other: Samples) -> Array:
        """``‖ρ₁ − ρ₂‖ / ‖ρ₁‖`` in L2(dx), ``(T,)``."""
        found = self._comm.allgather(Piece.of(self._whole, [one, other]))
        evaluated = Evaluated.of([piece for piece in found if np.isfinite(piece.log_target)])
        return evaluated.l2_difference(1, *np.zeros((2, len(one.value))))

    def _sum(self, values: Array) -> float:
        return float(self._comm.allreduce(float(values.sum())))

    def _sums(self, parts: list[Array]) -> list[float]:
        local = np.array([part.sum() for part in parts])
        return [float(v) for v in self._comm.allreduce(local)]

    def _logsumexp(self, values: Array) -> float:
        from wfrpde.parallel.mpi import MPI

        shift = float(self._comm.allreduce(float(values.max(initial=-np.inf)), op=MPI.MAX))
        return shift + float(np.log(self._sum(np.exp(values - shift))))
