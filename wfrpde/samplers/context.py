"""`SamplerContext`: all that a sampler may know of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Equation
from wfrpde.errors import InputError
from wfrpde.noising.process import ReverseProcess
from wfrpde.samplers.oracle import Knowing, Oracle, SavedFlow, SumOracle
from wfrpde.samplers.ranks import Ranks
from wfrpde.samplers.start import formula_sampler
from wfrpde.samplers.walls import Walls
from wfrpde.starts.initial import InitialDensity
from wfrpde.starts.registry import initial_again
from wfrpde.targets import Target
from wfrpde.targets.registry import target_of


@dataclass(frozen=True)
class SamplerContext:
    """What a sampler is made of besides its own parameters.

    Attributes
    ----------
    equation
        What the flow of the case solves; its rates are the defaults of a sampler.
    target, initial
        π, and ρ₀, which can be sampled.
    box, scales
        ``(d, 2)`` bounding box of the domain, and ``(d,)`` shortest length along each axis.
    solution
        The flow that was solved, for samplers that ask it for the density; else None.
    process
        The reverse process of a case with ``[noising]``; else None.
    comm
        Ranks over which *one* ensemble is split; None for an ensemble on one rank.
    tables
        The tables ``target`` and ``initial`` of the case, JSON-ready, for programs.
    walls
        What the sides of the box do to particles; None where nothing happens there.
    folder
        Where files and modules of the user are looked for first; None for the current folder.
    """

    equation: Equation
    target: Target
    initial: InitialDensity
    box: Array
    scales: Array
    solution: SavedFlow | Knowing | None = None
    comm: Any = None
    tables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    walls: Walls | None = None
    process: ReverseProcess | None = None

    @classmethod
    def of(
        cls, case: HasSamplerContext, solution: SavedFlow | Knowing | None = None, comm: Any = None
    ) -> SamplerContext:
        """Make what the samplers of a `wfrpde.Case` need. Not collective.

        An initial density that is given as a formula is made one that can be sampled.

        Raises
        ------
        InputError
            If the case cannot be used.
        """
        return case.sampler_context(solution, comm)

    @property
    def ranks(self) -> Ranks:
        """The ranks that share the ensemble."""
        return Ranks(self.comm)

    def oracle(self, name: str) -> Oracle | SumOracle:
        """Return log(ρ/π) of the flow that was solved, for the sampler ``name``.

        Raises
        ------
        InputError
            If there is no solution.
        """
        if self.solution is None:
            raise InputError(
                f"sampler {name}: density",
                "'oracle', and no flow that was solved",
                "SamplerContext.solution",
                "wfrpde.samplers.oracle_times says which times it should be saved at.",
            )
        return self._oracle

    @cached_property
    def _oracle(self) -> Oracle | SumOracle:
        assert self.solution is not None
        if isinstance(self.solution, Knowing):
            return self.solution.oracle
        if self.walls is None:
            return Oracle.of(self.solution)
        return Oracle.of(self.solution, tuple(self.walls.closed), self.walls.sink)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave π, ρ₀ and the flow behind: another process makes the first two again."""
        ends = (self.target.recipe, self.initial.recipe)
        rest = (self.box, self.scales, self.tables, self.folder, self.walls, self.process)
        path = self.equation.path
        bare = self.equation if path is None else self.equation.along(path.without_ends())
        return _again, (*ends, bare, *rest)


def _again(
    target: Mapping[str, Any],
    initial: Mapping[str, Any] | None,
    equation: Equation,
    box: Array,
    scales: Array,
    tables: Mapping[str, Any],
    folder: Path | None,
    walls: Walls | None,
    process: ReverseProcess | None,
) -> SamplerContext:
    end = target_of(target)
    if initial is not None:
        first = initial_again(**initial)
    else:
        assert process is not None
        first = process.start()
    if equation.path is not None:
        equation = equation.along(equation.path.between(first, end))
    return SamplerContext(
        equation,
        end,
        drawable(first, box if process is None else process.box, walls),
        box,
        scales,
        tables=tables,
        folder=folder,
        walls=walls,
        process=process,
    )


class HasSamplerContext(Protocol):
    """What a `SamplerContext` can be asked from, such as a case."""

    def sampler_context(self, solution: SavedFlow | Knowing | None, comm: Any) -> SamplerContext:
        """Return what its samplers need."""


def drawable(initial: InitialDensity, box: Array, walls: Walls | None = None) -> InitialDensity:
    """Return an initial density that can be sampled, also if it is given as a formula.

    Between walls draws beyond them are left out: the flow starts from what is in the box.
    """
    if "factors" in (initial.recipe or {}):
        return initial  # each factor's start is made so by itself
    if initial.sampler is None:
        return replace(initial, sampler=formula_sampler(initial.log_density, box))
    if walls is None or walls.open:
        return initial
    whole = initial.sampler

    def sample(n: int, rng: np.random.Generator) -> Array:
        x = whole(n, rng)
        for _ in range(1000):  # how often draws beyond the box are drawn again
            outside = walls.beyond(x)
            if not outside.any():
                return x
            x = x.copy()
            x[outside] = whole(int(outside.sum()), rng)
        raise InputError("initial", "hardly any mass in the box", "a start that lies in it")

    return replace(initial, sampler=sample)
