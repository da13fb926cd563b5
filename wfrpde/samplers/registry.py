"""Samplers by name: what ``[[sampler]]`` of a case file says, turned into what runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.fisher_rao import FisherRaoParameters
from wfrpde.samplers.langevin import LangevinParameters
from wfrpde.samplers.mala import MalaParameters
from wfrpde.samplers.protocol import Claim, Sampler, SamplerContext, SamplerParameters
from wfrpde.samplers.reaction_parameters import (
    BirthDeathParameters,
    FeynmanKacParameters,
    SmcWfrParameters,
    WeightedParameters,
)
from wfrpde.samplers.simulate import simulate
from wfrpde.targets.parameters import checked, choose

if TYPE_CHECKING:
    from wfrpde.case_samplers import SamplerSpec

Array = npt.NDArray[np.float64]

# A new sampler adds its class here; `SamplerParameters` says what it needs.
KINDS: dict[str, type[SamplerParameters]] = {
    model.kind: model
    for model in (
        LangevinParameters,
        MalaParameters,
        FisherRaoParameters,
        WeightedParameters,
        BirthDeathParameters,
        SmcWfrParameters,
        FeynmanKacParameters,
    )
}


def validate_sampler(kind: str, parameters: Mapping[str, Any]) -> SamplerParameters:
    """Check the parameters of a sampler and return them as its model.

    Raises
    ------
    InputError
        Names ``sampler.kind`` and lists the kinds, or names ``sampler.<key>``.
    """
    return checked(KINDS[choose(kind, KINDS, "sampler.kind")], parameters, "sampler")


class SamplerRun(Protocol):
    """A sampler of a case, ready to run replicates."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def claims(self) -> Claim:
        """The equation that it claims to solve."""

    def run(
        self,
        replicate_seed: np.random.SeedSequence,
        n: int,
        dt: float,
        times: Sequence[float] | Array,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Trajectory:
        """Run one replicate of n particles with steps of at most dt; the ensembles at ``times``.

        Raises
        ------
        SamplerError
            Names the sampler and what happened.
        """


@dataclass(frozen=True)
class StepByStep:
    """A sampler with ``init`` and ``step`` that runs in this process."""

    sampler: Sampler
    claims: Claim
    context: SamplerContext

    @property
    def name(self) -> str:
        """What it is called."""
        return self.sampler.name

    def run(
        self,
        replicate_seed: np.random.SeedSequence,
        n: int,
        dt: float,
        times: Sequence[float] | Array,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Trajectory:
        """Run one replicate; see `SamplerRun.run`."""
        context, rng = self.context, np.random.default_rng(replicate_seed)
        made = simulate(
            self.sampler,
            context.target,
            context.initial,
            times,
            dt,
            n,
            rng,
            comm=context.comm,
            stop=stop,
        )
        if self.claims != "target" or not made.ensembles:
            return made
        return Trajectory(np.array([np.inf]), made.ensembles[-1:], made.facts)


def make_sampler(spec: SamplerSpec, context: SamplerContext) -> SamplerRun:
    """Return what runs the replicates of one ``[[sampler]]`` of a case.

    Raises
    ------
    InputError
        If it cannot be made for this case.
    """
    assert spec.kind is not None
    parameters = validate_sampler(spec.kind, spec.parameters)
    sampler = parameters.build(spec.name, context)
    return StepByStep(sampler, spec.claims or parameters.claims, context)
