"""`converge`: runs the studies of a case, spread over the ranks or together, and judges them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wfrpde.case.loading import require_case
from wfrpde.errors import AccuracyError, InputError, SolverError
from wfrpde.flow.solution import Solution
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
from wfrpde.parallel.screen import quiet
from wfrpde.parallel.tasks import Store, Task, run_tasks
from wfrpde.studies.convergence.field import node_weights, relative_error
from wfrpde.studies.convergence.plan import STEPS, PlannedRun, PlannedStudy, plan
from wfrpde.studies.convergence.study import ConvergenceStudy, StudyResult, judged
from wfrpde.studies.convergence.truth import Truth, exact_truth, finest_truth, has_exact_solution

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case

Layout = Literal["auto", "spread", "together"]
Records = dict[str, Solution | str]
"""Key of a run → its solution, or why it failed."""

LARGE = 150_000
"""Unknowns from which on one run is better shared by all ranks, for its memory."""


def converge(
    case: Case,
    comm: Comm | None = None,
    *,
    folder: Path | None = None,
    layout: Layout = "auto",
    observer: Callable[[Progress], None] | None = None,
    on_stop: OnStop = "raise",
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
        Told, on rank 0, what is being done and how many runs are finished.
    on_stop
        What Ctrl-C, SIGTERM or SIGHUP before the end lead to: ``"raise"`` raises
        `wfrpde.Interrupted`, whose ``result`` holds what was finished; ``"return"`` returns it,
        with ``complete`` False.

    Returns
    -------
    ConvergenceStudy
        The same on every rank.

    Raises
    ------
    InputError
        If the case or one of its studies cannot be solved as it stands.
    """
    require_case(case, "converge")
    checked_on_stop(on_stop)
    comm = world_of(comm)
    numbered = [(k, s) for k, s in enumerate(case.convergence) if s.vary == "particles"]
    only_particles = bool(numbered) and len(numbered) == len(case.convergence)
    particles: tuple[StudyResult, ...] = ()
    with watched(observer, comm, "converge") as observer:
        flows = () if only_particles else _flow_studies(case, comm, folder, layout, observer)
        if numbered:
            from wfrpde.studies.convergence.particles import particle_studies

            particles = particle_studies(case, numbered, comm, folder, observer)
    results = list(flows)
    for (place, _), result in zip(numbered, particles, strict=True):
        results.insert(place, result)  # in the order of the case
    study = ConvergenceStudy(case.title or case.name, tuple(results))
    return unless_stopped(study, on_stop)


def _flow_studies(
    case: Case,
    comm: Comm,
    folder: Path | None,
    layout: Layout,
    observer: Callable[[Progress], None] | None,
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
    runs = {run.key: run for study in studies for run in _all_runs(study)}
    records = _made(list(runs.values()), comm, together, folder, observer)
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
    folder: Path | None,
    observer: Callable[[Progress], None] | None,
) -> Records:
    """Make the runs that are not kept yet; all of them, by key, on rank 0 (collective)."""
    runs = sorted(runs, key=lambda run: run.cost)
    done = run_tasks(
        [Task(partial(_solved, run), _words(run), run.key, cost=run.cost) for run in runs],
        comm,
        store=None if folder is None else Store(folder, Solution.arrays, Solution.from_arrays),
        observer=observer,
        counted="runs",
        together=together,
        tolerated=(SolverError, AccuracyError),
        everywhere=False,
    )
    records: Records = {runs[k].key: solution for k, solution in done.results.items()}
    return records | {runs[int(k)].key: str(error) for k, error in done.failures.items()}


def _words(run: PlannedRun) -> str:
    numerics = run.case.numerics
    parts = [f"degree {numerics.degree}"] if numerics.degree is not None else []
    parts += [f"{numerics.cells[0]} cells"] if numerics.cells is not None else []
    parts += [f"step {numerics.dt:.3g}"] if numerics.dt is not None else []
    return ", ".join(parts) or "run"


def _solved(run: PlannedRun, comm: Comm, stop: StopRequest) -> Solution | None:
    """Solve one case (collective over `comm`); None if it was interrupted."""
    from wfrpde.flow.solve import solve_on_mesh

    with quiet():
        solution = solve_on_mesh(run.case, comm, on_stop="return")
    return solution if solution.complete else None


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
        cut_off = 0.0
        if isinstance(last, Solution) and study.spec.vary != "domain":
            cut_off = float(sum(last.numerics["cut_off_share"].values()))
        return exact_truth(study.runs[-1].case, cut_off)
    assert study.reference is not None
    finest = records.get(study.reference.key)
    return finest_truth(finest) if isinstance(finest, Solution) else None


def _measured(run: PlannedRun, record: Solution | str, truth: Truth | None) -> dict[str, Any]:
    error = kl_error = np.nan
    if isinstance(record, str):
        facts = {"unknowns": 0, "seconds": 0.0, "ranks": 0, "failure": record}
        return {"value": run.value, "error": error, "kl_error": kl_error, **facts}
    if truth is not None:
        nodes = record.nodes
        true = truth.log_density(nodes)
        known = np.isfinite(true)
        found = record.log_relative[-1] - record.target.potential(nodes) - record.log_normalisation
        weights = node_weights(record.interpolation)
        error = relative_error(found[known], true[known], weights[known])
        kl_error = abs(float(record.series["kl"][-1]) / truth.kl - 1)
    return {
        "value": run.value,
        "unknowns": len(record.nodes),
        "error": error,
        "kl_error": kl_error,
        "seconds": record.wall_time,
        "ranks": record.numerics["ranks"],
        "failure": "",
    }
