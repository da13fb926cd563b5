"""What a sampler of a reverse process may follow instead of what it claims, and what is said.

Its averages at the saved times are compared with the law that it claims, with those of samplers
with one usual fault each, and, where a lattice holds it, with that of a right one with its steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wfrpde.arrays import Array
from wfrpde.comparison.density import MeshedDensity
from wfrpde.comparison.fits import Model
from wfrpde.comparison.limit import limit_laws
from wfrpde.comparison.noised import flow_faults, scaled_score, sde_faults, solved_law
from wfrpde.comparison.noised_flows import LawAt, meshed_laws
from wfrpde.comparison.results import Candidate, Diagnosis
from wfrpde.flow.noising.certified import Law
from wfrpde.flow.noising.reverse import flow_law
from wfrpde.noising.scores import Wrong
from wfrpde.numbers import number
from wfrpde.samplers.noised import Corrected, ReverseSde

if TYPE_CHECKING:
    from wfrpde.comparison.family import Family


SCALED = "a score that is scaled by another factor"
"""Name of the fault whose factor is fitted."""


STEPS = "steps of dt"
"""Part of the name of a right sampler with long steps: no fault of what is claimed."""


def process_models(family: Family, own_steps: Array | None = None) -> list[Model]:
    """Return the claimed law, and those with one thing wrong, each solved when it is asked for.

    ``own_steps`` are the averages ``(T, k)`` of the sampler with its steps and infinitely many
    particles, where they are known; else a right one with Euler's steps is tried.
    """
    judge = family.judge
    first = next(iter(judge.densities.values()))
    assert isinstance(first, MeshedDensity)
    assert isinstance(first.source, LawAt)
    assert judge.claims is not None
    solution = first.source.solution
    process = solution.process

    def claimed(_: Array) -> Array:
        rows = [[value.value for value in judge.references[t]] for t in judge.times]
        return np.array(rows)

    def faulty(name: str, law: Callable[[], Law]) -> Model:
        def values(_: Array) -> Array | None:
            return family.under(name, lambda: meshed_laws(solution, law()))

        return name, {}, values

    models: list[Model] = [(judge.label, {}, claimed)]
    if own_steps is not None:
        name = f"{judge.label} by its own {STEPS} = {family.dt:g}"
        models.append((name, {}, lambda _: own_steps))
    if judge.claims.process == "probability-flow":
        faults = flow_faults(process, solution.law.times)

        def along(p: Array) -> Array | None:
            score = Wrong(process.score, float(p[0]))
            law = partial(flow_law, process, solution.law.times, score)
            return family.under(f"s = {p[0]:.6g}", lambda: meshed_laws(solution, law()))

        models.append((SCALED, {"s": 1.0}, along))
        return models + [faulty(name, law) for name, law in faults.items()]
    for name, own in sde_faults(process).items():
        if name:
            models.append(faulty(name, partial(solved_law, solution, own)))

    def scaled(p: Array) -> Array | None:
        own = scaled_score(process, float(p[0]))
        name = f"s = {p[0]:.6g}"
        return family.under(name, lambda: meshed_laws(solution, solved_law(solution, own)))

    models.append((SCALED, {"s": 1.0}, scaled))
    told = family.context.process
    if told is not None and own_steps is None:
        kind = ReverseSde if told.corrector is None else Corrected
        step = kind(told, "").law()
        assert step is not None

        def stepped(_: Array) -> Array | None:
            laws = limit_laws(step, family.context, family.dt, judge.times)
            return None if laws is None else judge.averages_of_laws(laws)

        models.append((f"{judge.label} by Euler's {STEPS} = {family.dt:g}", {}, stepped))
    return models


def concluded_of(
    name: str, family: Family, ranked: Sequence[Candidate], *, biased: bool
) -> Diagnosis:
    """Say in words which of the laws a sampler follows."""
    best, claims, impostor = ranked[0], family.judge.label, False
    claimed = next((c for c in ranked if c.equation == claims), None)
    # misfit, in standard errors, up to which a sampler without a biased row solves its claim
    close = claimed is not None and (claimed.explains or (not biased and claimed.misfit < 3.0))
    nearest = next((c for c in ranked if c.equation != claims), None)
    off = "" if nearest is None else f"{number(nearest.misfit, 2)} standard errors off"
    if close:
        words = f"solves what it claims: {claims}"
    elif nearest is None:
        words = f"does not solve what it claims, {claims}; nothing else could be tried"
    elif not best.explains:
        words = (
            f"none of the faults that were tried explains its path; the closest: {nearest.words}"
        )
        words += f", {off}"
        # a fault that does not explain a path has to miss it three times less than the claim
        if biased and claimed is not None and nearest.misfit * 3.0 < claimed.misfit:
            words, impostor = _accused(
                f"moves most like this: {nearest.words} ({off})", certain=False
            )
    elif biased:
        tried = any(STEPS in c.equation for c in ranked)
        words, impostor = _accused(f"moves like this: {best.words}", certain=tried)
    else:
        words = f"no row is biased; as a whole its path is like this: {best.words}"
    return Diagnosis(name, claims, tuple(ranked), words, impostor)


def _accused(words: str, *, certain: bool) -> tuple[str, bool]:
    """Return the words, and whether they denounce: steps that are too long are no other process.

    A scaled score does only if that explains the path, and long steps were tried beside it.
    """
    if STEPS in words:
        return words, False
    if SCALED in words:
        return f"{words}; steps that are too long can look so, too", certain
    return words, True
