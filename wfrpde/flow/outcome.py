"""What a formulation hands over: fields, a second opinion on them, and how they came about."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wfrpde.arrays import Array
from wfrpde.discretisation.extrapolation import divided
from wfrpde.discretisation.interpolation import Interpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid
from wfrpde.parallel.screen import logger

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case.problem import Problem
    from wfrpde.flow.checkpoints import Checkpoints, RunMark
    from wfrpde.flow.march import March
    from wfrpde.flow.start_moments import StartMoments
    from wfrpde.flow.step_errors import StepErrors


Share = float | Array | None

EARLY, LONG = 0.2, 90.0
"""Share of the work after which it is early to tell what the rest will take, and seconds from which
it is told."""

MOST_NODES = {1: 20_000, 2: 300_000, 3: 400_000}
"""Nodes beyond which nothing is refined to meet a tolerance, by dimension."""


def is_free(problem: Problem) -> bool:
    """Whether runs may be refined: a tolerance is asked for, and the case fixes no resolution."""
    return problem.tolerance is not None and not problem.by_hand


@dataclass(frozen=True)
class Outcome:
    """Fields u = log(ρ/π) at the times reached.

    Attributes
    ----------
    times
        ``(T,)``, 0 first.
    best
        ``(T, n)`` on the nodes of `interpolation`.
    others
        Other solutions ``(T, n)``, each with the share of its distance from `best` that estimates
        the error, one for all or one for each time; the largest estimate counts. None: the share
        that makes its distance in L2 that of the first one, so that a number on which best and
        first agree by chance is found out.
    mass
        ``(T,)`` total mass as the scheme carries it.
    history
        Per step of the finest run; empty where there were none.
    facts
        JSON-ready: nodes, steps, retries, solver, …
    start_defect
        What the nodes misrepresent of a Gaussian start, relative to its own width.
    start_moments
        The same along each axis, if it is known.
    kl_increase
        Largest increase of KL in a step of any run.
    growth
        ``(1 + len(others), T)`` the log of what a linear reaction has multiplied the mass by, of
        `best` and of the others.
    left, killing
        The same of the log of the share that is not absorbed, and of the rate at which what is left
        is; 0 where nothing is.
    tallies
        The same of what the steps were summed of, by name.
    mended
        Largest share of the mass that a step of the finest run gave to nodes that had turned
        negative.
    smeared
        Diffusion in excess that fluxes with a direction leave, over the true one.
    mass_defect
        Mass that the scheme lost or won, relative to it; every number may be off by as much.
    steps
        What steps leave, where they were chosen by their errors.
    shared
        Share of the density's error that every other number has besides, in its deviations.
    counted
        Share of what the distances of runs tell that counts as error where they meet a tolerance.
    points
        Gauss points that each cell wants along each axis; None for the usual ones.
    parts
        Cells that integrals are taken on, and the solution is kept on, where those of the nodes are
        wider than ρ.
    wider
        Cells twice as wide as those of the nodes, if integrals are to be taken on these.
    draft
        The same on fewer nodes, for a person who stopped the run and waits; None where it would
        save nothing.
    """

    times: Array
    interpolation: Interpolation
    best: Array
    others: tuple[tuple[Array, Share], ...]
    mass: Array
    history: Mapping[str, Array]
    facts: dict[str, Any]
    kl_increase: float
    complete: bool
    warnings: list[str]
    start_defect: float
    growth: Array
    left: Array
    killing: Array
    tallies: Mapping[str, Array]
    start_moments: StartMoments | None = None
    mended: float = 0.0
    smeared: float = 0.0
    mass_defect: float | Array = 0.0
    steps: StepErrors | None = None
    shared: float = 0.0
    counted: float = 1.0
    points: int | None = None
    parts: TensorGrid | None = None
    wider: TensorGrid | None = None
    draft: Outcome | None = None

    def on_parts(self) -> Outcome:
        """Return the best fields as polynomials on its `parts`; the others stay where they are."""
        nodes = self.interpolation
        if self.parts is None or not isinstance(nodes, TensorInterpolation):
            return self
        fine = TensorInterpolation(self.parts, nodes.degree)
        best = divided(nodes, self.best, fine)
        return replace(self, interpolation=fine, best=best, others=(), parts=None)


@dataclass
class Context:
    """What every run needs besides the problem: the ranks, whom to tell, and when to stop.

    `stop` is asked between steps (collective); within `at_once` a stop request of a single process
    raises `wfrpde.parallel.Stopped`. Runs are kept in `checkpoints`, if there are any; the `last`
    one took so many seconds.
    """

    comm: Comm
    problem: Problem
    tell: Callable[[str, float, float, float, float], None]
    stop: Callable[[], bool]
    at_once: Callable[[], AbstractContextManager[None]] = nullcontext
    done: float = 0.0
    last: float = 0.0
    checkpoints: Checkpoints | None = None

    def made(
        self, share: float, solve: Callable[[RunMark | None], tuple[March, dict[str, Any]]]
    ) -> tuple[March, dict[str, Any]]:
        """Make a run that makes up `share` of the work, or take it from the checkpoints."""
        before, began = self.done, time.perf_counter()
        kept = solve(None) if self.checkpoints is None else self.checkpoints.made(solve)
        if kept[0].complete:
            self.done = before + share
        self.last = time.perf_counter() - began
        if before == 0 and share < EARLY:
            self.foretell(self.last / share - self.last)
        return kept

    def foretell(self, seconds: float) -> None:
        """Tell what is still to come, if it is long."""
        if self.comm.rank == 0 and seconds > LONG:
            logger.warning(
                "this will take about %d minutes more, by what its first run took; a larger "
                "accuracy.tolerance or fewer numerics.cells take less", round(seconds / 60),
            )  # fmt: skip

    def on_step(self, phase: str, share: float) -> Callable[[float, float, float], None]:
        """Observer of one run that makes up `share` of the work."""
        start, t_end = self.done, self.problem.save[-1]

        def observe(t: float, dt: float, kl: float) -> None:
            self.done = start + share * min(1.0, t / t_end)
            self.tell(phase, t, dt, kl, self.done)

        return observe
