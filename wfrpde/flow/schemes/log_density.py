"""The log-density form in one dimension: u = log(ρ/π) on GLL elements, stepped by RODASP.

See `wfrpde.discretisation.log_density` for its equation. Nothing is conserved structurally, so that
mass and entropy are checked. A few hundred unknowns are solved redundantly on every rank, and rank
0's result is shared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.case.problem import EMPTY, Problem
from wfrpde.discretisation.log_density import LogDensityForm
from wfrpde.discretisation.semi_discrete import SPAN_LIMIT
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import InputError, SolverError
from wfrpde.flow.certificate import Ladder, Run
from wfrpde.flow.checkpoints import RunMark
from wfrpde.flow.control import ErrorControl
from wfrpde.flow.march import March, march
from wfrpde.flow.outcome import Context, is_free
from wfrpde.flow.schemes.scheme import Fit, Scheme

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Defaults:
    """What holds where the case says nothing.

    ℓ is the shortest length scale, h the size of an element, ε the tolerance, e the largest
    weighted error of u in a step of the finer run.

    Attributes
    ----------
    degree
        Of the elements; that of the coarser run is less by 2.
    resolution, most_cells
        h/ℓ without a tolerance, and the number of elements beyond which h grows.
    local_error, looser
        e without a tolerance, and that of the coarser run over e.
    share, most, looser_still
        With a tolerance e = min(share ε, most), and that of the coarser run over e.
    least
        e below which round-off shows.
    fine_share
        With a tolerance, share of the distance of the two runs that is the error of the finer one.
    first_step
        First step in units of e^{1/4} ℓ²/α.
    """

    degree: int = 8
    resolution: float = 1.5
    most_cells: int = 600
    local_error: float = 1e-8
    looser: float = 10.0
    share: float = 0.18
    most: float = 6e-5
    looser_still: float = 32.0
    least: float = 1e-13
    fine_share: float = 1 / 4
    first_step: float = 0.1


DEFAULTS = Defaults()


class LogDensity(Scheme):
    """Degree 8, and degree 6 with larger errors of the steps to tell its error."""

    name = "log-density"
    default = "rodasp"
    keeps_mass = False

    def suits(self, problem: Problem) -> Fit:
        """Whether u is smooth on a line, with a reaction to keep it so, or nothing else will do.

        That is: no zero of ρ₀, no kink, no ridge too sharp to resolve.
        """
        if problem.numerics.degree is not None or self.objection(problem) is not None:
            return Fit(False)
        value = problem.potential(problem.tensor_grid((1000,)).points)
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
            and float(np.ptp(stretch)) / landscape.sharpest(stretch) <= DEFAULTS.most_cells
        )
        return Fit(smooth, "one dimension, a smooth positive start and a reaction")

    def objection(self, problem: Problem) -> InputError | None:
        """Return what is wrong if there is a linear reaction, or more than an interval."""
        needed = "'edge-averaged' or 'spectral' there"
        found = ""
        if problem.absorption is not None:
            return super().objection(problem)
        if not problem.equation.descends:
            found, needed = "with flow.reaction", "'edge-averaged', 'spectral' or 'auto' there"
        elif problem.equation.moving:
            found = "with rates that depend on time"
        elif problem.dim != 1:
            found = f"in {problem.dim} dimensions"
        elif problem.mesh is not None:
            found = "with a mesh"
        elif any(problem.sides.closed):
            found = "with domain.sides that close an axis"
        if found:
            return InputError("numerics.formulation", f"'log-density' {found}", needed)
        return super().objection(problem)

    def runs(self, context: Context) -> Ladder:
        """Solve with larger errors at degree 6, and at degree 8 (collective)."""
        problem, own = context.problem, DEFAULTS
        numerics, tolerance = problem.numerics, problem.tolerance
        limit, looser = own.local_error, own.looser
        if tolerance is not None:
            limit, looser = min(own.share * tolerance, own.most), own.looser_still
        degree = numerics.degree or own.degree
        grid = problem.tensor_grid(numerics.cells or (default_cells(problem),))
        rungs = [(degree, limit)]
        if numerics.certify:
            rungs.insert(0, (max(1, degree - 2), limit * looser))
        runs: list[Run] = []
        for p, error in rungs:
            share = p**2 / sum(q**2 for q, _ in rungs)
            runs.append(self._run(context, grid, p, error, share))
            if not runs[-1].march.complete:
                break
        return Ladder(tuple(runs), self.stepper(problem.numerics), share=own.fine_share)

    def finer(self, context: Context, ladder: Ladder) -> Ladder | None:
        """Add a run with smaller elements and a smaller error of each step (collective)."""
        coarse = ladder.runs[-1]
        limit = coarse.facts["local_error"] / DEFAULTS.looser_still
        if not is_free(context.problem) or limit < DEFAULTS.least:
            return None
        context.done = 0.0
        grid = context.problem.tensor_grid((int(np.ceil(1.5 * coarse.grid.n_cells)),))
        fine = self._run(context, grid, coarse.degree, limit, 1.0)
        return replace(ladder, runs=(coarse, fine))

    def _run(
        self, context: Context, grid: TensorGrid, degree: int, limit: float, share: float
    ) -> Run:
        def solve(mark: RunMark | None) -> tuple[March, dict[str, Any]]:
            return self._marched(context, grid, degree, limit, share, mark)

        return Run(grid, degree, *context.made(share, solve))

    def _marched(
        self,
        context: Context,
        grid: TensorGrid,
        degree: int,
        limit: float,
        share: float,
        mark: RunMark | None,
    ) -> tuple[March, dict[str, Any]]:
        problem, comm = context.problem, context.comm
        form = LogDensityForm(problem, grid, degree)
        start = problem.log_initial(form.nodes.points)
        if start.min() <= EMPTY:
            raise SolverError("the log-density form needs a start that is positive everywhere")
        u = start + form.potential
        u += np.log(problem.initial_mass) - form.nodes.logsumexp(form.log_target + u)
        relaxation = float(problem.scales[0]) ** 2 / problem.equation.alpha
        first = max(1e-7 * problem.t_end, DEFAULTS.first_step * relaxation * limit**0.25)
        found = march(
            self.stepper(problem.numerics)(form, t_end=problem.t_end),
            u,
            problem.save,
            ErrorControl(problem.save, limit, first, problem.numerics.dt),
            on_step=context.on_step(f"degree {degree}", share),
            stop=context.stop,
            mark=mark,
        )
        result = comm.bcast(found if comm.rank == 0 else None)
        facts = {"nodes": len(u), "cells": grid.n_cells, "degree": degree, "local_error": limit}
        return result, {**facts, **result.facts}


def default_cells(problem: Problem) -> int:
    """Return the number of elements, from the shortest length scale."""
    width, tolerance = float(np.ptp(problem.box[0])), problem.tolerance
    size, least, length = DEFAULTS.resolution, 24, float(problem.scales[0])
    if tolerance is not None:
        size, least = float(np.clip(size * (tolerance / 1e-9) ** (1 / 9), 1.0, 4.5)), 6
        # a ridge between two modes is where u is hardest to represent
        length = min(length, problem.landscape.sharpest(problem.stretch, ridges=True))
    return int(np.clip(np.ceil(width / (size * length)), least, DEFAULTS.most_cells))
