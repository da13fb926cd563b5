"""Samplers by name: what ``[[sampler]]`` of a case file says, turned into what runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from wfrpde.errors import DependencyMissingError, InputError, SamplerError
from wfrpde.fields.complaints import checked, choose
from wfrpde.samplers.command import CommandSampler
from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.fisher_rao import FisherRaoParameters
from wfrpde.samplers.isolated import IsolatedSampler
from wfrpde.samplers.langevin import LangevinParameters
from wfrpde.samplers.mala import MalaParameters
from wfrpde.samplers.protocol import Claim, SamplerContext, SamplerParameters
from wfrpde.samplers.python_sampler import registered
from wfrpde.samplers.reaction_parameters import (
    BirthDeathParameters,
    FeynmanKacParameters,
    SmcWfrParameters,
    WeightedParameters,
)
from wfrpde.samplers.recorded import UnusableSamples, read_samples
from wfrpde.samplers.simulate import StepByStep

if TYPE_CHECKING:
    from wfrpde.case.samplers import SamplerSpec

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


def validate_sampler(kind: str, parameters: Mapping[str, Any]) -> SamplerParameters | None:
    """Check the parameters of a sampler and return them as its model.

    None for a sampler of another package, which checks them itself.

    Raises
    ------
    InputError
        Names ``sampler.kind`` and lists the kinds, or names ``sampler.<key>``.
    """
    if kind not in KINDS and kind in (others := registered()):
        return None
    if kind not in KINDS:
        choose(kind, [*KINDS, *others], "sampler.kind")
    return checked(KINDS[kind], parameters, "sampler")


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


def make_sampler(spec: SamplerSpec, context: SamplerContext) -> SamplerRun:
    """Return what runs the replicates of one ``[[sampler]]`` of a case.

    What is wrong with a file of recorded samples is told by its ``run``, as if the sampler had
    failed.

    Raises
    ------
    InputError
        If it cannot be made for this case.
    """
    if spec.samples is not None:
        path = _folder(context) / Path(spec.samples).expanduser()
        claims = default_claim(context)
        dim = context.target.dim
        try:
            return read_samples(spec.name, path, dim, spec.layout, spec.claims, claims)
        except (SamplerError, DependencyMissingError) as error:
            return UnusableSamples(spec.name, spec.claims or claims, error)
    parameters = None if spec.kind is None else validate_sampler(spec.kind, spec.parameters)
    if parameters is not None:
        sampler = parameters.build(spec.name, context)
        return StepByStep(sampler, spec.claims or parameters.claims, context)
    if context.ranks.size > 1:
        found = f"sampler {spec.name}, which knows nothing of other ranks"
        raise InputError("comm", found, "a sampler of the library for an ensemble on many ranks")
    claims = spec.claims or default_claim(context)
    if spec.command is not None:
        return CommandSampler(
            spec.name, claims, spec.command, context, spec.parameters, spec.layout, spec.time_limit
        )
    reference = spec.python if spec.kind is None else registered()[spec.kind]
    source = context.case.source
    isolated = IsolatedSampler(
        spec.name,
        claims,
        {
            "case": context.case.model_dump(mode="json", exclude_unset=True, exclude={"sampler"}),
            "source": None if source is None else str(source),
            "name": spec.name,
            "reference": reference,
            "claims": claims,
            "parameters": spec.parameters,
            "layout": spec.layout,
        },
        _folder(context),
        spec.time_limit,
    )
    isolated.start()
    return isolated


def default_claim(context: SamplerContext) -> Claim:
    """Return the flow of the case: what a sampler claims to solve that says nothing."""
    flow = context.case.flow
    if flow.beta == 0:
        return "W" if flow.reaction is None else "feynman-kac"
    return "FR" if flow.alpha == 0 else "WFR"


def _folder(context: SamplerContext) -> Path:
    source = context.case.source
    return Path.cwd() if source is None else source.resolve().parent
