"""`validate`: the samplers of a case, judged against the flows that they claim to solve."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.arrays import Array
from wfrpde.case.loading import require_case
from wfrpde.comparison.assembly import Judged, assemble, judged_rows
from wfrpde.comparison.contestants import (
    Contestant,
    contestant_of,
    entrants_of,
    failures,
    imported_code,
    made_of,
)
from wfrpde.comparison.equations import diagnose
from wfrpde.comparison.family import Family
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.harness import Harvest, Level, harvest
from wfrpde.comparison.ladders import ladder_levels, limit_averages, step_part
from wfrpde.comparison.noise_floor import noise_floors
from wfrpde.comparison.noised_flows import process_context
from wfrpde.comparison.results import Diagnosis, ValidationReport
from wfrpde.equation import Equation
from wfrpde.errors import InputError
from wfrpde.parallel import (
    OnStop,
    Progress,
    StopRequest,
    checked_on_stop,
    collectively,
    unless_stopped,
    watched,
    world_of,
)
from wfrpde.samplers import SamplerContext

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.case.samplers import SamplerSpec


def validate(
    case: Case,
    comm: Any = None,
    observer: Callable[[Any], None] | None = None,
    resume: str | Path | None = None,
    *,
    samplers: Mapping[str, Any] | None = None,
    on_stop: OnStop = "raise",
) -> ValidationReport:
    """Judge the samplers of a case against the flows that they claim to solve (collective).

    R replicates of each sampler, spread over the ranks, give the average of every observable at
    every saved time with its standard error, which is compared with the Eulerian value and *its*
    error. The probability that any row of correct samplers is called biased is at most
    ``validation.level``. What one replicate gives does not depend on the number of ranks.

    Parameters
    ----------
    case
        A case with one ``[[sampler]]`` or more; ``[validation]`` says how they are judged.
    comm
        MPI communicator; all of MPI.COMM_WORLD by default.
    observer
        Called with what is being done, a `wfrpde.parallel.Progress`.
    resume
        Folder where finished replicates are kept. Those that are there already, of the same
        inputs, are not computed again.
    samplers
        Further samplers by their names, as objects: a function ``(target, n, times, rng)``, an
        object with ``step``, an algorithm of BlackJAX, an array of samples of π ``(draws, d)`` or
        ``(chains, draws, d)``, ArviZ's data; or a table ``[[sampler]]`` as a dictionary, in which
        ``python`` or ``samples`` is such an object. They run in this process.
    on_stop
        What Ctrl-C, SIGTERM or SIGHUP before the end lead to: ``"raise"`` raises
        `wfrpde.Interrupted`, whose ``result`` holds what was finished; ``"return"`` returns it,
        with ``complete`` False.

    Returns
    -------
    ValidationReport
        The same on every rank.

    Raises
    ------
    InputError
        If the case has no samplers, or one of them cannot be made.
    """
    require_case(case, "validate", factored=True, noised=True)
    checked_on_stop(on_stop)
    comm = world_of(comm)
    began = time.perf_counter()
    entrants = entrants_of(case, samplers or {})
    if not entrants:
        raise InputError(
            "sampler",
            "no [[sampler]]",
            "at least one",
            'For example: [[sampler]] with kind = "langevin".',
        )
    _check_factors(case, [spec for spec, _ in entrants])
    folder = None if resume is None else Path(resume)
    with (
        StopRequest() as stop,
        watched(observer, comm, "validate") as observer,
        ExitStack() as leaving,
    ):
        loaded, lost = imported_code(case, entrants, comm)
        for isolated in loaded.values():
            leaving.callback(isolated.close)
        with collectively(comm):
            closely = any(s.parameters.get("density") == "oracle" for s, _ in entrants)
            flows = Flows(case, observer, closely)
            if case.noising is not None:
                context = process_context(case)
            else:
                context = SamplerContext.of(case, flows.oracle)
            made = [
                made_of(
                    spec, context, thing,
                    isolated=loaded.get(spec.name), failure=lost.get(spec.name, ""),
                )
                for spec, thing in entrants
            ]  # fmt: skip
            flows.timeless = all(one.claims is None for one in made)
            contestants = [contestant_of(case, flows, one) for one in made]
        for contestant in contestants:
            leaving.callback(contestant.close)
        if stop.requested(comm):
            raise KeyboardInterrupt
        failed = failures(contestants, comm)
        levels = [c.base for c in contestants]
        for contestant in contestants:
            levels += ladder_levels(case, contestant.base, contestant.spec)
        found = harvest(levels, comm, folder=folder, observer=observer, failed=failed)
        judged = [
            Judged(c.spec, c.judge, own, found.failed.get(c.name))
            for c, own in zip(contestants, found.replicates, strict=False)
        ]
        rows = judged_rows(case, judged)
        details = _Details({}, [])
        floors: dict[str, dict[str, Array]] = {}
        if found.complete:
            if case.validation.metrics:
                every = [(one.name, one.judge, one.replicates) for one in judged]
                floors = noise_floors(case, every, comm, observer)
            biased = {row.sampler for row in rows if row.verdict == "biased"}
            details = _details(
                case, contestants, context, levels, found, biased, stop, comm, observer
            )
        facts = {
            "ranks": comm.size,
            "wall_time": time.perf_counter() - began,
            "replicates_computed": found.computed,
            "replicates_reused": found.reused,
        }
        complete = found.complete and not stop.requested(comm)
        ladders = list(zip(levels, found.replicates, strict=True))
        report = assemble(
            case, judged, rows, ladders, details.limits, floors, details.diagnoses, facts,
            complete=complete,
        )  # fmt: skip
    return unless_stopped(report, on_stop)


def _check_factors(case: Case, samplers: Sequence[SamplerSpec]) -> None:
    """Raise `InputError` if factors or chains have what samplers do not know of."""
    if case.target.is_chain and case.path.kind is not None:
        raise InputError("path", "one, of a chain, in validate", "none: samplers go to π itself")
    for spec in samplers if case.target.is_chain else ():
        if spec.parameters.get("density") == "oracle":
            found = "'oracle', of a chain"
            needed = "another sampler: log(ρ/π) of a chain is known at saved times alone"
            raise InputError(f"sampler {spec.name}: density", found, needed)
    if case.is_factored and case.dynamics.kind == "kinetic":
        needed = "overdamped dynamics, for samplers of products"
        raise InputError("dynamics.kind", "'kinetic', of a product", needed)
    for index, factor in enumerate(case.factor):
        if factor.reaction is not None:
            found = f"{factor.reaction!r}, with samplers"
            raise InputError(f"factor[{index}].reaction", found, "none: they know flow.reaction")


@dataclass(frozen=True)
class _Details:
    """What is found out about the samplers one by one.

    ``limits`` are averages ``(T, k)`` of infinitely many particles, by sampler and step.
    """

    limits: dict[tuple[str, float], Array]
    diagnoses: list[Diagnosis]


def _details(
    case: Case,
    contestants: Sequence[Contestant],
    context: SamplerContext,
    levels: Sequence[Level],
    found: Harvest,
    biased: Collection[str],
    stop: StopRequest,
    comm: Any,
    observer: Callable[[Any], None] | None,
) -> _Details:
    """Share the samplers among the ranks, and gather what was found out (collective).

    A stop ends that; what was being examined then is left out.
    """
    mine = _Details({}, [])
    families: dict[tuple[Equation, float], Family] = {}
    with collectively(comm):
        for k, contestant in enumerate(contestants):
            own = found.replicates[k]
            if k % comm.size != comm.rank or contestant.name in found.failed or not own:
                continue
            claims, run = contestant.judge.claims, contestant.run
            if claims is None or run is None:
                continue
            if stop.requested():
                break
            tell = partial(_tell, observer, contestant.name, k, len(contestants))
            tell("the limit of many particles")
            law = run.law() if case.validation.limit and not case.is_factored else None
            if law is not None:
                steps = {lv.dt for lv in levels if lv.sampler == contestant.name}
                mine.limits.update(limit_averages(law, contestant.base, context, steps))
            if case.validation.equation:
                dt = contestant.base.dt
                family = families.setdefault(
                    (claims, dt), Family(case, context, contestant.judge, dt)
                )
                known = [mine.limits.get((contestant.name, k * dt)) for k in (1, 2, 4)]
                laws = [values for values in known if values is not None]
                step_bias = step_part(*laws) if len(laws) == 3 else None
                level = case.validation.level

                def solving(done: int, total: int, tell: Callable[[str], None] = tell) -> None:
                    tell(f"solving {done + 1} of {total} candidate equations")

                diagnosis = diagnose(
                    contestant.name, family, own, level, step_bias, solving,
                    biased=contestant.name in biased, own_steps=known[0],
                )  # fmt: skip
                if not stop.requested():  # else flows may be missing among those that were tried
                    mine.diagnoses.append(diagnosis)
    if comm.size == 1:
        return mine
    everywhere = comm.allgather(mine)
    order = [c.name for c in contestants]
    return _Details(
        {key: value for part in everywhere for key, value in part.limits.items()},
        sorted(
            (d for part in everywhere for d in part.diagnoses),
            key=lambda d: order.index(d.sampler),
        ),
    )


def _tell(observer: Callable[[Any], None] | None, name: str, k: int, count: int, what: str) -> None:
    """Tell what is being found out about the sampler of number `k`."""
    if observer is not None:
        observer(Progress.count(f"examining {name}: {what}", k, count, "samplers"))
