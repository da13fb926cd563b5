"""`converge`: runs the studies of a case, spread over the ranks or together, and judges them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wfrpde import _compat
from wfrpde.errors import AccuracyError, InputError, SolverError
from wfrpde.parallel import Stopped, StopRequest, collectively
from wfrpde.studies.convergence.field import Field, relative_error
from wfrpde.studies.convergence.plan import STEPS, PlannedRun, PlannedStudy, plan
from wfrpde.studies.convergence.record import RunRecord, RunStore
from wfrpde.studies.convergence.sharing import shares
from wfrpde.studies.convergence.study import ConvergenceStudy, StudyResult, judged
from wfrpde.studies.convergence.truth import Truth, exact_truth, finest_truth, has_exact_solution

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case

Layout = Literal["auto", "spread", "together"]
Records = dict[str, RunRecord]
LARGE = 150_000
"""Unknowns from which on one run is better shared by all ranks, for its memory."""

Observer = Callable[[str, int, int], None]

logger = logging.getLogger("wfrpde")


def converge(
    case: Case,
    comm: Comm | None = None,
    *,
    folder: Path | None = None,
    layout: Layout = "auto",
    observer: Observer | None = None,
) -> ConvergenceStudy:
    """Run the convergence studies of a case and fit the orders (collective).

    Parameters
    ----------
    case
        The case; each of its tables ``[[convergence]]`` is a study. Without any there is one in h
        and one in dt.
    comm
        MPI communicator; all of MPI.COMM_WORLD by default.
    folder
        Where finished runs are kept, and found again; by default nowhere.
    layout
        ``spread``: each run on one rank, several at a time; ``together``: each on all ranks;
        ``auto``: together if a run has more than `LARGE` unknowns.
    observer
        Told, on rank 0, the run that ended, how many are done and how many there are.

    Returns
    -------
    ConvergenceStudy
        The same on every rank. After Ctrl-C it holds what was finished.

    Raises
    ------
    InputError
        If the case or one of its studies cannot be solved as it stands.
    """
    _compat.require_dolfinx()
    from mpi4py import MPI

    comm = MPI.COMM_WORLD if comm is None else comm
    numbered = [(k, s) for k, s in enumerate(case.convergence) if s.vary == "particles"]
    only_particles = bool(numbered) and len(numbered) == len(case.convergence)
    flows = () if only_particles else _flow_studies(case, comm, folder, layout, observer)
    particles: tuple[StudyResult, ...] = ()
    if numbered:
        from wfrpde.studies.convergence.particles import particle_studies

        particles = particle_studies(case, numbered, comm, folder, observer)
    results = list(flows)
    for (place, _), result in zip(numbered, particles, strict=True):
        results.insert(place, result)  # in the order of the case
    return ConvergenceStudy(case.title or case.name, tuple(results))


def _flow_studies(
    case: Case, comm: Comm, folder: Path | None, layout: Layout, observer: Observer | None
) -> tuple[StudyResult, ...]:
    """Studies of the solver itself (collective)."""
    with collectively(comm):
        if case.flow.alpha == 0:
            raise InputError(
                "flow.alpha",
                "0, for which the flow is known in closed form",
                "a positive alpha",
                "There is nothing to converge.",
            )
        exact = has_exact_solution(case)
        studies = plan(case, exact=exact)
    largest = max(run.unknowns for study in studies for run in _all_runs(study))
    together = layout == "together" or (layout == "auto" and largest > LARGE)
    store = RunStore(folder) if folder is not None else None
    runs = {run.key: run for study in studies for run in _all_runs(study)}
    with StopRequest() as stop:
        records = _made(list(runs.values()), comm, together, store, observer, stop)
    answer = None
    with collectively(comm):
        if comm.rank == 0:
            answer = tuple(_result(study, records, exact) for study in studies)
    results: tuple[StudyResult, ...] = comm.bcast(answer, root=0)
    return results


def _all_runs(study: PlannedStudy) -> tuple[PlannedRun, ...]:
    return study.runs if study.reference is None else (*study.runs, study.reference)


def _made(
    runs: list[PlannedRun],
    comm: Comm,
    together: bool,
    store: RunStore | None,
    observer: Observer | None,
    stop: StopRequest,
) -> Records:
    """Make the runs that are not kept yet; all of them, by key, on rank 0."""
    records: Records = {}
    with collectively(comm):
        if store is not None and comm.rank == 0:
            found = {run.key: store.load(run.key) for run in runs}
            records = {key: record for key, record in found.items() if record is not None}
    kept: set[str] = comm.bcast(set(records), root=0)
    todo = [run for run in runs if run.key not in kept]
    if kept and comm.rank == 0:
        logger.info("%d of %d runs were finished before", len(kept), len(runs))
    if together:
        new = _together(todo, comm, store, observer, stop, len(runs))
    else:
        new = _spread(todo, comm, store, observer, stop, len(runs))
    return {**records, **new}


def _together(
    todo: list[PlannedRun],
    comm: Comm,
    store: RunStore | None,
    observer: Observer | None,
    stop: StopRequest,
    total: int,
) -> Records:
    records: Records = {}
    for run in sorted(todo, key=lambda run: run.cost):
        if stop.requested(comm):
            break
        record = _solved(run, comm)
        if record is None:  # interrupted
            break
        with collectively(comm):
            if comm.rank == 0:
                records[run.key] = record
                if store is not None:
                    store.save(run.key, record)
                if observer is not None:
                    observer(_words(run), total - len(todo) + len(records), total)
    return records


def _spread(
    todo: list[PlannedRun],
    comm: Comm,
    store: RunStore | None,
    observer: Observer | None,
    stop: StopRequest,
    total: int,
) -> Records:
    from mpi4py import MPI

    mine: Records = {}
    with collectively(comm):
        share = shares(todo, comm.size)[comm.rank]
        for number, run in enumerate(share):
            if stop.requested():
                break
            record = _solved(run, MPI.COMM_SELF)
            if record is None:
                break
            mine[run.key] = record
            if store is not None:
                store.save(run.key, record)
            if observer is not None and comm.rank == 0:
                # what the other ranks have done is not known here; their shares cost the same
                done = total - len(todo) + round(len(todo) * (number + 1) / len(share))
                observer(_words(run), done, total)
    gathered = comm.gather(mine, root=0)
    return {key: record for part in gathered or () for key, record in part.items()}


def _words(run: PlannedRun) -> str:
    numerics = run.case.numerics
    parts = [f"degree {numerics.degree}"] if numerics.degree is not None else []
    parts += [f"{numerics.cells[0]} cells"] if numerics.cells is not None else []
    parts += [f"step {numerics.dt:.3g}"] if numerics.dt is not None else []
    return ", ".join(parts) or "run"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the notes of single runs; what they warn of stays."""
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(level)


