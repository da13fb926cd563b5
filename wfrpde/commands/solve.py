"""One run: a case solved, compared with its Langevin and Fisher–Rao flows, and written down."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.case import Case
from wfrpde.parallel import ProgressReporter, StatusLine, Stopped, StopRequest
from wfrpde.parallel.tasks import Task, run_tasks

if TYPE_CHECKING:
    from wfrpde.flow.solution import Solution
    from wfrpde.report.flow.run import FlowRun

logger = logging.getLogger("wfrpde")

WAITING_NODES = 100_000
"""Nodes beyond which ParaView's files are not written for a person who stopped the run."""


def companion_cases(case: Case) -> dict[str, Case]:
    """Give the Langevin (W) and Fisher–Rao (FR) flows to compare the case with, by name."""
    if not case.output.compare:
        return {}
    cases = {}
    for label, equation in case.equation.companions().items():
        changes: dict[str, Any] = {"output.compare": False}
        if equation.dynamics is None:
            changes["numerics.certify"] = False  # it is known in closed form
        cases[label] = case.with_equation(equation).with_overrides(changes)
    return cases


def run_case(
    case: Case, folder: Path, comm: Any = None, *, status: StatusLine | None = None
) -> FlowRun:
    """Solve a case and its companions, and write everything into ``folder`` (collective).

    Ctrl-C ends it with what was saved so far: without figures and companions then, as the person
    is waiting; ``wfrpde plot`` draws the figures afterwards.

    Parameters
    ----------
    case
        The case.
    folder
        A folder, made if missing.
    comm
        MPI communicator, or ``None`` for the world's.
    status
        Line of the terminal for progress.

    Returns
    -------
    FlowRun
        What was computed; its solution is not complete if the run was stopped before its end.

    Raises
    ------
    WfrpdeError
        As `wfrpde.solve` does.
    """
    from wfrpde.report.flow import write_run
    from wfrpde.report.flow.run import FlowRun

    companions: dict[str, Solution] = {}
    with StopRequest() as stop:
        solution = _solve(case, status, comm)
        interrupted = not solution.complete or stop.requested(comm)
        if not interrupted:
            cases = companion_cases(case)
            tasks = [Task(partial(_companion, c, status), name) for name, c in cases.items()]
            done = run_tasks(tasks, comm, together=True)
            companions = {tasks[k].words: found for k, found in done.results.items()}
            for k, error in done.failures.items():
                name = tasks[int(k)].words
                logger.warning("without the %s flow to compare with: %s", name, error)
            interrupted = not done.complete
        if interrupted:
            solution = _interrupted(solution)
        logger.info("writing the results")
        try:
            with nullcontext() if interrupted else stop.at_once(comm):
                write_run(solution, folder, companions, comm=comm)
        except Stopped:
            interrupted, solution = True, _interrupted(solution)
            write_run(solution, folder, companions, comm=comm)
    return FlowRun(solution, companions, 1 if comm is None else comm.size)


def _interrupted(solution: Solution) -> Solution:
    """Mark a solution as incomplete, and leave out what a waiting person does not need."""
    case = solution.case
    small = len(solution.nodes) <= WAITING_NODES
    output = {"figures": False, "paraview": case.output.paraview and small}
    unfinished = case.model_copy(update={"output": case.output.model_copy(update=output)})
    return replace(solution, case=unfinished, complete=False)


def _companion(case: Case, status: StatusLine | None, comm: Any, _: StopRequest) -> Solution | None:
    solution = _solve(case, status, comm)
    return solution if solution.complete else None


def _solve(case: Case, status: StatusLine | None, comm: Any) -> Solution:
    import wfrpde

    rank = 0 if comm is None else comm.rank
    reporter = ProgressReporter(status, rank=rank, label=case.equation.label)
    try:
        solution: Solution = wfrpde.solve(case, comm=comm, observer=reporter, on_stop="return")
    finally:
        reporter.finish()
    return solution
