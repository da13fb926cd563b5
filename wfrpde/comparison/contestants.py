"""`Contestant`: a sampler of a case as it enters a validation, and what judges it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.case.samplers import checked_samplers
from wfrpde.comparison.digest import digest_of
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.harness import Level
from wfrpde.comparison.metrics import METRICS
from wfrpde.comparison.replicates import UNKNOWN, Judge, Replicate
from wfrpde.equation import Equation
from wfrpde.errors import DependencyMissingError, InputError, SamplerError
from wfrpde.fields.user_code import loaded_code
from wfrpde.parallel import (
    collectively,
)
from wfrpde.parallel.screen import logger
from wfrpde.samplers import SamplerContext, make_sampler
from wfrpde.samplers.in_memory import run_in_memory, table_of
from wfrpde.samplers.isolated import IsolatedSampler
from wfrpde.samplers.registry import claim, default_step, imported
from wfrpde.samplers.run import Request

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.case.samplers import SamplerSpec
    from wfrpde.samplers import SamplerRun, Trajectory


@dataclass(frozen=True)
class Contestant:
    """A sampler of the case, and what judges it.

    ``run`` is None, and ``failure`` says why, if it could not be made.
    """

    spec: SamplerSpec
    run: SamplerRun | None
    judge: Judge
    base: Level
    failure: str

    @property
    def name(self) -> str:
        """What it is called."""
        return self.spec.name

    def close(self) -> None:
        """End the process that a sampler may have."""
        if self.run is not None:
            self.run.close()


def entrants_of(case: Case, given: Mapping[str, Any]) -> list[tuple[SamplerSpec, Any]]:
    """Give the tables of all samplers, and the objects of those that are handed over."""
    tables, things = [], []
    for name, what in given.items():
        table, thing = table_of(name, what)
        tables.append(table)
        things.append(thing)
    specs = checked_samplers(tables)
    for spec in specs:
        if spec.name in [other.name for other in case.samplers]:
            raise InputError(
                f"samplers[{spec.name!r}]", "a name that a [[sampler]] has, too", "another one"
            )
    return [*((spec, None) for spec in case.samplers), *zip(specs, things, strict=True)]


def imported_code(
    case: Case, entrants: Sequence[tuple[SamplerSpec, Any]], comm: Any
) -> tuple[dict[str, IsolatedSampler], dict[str, str]]:
    """Import the samplers of the user's Python code, before anything is solved (collective).

    Return those that could be imported, by name, and why others could not.

    Raises
    ------
    InputError
        If none of the samplers could be.
    """
    folder = None if case.source is None else case.source.resolve().parent
    loaded: dict[str, IsolatedSampler] = {}
    lost: dict[str, InputError | SamplerError] = {}
    with collectively(comm):
        for spec, thing in entrants:
            try:
                isolated = imported(spec, folder) if thing is None else None
            except (InputError, SamplerError) as error:
                lost[spec.name] = error
            else:
                if isolated is not None:
                    loaded[spec.name] = isolated
        if len(lost) == len(entrants):
            raise next(iter(lost.values()))
    why = {n: e.what if isinstance(e, SamplerError) else str(e) for n, e in lost.items()}
    return loaded, why


def make_contestant(
    case: Case, spec: SamplerSpec, flows: Flows, context: SamplerContext
) -> Contestant:
    """Make a sampler of a case, and what judges it."""
    return contestant_of(case, flows, made_of(spec, context))


@dataclass(frozen=True)
class Made:
    """A sampler before it is known what judges it."""

    spec: SamplerSpec
    run: SamplerRun | None
    claims: Equation | None
    failure: str
    in_memory: bool


def made_of(
    spec: SamplerSpec,
    context: SamplerContext,
    thing: Any = None,
    *,
    isolated: IsolatedSampler | None = None,
    failure: str = "",
) -> Made:
    """Make a sampler of a case, or of an object that was handed over.

    Parameters
    ----------
    isolated
        Its process, if it has one already.
    failure
        Why it cannot be made, if that is known already.
    """
    step = default_step(spec, context)
    if step is not None:
        logger.info("sampler %s: dt = %g, for the stiffness at the minima of V", spec.name, step)
        spec = spec.model_copy(update={"dt": step})
    sampler: SamplerRun | None = None
    try:
        if failure:
            pass
        elif thing is None:
            sampler = make_sampler(spec, context, isolated)
        else:
            sampler = run_in_memory(spec, thing, context)
    except (SamplerError, DependencyMissingError) as error:
        failure = error.what if isinstance(error, SamplerError) else str(error)
    claims = claim(spec, context) if sampler is None else sampler.claims
    return Made(spec, sampler, claims, failure, thing is not None)


def contestant_of(case: Case, flows: Flows, made: Made) -> Contestant:
    """Give a sampler what judges it."""
    spec, sampler, judge = made.spec, made.run, flows.judge(made.claims)
    times = list(case.flow.save if case.noising is None else judge.times)

    def run(
        seeds: Sequence[np.random.SeedSequence], n: int, dt: float, stop: Callable[[], bool]
    ) -> list[Trajectory]:
        assert sampler is not None
        found = sampler.together([Request(seed, n, dt, times, stop) for seed in seeds])
        own = json.dumps(loaded_code()) if case.target.python is not None else ""
        if spec.command is not None and spec.depends is None:
            own = UNKNOWN
        return [
            replace(t, facts={**t.facts, "code": t.facts.get("code", "") or own}) for t in found
        ]

    table = spec.model_dump(mode="json")
    base = Level(
        sampler=spec.name,
        label="base",
        particles=spec.particles,
        dt=spec.dt,
        replicates=int(min(spec.replicates, np.inf if sampler is None else sampler.replicates)),
        seed=case.validation.seed if spec.seed is None else spec.seed,
        digest=digest_of(
            case,
            table,
            validation=case.validation.model_dump(
                mode="json",
                include={"moments", "modes", "observables", "probabilities", "metrics", "seed"},
            ),
            metrics=list(METRICS),
            kept=[field.name for field in fields(Replicate)],
        ),
        run=run,
        judge=judge,
        stored=spec.samples is None and not made.in_memory,  # nothing tells one object from another
        batch=spec.batch or 1,
    )
    return Contestant(spec, sampler, judge, base, made.failure)


def failures(contestants: Sequence[Contestant], comm: Any) -> dict[str, str]:
    """Tell on every rank which samplers could not be made on any of them (collective).

    Raises
    ------
    InputError
        If none of the samplers could be.
    """
    own = {c.name: c.failure for c in contestants if c.failure}
    result: dict[str, str] = {}
    for part in [own] if comm.size == 1 else comm.allgather(own):
        for name, why in part.items():
            result.setdefault(name, why)
    if len(result) == len(contestants):
        name, why = next(iter(result.items()))
        raise InputError("sampler", f"none that can be judged: {name}: {why}", "at least one")
    return result
