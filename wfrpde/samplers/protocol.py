"""What a sampler is, and what its parameters in a case file have in common.

A sampler has a ``name``, makes an `Ensemble` from the initial positions and advances it by a step.
It keeps no state: all that changes is in the ensemble, and all chance comes from ``rng``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from wfrpde.errors import InputError
from wfrpde.fields.parameters import Parameters
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.ranks import Ranks

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.case.problem import Problem
    from wfrpde.flow.solution import Solution
    from wfrpde.samplers.oracle import Oracle
    from wfrpde.starts.initial import InitialDensity
    from wfrpde.targets import Target

Array = npt.NDArray[np.float64]

Claim = Literal["W", "FR", "WFR", "feynman-kac", "target"]
"""The equation that a sampler claims to solve; ``target``: its samples are to be those of π."""

BETA = "a number ≥ 0, the rate of the reaction; `flow.beta` by default"

ALPHA = "a number ≥ 0, the rate of diffusion; `flow.alpha` by default"


@runtime_checkable
class Sampler(Protocol):
    """An algorithm that moves and weighs particles."""

    @property
    def name(self) -> str:
        """What it is called in tables and messages."""

    def init(self, positions: Array, rng: np.random.Generator) -> Ensemble:
        """Make the ensemble at time 0 of independent draws ``(N, d)`` from ρ₀."""

    def step(self, ensemble: Ensemble, t: float, dt: float, rng: np.random.Generator) -> Ensemble:
        """Return the ensemble at time t + dt, from the one at time t."""


class EquallyWeighted:
    """Base of samplers whose particles start with equal weights."""

    def init(self, positions: Array, rng: np.random.Generator) -> Ensemble:
        """Give the particles equal weights."""
        return Ensemble.equal(positions)


@dataclass(frozen=True)
class SamplerContext:
    """What a sampler is made of besides its own parameters.

    Attributes
    ----------
    case, target, initial
        The case, its target and its initial density.
    solution
        The flow that was solved, for samplers that ask it for the density; else None.
    comm
        Ranks over which *one* ensemble is split; None for an ensemble on one rank.
    """

    case: Case
    target: Target
    initial: InitialDensity
    solution: Solution | None = None
    comm: Any = None

    @classmethod
    def of(cls, case: Case, solution: Solution | None = None, comm: Any = None) -> SamplerContext:
        """Make target and initial density of a case. Not collective.

        An initial density that is given as a formula is made one that can be sampled.

        Raises
        ------
        InputError
            If the case cannot be used.
        """
        from wfrpde.case.problem import make_problem
        from wfrpde.samplers.start import formula_sampler

        problem = make_problem(case)
        initial = problem.initial
        if initial.sampler is None:
            draw = formula_sampler(initial.log_density, problem.box)
            initial = replace(initial, sampler=draw)
        context = cls(case, problem.target, initial, solution, comm)
        context.__dict__["problem"] = problem  # what `problem` would compute again
        return context

    @property
    def ranks(self) -> Ranks:
        """The ranks that share the ensemble."""
        return Ranks(self.comm)

    @cached_property
    def problem(self) -> Problem:
        """The domain's box and length scales."""
        from wfrpde.case.problem import make_problem

        return make_problem(self.case)

    def oracle(self, name: str) -> Oracle:
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
    def _oracle(self) -> Oracle:
        from wfrpde.samplers.oracle import Oracle

        assert self.solution is not None
        return Oracle.of(self.solution)


class SamplerParameters(Parameters, ABC):
    """Parameters of one kind of sampler; `build` makes it."""

    kind: ClassVar[str]
    claims: ClassVar[Claim]

    @abstractmethod
    def build(self, name: str, context: SamplerContext) -> Sampler:
        """Return the sampler for a case."""
