"""Everything that a case asks of its operators: the spectrum, and what follows from it.

The spectrum comes first; the other questions are answered one by one, so that a person who stops
the study keeps the answers that were found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.case.stored import Result
from wfrpde.errors import InputError, WfrpdeError
from wfrpde.operators import Committor, Cumulants, Exit, FeynmanKac, MetastableSets, Spectrum
from wfrpde.operators.stationary import StationaryDensity
from wfrpde.parallel import Progress, Stopped, StopRequest
from wfrpde.parallel.screen import logger
from wfrpde.studies.spectral.decay import Decay

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case


EXIT, KEPT = "exit from ", "stationary density"


@dataclass(frozen=True, repr=False)
class SpectralStudy(Result):
    """What was found, the same on every rank.

    Attributes
    ----------
    spectrum
        Of the generator of the case.
    kramers
        Eyring–Kramers estimate of λ₁, or None where the target has not two minima.
    exits
        Exit from each named mode, by its name; with an absorbing region, exit into that.
    sets, committor, feynman_kac, cumulants, decay, stationary
        None (or empty) where they were not asked for, or not reached.
    complete
        False if it was stopped before its end.
    ranks
        MPI ranks that it was computed on.
    wall_time
        Seconds.
    """

    case: Case
    spectrum: Spectrum
    kramers: float | None
    exits: Mapping[str, Exit]
    sets: MetastableSets | None
    committor: Committor | None
    feynman_kac: FeynmanKac | None
    cumulants: Cumulants | None
    decay: tuple[Decay, ...]
    warnings: tuple[str, ...]
    complete: bool
    ranks: int
    wall_time: float
    stationary: StationaryDensity | None = None


def study_spectrum(
    case: Case,
    comm: Comm | None = None,
    *,
    observer: Callable[[Progress], None] | None = None,
) -> SpectralStudy:
    """Answer all that a case asks of its operators (collective).

    Parameters
    ----------
    case
        The case; its table ``spectrum`` says what is wanted. Of its named modes the exit times are
        computed, too.
    comm
        MPI communicator; all of MPI.COMM_WORLD by default.
    observer
        Called on every rank before each question.

    Raises
    ------
    InputError
        If something that was asked for cannot be had.
    SolverError
        If the spectrum cannot be computed.
    """
    from wfrpde.operators import eyring_kramers, spectrum
    from wfrpde.parallel import world_of

    comm = world_of(comm)
    began = time.perf_counter()
    check_questions(case)
    with StopRequest() as stop:
        if observer is not None:
            observer(Progress.count("rates", 0, 1, "questions"))
        with stop.at_once(comm):
            modes = spectrum(case, comm)
        questions = _questions(case, modes, comm)
        answers, remarks, stopped = _answered(questions, comm, stop, observer)
    kramers = None
    if modes.absorbing is None and not case.dynamics.build(case.dim).terms:
        kramers = eyring_kramers(modes.target, np.array(modes.numerics["box"]))
    warnings = [*modes.warnings, *remarks]
    for what, answer in answers.items():
        warnings += [f"{what}: {text}" for text in getattr(answer, "warnings", ())]
    return SpectralStudy(
        case=case,
        spectrum=modes,
        kramers=kramers,
        exits={
            what.removeprefix(EXIT): answer
            for what, answer in answers.items()
            if what.startswith(EXIT)
        },
        sets=answers.get("metastable sets"),
        committor=answers.get("committor"),
        feynman_kac=answers.get("Feynman-Kac"),
        cumulants=answers.get("cumulants"),
        decay=tuple(answers.get("observed decay", ())),
        warnings=tuple(dict.fromkeys(warnings)),
        complete=not stopped,
        ranks=comm.size,
        wall_time=time.perf_counter() - began,
        stationary=answers.get(KEPT),
    )


def check_questions(case: Case) -> None:
    """Refuse what cannot be answered, before anything is computed.

    Raises
    ------
    InputError
        As `study_spectrum`.
    """
    spec = case.spectrum
    if spec.tilts and case.flow.reaction is None:
        raise InputError(
            "spectrum.tilts",
            "tilts without a flow.reaction",
            "the observable U whose cumulants are asked for",
            'For example: --set flow.reaction="x".',
        )
    if case.flow.alpha == 0:
        for key in ("committor", "tilts", "observe"):
            if getattr(spec, key):
                raise InputError(
                    f"spectrum.{key}",
                    "flow.alpha = 0",
                    "a positive flow.alpha",
                    "Without diffusion nothing is ever reached.",
                )
    dynamics = case.dynamics.build(case.dim)
    if dynamics.terms:
        for key in ("sets", "committor", "tilts", "observe"):
            if getattr(spec, key) and (key != "committor" or dynamics.kinetic):
                raise InputError(
                    f"spectrum.{key}",
                    "it with a [dynamics] of its own",
                    "it left out: eigenvalues, functions, exits and committors are known there"
                    + ", without momenta" * dynamics.kinetic,
                )
    if spec.sets is not None:
        if case.absorbing is not None:
            raise InputError(
                "spectrum.sets", "an absorbing region", "sets or spectrum.absorbing, not both"
            )
        if spec.sets > spec.count:
            raise InputError(
                "spectrum.sets",
                f"{spec.sets} with spectrum.count = {spec.count}",
                "at least as many modes as sets",
            )
    if spec.observe and (case.absorbing is not None or spec.count < 2):
        raise InputError(
            "spectrum.observe",
            "an absorbing region" if spec.count > 1 else "spectrum.count = 1",
            "two rates or more, and no absorbing region",
        )


def _questions(case: Case, spectrum: Spectrum, comm: Comm) -> dict[str, Callable[[], Any]]:
    """Give what is to be answered after the spectrum, in order."""
    from wfrpde import operators
    from wfrpde.studies.spectral.decay import observe_decay

    spec, alpha = case.spectrum, case.flow.alpha
    result: dict[str, Callable[[], Any]] = {}
    dynamics = case.dynamics.build(case.dim)
    if dynamics.kinetic:
        return result
    full = dynamics.diffusion is not None and not dynamics.diffusion.is_diagonal
    if not dynamics.keeps_target and not full and case.dim < 3 and case.absorbing is None:
        result[KEPT] = partial(operators.stationary_density, case, comm)
    if case.absorbing is None:
        if not dynamics.terms:
            result["metastable sets"] = lambda: operators.metastable_sets(spectrum, spec.sets)
        regions = {k: f"not ({region.text})" for k, region in spectrum.target.regions.items()}
    else:
        regions = {f"outside {case.absorbing}": case.absorbing}
    if alpha > 0:
        for name, region in regions.items():
            result[EXIT + name] = partial(operators.mean_exit_time, case, region, comm)
    if spec.committor is not None:
        source, sink = spec.committor
        result["committor"] = partial(operators.committor, case, source, sink, comm)
    if case.flow.reaction is not None and alpha > 0 and not dynamics.terms:
        result["Feynman-Kac"] = partial(operators.feynman_kac, case, comm)
    if spec.tilts:
        result["cumulants"] = partial(operators.cumulants, case, spec.tilts, comm)
    if spec.observe:
        result["observed decay"] = partial(observe_decay, case, spectrum, comm)
    return result


def _answered(
    questions: dict[str, Callable[[], Any]],
    comm: Comm,
    stop: StopRequest,
    observer: Callable[[Progress], None] | None,
) -> tuple[dict[str, Any], list[str], bool]:
    """Answers, remarks on those that nobody asked for and that failed, and whether it was stopped.

    Nobody asked for the exit times of the modes: a mode that is too small for the mesh, or all of
    it, does not end the study.
    """
    answers: dict[str, Any] = {}
    remarks: list[str] = []
    for index, (what, question) in enumerate(questions.items()):
        if observer is not None:
            observer(Progress.count(what, index + 1, len(questions) + 1, "questions"))
        try:
            with stop.at_once(comm):
                answer = question()
        except Stopped:
            return answers, remarks, True
        except WfrpdeError as error:
            if not what.startswith(EXIT) or what.startswith(f"{EXIT}outside "):
                raise
            remarks.append(f"no {what}: {error}")
            if comm.rank == 0:
                logger.warning(remarks[-1])
        else:
            answers[what] = answer
        if stop.requested(comm):  # on several ranks a question is finished first
            return answers, remarks, True
    return answers, remarks, False
