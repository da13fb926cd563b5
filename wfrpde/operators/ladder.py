"""The same operator on two or three discretisations, and what they say together.

Spectral elements of degree p are certified by the degrees p − 1 and p − 2 on the same cells: two of
them tell the error where convergence is exponential, and the third whether it is. The edge-averaged
scheme (degree 1: simplices, and the default in 3-D) has errors in even powers of the cell size on
nested grids: its values are extrapolated, twice where there are three grids, and its functions
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import maximum_filter1d

from wfrpde.arrays import Array, ComplexArray, Flags
from wfrpde.case.problem import Grid, Problem
from wfrpde.discretisation.extrapolation import divided, extrapolate
from wfrpde.discretisation.interpolation import Interpolation, evaluate, interpolation_of
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.engine import Wish
from wfrpde.flow.certificate import opinions_on_numbers
from wfrpde.operators.eigen import Eigenpairs
from wfrpde.operators.operator import Operator

VAGUE = 1e-2
"""Relative error of any value from which the others may be of what is not resolved, too."""

FASTEST, BY_CHANCE = 50.0, 5.0
"""How much less than the degree before a degree changes a value, but by chance, and how many last
changes count at most where it is more: one fell by 240 and was off by 1.4 of its last change, two
in narrow wells fell by 250 and 80, and were off by 4 and 1.2 of theirs."""

UNFINISHED, UNSEEN = 6.0, 2.0
"""Factor on the last change on cells set by hand, or on what the functions foretell of it by the
one before, where that is more; and how many of that one count at most. Of 72 rates of triple wells
on 16 cells, on which degrees agreed by chance, 5.4 was needed: 35 were off, by up to 83 bars. By
default what is foretold counts where the change before is `VAGUE`: over a ridge of two Gaussians
in the plane, as narrow as a cell, a rate was off by 14 bars."""

CAUTION, FALLING = 3.0, 0.1
"""Factor on what a geometric series leaves of eigenvalues whose functions tell how they fall, and
the factor from degree to degree up to which it counts, while that is less than what values alone
tell. Of 90 rates of random problems 2.1 was needed; where a narrow well is as wide as a cell they
fall by a tenth and two parts of the error cancel in one degree."""

IRREGULAR = {False: 3.0, True: 4.5}
"""Error in units of the largest change from degree to degree, where nothing falls regularly: 2.2
was needed, 4.4 where kinks lie within cells; with an error like 1/p² it is 3.3 of the last one."""

FINEST_NODES = {1: 100_000, 2: 150_000, 3: 250_000}
"""Nodes of the finest discretisation that the defaults do not exceed, by dimension."""


@dataclass(frozen=True)
class Level:
    """One discretisation, the operator on it, and its lowest eigenpairs."""

    grid: Grid
    degree: int
    operator: Operator
    pairs: Eigenpairs
    wish: Wish

    def gathered(self, function: Array) -> Array:
        """Nodal values ``(n,)`` of this rank put in the canonical order (collective)."""
        return self.operator.form.nodes.gather(function)[1]


@dataclass(frozen=True)
class Ladder:
    """Levels from coarse to fine.

    Attributes
    ----------
    levels
        One (not certified), two or three.
    smooth
        Whether the error is one of the interior scheme, so that extrapolation applies.
    kinked
        Whether V has kinks within cells: values then fall irregularly with the degree, and two of
        them may agree by chance.
    by_hand
        Whether the case sets the cells, which may be too coarse for degrees to tell.
    """

    levels: tuple[Level, ...]
    smooth: bool
    kinked: bool = False
    by_hand: bool = False

    @property
    def finest(self) -> Level:
        """The finest level."""
        return self.levels[-1]

    @property
    def extrapolates(self) -> bool:
        """Whether values and functions are extrapolated from nested grids."""
        return self.finest.degree == 1 and self.smooth and len(self.levels) > 1

    @cached_property
    def interpolations(self) -> list[Interpolation]:
        """Polynomials between the nodes of each level."""
        grids = [None, *(level.grid for level in self.levels)]
        return [
            interpolation_of(level.grid, level.degree, coarser)
            for level, coarser in zip(self.levels, grids[:-1], strict=True)
        ]

    def value(
        self,
        values: Sequence[Array | float],
        paired: Flags | None = None,
        fall: Array | None = None,
    ) -> tuple[Array, Array]:
        """Best value and its estimated error, from those on each level, coarse to fine.

        ``paired`` says which have a partner on the coarser level; others tell nothing about them.
        ``fall`` is by which factor what degrees leave of them falls, where functions tell it.
        """
        every = [np.asarray(v, dtype=float) for v in values]
        best, *others = opinions_on_numbers(every, nested=self.extrapolates, twice=True)
        if not others:
            return best, np.full_like(best, np.nan)
        share: Array | float = 1.0
        least: Array | float = 0.0
        if self.extrapolates:
            # of three, 16/15 of the distance of those extrapolated once: a quarter
            share = 15 / 64 if len(every) == 3 else 1.0
        elif not self.smooth:
            # at a staircase the error goes with the distance of nodes, and not regularly
            share = 2.0 * self.finest.degree
        elif len(every) == 3:
            last, before = np.abs(best - every[1]), np.abs(every[1] - every[0])
            share, least = _remaining(last, before), np.minimum(before / FASTEST, BY_CHANCE * last)
        error = np.maximum(share * np.abs(best - others[0]), least)
        vague = error > VAGUE * np.abs(best)
        unresolved = self.kinked or bool((vague if paired is None else vague[paired]).any())
        if (
            fall is not None
            and len(every) == 3
            and self.smooth
            and not (unresolved or self.by_hand)
        ):
            error = np.minimum(error, _foreseen(last, before, fall))
        if self.by_hand and len(every) == 3:  # two degrees of a few cells agree by chance
            changes = np.abs(np.diff(every, axis=0)).max(axis=0)
            changed = np.where(changes > VAGUE * np.abs(best), changes, 0.0)
            error = np.maximum(error, IRREGULAR[self.kinked] * changed)
            if fall is not None and self.smooth:
                error = np.maximum(error, UNFINISHED * last)
        if fall is not None and len(every) == 3 and self.smooth:
            # nothing falls where elements resolve nothing, however little the last degree changes
            coarse = (before > VAGUE * np.abs(best)) | self.by_hand
            foretold = np.minimum(UNFINISHED * fall, UNSEEN) * before
            error = np.where(coarse, np.maximum(error, foretold), error)
        if unresolved and len(every) == 3:
            changes = np.abs(np.diff(every, axis=0)).max(axis=0)
            # what has no partner changed by the distance to some other mode, whichever round-off
            # has made the nearest
            changes = _mixed(best, changes if paired is None else np.where(paired, changes, 0.0))
            error = np.maximum(error, IRREGULAR[self.kinked] * changes)
        if self.by_hand and best.ndim == 1:
            error = np.maximum(error, _of_neighbours(best, error))
        return best, error

    def function(self, fields: Sequence[Array]) -> Array:
        """Best functions ``(k, n)`` on the finest nodes, from those on each level."""
        if not self.extrapolates:
            return fields[-1]
        coarse, fine = self.interpolations[-2:]
        return extrapolate(coarse, fields[-2], fine, fields[-1])

    def from_coarser(self, functions: Array) -> Array:
        """Evaluate functions ``(k, n)`` of the second finest level at the finest nodes."""
        coarse, fine = self.interpolations[-2:]
        if isinstance(coarse, TensorInterpolation) and isinstance(fine, TensorInterpolation):
            return divided(coarse, functions, fine)
        return np.nan_to_num(evaluate(coarse, functions, fine.nodes, steep=np.inf)[0])


def _mixed(values: Array, changes: Array) -> Array:
    """Return the largest of the changes of values that lie within three changes of one another.

    Modes of close rates mix, and one of them may stand still where the others move.
    """
    one, change = np.atleast_1d(values), np.atleast_1d(changes)
    near = np.abs(np.subtract.outer(one, one)) <= 3.0 * np.maximum.outer(change, change)
    return np.asarray(np.where(near, change, 0.0).max(axis=1).reshape(changes.shape))


def _of_neighbours(values: Array, errors: Array) -> Array:
    """Return a third of the largest relative error of the values within a factor of three of each.

    Two degrees agree on a value by chance, on cells that resolve neither it nor its neighbours
    (rates of waves on 16 cells were off by 12 bars). What is vague tells nothing about the others.
    """
    relative = errors / np.maximum(np.abs(values), 1e-300)
    large = (np.abs(values) > 0) & (relative < VAGUE)
    with np.errstate(divide="ignore"):
        size = np.log(np.where(large, np.abs(values), 1.0))
    near = np.abs(np.subtract.outer(size, size)) <= np.log(3.0)
    near &= np.outer(large, large)
    return np.asarray(np.where(near, relative, 0.0).max(axis=1) * np.abs(values) / 3)


def _remaining(last: Array, before: Array) -> Array:
    """Return what degrees beyond the last may still change, in units of the last change.

    With q = last/before it is q/(1 − q) where the changes fall geometrically, which is less than 1
    for smooth functions; where they fall like a power of the degree it is up to twice as much.
    """
    # q = |v₃ − v₂|/|v₂ − v₁| of the values of three degrees beyond which nothing converges visibly
    q = np.minimum(last / np.maximum(before, 1e-300), 0.9)
    return np.asarray(np.maximum(1.0, 2 * q / (1 - q)))


def _foreseen(last: Array, before: Array, fall: Array) -> Array:
    """Return what a geometric series leaves that falls by q, times `CAUTION`.

    q is the `fall` of functions, the slowest of three neighbours, or last/before, whichever is
    slower; from `FALLING` on nothing is foreseen (∞). One function tells nothing of a singularity
    that it hardly sees (a rate was off by 10 bars). The first term is the last change, or what the
    one before foretells of it: that one may be about to change its sign.
    """
    q = np.maximum(last / np.maximum(before, 1e-300), maximum_filter1d(fall, 3, mode="nearest"))
    left = CAUTION * q / np.maximum(1 - q, FALLING) * np.maximum(last, q * before)
    return np.where(q <= FALLING, left, np.inf)


def discretisations(
    problem: Problem, through: tuple[Array, ...], count: int = 1
) -> list[tuple[Grid, int]]:
    """Grids and degrees from coarse to fine; only the finest without ``numerics.certify``.

    Cells of a box end at the positions `through` of each axis. A third degree, which tells how fast
    values converge, is left out where it has hardly more than `count` unknowns.
    """
    numerics, dim = problem.numerics, problem.dim
    ladder: list[tuple[Grid, int]]
    if problem.mesh is not None or problem.domain.cell == "simplex":
        cells = numerics.cells or (cells_for(problem, 1, 1) if problem.mesh is None else ())
        grid = problem.grid(cells)
        ladder = [(grid, 1), (grid.refined(), 1)]
    else:
        # degree by dimension, where the case names none. In 3-D the factors of spectral elements
        # fill.
        degree = numerics.degree or {1: 8, 2: 8, 3: 1}[dim]
        cells = numerics.cells or cells_for(problem, degree, 2 if degree == 1 else 0)
        tensor = problem.tensor_grid(cells, through)
        if degree > 1:
            ladder = [
                (tensor, p)
                for p in range(max(1, degree - 2), degree + 1)
                if p >= degree - 1 or tensor.n_cells * p**dim > 2 * count
            ]
        else:
            once = tensor.refined()
            ladder = [(tensor, 1), (once, 1), (once.refined(), 1)]
    return ladder if numerics.certify else ladder[-1:]


def cells_for(problem: Problem, degree: int, refinements: int = 0) -> tuple[int, ...]:
    """Cells from the length scales, within `FINEST_NODES` after so many refinements."""
    dim = problem.dim
    width = problem.box[:, 1] - problem.box[:, 0]
    # nodes along an axis per shortest length scale, by dimension
    wanted = {1: 12.0, 2: 5.5, 3: 3.6}[dim] * width / (problem.scales * degree * 2**refinements)
    # fewest spectral elements along an axis, by dimension
    least = {1: 24, 2: 8, 3: 6}[dim] if degree > 1 else 8
    cells = tuple(int(np.ceil(w)) for w in np.clip(wanted, least, 20_000))
    for _ in range(40):
        active = problem.tensor_grid(cells).n_cells * (degree * 2**refinements) ** dim
        if active <= FINEST_NODES[dim]:
            break
        cells = tuple(max(least, int(n * 0.93)) for n in cells)
    return cells


def vague_warnings(values: Array | ComplexArray, errors: Array, scale: float) -> list[str]:
    """Say so if eigenvalues are known poorly; less than `scale` counts as that."""
    vague = int((errors > VAGUE * np.maximum(np.abs(values), scale)).sum())
    if vague == 0:
        return []
    return [
        f"{vague} of {len(values)} eigenvalues have an estimated error of more than {VAGUE:.0%}: "
        "take more cells, or do not rely on them"
    ]
