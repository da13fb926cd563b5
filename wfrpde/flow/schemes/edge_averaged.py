"""The edge-averaged formulation: the same flow on nested grids, extrapolated on logarithms.

Two grids, a coarse one and the same with every cell halved, give the extrapolated result. A third
run on twice as wide cells costs little and gives a second extrapolated result, whose distance from
the first is its error: the distance of the pair itself would be that of the finer run, ten times
too much. With a tolerance a fourth one gives a second result that is extrapolated twice, but for
kinks and linear reactions on a line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wfrpde.case.problem import Problem
from wfrpde.domain.grading import Grading
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import InputError
from wfrpde.flow.control import LadderControl, Replay, StepPolicy
from wfrpde.flow.ladder import Ladder, Run
from wfrpde.flow.outcome import MOST_NODES, Context, is_free
from wfrpde.flow.schedule import uniform
from wfrpde.flow.schemes.relative_density import run
from wfrpde.flow.schemes.scheme import Fit, Scheme
from wfrpde.flow.steppers.following import Following
from wfrpde.flow.steppers.strang import AxisByAxis, Splitting


@dataclass(frozen=True)
class Defaults:
    """What holds in a dimension where the case says nothing.

    ℓ is the shortest length scale; h and Δt are the cell size and the largest step of the coarser
    run of the pair.

    Attributes
    ----------
    resolution
        h/ℓ without a tolerance.
    most_cells
        Cells beyond which h grows.
    least_cells
        Fewest cells along an axis of the box: without a tolerance, and with one.
    log_change
        Largest change of log ρ by transport in a step of the coarsest of one, two or three runs.
    rungs
        How often Δt may be halved at least.
    reaction
        Largest βΔt.
    """

    resolution: float
    most_cells: int
    least_cells: tuple[int, int]
    log_change: tuple[float, float, float]
    rungs: int
    reaction: float


DEFAULTS = {
    1: Defaults(0.1, 4_000, (480, 24), (0.5, 1.0, 1.0), 12, 0.025),
    2: Defaults(0.7, 18_000, (32, 12), (2.0, 4.0, 6.0), 8, 0.05),
    3: Defaults(1.0, 40_000, (16, 8), (2.0, 4.0, 6.0), 6, 0.05),
}

AT_DEFAULT, GAIN = {1: 8e-5, 2: 7e-5, 3: 7e-5}, {1: 5.0, 2: 6.5, 3: 6.5}
"""Worst relative error ε₀ of a number with the defaults of two dimensions, and the power q of h
with which it falls when cells and steps shrink together: a tolerance ε takes (ε/ε₀)^{1/q} of
both."""

AIM, AGAIN = 0.6, 12.0
"""Share of the tolerance that a second ladder of four runs aims at, and how far a first one may be
above it for that: halving all cells would cost eight times as much."""

FAR, SLOWER = 30.0, 3.4
"""The same in the plane for what is missed by more. So far off numbers fall with that power of the
cells, which are at fault (three narrow modes: errors of steps are a tenth): steps are shortened
less."""

GRADED = {1: 0.45, 2: 0.65}
"""Size of cells that follow a grading in units of that of equal ones, by dimension: a banana takes
those. With as many on lines narrow starts were off by up to 1.7 bars."""

RELAXED, MOST_RUNGS = 0.1, 18
"""Smallest step in units of ℓ²/α, within so many halvings."""

RELAXES = 0.5
"""Largest step of the coarsest run, in units of ℓ²/α, up to which transport may be split further.
With 15 of them the numbers of four modes were off by 3 to 7 bars."""


def default_size(problem: Problem) -> float | None:
    """Cells and steps for the tolerance in units of those of two dimensions; None without one."""
    tolerance, dim = problem.tolerance, problem.dim
    if tolerance is None:
        return None
    return float(np.clip((tolerance / AT_DEFAULT[dim]) ** (1 / GAIN[dim]), 0.1, 2.2))


def default_cells(problem: Problem, grading: Grading | None = None) -> tuple[int, ...]:
    """Numbers of cells of the pair's coarse grid, from the length scales and the budget.

    Even ones; multiples of four where four runs tell the error. They are equal along an axis, or
    follow a grading.
    """
    even = 4 if _has_fourth(problem) else 2
    dim, own, size = problem.dim, DEFAULTS[problem.dim], default_size(problem)
    resolution = own.resolution if size is None else DEFAULTS[2].resolution * size
    if grading is None:
        lengths = np.ptp(problem.box, axis=1) / problem.scales
    else:
        lengths = grading.lengths / GRADED[dim]
    wanted = np.maximum(lengths / resolution, own.least_cells[size is not None])
    cells = tuple(even * int(np.ceil(w / even)) for w in np.minimum(wanted, 4_000))
    for _ in range(20):
        active = problem.tensor_grid(cells, grading=grading).n_cells
        if active <= own.most_cells:
            return cells
        shrink = (own.most_cells / active) ** (1 / dim) * 0.98
        cells = tuple(max(8, even * int(c * shrink / even)) for c in cells)
    return cells


def default_dt(problem: Problem) -> float:
    """Largest step of the coarse run of the pair, short on the time scale of the reaction."""
    size, rate, slowest = default_size(problem), problem.reaction_rate, problem.t_end / 20
    own = DEFAULTS[problem.dim if size is None else 2]
    return (size or 1.0) * (min(slowest, own.reaction / rate) if rate > 0 else slowest)


def first_control(problem: Problem, dt: float, runs: int, share: float = 1.0) -> StepPolicy:
    """Return the step control of the coarsest of so many runs, whose largest step is dt.

    `share`: of the usual change in a step, where dt is that share of the usual one.
    """
    if problem.numerics.dt is not None and problem.equation.alternation is None:
        return Replay(uniform(np.array(problem.save), dt))
    own, size = DEFAULTS[problem.dim], default_size(problem)
    change = own.log_change[min(runs, 3) - 1]
    if size is not None:
        change = float(np.clip(4.0 * size * share, 0.5, 6.0)) * (2 if runs > 3 else 1)
    needed = np.ceil(np.log2(max(dt * problem.relaxation_rate / RELAXED, 1.0)))
    rungs = int(np.clip(needed, own.rungs, MOST_RUNGS))
    rests = problem.dim > 1 and problem.tolerance is not None
    whole = runs > 3
    return LadderControl(_landings(problem), dt, change, rungs, rests=rests, whole=whole)


def _landings(problem: Problem) -> tuple[float, ...]:
    """Return the times to land on: those that are saved, and those at which turns change."""
    turns = problem.equation.alternation
    if turns is None:
        return problem.save
    steps = np.arange(1, round(problem.t_end / turns.step) + 1)
    save = np.array(problem.save)
    every = turns.step * steps
    # a saved time as it was given, so that the march ends there
    near = np.abs(every[:, None] - save[None, :]).argmin(axis=1)
    same = np.abs(every - save[near]) < 1e-9 * turns.step
    return tuple(float(t) for t in np.where(same, save[near], every))


class EdgeAveraged(Scheme):
    """ρ/π at nodes of degree 1, fluxes edge-averaged, Strang splitting, extrapolated in both.

    Where the cells cannot be widened (odd numbers of them, meshes from files, simplices) two grids
    must do, and the error is that of the finer run.
    """

    name = "edge-averaged"
    takes = frozenset({"diffusion", "circulation", "drift"})
    order = 2  # of the extrapolation
    absorbs = True
    alternates = True
    follows = True
    by_axes = True
    fallback = "log-density"

    def suits(self, problem: Problem) -> Fit:
        """Return a fit: there is always this scheme."""
        return Fit(
            True,
            "positive, mass-conserving and accurate in the tails on any mesh; "
            "no degree was asked for",
        )

    def objection(self, problem: Problem) -> InputError | None:
        """Return what is wrong with the keys if the case asks for it: its degree is 1."""
        numerics = problem.numerics
        if numerics.formulation == self.name and numerics.degree not in (None, 1):
            return InputError(
                "numerics.degree",
                f"{numerics.degree} with formulation = 'edge-averaged'",
                "1 there, or formulation = 'spectral'",
            )
        objection = _directed(problem) or super().objection(problem)
        if objection is not None:
            return objection
        if (
            numerics.stepper is not None
            and self.stepper(numerics).by_axes
            and not _divides(problem)
        ):
            return InputError(
                "numerics.stepper",
                f"'{numerics.stepper}' for what is no sum of parts along the axes",
                "'strang' there; or a box of tensor cells on which no axis closes and nothing "
                "absorbs or moves, in two dimensions or more, and reversible dynamics",
            )
        return None

    def runs(self, context: Context) -> Ladder:
        """Solve on two nested grids, and on a coarser one for the error (collective)."""
        problem = context.problem
        numerics = problem.numerics
        grading = problem.grading
        cells = numerics.cells or (default_cells(problem, grading) if problem.mesh is None else ())
        return self._made(context, cells, grading=grading)

    def _made(
        self,
        context: Context,
        cells: tuple[int, ...],
        size: float = 1.0,
        grading: Grading | None = None,
    ) -> Ladder:
        """Solve with so many cells, and steps of a `size` in units of the default."""
        problem = context.problem
        numerics = problem.numerics
        dt = size * default_dt(problem)
        if numerics.dt is not None and problem.equation.alternation is None:
            dt = numerics.dt
        if not numerics.certify:
            grid, count, dt = problem.grid(cells, context.comm, low=True).refined(), 1, dt / 2
        elif _can_widen(problem, cells):
            count = 4 if _can_widen_twice(problem, cells) else 3
            parts = 2 ** (count - 2)
            wide, dt = tuple(n // parts for n in cells), parts * dt
            grid = problem.grid(wide, context.comm, low=True, grading=grading)
        else:
            grid, count = problem.grid(cells, context.comm, low=True, grading=grading), 2
        followed = problem.equation.path is not None or problem.tells_weights
        stepper = Following if followed else self._stepper(problem, dt)
        cost = 2.0 ** (np.arange(count) * (problem.dim + 1))
        runs: list[Run] = []
        for share in cost / cost.sum():
            phase = f"grid {len(runs) + 1} of {count}" if count > 1 else "grid"
            policy = runs[-1].repeated if runs else first_control(problem, dt, count, size)
            runs.append(run(context, grid, policy, phase, float(share), stepper=stepper))
            if not runs[-1].march.complete:
                break
            grid = grid.refined()
        shape = list(cells) or [runs[0].grid.n_cells]
        return Ladder(tuple(runs), stepper, shape, nested=True)

    def _stepper(self, problem: Problem, dt: float) -> type[Splitting]:
        """Return what the case asks for, or what costs least with coarse steps of up to `dt`.

        To a tolerance in the plane that is axis by axis, unless the shortest length relaxes in a
        coarse step: then the splitting has an error of no clear order.
        """
        numerics = problem.numerics
        free = numerics.stepper is None and numerics.solver == "auto" and not numerics.petsc_options
        plane = problem.dim == 2 and problem.tolerance is not None
        if free and plane and _divides(problem) and dt * problem.relaxation_rate <= RELAXES:
            return AxisByAxis
        stepper: type[Splitting] = self.stepper(numerics)
        return stepper

    def finer(self, context: Context, ladder: Ladder, excess: float) -> Ladder | None:
        """Add a run on the finest grid halved, and let the coarsest go (collective).

        Of four runs that nearly meet the tolerance, make four on a little smaller cells.
        """
        problem, finest = context.problem, ladder.runs[-1]
        nodes, most = finest.march.u.shape[1], MOST_NODES[problem.dim]
        if not is_free(problem) or len(ladder.runs) == 1:
            return None
        context.done = 0.0
        far = excess >= AGAIN and problem.dim == 2
        smaller = (AIM / excess) ** (1 / (SLOWER if far else GAIN[problem.dim]))
        near = excess < (FAR if far else AGAIN)
        if len(ladder.runs) > 3 and near and nodes / smaller**problem.dim < most:
            assert ladder.cells is not None
            cells = tuple(4 * int(np.ceil(n / smaller / 4)) for n in ladder.cells)
            size = default_cells(problem, problem.grading)[0] / cells[0]
            return self._made(context, cells, size**0.5 if far else size, problem.grading)
        if nodes > most / 2**problem.dim:
            return None
        grid, stepper = finest.grid.refined(), ladder.stepper
        context.foretell(2.0 ** (problem.dim + 1) * context.last)
        new = run(context, grid, finest.repeated, "finer grid", 1.0, stepper=stepper)
        doubled = None if ladder.cells is None else [2 * n for n in ladder.cells]
        before = max(2, len(ladder.runs) - 1) if isinstance(new.grid, TensorGrid) else 1
        if problem.dim > 1 and doubled is not None and _can_widen_twice(problem, tuple(doubled)):
            before = 3  # the coarsest of three, which the first try was too coarse for a fourth of
        kept = ladder.runs[-before:]
        return replace(ladder, runs=(*kept, new), cells=doubled, refined=True)


def _divides(problem: Problem) -> bool:
    """Whether transport is a sum of parts that couple nodes along lines."""
    dynamics, sides = problem.equation.dynamics, problem.sides
    if dynamics is None or problem.dim == 1:
        return False
    tensor = problem.mesh is None and problem.domain.cell != "simplex" and not any(sides.closed)
    fixed = problem.equation.path is None and not problem.tells_weights
    along = dynamics.diffusion is None or dynamics.diffusion.is_diagonal
    return tensor and fixed and along and dynamics.reversible and problem.absorption is None


def _directed(problem: Problem) -> InputError | None:
    """Return what forbids fluxes with a direction."""
    dynamics = problem.equation.dynamics
    if dynamics is None or dynamics.reversible or dynamics.kinetic:
        return None
    found = ""
    if problem.mesh is not None or problem.domain.cell == "simplex":
        found = "on simplices"
    elif problem.dim > 2:
        found = "in three dimensions"
    if not found:
        return None
    where = "drift" if dynamics.circulation is None else "circulation"
    needed = "a box of tensor cells in at most two dimensions"
    return InputError(f"dynamics.{where}", f"one {found}, in fluxes over edges", needed)


def _can_widen(problem: Problem, cells: tuple[int, ...]) -> bool:
    tensor = problem.mesh is None and problem.domain.cell != "simplex"
    return tensor and all(n % 2 == 0 and n >= 8 for n in cells)


def _can_widen_twice(problem: Problem, cells: tuple[int, ...]) -> bool:
    """Whether a fourth run, on cells four times as wide, may tell how the others converge."""
    curved = problem.absorption is not None and problem.absorption.curved
    # 24: cells along an axis of the pair's coarse grid from which a fourth, coarsest run is made
    return _has_fourth(problem) and not curved and all(n % 4 == 0 and n >= 24 for n in cells)


def _has_fourth(problem: Problem) -> bool:
    """Whether a tolerance takes four runs: not on a line with kinks or a linear reaction.

    The coarsest of four runs knows too little of far tails, of which weights are made (numbers of
    two distant modes were off by up to 2.2 of the bars that it told), and of steep sides.
    """
    plain = not problem.equation.weighs and not problem.kinks.any
    return problem.tolerance is not None and (problem.dim > 1 or plain)
