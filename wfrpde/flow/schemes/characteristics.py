"""Characteristics: u = log(ρ/π) carried along, on a uniform grid, extrapolated in time.

Three runs with steps Δt, Δt/2 and Δt/4 on one grid give two extrapolated results E₁ and E₂, whose
distance over 15 is what the steps leave of the error of E₂; a fourth run with the steps of the
third, interpolated by polynomials of two degrees less, tells what the grid does. Without a
certificate the first two runs are all. Nothing is solved, so that every rank does the same, and
rank 0's result is shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.case.terms import EMPTY
from wfrpde.discretisation.characteristics import CharacteristicForm, turning
from wfrpde.domain.grid import TensorGrid
from wfrpde.domain.landscape import sample
from wfrpde.errors import AccuracyError, InputError
from wfrpde.fields.schedules import is_moving
from wfrpde.flow.checkpoints import RunMark
from wfrpde.flow.control import LadderControl, Replay, StepPolicy
from wfrpde.flow.ladder import Ladder, Run
from wfrpde.flow.march import March, gathered, march
from wfrpde.flow.outcome import MOST_NODES, Context, Share, is_free
from wfrpde.flow.schedule import uniform
from wfrpde.flow.schemes.scheme import Fit, Scheme


@dataclass(frozen=True)
class Defaults:
    """What holds where the case says nothing.

    ℓ is the shortest length scale along an axis, h the spacing of nodes, Δt the largest step of the
    coarsest run, r the rate at which the way downhill turns where mass is, ε the tolerance.

    Attributes
    ----------
    degree
        Of the interpolation; the run that tells its error has two less.
    resolution
        h/ℓ.
    turn, circling
        rΔt, where r is at least the rate at which the whole velocity turns, times the second.
    friction
        r/γ of kinetic dynamics.
    bend
        Largest s² times curvature of −u in a step of the coarsest run.
    at_default
        Worst relative error with these, by measurement: it falls with Δt⁴.
    levels
        How often the first step may be halved.
    bulk
        Levels (kT) within which velocities count.
    least, most
        Nodes along an axis.
    lost
        Log of the mass that a run may make of 1.
    wall
        Levels (kT) above which π may be at a reflecting wall: feet beyond it are brought back,
        which is no reflection.
    """

    degree: int = 7
    resolution: float = 0.5
    turn: float = 0.12
    circling: float = 0.3
    friction: float = 0.6
    bend: float = 0.35
    at_default: float = 1e-6
    levels: int = 8
    bulk: float = 12.0
    least: int = 24
    most: int = 400
    lost: float = 0.05
    wall: float = 10.0


DEFAULTS = Defaults()

TIME, SPACE = 2 / 15, 8 / 3
"""Shares of |E₂ − E₁| and of the distance of degrees 7 and 5 (on the run with steps Δt/4, which
extrapolation multiplies by 4/3) that estimate the error. It is the sum that covers it, and the
larger of twice the two is not below."""


class Characteristics(Scheme):
    """u = log(ρ/π) along characteristics, also of circulating, driven and kinetic dynamics."""

    name = "characteristics"
    default = "characteristics"
    order = 2
    keeps_mass = False
    fallback = None
    takes = frozenset({"diffusion", "circulation", "drift", "kinetic"})

    def suits(self, problem: Problem) -> Fit:
        """Whether the dynamics are such that no symmetric form is there."""
        dynamics = problem.equation.dynamics
        beyond = dynamics is not None and not dynamics.reversible
        if dynamics is not None and beyond and not dynamics.kinetic:
            beyond = problem.absorption is None and not _walls_matter(problem)
            # fluxes end at kinks; interpolation across them makes a front
            beyond = beyond and not (problem.dim == 1 and problem.kinks.any)
        return Fit(beyond, "the dynamics are not reversible; along characteristics π is kept")

    def objection(self, problem: Problem) -> InputError | None:
        """Return what is wrong if there is a linear reaction, or no box of tensor cells."""
        dynamics = problem.equation.dynamics
        spread = None if dynamics is None else dynamics.diffusion
        found = ""
        if spread is not None and not (spread.constant and spread.is_diagonal):
            return InputError(
                "dynamics.diffusion",
                "one that is no number for each axis, with formulation = 'characteristics'",
                "numbers there, or a diffusion without circulation, drift or momenta",
            )
        if problem.equation.rate is not None:
            found = "with flow.reaction"
        elif is_moving(problem.equation.alpha):
            found = "with a flow.alpha that depends on t"
        elif problem.mesh is not None:
            found = "with a mesh"
        elif problem.domain.cell == "simplex":
            found = "with domain.cell = 'simplex'"
        elif problem.absorption is None and _walls_matter(problem):
            found = "with walls at which the target matters, which characteristics run into"
        if found:
            needed = "a flow without it, on a box"
            return InputError("numerics.formulation", f"'characteristics' {found}", needed)
        return super().objection(problem)

    def runs(self, context: Context) -> Ladder:
        """Solve with steps Δt, Δt/2, Δt/4, and at a lower degree (collective)."""
        problem, numerics = context.problem, context.problem.numerics
        cells = numerics.cells or default_cells(problem)
        dt = numerics.dt or default_dt(problem)
        return self._ladder(context, cells, dt)

    def finer(self, context: Context, ladder: Ladder, excess: float) -> Ladder | None:
        """Solve anew with half the steps, or with more nodes if these matter more (collective)."""
        problem, halve = context.problem, _steps_matter(context.problem, ladder)
        cells = tuple(int(np.ceil((1.1 if halve else 1.4) * n)) for n in ladder.cells or ())
        if not is_free(problem) or np.prod(cells) > MOST_NODES[problem.dim]:
            return None
        context.done = 0.0
        dt = float(ladder.runs[0].march.schedule.dt.max())
        return self._ladder(context, cells, dt / 2 if halve else dt)

    def _ladder(self, context: Context, cells: tuple[int, ...], dt: float) -> Ladder:
        problem = context.problem
        degree = problem.numerics.degree or DEFAULTS.degree
        ends = zip(problem.box, cells, strict=True)
        breaks = tuple(np.linspace(low, high, n + 1) for (low, high), n in ends)
        grid = TensorGrid(breaks, np.ones(cells, dtype=bool), problem.sides.closed)
        form = CharacteristicForm(problem, grid, degree)
        policy = first_control(problem, dt)
        if not problem.numerics.certify:
            runs = [self._run(context, form, policy, 1 / 3)]
            if runs[0].march.complete:
                runs.append(self._run(context, form, runs[0].repeated, 2 / 3))
            _check_mass(runs[-1])
            stepper = self.stepper(problem.numerics)
            return Ladder(tuple(runs), stepper, list(cells), opinions=_opinions)
        runs = [self._run(context, form, policy, 1 / 11)]
        for share in (2 / 11, 4 / 11):
            if runs[-1].march.complete:
                runs.append(self._run(context, form, runs[-1].repeated, share))
        if runs[-1].march.complete:
            lower = CharacteristicForm(problem, grid, degree - 2)
            replay = Replay(runs[-1].march.schedule)
            runs.insert(2, self._run(context, lower, replay, 4 / 11))
        _check_mass(runs[-1])
        stepper = self.stepper(problem.numerics)
        return Ladder(
            tuple(runs), stepper, list(cells), opinions=_opinions, mass_defect=_defect(runs)
        )

    def _run(
        self, context: Context, form: CharacteristicForm, policy: StepPolicy, share: float
    ) -> Run:
        def solve(mark: RunMark | None) -> tuple[March, dict[str, Any]]:
            return self._marched(context, form, policy, share, mark)

        assert isinstance(form.nodes.grid, TensorGrid)
        return Run(form.nodes.grid, 1, *context.made(share, solve))

    def _marched(
        self,
        context: Context,
        form: CharacteristicForm,
        policy: StepPolicy,
        share: float,
        mark: RunMark | None,
    ) -> tuple[March, dict[str, Any]]:
        problem, comm = context.problem, context.comm
        u = np.maximum(problem.log_initial(form.points), EMPTY) + form.potential
        u += np.log(problem.initial_mass) - form.nodes.logsumexp(form.log_target + u)
        found = march(
            self.stepper(problem.numerics)(form, measured=policy.measured),
            u,
            problem.save,
            policy,
            on_step=context.on_step(f"degree {form.degree}", share),
            stop=context.stop,
            mark=mark,
        )
        found = gathered(found, form.nodes)
        result = comm.bcast(found if comm.rank == 0 else None)
        facts: dict[str, Any] = {"nodes": len(u), "degree": form.degree, **result.facts}
        facts["log_mass"] = float(np.log(result.history["mass"][-1]))
        return result, facts


def _walls_matter(problem: Problem) -> bool:
    """Whether a box of the case has reflecting walls where π is not small, and is what is kept."""
    dynamics = problem.equation.dynamics
    if problem.domain.box is None or dynamics is None or not dynamics.keeps_target:
        return False
    points = sample(problem.box)
    on_wall = np.zeros(len(points), dtype=bool)
    for axis, closed in enumerate(problem.sides.closed):
        on_wall |= ~np.array(closed) & np.isin(points[:, axis], problem.box[axis])
    value = problem.potential(points)
    return bool((value[on_wall] - value.min()).min(initial=np.inf) < DEFAULTS.wall)


def _opinions(fields: list[Array]) -> list[tuple[Array, Share]]:
    """Return the best field, and the two whose distances from it tell its error, with shares."""
    if len(fields) == 2:
        coarse, fine = fields
        return [(fine + (fine - coarse) / 3, 1.0)]
    if len(fields) < 4:
        return [(fields[-1], 1.0)]
    coarse, middle, lower, fine = fields
    once, twice = middle + (middle - coarse) / 3, fine + (fine - middle) / 3
    return [(twice, 1.0), (once, TIME), (twice + lower - fine, SPACE)]


def _steps_matter(problem: Problem, ladder: Ladder) -> bool:
    """Whether more of the error, where mass is, comes from the steps than from the nodes."""
    fields = [run.march.u for run in ladder.runs]
    if len(fields) < 4:
        return True
    (best, _), *others = _opinions(fields)
    log_density = best - problem.potential(ladder.interpolations[-1].nodes)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    steps, nodes = (
        float(share * (density * np.abs(field - best)).sum(axis=1).max())
        for field, share in others
        if isinstance(share, float)
    )
    return steps > nodes


def _defect(runs: list[Run]) -> float:
    """Return what extrapolation in time leaves of the mass that was lost: the part of the grid."""
    if len(runs) < 4:
        return 0.0
    middle, _, fine = (run.facts["log_mass"] for run in runs[1:])
    return float(abs(fine + (fine - middle) / 3))


def _check_mass(run: Run) -> None:
    """Refuse a run that lost or won mass: fronts and filaments that the grid does not hold."""
    change = float(np.expm1(run.facts["log_mass"]))
    if abs(change) > DEFAULTS.lost:
        raise AccuracyError(
            f"along characteristics the mass changed by {change:.1%} before "
            "it was normalised: there are fronts or filaments that the nodes do not resolve. Take "
            "more cells, or a shorter [numerics] dt"
        )


def first_control(problem: Problem, dt: float) -> StepPolicy:
    """Return the control of the coarsest run, with steps of `dt` at most."""
    own = DEFAULTS
    if problem.numerics.dt is not None:
        return Replay(uniform(np.array(problem.save), dt))
    return LadderControl(problem.save, dt, own.bend, own.levels, start=0)


def default_cells(problem: Problem) -> tuple[int, ...]:
    """Return the numbers of cells, from the length scales."""
    own = DEFAULTS
    width = np.ptp(problem.box, axis=1)
    wanted = np.clip(width / (own.resolution * problem.scales), own.least, own.most)
    dynamics = problem.equation.dynamics
    if dynamics is not None and dynamics.kinetic:
        # what is thin in a position is thin in its momentum a quarter of a turn later
        wanted = np.tile(wanted.reshape(2, -1).max(axis=0), 2)
    return tuple(int(np.ceil(n)) for n in wanted)


def default_dt(problem: Problem) -> float:
    """Return the largest step of the coarsest run, from how fast velocities turn."""
    own, equation, points = DEFAULTS, problem.equation, sample(problem.box)
    dynamics, slope = equation.dynamics, problem.target.gradient
    assert dynamics is not None
    near = points[problem.landscape.levels(points, ways=False) < own.bulk]
    width = np.ptp(problem.box, axis=1)
    downhill = turning(lambda x: dynamics.downhill(x, slope(x)), near, width)
    if dynamics.kinetic:
        downhill *= own.friction  # it is solved together with the noise, exactly
    along = turning(lambda x: dynamics.velocity(x, slope(x)), near, width)
    rate = dynamics.alpha * max(downhill, own.circling * along)
    size = own.turn
    if problem.tolerance is not None:
        size *= float(np.clip((problem.tolerance / own.at_default) ** 0.25, 0.2, 4.0))
    return min(size / max(rate, equation.beta), problem.t_end / 8)