def _solved(run: PlannedRun, comm: Comm) -> RunRecord | None:
    """Solve one case (collective over `comm`); None if it was interrupted."""
    from wfrpde.flow.solve import solve

    try:
        with _quiet():
            solution = solve(run.case, comm)
    except Stopped:
        return None
    except (SolverError, AccuracyError) as error:
        return RunRecord(None, np.nan, np.nan, 0.0, 0, 0.0, comm.size, str(error))
    if not solution.complete:
        return None
    shares: dict[str, float] = solution.numerics.get("cut_off_share", {})
    return RunRecord(
        Field.of(solution),
        float(solution.series["kl"][-1]),
        float(solution.error.density[-1]) if solution.error is not None else np.nan,
        float(sum(shares.values())),
        len(solution.nodes),
        solution.wall_time,
        comm.size,
    )


def _result(study: PlannedStudy, records: Records, exact: bool) -> Any:
    truth = _truth(study, records, exact)
    measured = []
    for run in study.runs:
        record = records.get(run.key)
        if record is not None:
            measured.append(_measured(run, record, truth))
    if truth is not None and not exact and study.spec.vary == "dt" and measured:
        # the same elements, so that its error is that of its shorter steps
        order = 2.0 if study.expected is None else study.expected
        finest = min(entry["error"] for entry in measured)
        truth = replace(truth, known_to=finest / STEPS**order)
    return judged(study, measured, truth)


def _truth(study: PlannedStudy, records: Records, exact: bool) -> Truth | None:
    if exact:
        last = records.get(study.runs[-1].key)
        cut_off = 0.0 if last is None or study.spec.vary == "domain" else last.cut_off
        return exact_truth(study.runs[-1].case, cut_off)
    assert study.reference is not None
    record = records.get(study.reference.key)
    if record is None or record.field is None:
        return None
    return finest_truth(record, _potential(study.reference.case))


def _potential(case: Case) -> Any:
    from wfrpde.case.problem import make_problem

    return make_problem(case).target.potential


def _measured(run: PlannedRun, record: RunRecord, truth: Truth | None) -> dict[str, Any]:
    error = kl_error = np.nan
    if record.field is not None and truth is not None:
        field = record.field
        true = truth.log_density(field.interpolation.nodes)
        known = ~np.isnan(true)
        error = relative_error(field.log_density[known], true[known], field.weights[known])
        kl_error = abs(record.kl / truth.kl - 1)
    return {
        "value": run.value,
        "unknowns": record.unknowns,
        "error": error,
        "kl_error": kl_error,
        "seconds": record.seconds,
        "ranks": record.ranks,
        "failure": record.failure,
    }
