"""The log-density form on boxes: u = log(ρ/π) on GLL elements, stepped by RODASP.

See `wfrpde.discretisation.log_density` for its equation. Nothing is conserved structurally, so that
mass and entropy are checked. The few unknowns are solved redundantly on every rank, and rank 0's
result is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wfrpde.case.problem import Problem
from wfrpde.case.terms import EMPTY
from wfrpde.discretisation.extrapolation import divided
from wfrpde.discretisation.log_density import LogDensityForm
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.discretisation.semi_discrete import SPAN_LIMIT
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid
from wfrpde.domain.landscape import LEVEL, SPAN
from wfrpde.errors import InputError, SolverError
from wfrpde.flow.checkpoints import RunMark
from wfrpde.flow.control import ErrorControl, StepPolicy
from wfrpde.flow.ladder import Ladder, Run
from wfrpde.flow.march import March, gathered, march
from wfrpde.flow.outcome import Context, is_free
from wfrpde.flow.schemes.log_density_sizes import (
    DEGREES,
    LINE,
    MOST_NODES,
    default_cells,
    default_degree,
    defaults_for,
    few_elements,
    points_for,
)
from wfrpde.flow.schemes.scheme import Fit, Scheme
from wfrpde.flow.step_errors import step_errors
from wfrpde.flow.wide_start import starts_in

OF_HALVED = 1 / 2
"""Share of the distance of two runs of degree 1, the coarser on half as many elements, that is the
error of the finer one: of errors in h² it has a third."""


class LogDensity(Scheme):
    """Elements of degree 8 on a line, 6 in a plane, 4 in space, beside runs of lower degree."""

    name = "log-density"
    default = "rodasp"
    keeps_mass = False

    def suits(self, problem: Problem) -> Fit:
        """Whether u is smooth on a line, with a reaction to keep it so, or nothing else will do.

        That is: no zero of ρ₀, no kink, no ridge too sharp to resolve. In the plane: no kink, and
        a box of few lengths; whether the run succeeds is seen at once. In space one basin besides,
        few elements, and a tolerance for them to meet.
        """
        if problem.numerics.degree is not None or self.objection(problem) is not None:
            return Fit(False)
        if problem.dim > 1:
            return self._suits_box(problem)
        value = problem.potential(problem.line)
        span = float(np.ptp(value[np.isfinite(value)]))
        if span > SPAN_LIMIT:
            return Fit(
                True,
                f"the potential spans {span:.4g} kT over the interval, more than the "
                f"{SPAN_LIMIT:.0f} that the relative density can hold",
            )
        stretch, landscape = problem.stretch, problem.landscape
        smooth = (
            problem.equation.beta > 0
            and problem.starts_positive
            and not landscape.has_kink(stretch)
            and float(np.ptp(stretch)) / landscape.sharpest(stretch) <= LINE.most_cells
        )
        return Fit(smooth, "one dimension, a smooth positive start and a reaction")

    def _suits_box(self, problem: Problem) -> Fit:
        if not (problem.dim == 2 or few_elements(problem)) or not problem.smooth:
            return Fit(False)
        where = "a plane" if problem.dim == 2 else "space, in one basin"
        return Fit(problem.bounded, f"a smooth positive start in {where} of few lengths")

    def objection(self, problem: Problem) -> InputError | None:
        """Return what is wrong if there is a linear reaction, or no box that ends at walls."""
        needed = "'edge-averaged' or 'spectral' there"
        found = ""
        if problem.absorption is not None or problem.equation.path is not None:
            return super().objection(problem)
        if not problem.equation.descends:
            found, needed = "with flow.reaction", "'edge-averaged', 'spectral' or 'auto' there"
        elif problem.equation.moving:
            found = "with rates that depend on time"
        elif problem.mesh is not None or problem.domain.cell == "simplex":
            found = "on simplices" if problem.mesh is None else "with a mesh"
        elif any(problem.sides.closed):
            found = "with domain.sides that close an axis"
        if found:
            return InputError("numerics.formulation", f"'log-density' {found}", needed)
        return super().objection(problem)

    def runs(self, context: Context) -> Ladder:
        """Solve at lower degrees with larger errors of the steps, and at degree p (collective)."""
        problem, own = context.problem, defaults_for(context.problem)
        numerics, tolerance = problem.numerics, problem.tolerance
        limit, looser = own.local_error, own.looser
        if tolerance is not None:
            limit, looser = min(own.share * tolerance, own.most), own.looser_still
        cells = numerics.cells or default_cells(problem)
        degree = numerics.degree or default_degree(problem, cells)
        try:
            told = own.fine_share if tolerance is None else own.met_share
            return self._made(context, cells, degree, limit, looser, told)
        except SolverError:
            if problem.dim > 1 or not is_free(problem):
                raise
            # too rough for a steep V or a wide start: what does without a tolerance
            cells = default_cells(problem, wanted=False)
            return self._made(context, cells, degree, own.local_error, own.looser, own.fine_share)

    def _made(
        self,
        context: Context,
        cells: tuple[int, ...],
        degree: int,
        limit: float,
        looser: float,
        told: float,
    ) -> Ladder:
        problem, numerics = context.problem, context.problem.numerics
        grid = wider = _grid(problem, cells)
        rungs = [(degree, limit)]
        if numerics.certify and problem.dim == 1:
            if degree == 1:  # there is no lower one
                wider, told = _grid(problem, (max(1, cells[0] // 2),)), max(told, OF_HALVED)
            rungs.insert(0, (max(1, degree - 2), limit * looser))
        elif numerics.certify:
            lower = [p for p in (degree - (2 if degree < 6 else 3), degree - 1) if p > 1]
            orders = [*lower, degree]
            rungs = [(p, limit * looser ** (len(lower) - k)) for k, p in enumerate(orders)]
        runs: list[Run] = []
        for p, error in rungs:
            share = p**2 / sum(q**2 for q, _ in rungs)
            here = grid if len(runs) == len(rungs) - 1 else wider
            runs.append(self._run(context, here, p, error, share, runs[-1:]))
            if not runs[-1].march.complete:
                break
        stepper = self.stepper(numerics)
        own = defaults_for(problem)
        steps = step_errors(tuple(runs), own.by_chance, own.agreed)
        ladder = Ladder(tuple(runs), stepper, share=told, steps=steps)
        if problem.dim == 1:
            return ladder
        parts, points = _parts(problem, grid), points_for(problem.tolerance)
        return replace(ladder, parts=parts, points=points)

    def finer(self, context: Context, ladder: Ladder, excess: float) -> Ladder | None:
        """Add a run with smaller elements and a smaller error of each step (collective).

        Beyond one dimension also with a higher degree, and as much as what is missing asks for.
        """
        problem, coarse, own = context.problem, ladder.runs[-1], defaults_for(context.problem)
        # 32.0: factor by which a refinement in space has a smaller error of the steps
        looser = 32.0 if problem.dim > 1 else own.looser
        cells, degree, gain = coarse.facts["cells"], coarse.degree, 1.5
        if own.by_tolerance:
            degree, looser = min(degree + 1, DEGREES[1]), max(4.0, excess)
            if degree > coarse.degree:
                # 5.0: factor by which a degree more has a smaller error
                gain = float(np.clip((excess / 5.0) ** (1 / degree), 1.0, 1.5))
        limit = coarse.facts["local_error"] / looser
        cells = tuple(int(np.ceil(gain * n)) for n in cells)
        nodes = float(np.prod([n * degree + 1 for n in cells]))
        if not is_free(problem) or limit < own.least or (problem.dim > 1 and nodes > MOST_NODES):
            return None
        context.done = 0.0
        grid = _grid(problem, cells)
        fine = self._run(context, grid, degree, limit, 1.0, [coarse])
        kept = ladder.runs[-2:] if problem.dim > 1 else ladder.runs[-1:]
        parts = None if problem.dim == 1 else _parts(problem, grid)
        runs = (*kept, fine)
        steps = step_errors(runs, own.by_chance, own.agreed)
        return replace(ladder, runs=runs, parts=parts, steps=steps)

    def _run(
        self,
        context: Context,
        grid: TensorGrid,
        degree: int,
        limit: float,
        share: float,
        before: Sequence[Run],
    ) -> Run:
        """Make a run whose steps err by up to `limit`: on a line by halving those `before`.

        Of what halved steps say differently their order tells how much is wrong; where times to
        land on are near to each other two limits would lead to the same steps.
        """
        steps = before[-1].repeated if before and context.problem.dim == 1 else None

        def solve(mark: RunMark | None) -> tuple[March, dict[str, Any]]:
            return self._marched(context, grid, degree, limit, share, steps, mark)

        return Run(grid, degree, *context.made(share, solve))

    def _marched(
        self,
        context: Context,
        grid: TensorGrid,
        degree: int,
        limit: float,
        share: float,
        steps: StepPolicy | None,
        mark: RunMark | None,
    ) -> tuple[March, dict[str, Any]]:
        problem, comm = context.problem, context.comm
        endless = problem.dim > 1 and problem.endless
        form = LogDensityForm(problem, grid, degree, open_sides=endless)
        start = problem.log_initial(form.nodes.points)
        if start.min() <= EMPTY:
            raise SolverError("the log-density form needs a start that is positive everywhere")
        u = start + form.potential
        u += np.log(problem.initial_mass) - form.nodes.logsumexp(form.log_target + u)
        relaxation = float(problem.scales.min()) ** 2 / problem.equation.alpha
        step = defaults_for(problem).first_step * relaxation * limit**0.25
        replaced = problem.dim > 1 and problem.numerics.chooses
        # so many steps that blow up are not the last ones
        patience = 3 if replaced else np.inf
        longest = problem.numerics.dt
        if steps is None:
            first = max(1e-7 * problem.t_end, step)
            steps = ErrorControl(problem.save, limit, first, longest, patience)
        found = march(
            self.stepper(problem.numerics)(form, t_end=problem.t_end),
            u,
            problem.save,
            steps,
            on_step=context.on_step(f"degree {degree}", share),
            stop=context.stop,
            mark=mark,
        )
        found = gathered(found, form.nodes)
        result = found if comm.size == 1 else comm.bcast(found if comm.rank == 0 else None)
        facts = {
            "nodes": len(u),
            "cells": list(grid.active.shape),
            "degree": degree,
            "local_error": limit,
        }
        if problem.dim > 1:
            result = _without_integrals(problem, form, grid, result)
        return result, facts | result.facts


def _grid(problem: Problem, cells: tuple[int, ...]) -> TensorGrid:
    """Divide the whole box: where cells were cut away, |∇u|² blows up at reentrant corners."""
    return problem.tensor_grid(cells) if problem.dim == 1 else problem.whole_grid(cells)


def _parts(problem: Problem, grid: TensorGrid) -> TensorGrid:
    """Divide cells, in which u is a polynomial, so that ρ is resolved, and leave out empty ones.

    What starts high up counts there: u holds it.
    """
    size = [np.diff(breaks).max() for breaks in grid.breaks]
    # largest cells of quadrature in the plane and in space, in units of the shortest length
    parts = np.ceil(np.array(size) / (1.5 * problem.scales)).astype(int)
    shape = tuple(int(k) * n for k, n in zip(parts, grid.active.shape, strict=True))
    kept = problem.tensor_grid(shape)
    _, potential, surprise = problem.landscape.on(problem.box)
    high = potential > np.nanmin(potential) + SPAN
    if not (high & (surprise < surprise.min() + LEVEL)).any():
        return kept
    every = replace(kept, active=np.ones_like(kept.active))
    return replace(kept, active=kept.active | starts_in(problem, every))


def _without_integrals(
    problem: Problem, form: LogDensityForm, grid: TensorGrid, found: March
) -> March:
    """Leave out what elements wider than ρ say of integrals, step by step.

    Parts of the elements say what there is of the mass at the saved times.
    """
    mass = np.ones(len(found.u))
    if problem.equation.beta == 0:  # else u says nothing of it
        parts, degree = _parts(problem, grid), form.degree
        whole = make_nodes(form.nodes.comm, parts, degree)
        target = np.log(whole.weights) - problem.potential(whole.points)
        fine = TensorInterpolation(parts, degree)
        u = divided(TensorInterpolation(grid, degree), found.u, fine)
        log_mass = np.array([whole.logsumexp(target + row) for row in u])
        mass = np.exp(log_mass - log_mass[0])
    return replace(found, mass=mass, history={}, kl_increase=0.0)
