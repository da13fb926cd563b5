"""`Ladder`: the runs of a formulation, from coarse to fine, and how they belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wfrpde.arrays import Array
from wfrpde.case.problem import Grid
from wfrpde.discretisation.interpolation import Interpolation, interpolation_of
from wfrpde.discretisation.tensor_interpolation import Polynomials
from wfrpde.domain.grid import TensorGrid
from wfrpde.flow.control import Replay
from wfrpde.flow.march import March
from wfrpde.flow.outcome import Share
from wfrpde.flow.steppers.extrapolated import Extrapolated

if TYPE_CHECKING:
    from wfrpde.flow.step_errors import StepErrors


@dataclass(frozen=True)
class Run:
    """A run and what it was made on; facts are JSON-ready."""

    grid: Grid
    degree: int
    march: March
    facts: dict[str, Any]

    @property
    def repeated(self) -> Replay:
        """The same steps, each halved: for a finer run."""
        return Replay(self.march.schedule.halved())


@dataclass(frozen=True)
class Ladder:
    """Runs from coarse to fine.

    Attributes
    ----------
    stepper
        What they were stepped by; None where nothing was.
    cells
        What a person would ask for to get them; None for the cells of the finest.
    nested
        Whether cells and steps are halved from one to the next, and degree 1, so that values are
        extrapolated.
    share
        Else the share of the distance of the finest run to the one before that is its error.
    coarsest
        The grid whose cells those of the first run halve, if there is one.
    refined
        Whether a first try was not good enough.
    opinions
        Of runs on one grid: from their fields the best one, then others with the share of their
        distance from it that is its error.
    mass_defect
        What is left of the mass that runs lost, relative to it, where one tells about the others;
        or what else any number may be off by, relative to it, that no distance of runs tells; at
        all times, or ``(T,)``.
    steps
        What the steps of the last two runs leave, where they were chosen by their errors.
    shared
        Share of the density's error that every other number has besides its own, in its standard
        deviations, where runs agree on numbers by chance.
    wider
        Cells twice as wide as those of the nodes, where integrals may be taken on these.
    parts, points
        Cells that integrals are taken on and fields are shown on, where elements are wider than ρ
        and u a polynomial on each, and how many Gauss points they have along each axis.
    """

    runs: tuple[Run, ...]
    stepper: Any = None
    cells: list[int] | None = None
    nested: bool = False
    share: float = 1.0
    coarsest: Grid | None = None
    refined: bool = False
    opinions: Callable[[list[Array]], list[tuple[Array, Share]]] | None = None
    mass_defect: float | Array = 0.0
    steps: StepErrors | None = None
    shared: float = 0.0
    wider: TensorGrid | None = None
    parts: TensorGrid | None = None
    points: int | None = None

    @cached_property
    def interpolations(self) -> list[Interpolation]:
        """Polynomials between the nodes of each run."""
        if self.parts is not None:
            boxes = [(run.grid, run.degree) for run in self.runs]
            return [Polynomials(g, p) for g, p in boxes if isinstance(g, TensorGrid)]
        grids = [self.coarsest, *(run.grid for run in self.runs)]
        return [
            interpolation_of(run.grid, run.degree, coarser)
            for run, coarser in zip(self.runs, grids[:-1], strict=True)
        ]

    @property
    def facts(self) -> dict[str, Any]:
        """What is to be said of it, JSON-ready."""
        finest, stepper = self.runs[-1], self.stepper
        shape = finest.grid.active.shape if isinstance(finest.grid, TensorGrid) else ()
        facts = {"cells": self.cells or list(shape), "runs": [run.facts for run in self.runs]}
        if not self.nested:
            facts["degree"] = finest.degree
        if stepper is not None:
            facts["time_order"] = stepper.order
        several = self.nested or self.opinions is not None
        extrapolated = (several and len(self.runs) > 1) or stepper is Extrapolated
        return {**facts, "extrapolated": extrapolated}

    @property
    def reached(self) -> Ladder:
        """Without a finest run that was stopped before its first saved time: it is of no use."""
        last = self.runs[-1].march
        useless = not last.complete and len(last.times) < 2 and len(self.runs) > 1
        return replace(self, runs=self.runs[:-1]) if useless else self
