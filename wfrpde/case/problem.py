"""What a solver works on: densities, an equation, a box, and grids of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.case.forgotten import Descent, descent, highest_start
from wfrpde.case.graded import graded
from wfrpde.case.kinked import kinks_in
from wfrpde.case.stretch import stretch
from wfrpde.case.terms import EMPTY, Densities
from wfrpde.domain.absorption import Absorption
from wfrpde.domain.frame import Frame
from wfrpde.domain.grading import Grading
from wfrpde.domain.grid import SimplexGrid, TensorGrid, divided, simplices_of_box
from wfrpde.domain.kinks import Kinks
from wfrpde.domain.landscape import SPAN, TOP, WALL, Landscape, sample
from wfrpde.domain.sides import Sides
from wfrpde.fields.blocks import in_blocks

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case
    from wfrpde.case.domain import DomainSpec
    from wfrpde.case.numerics import NumericsSpec

Grid = TensorGrid | SimplexGrid
GridT = TypeVar("GridT", TensorGrid, SimplexGrid)


UNFELT = "as if there were none"
"""What the facts of a problem say of walls that a case gives where a tolerance asks for nothing
that they change."""

REACHED = 15.0
"""Levels (kT) within which a linear reaction's range sets the time scale."""

FEW_LENGTHS = {2: 80.0, 3: 40.0}
"""Largest ratio of a box's width to the shortest length along it, in the plane and in space, up to
which log(ρ/π) is looked for."""


