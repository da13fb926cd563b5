"""Heat kernels: transport by Gaussian kernels on nodes of a box in the plane, extrapolated in time.

Where ρ is smooth on the scale of the nodes the kernels' sums are exact, so that what remains is an
error in even powers of the step. Three runs with steps Δt, Δt/2 and Δt/4 on one grid are
extrapolated twice, and the distance to what is extrapolated once tells the error; a fourth run with
steps Δt on cells twice as wide tells what the grid does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.discretisation.extrapolation import prolong
from wfrpde.discretisation.interpolation import evaluate, interpolation_of
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import InputError
from wfrpde.fields.schedules import is_moving
from wfrpde.flow.control import LadderControl, Replay, StepPolicy
from wfrpde.flow.ladder import Ladder, Run
from wfrpde.flow.outcome import MOST_NODES, Context, Share, is_free
from wfrpde.flow.schedule import uniform
from wfrpde.flow.schemes.relative_density import run
from wfrpde.flow.schemes.scheme import Fit, Scheme
from wfrpde.flow.sizes import sizes

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


@dataclass(frozen=True)
class Defaults:
    """What holds where the case says nothing.

    ℓ is the shortest length scale, h the spacing of the nodes, Δt the largest step of the coarsest
    run, σ the deviation of a kernel of the shortest steps, r the larger of 1/ℓ² and the reaction's
    rate, ε the tolerance.

    Attributes
    ----------
    resolution
        Largest h/ℓ.
    kernel
        Least σ/h: of the sum over a kernel 2 e^{−2π²(σ/h)²} = 1e-6 is wrong then.
    turn
        rΔt at ε = 1e-2; it grows like ε^{0.32}.
    change
        Largest change of log ρ by transport in a step of the coarsest run, at nodes that matter,
    halvings
        as far as so many halvings of Δt do.
    small
        h/ℓ up to which integrals do with cells twice as wide: V bends sharply at ridges.
    lasts
        End of a flow in units of 1/r up to which it is chosen: on steep modes fluxes cost less,
    work
        for so many nodes times steps at most, less where lengths of the axes differ,
    most_of_box
        and so many cells of the whole box, before those that do not matter are left out.
    """

    resolution: float = 0.6
    kernel: float = 0.85
    turn: float = 0.42
    change: float = 8.0
    halvings: int = 2
    small: float = 0.25
    lasts: float = 60.0
    work: float = 3e8
    most_of_box: float = 4e6


DEFAULTS = Defaults()

RESOLVED = 1e-10
"""Change of the nodes' mass of e^{−V} up to which that is not asked of ρ as well."""

LEAST, MOST, OF_CHANGE = 1 / 4, 1.5, 1.5
"""Least and largest share s of |c'' − b'| that is the error of c'', and s in units of g: see
`_opinions`. Of errors of order p a share of .87 (p = 1), .45 (3/2), 1/16 (2, and 4 after it) is
needed, where g is .67, .39 and small."""

OF_SUMS = 1.2
"""s where sums are to blame: c'' has 1.4 times the error of c then, and b' next to none."""

MOVED, IN_DIPS = 4, 3.0
"""In how many steps nodes are moved by a cell, along its diagonal, twice as many where V has dips;
and what ρ is off by in L2 there, in units of the mass of ρ in them that nodes do not see: 1.5 to
2.3."""

SHARED = 1 / 2
"""Share of the density's error that all numbers have besides: what is wrong where fronts crossed
ridges depends on where these lie in a step, so that runs agree by chance. More than that no number
can be off: Cauchy and Schwarz."""


