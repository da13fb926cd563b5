"""Samplers by name: what ``[[sampler]]`` of a case file says, turned into what runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wfrpde.equation import CLAIMS, Equation
from wfrpde.equation.equation import PROCESSES
from wfrpde.errors import InputError
from wfrpde.fields.complaints import checked, choose
from wfrpde.fields.parameters import Parameters
from wfrpde.fields.protocols import Formula
from wfrpde.parallel.places import typed_path
from wfrpde.samplers.annealed import AnnealedImportance, TemperedSmc
from wfrpde.samplers.birth_death import BirthDeathLangevin
from wfrpde.samplers.command import CommandSampler
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.fisher_rao import FisherRao
from wfrpde.samplers.isolated import IsolatedSampler
from wfrpde.samplers.kinetic import Baoab, Obabo
from wfrpde.samplers.langevin import Langevin
from wfrpde.samplers.mala import Mala
from wfrpde.samplers.noised import Corrected, ProbabilityFlow, ReverseSde
from wfrpde.samplers.parameters import parameters_of
from wfrpde.samplers.protocol import LibrarySampler
from wfrpde.samplers.python_sampler import USUAL, registered
from wfrpde.samplers.recorded import RecordedSamples, read_samples
from wfrpde.samplers.run import SamplerRun
from wfrpde.samplers.simulate import StepByStep
from wfrpde.samplers.smc_wfr import SmcWfr
from wfrpde.samplers.weighted import FeynmanKac, WeightedLangevin
from wfrpde.targets.curvature import stiffest

Kind = TypeVar("Kind", bound=type[LibrarySampler])

KINDS: dict[str, type[LibrarySampler]] = {}
"""Samplers that case files name by their ``kind``."""

OWN = "one of your own is python = 'module:object'"


def register(sampler: Kind) -> Kind:
    """Let case files name a sampler by its ``kind``; also a decorator of its class.

    Its parameters (the keyword arguments of its `LibrarySampler.of`), its claim and its law count
    like those of the samplers that wfrpde brings along.

    Raises
    ------
    InputError
        If its claim is none, or it has no name.
    """
    if not isinstance(getattr(sampler, "kind", None), str):
        raise InputError(f"{sampler.__name__}.kind", "nothing", "its name in case files")
    claims = getattr(sampler, "claims", None)
    if claims not in (*CLAIMS, *PROCESSES, "target"):
        needed = f"one of {', '.join((*CLAIMS, *PROCESSES))}, target"
        raise InputError(f"{sampler.__name__}.claims", repr(claims), needed)
    KINDS[sampler.kind] = sampler
    return sampler


# a new sampler of the library adds its class here
for _kind in (
    *(Langevin, Mala, Baoab, Obabo),
    *(FisherRao, WeightedLangevin, BirthDeathLangevin, SmcWfr, FeynmanKac),
    *(AnnealedImportance, TemperedSmc),
    *(ReverseSde, ProbabilityFlow, Corrected),
):
    register(_kind)


def validate_sampler(kind: str, parameters: Mapping[str, Any]) -> Parameters | None:
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
        choose(kind, [*KINDS, *others], "sampler.kind", OWN)
    return checked(parameters_of(KINDS[kind]), parameters, "sampler")


def imported(table: Any, folder: Path | None) -> IsolatedSampler | None:
    """Import the sampler of a table in a process of its own, before anything else is done.

    None for one that is not of the user's Python code.

    Raises
    ------
    InputError, SamplerError
        If it cannot be imported.
    """
    reference = table.python
    if table.kind is not None and table.kind not in KINDS:
        reference = registered().get(table.kind)
    if reference is None:
        return None
    place = Path.cwd() if folder is None else folder
    isolated = IsolatedSampler(table.name, reference, place, table.time_limit)
    try:
        isolated.load()
    except BaseException:
        isolated.close()
        raise
    return isolated


def make_sampler(
    table: Any, context: SamplerContext, isolated: IsolatedSampler | None = None
) -> SamplerRun:
    """Return what runs the replicates of a table ``[[sampler]]``, a `wfrpde.case.SamplerSpec`.

    Raises
    ------
    InputError
        If it cannot be made for this case.
    SamplerError, DependencyMissingError
        If a file of recorded samples cannot be read.
    """
    name, layout = table.name, table.layout
    parameters = None if table.kind is None else validate_sampler(table.kind, table.parameters)
    if context.equation.path is not None and table.kind in KINDS and not KINDS[table.kind].follows:
        found = f"a [path], which sampler {name} knows nothing of"
        raise InputError("path", found, "a target that stays, or a sampler that follows it")
    if table.kind is not None and parameters is not None:
        kind = KINDS[table.kind]
        if context.process is not None and kind.claims not in PROCESSES:
            found = f"'{table.kind}' with [noising]"
            raise InputError(f"sampler {name}: kind", found, "reverse_sde, pf_ode or fkc")
        objection = context.equation.objection(kind.takes, f"sampler {name}")
        if objection is not None and (table.claims or kind.claims) not in ("FR", "target"):
            raise objection
        sink = None if context.walls is None else context.walls.sink
        if sink is not None and not kind.dies and (table.claims or kind.claims) not in ("FR",):
            those = ", ".join(sorted(name for name, other in KINDS.items() if other.dies))
            found = f"'{table.kind}' where sides or regions absorb"
            raise InputError(f"sampler {name}: kind", found, f"one of {those}")
        dynamics = context.equation.dynamics
        if sink is not None and dynamics is not None and dynamics.terms:
            found = f"{', '.join(sorted(dynamics.terms))} where sides or regions absorb"
            raise InputError("dynamics", found, "overdamped dynamics alone there")
        sampler = kind.of(context, name, **dict(parameters))
        return StepByStep(name, claim(table, context, kind.claims), sampler, context)
    claims = claim(table, context)
    if table.samples is not None:
        path = _folder(context) / typed_path(table.samples, "samples")
        recorded = read_samples(name, path, context.target.dim, layout, table.chains)
        return RecordedSamples(name, claim_of_samples(table, context, recorded, claims), recorded)
    if context.ranks.size > 1:
        found = f"sampler {name}, which knows nothing of other ranks"
        raise InputError("comm", found, "a sampler of the library for an ensemble on many ranks")
    if table.command is not None:
        return CommandSampler(
            name,
            claims,
            table.command,
            context,
            table.parameters,
            layout,
            table.time_limit,
            table.batch,
        )
    isolated = isolated or imported(table, _folder(context))
    assert isolated is not None
    isolated.claims = claims
    isolated.setup = {
        "name": name,
        "reference": isolated.reference,
        "claims": claims,
        "context": context,
        "parameters": table.parameters,
        "layout": layout,
        "keys": table.kept,
    }
    isolated.start()
    return isolated


GENTLE = 0.04
"""Default step: USUAL, and α dt κ = GENTLE at most, κ the largest curvature of V at its minima, or
what the dynamics make of it, now and at the start of a path. Euler's scheme is off by α dt κ/2 in a
variance, relative to itself: 2 %."""


def default_step(table: Any, context: SamplerContext) -> float | None:
    """Return the step of a sampler of the library whose table names none; else None."""
    if "dt" in table.model_fields_set or table.kind not in KINDS:
        return None
    if KINDS[table.kind].exact_in_time or context.process is not None:
        return None
    alpha = float(table.parameters.get("alpha", context.equation.alpha))
    dynamics, path = context.equation.dynamics, context.equation.path
    # phase space is moved in by splittings, of order 2
    velocity = None
    if dynamics is not None and not dynamics.kinetic:
        velocity = dynamics.at(0.0).velocity
    targets = [context.target, *([] if path is None else [path.frozen(0.0)])]
    product = alpha * max(stiffest(target, context.box, velocity) for target in targets)
    if product * USUAL <= GENTLE:
        return None
    return float(f"{GENTLE / product:.2g}")


def claim(table: Any, context: SamplerContext, default: str | None = None) -> Equation | None:
    """Return the equation that a table claims, or a word by default, or else that of the flow.

    None for ``target``: the samples are to be those of π.

    Raises
    ------
    InputError
        If the flow of the case has no such part.
    """
    word = table.claims or default
    if word is None:
        return context.equation
    if word == "target":
        if context.process is not None:
            found = f"'target' of sampler {table.name}, with [noising]"
            raise InputError("sampler.claims", found, f"{context.equation.process!r}, or none")
        return None
    own = table.parameters.get("reaction")
    rate = Formula(own, context.target.dim) if isinstance(own, str) else None
    part = context.equation.claimed(word, rate)
    if part is None:
        where, equation = "sampler.claims", context.equation
        if equation.process is not None or word in PROCESSES:
            found = f"{word!r} of sampler {table.name}, where the case solves a {equation.words}"
            raise InputError(where, found, "a part of that")
        if word == "feynman-kac":
            needed = "flow.reaction, or kind = 'feynman_kac' with its own reaction"
            raise InputError(where, "'feynman-kac' without a reaction", needed)
        found = f"{word!r} of sampler {table.name} with flow.alpha = {equation.alpha:g} and "
        raise InputError(where, f"{found}flow.beta = {equation.beta:g}", "a part of the flow")
    return part


def claim_of_samples(
    table: Any, context: SamplerContext, recorded: Sequence[Trajectory], claims: Equation | None
) -> Equation | None:
    """Return what recorded samples claim: π if they have no times and their table says nothing.

    Raises
    ------
    InputError
        If they have no times where the law of a process is solved.
    """
    if table.claims is not None or np.isfinite(recorded[0].times).any():
        return claims
    if context.process is not None:
        found = f"samples without times, of sampler {table.name}, with [noising]"
        raise InputError("sampler.samples", found, "times beside them, of those saved")
    return None


def _folder(context: SamplerContext) -> Path:
    return Path.cwd() if context.folder is None else context.folder