@dataclass(frozen=True)
class Problem(Densities):
    """What the formulations need, the same on every rank.

    Attributes
    ----------
    box
        ``(d, 2)`` bounding box of the domain.
    mesh
        The mesh of the case's file, or None for a box.
    save
        Times to save, without 0.
    lengths
        ``(d,)`` shortest length along each axis where it is known; None where V and log ρ₀ tell.
    frame, told
        The axes that its coordinates are along, None for x, y and z; and the densities in x, y and
        z, which are what is told.
    warnings, facts
        What the user should know; facts are JSON-ready.
    """

    case: Case
    landscape: Landscape
    box: Array
    mesh: SimplexGrid | None
    save: tuple[float, ...]
    lengths: Array | None = None
    frame: Frame | None = None
    told: Densities | None = None
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.target.dim

    @property
    def numerics(self) -> NumericsSpec:
        """How it is discretised, as far as the case says."""
        return self.case.numerics

    @property
    def domain(self) -> DomainSpec:
        """What the case says of the domain."""
        return self.case.domain

    @cached_property
    def scales(self) -> Array:
        """Shortest length ``(d,)`` along each axis."""
        if self.lengths is not None:
            return self.lengths
        edges = self.dim > 1 and self.kinks.any and not self.kinks.oblique and self.mesh is None
        found = self.landscape.scales(self.box, edges=edges)
        if self.dim == 1 and self.grading is not None:  # it looks closer
            found = np.minimum(found, self.grading.shortest)
        return found

    @cached_property
    def grading(self) -> Grading | None:
        """How cells of a line or a plane are graded for a tolerance; None where equal ones do."""
        return graded(self)

    @cached_property
    def sides(self) -> Sides:
        """What happens at the ends of each axis."""
        return Sides.of(self.domain.sides, self.dim)

    @cached_property
    def absorption(self) -> Absorption | None:
        """What absorbs; None where nothing does."""
        text = self.domain.absorbing
        region = None if text is None else self.case.region(text, "domain.absorbing")
        return Absorption.of(self.sides, region, self.box)

    def place(self, x: Array) -> str:
        """Return a point ``(d,)`` in words, in x, y and z."""
        return super().place(x if self.frame is None else self.frame.back(x[None])[0])

    def rate(self, x: Array, t: float = 0.0) -> Array:
        """U at points ``(n, d)``; 0 where they are absorbed."""
        if self.absorption is None or self.equation.rate is None:
            return super().rate(x, t)
        free, value = ~self.absorption.holds(x), np.zeros(len(x))
        value[free] = super().rate(x[free], t)
        return value

    @property
    def tells_weights(self) -> bool:
        """Whether it is told what the weights of particles are worth."""
        return self.case.flow.weights or self.equation.annealed is not None

    @property
    def tolerance(self) -> float | None:
        """Relative error that is asked for."""
        return self.case.accuracy.tolerance

    @property
    def by_hand(self) -> bool:
        """Whether the case fixes cells, steps or degree."""
        numerics = self.numerics
        # the steps of an alternation are its own
        dt = numerics.dt if self.equation.alternation is None else None
        return (numerics.cells, dt, numerics.degree) != (None, None, None)

    @property
    def t_end(self) -> float:
        """Time at which the flow ends."""
        return self.case.flow.t_end

    @property
    def endless(self) -> bool:
        """Whether its box stands for all of space.

        It was chosen so, or the case gives one with walls that a tolerance does not feel.
        """
        if self.mesh is not None:
            return False
        return self.domain.box is None or self.facts.get("walls") == UNFELT

    @property
    def smooth(self) -> bool:
        """Whether its box, of few lengths, stands for all of space, and holds no kink."""
        lengths = float((np.ptp(self.box, axis=1) / self.scales).max())
        return self.endless and lengths <= FEW_LENGTHS[self.dim] and not self.kinks.any

    @property
    def initial_mass(self) -> float:
        """Mass of ρ₀."""
        return self.case.initial.mass

    def check_dynamics(self, takes: Collection[str], who: str) -> None:
        """Refuse what the dynamics have beyond what `who` takes.

        Raises
        ------
        InputError
            Names the key.
        """
        objection = self.equation.objection(takes, who)
        if objection is not None:
            raise objection

    @cached_property
    def starts_positive(self) -> bool:
        """Whether ρ₀ > 0 on the part of the domain that matters (1-D)."""
        return bool(self.log_initial(self.line).min() > EMPTY)

    @cached_property
    def line(self) -> Array:
        """Points ``(n, 1)`` of the part of a line that matters, with the kinks among them."""
        return self.tensor_grid((1000,)).points

    @cached_property
    def bounded(self) -> bool:
        """Whether V is finite and ρ₀ > 0 all over the box, as far as a lattice tells."""
        points, potential, surprise = self.landscape.on(self.box)
        if not np.isfinite(potential).all():
            self.potential(points)  # refuses NaN
            return False
        return bool(surprise.max() < -EMPTY)

    @cached_property
    def kinks(self) -> Kinks:
        """Kinks of V, log ρ₀, U and the dynamics in the box, at which cells end."""
        return kinks_in(self)

    @cached_property
    def span(self) -> float:
        """Level (kT) of V above which no cell is kept for the start alone."""
        return highest_start(self)

    @cached_property
    def descent(self) -> Descent | None:
        """Ways down of what starts high up; None where nobody can follow it."""
        return descent(self)

    @property
    def looks(self) -> Array:
        """Times at which what moves is looked at."""
        rate = self.equation.rate
        moves = self.equation.path is not None or (rate is not None and rate.moving)
        # times at which a moving U is looked at
        return np.asarray(np.linspace(0.0, self.t_end, 17 if moves else 1), dtype=float)

    def rate_on_average(self, x: Array) -> Array:
        """U at points ``(n, d)``, averaged over the times that are looked at."""
        return np.asarray(np.mean([self.rate(x, t) for t in self.looks], axis=0))

    @cached_property
    def stretch(self) -> Array:
        """The part ``(1, 2)`` of a 1-D box that matters: up to twice the level, no gaps."""
        return stretch(self)

    @cached_property
    def relaxation_rate(self) -> float:
        """αD/ℓ², at which the shortest length relaxes, D the `largest_diffusion`."""
        dynamics = self.equation.dynamics
        if dynamics is None:
            return 0.0
        return float(dynamics.alpha * self.largest_diffusion / self.scales.min() ** 2)

    @cached_property
    def largest_diffusion(self) -> float:
        """Largest D at minima and start; 0 without dynamics."""
        dynamics = self.equation.dynamics
        if dynamics is None:
            return 0.0
        spread = dynamics.diffusion_at(self.landscape.seeds)
        return float(np.linalg.norm(spread, 2, axis=(1, 2)).max())

    @property
    def reaction_rate(self) -> float:
        """How fast the reaction changes a density, as a β: a linear one by its range where mass is.

        With β, log ρ changes by β times its own range, some `REACHED` kT. Where π moves its V
        changes by that of ∂V/∂t.
        """
        rate, path = self.equation.beta, self.equation.path
        if self.equation.rate is not None or path is not None:
            points = sample(self.box)
            near = points[self.landscape.levels(points, ways=False) < REACHED]
            looks = list(self.looks) if len(near) else []
            ranges = []
            own = self.equation.annealed
            if own is None or own.escort is not None:
                ranges = [float(np.ptp(self.rate(near, t))) for t in looks]
            if path is not None:
                # the part of a V that moves is exact: steps may be 5 times longer
                ranges += [float(np.ptp(path.in_time(near, t))) / 5.0 for t in looks]
            rate += max(ranges, default=0.0) / REACHED
        return rate

    def tensor_grid(
        self,
        cells: tuple[int, ...],
        through: tuple[Array, ...] | None = None,
        comm: Comm | None = None,
        *,
        low: bool = False,
        grading: Grading | None = None,
    ) -> TensorGrid:
        """Divide the box into about `cells`, and keep those that matter (in 1-D, one stretch).

        Cells end at the positions `through` of each axis, if there are any. With a `comm` every
        rank looks at a part of the box (collective). A `low` stretch is one on which the relative
        density can be had. Cells are equal along an axis, or follow a `grading`.
        """
        if self.dim == 1:
            return self._interval(cells[0], self._ends_of_cells(through)[0], grading, low=low)
        grid = self.whole_grid(cells, through)
        if grading is not None:
            grid = replace(grid, breaks=grading.breaks(cells))
        ranks = (0, 1) if comm is None else (comm.rank, comm.size)
        layers = slice(*(len(grid.breaks[0]) * (ranks[0] + k) // ranks[1] for k in (0, 1)))
        vertices = grid.vertices(layers)
        return self._cut(grid, vertices.reshape(-1, self.dim), vertices.shape[:-1], comm)

    def whole_grid(
        self, cells: tuple[int, ...], through: tuple[Array, ...] | None = None
    ) -> TensorGrid:
        """Divide the box into about `cells`, as `tensor_grid` does, and keep all of them."""
        breaks = tuple(
            divided(lo, hi, n, positions)
            for (lo, hi), n, positions in zip(
                self.box, cells, self._ends_of_cells(through), strict=True
            )
        )
        active = np.ones([len(b) - 1 for b in breaks], dtype=bool)
        return TensorGrid(breaks, active, self.sides.closed, self.kinks.planes)

    def _ends_of_cells(self, through: tuple[Array, ...] | None) -> tuple[Array, ...]:
        """Positions on each axis at which cells end in any case."""
        inner = self.kinks.planes
        if self.absorption is not None and self.dim == 1:
            inner = (np.union1d(inner[0], self.absorption.planes),)
        if through is not None:
            inner = tuple(np.union1d(*pair) for pair in zip(inner, through, strict=True))
        return inner

    def _cut(
        self, grid: GridT, points: Array, shape: tuple[int, ...], comm: Comm | None = None
    ) -> GridT:
        """Keep the cells that matter, and the passes between them.

        `points`: all vertices, as an array of the `shape`; with a `comm` this rank's share of them.

        Wells apart by more than the landscape's level would fall into meshes of their own, and no
        flow between them would be seen: V is let rise until the mesh is in one piece.
        """

        def least(local: Array) -> float:
            found = float(np.fmin.reduce(local, initial=np.inf))
            return found if comm is None else min(comm.allgather(found))

        def every(local: Flags) -> Flags:
            parts = [local.reshape(shape)]
            return np.concatenate(parts if comm is None else comm.allgather(parts[0]))

        value = in_blocks(self.target.potential, points)
        with np.errstate(invalid="ignore"):
            height = value - least(value)
        # a large cell may reach from where it matters to where √π leaves floating point's range
        walls = every(height > (TOP if self.tolerance is None else WALL))
        level = self.landscape.level
        keep = (self.landscape.levels(points, least=least) < level) & (height < self.span)
        mesh = grid.cut(every(keep), walls)
        if not self.landscape.transport:
            return mesh
        top = level
        while (parts := mesh.parts()) > 1 and top < SPAN:
            top += 10.0
            mesh = grid.cut(every(keep | (height < top)), walls)
        if top > level and parts == 1:  # the pass as wide as what crosses it
            # levels (kT) above a pass that are kept beside it
            mesh = grid.cut(every(keep | (height < top + 20.0)), walls)
        if parts > 1:
            warning = f"the mesh is in {parts} parts, between which nothing is transported"
            if warning not in self.warnings:
                self.warnings.append(warning)
        return mesh

    def _interval(
        self, cells: int, through: Array, grading: Grading | None, *, low: bool
    ) -> TensorGrid:
        """Divide the `stretch` of a 1-D box."""
        ends = stretch(self, low=True) if low else self.stretch
        first, last = ends[0]
        if grading is None:
            breaks = divided(first, last, cells, through)
        else:
            (breaks,) = grading.within(first, last).breaks((cells,))
        active = np.ones(len(breaks) - 1, dtype=bool)
        return TensorGrid((breaks,), active, self.sides.closed, self.kinks.planes)

    def grid(
        self,
        cells: tuple[int, ...],
        comm: Comm | None = None,
        *,
        low: bool = False,
        grading: Grading | None = None,
    ) -> Grid:
        """Return tensor cells or simplices of the box, or the cells of the mesh file.

        With a `comm` the ranks share the work (collective); `low` and `grading` as in
        `tensor_grid`.
        """
        if self.mesh is not None:
            return self._cut(self.mesh, self.mesh.points, (len(self.mesh.points),))
        grid = self.tensor_grid(cells, comm=comm, low=low, grading=grading)
        return simplices_of_box(grid) if self.domain.cell == "simplex" else grid
