"""One run: a case solved, compared with its Langevin and Fisher–Rao flows, and written down."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfrpde.case import Case
from wfrpde.case.origin import difference, origin_of
from wfrpde.errors import InputError
from wfrpde.fields.user_code import changed_code
from wfrpde.parallel import Bar, ProgressReporter, Stopped, StopRequest, collectively, world_of
from wfrpde.parallel.screen import logger
from wfrpde.parallel.tasks import Store, Task, run_tasks

if TYPE_CHECKING:
    from wfrpde.flow.checkpoints import Checkpoints
    from wfrpde.flow.product.solution import AnySolution
    from wfrpde.report.flow.run import FlowRun


def companion_cases(case: Case) -> dict[str, Case]:
    """Give the Langevin (W) and Fisher–Rao (FR) flows to compare the case with, by name."""
    if not case.output.compare:
        return {}
    alone = {"output.compare": False}
    return {
        label: case.with_equation(equation).with_overrides(alone)
        for label, equation in case.equation.companions().items()
    }


def finished_run(case: Case, folder: Path) -> FlowRun | None:
    """Return the run that a folder holds, if it holds a complete one of this case, and its report.

    Where the report is missing its figures failed: what is kept then gives them without a solve.

    Raises
    ------
    InputError
        If it is that of another case.
    """
    from wfrpde.report.flow.run import read_run, solution_file

    if not solution_file(folder).is_file():
        return None
    run = read_run(folder)
    origins = [origin_of(one) for one in (run.solution.case, case)]
    for origin in origins:
        origin.pop("target.dim", None)  # Python code tells it late
    changed: list[str] = []
    with suppress(OSError, ValueError):
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        changed = [f"{file} has changed" for file in changed_code(summary.get("code", {}))]
    if origins[0] != origins[1] or changed:
        raise InputError(
            f"output folder {folder}",
            f"the run of something else ({difference(*origins) or '; '.join(changed)})",
            "a new or empty one, or that of the same case to go on with",
            "Use --force to replace it, or --out for another one.",
        )
    return run if run.solution.complete and (folder / "report.html").is_file() else None


def run_case(
    case: Case,
    folder: Path,
    comm: Any = None,
    *,
    status: Bar | None = None,
    kept: Path | None = None,
    scene: str = "",
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
        Bar of the terminal for progress.
    kept
        Folder for checkpoints: what an earlier run of the same case has left there is not computed
        again. They stay. None for a run that cannot be gone on with.
    scene
        What tells its checkpoints from those of other cases there.

    Returns
    -------
    FlowRun
        What was computed; its solution is not complete if the run was stopped before its end.

    Raises
    ------
    WfrpdeError
        As `wfrpde.solve` does.
    """
    from wfrpde.flow.checkpoints import Checkpoints
    from wfrpde.flow.solution import Solution
    from wfrpde.report.flow import write_run
    from wfrpde.report.flow.run import FlowRun

    comm = world_of(comm)
    kept = None if case.is_factored else kept  # the factors are solved in seconds
    store: Store[AnySolution] | None = None
    if kept is not None:
        store = Store(kept, Solution.arrays, Solution.from_arrays, sync=False, worth=_worth)

    def flow(case: Case) -> _Flow:
        points = None if kept is None else Checkpoints.of(kept, case, comm, scene)
        return _Flow(case, status, points)

    companions: dict[str, AnySolution] = {}
    with StopRequest() as stop:
        own = flow(case)
        alone = run_tasks([own.task], comm, store=store, together=True, tolerated=())
        solution = alone.results.get(0, own.unfinished)
        if solution is None:
            raise KeyboardInterrupt  # it was stopped before it began
        interrupted = not alone.complete or stop.requested(comm)
        if not interrupted:
            tasks = [flow(c).task for c in companion_cases(case).values()]
            done = run_tasks(tasks, comm, store=store, together=True)
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
    return FlowRun(solution, companions, comm.size)


def _interrupted(solution: AnySolution) -> AnySolution:
    """Mark a solution as incomplete, and leave out what a waiting person does not need."""
    from wfrpde.flow.solution import Solution

    case = solution.case
    # nodes beyond which ParaView's files are not written for a person who stopped the run
    small = isinstance(solution, Solution) and solution.interpolation.n_nodes <= 100_000
    output = {"figures": False, "paraview": case.output.paraview and small}
    unfinished = case.model_copy(update={"output": case.output.model_copy(update=output)})
    return replace(solution, case=unfinished, complete=False)


@dataclass
class _Flow:
    """One flow of a run.

    Attributes
    ----------
    unfinished
        Its solution if it was stopped.
    """

    case: Case
    status: Bar | None
    checkpoints: Checkpoints | None
    unfinished: AnySolution | None = None

    @property
    def task(self) -> Task[AnySolution]:
        """What solves it, or takes it from the store."""
        key = "" if self.checkpoints is None else f"{self.checkpoints.name}-whole"
        return Task(self._solved, self.case.equation.label, key)

    def _solved(self, comm: Any, _: StopRequest) -> AnySolution | None:
        from wfrpde.flow.solve import solve_apart, solve_from

        label = self.case.equation.label
        reporter = ProgressReporter(self.status, rank=comm.rank, label=label)
        solution: AnySolution
        try:
            if self.case.is_factored:
                solution = solve_apart(self.case, comm, reporter, on_stop="return")
            else:
                solution = solve_from(self.case, comm, reporter, self.checkpoints)
        finally:
            reporter.finish()
        if not solution.complete:
            self.unfinished = solution
            return None
        if self.checkpoints is not None and _worth(solution):
            self.checkpoints.claim()
        return solution


def _worth(solution: AnySolution) -> bool:
    from wfrpde.flow.checkpoints import worth_keeping
    from wfrpde.flow.solution import Solution

    return isinstance(solution, Solution) and worth_keeping(
        solution.wall_time, solution.log_relative.nbytes
    )


def run_noising(case: Case, folder: Path, comm: Any, status: Bar | None) -> str:
    """Solve a score-based process, write everything into ``folder``, and say what came out.

    Collective; rank 0 writes.

    Raises
    ------
    WfrpdeError
        As `wfrpde.solve` does.
    """
    from wfrpde.flow.noising.solve import solve_noising
    from wfrpde.report.noising import write_noising
    from wfrpde.report.noising.page import result_sentences, tables
    from wfrpde.report.terminal import table

    reporter = ProgressReporter(status, rank=comm.rank, label="noising")
    try:
        solution = solve_noising(case, comm, reporter)
    finally:
        reporter.finish()
    with collectively(comm):
        if comm.rank == 0:
            write_noising(solution, folder)
    blocks = [f"{c.title}\n\n{table(c.header, c.rows)}" for c in tables(solution, str)]
    warnings = [f"Warning: {text}" for text in solution.warnings]
    title = case.title or case.name
    words = " ".join(result_sentences(solution))
    return "\n\n".join([title, words, *blocks, *warnings, "± is the estimated error."])