class ByHeatKernels(Scheme):
    """ρ/√π at nodes of a box in the plane, moved by Gaussian kernels."""

    name = "heat-kernels"
    default = "heat-kernels"
    order = 2

    def suits(self, problem: Problem) -> Fit:
        """Whether there is a tolerance, and all of the plane can be had with kernels."""
        if problem.tolerance is None or self.objection(problem) is not None:
            return Fit(False)
        if problem.numerics.degree is not None or not problem.endless:
            return Fit(False)
        dt = default_dt(problem)
        cells = default_cells(problem, dt)
        if _rate(problem) * problem.t_end > DEFAULTS.lasts or np.prod(cells) > DEFAULTS.most_of_box:
            return Fit(False)
        nodes = _wide(problem, cells).refined().n_cells
        # nodes are as dense along the longer axis as along the other
        work = DEFAULTS.work * problem.scales.min() / problem.scales.max()
        good = nodes < MOST_NODES[2] and nodes * 4 * problem.t_end / dt < work
        return Fit(good, "smooth modes in a plane, in which nothing relaxes fast")

    def objection(self, problem: Problem) -> InputError | None:
        """Return what is wrong unless transport is plain, and on a box in the plane."""
        equation = problem.equation
        found = ""
        if problem.dim != 2:
            found = f"in {problem.dim} dimension(s)"
        elif equation.weighs or not equation.descends:
            found = "with flow.reaction"
        elif equation.dynamics is not None and equation.dynamics.diffusion is not None:
            found = "with dynamics.diffusion"
        elif is_moving(equation.alpha):
            found = "with a flow.alpha that depends on t"
        elif problem.mesh is not None or problem.domain.cell == "simplex":
            found = "on simplices"
        elif any(problem.sides.closed):
            found = "with domain.sides that close an axis"
        elif problem.absorption is None and problem.kinks.bind:
            found = "with kinks or bends, at which cells end"
        if found:
            needed = "a flow without it, on a box in the plane"
            return InputError("numerics.formulation", f"'{self.name}' {found}", needed)
        return super().objection(problem)

    def runs(self, context: Context) -> Ladder:
        """Solve with steps Δt, Δt/2, Δt/4, and on wider cells (collective)."""
        problem, numerics = context.problem, context.problem.numerics
        dt = numerics.dt or default_dt(problem)
        return self._made(context, numerics.cells or default_cells(problem, dt), dt)

    def finer(self, context: Context, ladder: Ladder, excess: float) -> Ladder | None:
        """Solve anew with half the steps, on as many more nodes as these take (collective)."""
        problem = context.problem
        assert ladder.cells is not None
        cells = tuple(2 * int(np.ceil(n / np.sqrt(2))) for n in ladder.cells)
        if not is_free(problem) or np.prod(cells) > MOST_NODES[2]:
            return None
        context.done = 0.0
        dt = default_dt(problem)
        dt *= float(
            np.prod(default_cells(problem, dt)) / np.prod(cells)
        )  # h is of the order of √Δt
        return self._made(context, cells, dt)

    def _made(self, context: Context, cells: tuple[int, ...], dt: float) -> Ladder:
        problem, stepper = context.problem, self.stepper(context.problem.numerics)
        wide = _wide(problem, cells, context.comm)
        fine = wide.refined()
        runs: list[Run] = []
        todo = [(fine, share) for share in (4 / 29, 8 / 29, 16 / 29)]
        if problem.numerics.certify:
            todo.insert(0, (wide, 1 / 29))
        else:
            todo.pop()
        for grid, share in todo:
            policy = _next_control(problem, dt, runs)
            phase = f"run {len(runs) + 1} of {len(todo)}"
            runs.append(run(context, grid, policy, phase, share, stepper=stepper))
            if not runs[-1].march.complete:
                break
        ladder = Ladder(tuple(runs), stepper, [2 * -(-n // 2) for n in cells])
        small = all(np.diff(b).max() < DEFAULTS.small * problem.scales.min() for b in fine.breaks)
        return replace(
            ladder,
            opinions=lambda fields: _opinions(problem, ladder, fields),
            shared=SHARED,
            mass_defect=_between_nodes(problem, fine, runs[-1]),
            wider=wide if small else None,
            points=4 if small else 3,
        )


def _wide(problem: Problem, cells: tuple[int, ...], comm: Comm | None = None) -> TensorGrid:
    """Return cells twice as wide as `cells` ask for: all of the smallest rectangle that matters.

    Far out in a tail what arrives first comes straight, over places that no mass ever fills.
    """
    grid = problem.tensor_grid(tuple(-(-n // 2) for n in cells), comm=comm)
    ends = [np.flatnonzero(grid.active.any(axis=1 - axis))[[0, -1]] for axis in range(2)]
    active = np.zeros_like(grid.active)
    active[tuple(slice(first, last + 1) for first, last in ends)] = True
    return replace(grid, active=active)


def _next_control(problem: Problem, dt: float, runs: list[Run]) -> StepPolicy:
    """Return the steps of the coarsest run, of the same on other cells, or of each halved."""
    if runs:
        schedule = runs[-1].march.schedule
        return (
            Replay(schedule) if len(runs) == 1 and problem.numerics.certify else runs[-1].repeated
        )
    if problem.numerics.dt is not None:
        return Replay(uniform(np.array(problem.save), dt))
    rests = problem.tolerance is not None
    return LadderControl(problem.save, dt, DEFAULTS.change, _halvings(problem, dt), rests=rests)


def _halvings(problem: Problem, dt: float) -> int:
    """Return how often the first step is halved: for a slope q of log ρ₀ at modes far away.

    log ρ rises there by αq² in a unit of time, and what crosses ridges does so by steps of 2αqΔt.
    """
    dynamics, seeds = problem.equation.dynamics, problem.target.seeds
    if dynamics is None or not len(seeds):
        return 0
    most = DEFAULTS.halvings - (problem.tolerance is None or problem.tolerance > 5e-3)
    steps = 1e-4 * problem.scales * np.eye(2)
    ends = [problem.log_initial(seeds + sign * step) for step in steps for sign in (1, -1)]
    slopes = (np.array(ends[::2]) - np.array(ends[1::2])) / (2e-4 * problem.scales[:, None])
    rise = dynamics.alpha * dt * float((slopes**2).sum(axis=0).max())
    return int(np.clip(np.ceil(np.log2(max(rise / DEFAULTS.change, 1.0))), 0, most))


def _opinions(problem: Problem, ladder: Ladder, fields: list[Array]) -> list[tuple[Array, Share]]:
    """Return the best field, and others whose distances from it tell its error, with shares.

    With a, b, c of steps Δt, Δt/2 and Δt/4, extrapolated as in `wfrpde.flow.certificate`, and
    g = |c' − b'|/|c − b| in L2 with the weight ρ, s|c'' − b'| is the error of c''. Where a front
    crosses ridges in less than a step the order is 1, and g large. The distance to c finds numbers
    out on which c'' and b' agree by chance; what the run on wider cells is off by counts besides.
    Where |c'' − b'| is less than the error of the sums of c, s is `OF_SUMS`.
    """
    if not problem.numerics.certify:
        last = fields[-1]
        return [(last if len(fields) < 2 else last + (last - fields[-2]) / 3, 1.0)]
    if len(fields) < 4:
        return [(fields[-1], 1.0)]
    wide, a, b, c = fields
    before, once = b + (b - a) / 3, c + (c - b) / 3
    best = once + (once - before) / 15
    wider, *_, finest = ladder.interpolations
    size = sizes(problem, finest, c)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(OF_CHANGE * size(once - before) / size(c - b), LEAST, MOST)
        gap = size(best - before) / size(np.ones_like(best))
        share = np.maximum(share, np.minimum(OF_SUMS, _of_sums(problem, ladder.runs[-1]) / gap))
    share = np.where(np.isfinite(share), share, MOST)
    on_nodes = best + prolong(wider, wide, finest) - a
    return [(best, 1.0), (before, share), (c, None), (on_nodes, 1.0)]


def _of_sums(problem: Problem, run: Run) -> float:
    """Return what a run's sums over its shortest kernels are wrong by, relative to them."""
    dynamics = problem.equation.dynamics
    if dynamics is None:
        return 0.0
    assert isinstance(run.grid, TensorGrid)
    h = max(float(np.diff(breaks).max()) for breaks in run.grid.breaks)
    kernel = 2 * dynamics.alpha * run.facts["smallest_dt"] / h**2
    return float(2 * np.exp(-2 * np.pi**2 * kernel))


def _between_nodes(problem: Problem, grid: TensorGrid, finest: Run) -> float | Array:
    """Return by how much the nodes' mass of ρ changes where they are moved within a cell.

    That is ``(T,)``, or a bound at all times where that of e^{−V} changes by next to nothing. Not
    at all where they resolve V. A dip of it between nodes is seen by no run; it does not matter
    before there is mass in it, but later, when that has gone.
    """
    of_target = float(_when_moved(problem, grid, np.zeros((1, 1)), MOVED)[0])
    if of_target < RESOLVED:
        return of_target
    of_density = _when_moved(problem, grid, finest.march.u, 2 * MOVED)
    return np.asarray(IN_DIPS * np.maximum.accumulate(of_density))


def _when_moved(problem: Problem, grid: TensorGrid, u: Array, steps: int) -> Array:
    """Return the largest relative change ``(T,)`` of Σ e^{u − V} over nodes moved in so many steps.

    u ``(T, n)`` is at the nodes, or constant.
    """
    cells, masses, nodes = np.nonzero(grid.active), [], interpolation_of(grid, 1)
    for share in np.arange(steps) / steps:
        axes = [breaks[:-1] + share * np.diff(breaks) for breaks in grid.breaks]
        x = np.stack([axis[k] for axis, k in zip(axes, cells, strict=True)], axis=1)
        there = u if u.shape[1] == 1 else evaluate(nodes, u, x)[0]
        masses.append(logsumexp(there - problem.potential(x), axis=1))
    return np.asarray(np.abs(np.expm1(masses[0] - np.array(masses))).max(axis=0))


def default_dt(problem: Problem) -> float:
    """Return the largest step of the coarsest run."""
    own = DEFAULTS
    size = own.turn * (1.0 if problem.tolerance is None else (problem.tolerance / 1e-2) ** 0.32)
    return float(min(size / _rate(problem), problem.t_end / 8))


def _rate(problem: Problem) -> float:
    return max(problem.relaxation_rate, problem.reaction_rate)


def default_cells(problem: Problem, dt: float) -> tuple[int, ...]:
    """Return the numbers of cells, from the length scales and the shortest kernel."""
    own, dynamics = DEFAULTS, problem.equation.dynamics
    alpha = 1.0 if dynamics is None else dynamics.alpha
    gaps = np.diff(problem.save, prepend=0.0)
    shortest = float((gaps / np.ceil(gaps / (dt / 2 ** _halvings(problem, dt)))).min()) / 4
    kernel = np.sqrt(2 * alpha * shortest)
    width = np.minimum(own.resolution * problem.scales, kernel / own.kernel)
    return tuple(2 * int(np.ceil(n / 2)) for n in np.ptp(problem.box, axis=1) / width)
