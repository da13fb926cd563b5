"""`solve_chain`: the flow of a chain, several times, and what the runs differ by."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wfrpde.case.case import Case
from wfrpde.flow.accuracy import worst_error
from wfrpde.flow.chain.estimate import STEPS, are_all, numbers_of
from wfrpde.flow.chain.levels import Level, level_of, tolerance_of
from wfrpde.flow.chain.measure import Measurement
from wfrpde.flow.chain.runs import Plan, Run, runs_of
from wfrpde.flow.chain.setting import Setting, setting_of
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.parallel import (
    Interrupted,
    OnStop,
    Progress,
    StopRequest,
    collectively,
    tell_warnings,
    unless_stopped,
    world_of,
)
from wfrpde.parallel.tasks import Task, run_tasks

if TYPE_CHECKING:
    from mpi4py.MPI import Comm


def solve_chain(
    case: Case,
    comm: Comm | None = None,
    observer: Callable[[Progress], None] | None = None,
    *,
    on_stop: OnStop = "raise",
) -> ChainSolution:
    """Solve the flow of a chain of coupled sites (collective).

    Parameters and exceptions are those of `wfrpde.solve`. What a stop leaves is the flow with the
    steps of the level, up to the last saved time that was reached, without error bars.
    On several ranks `observer` hears of the runs of its own rank.

    Returns
    -------
    ChainSolution
        The same on every rank.
    """
    began = time.perf_counter()
    comm = world_of(comm)
    with collectively(comm):
        setting = setting_of(case)
    level = level_of(case)
    finer = level.with_more_nodes()
    words = [f"{level.nodes} nodes a site", f"{finer.nodes} nodes a site", "short steps"]
    plans = [[Plan("steps", level)]]
    if case.numerics.certify:
        plans[0] += [Plan("truncation", level.less_truncated()), Plan("half", level, 1)]
        plans += [[Plan("nodes", finer, 2)], [Plan("quarter", level, 2)]]
    costs = [4.5, 7.0, 4.0]

    def task(number: int) -> Task[list[Run]]:
        plan, told = plans[number], words[number]
        return Task(
            lambda _, stop: runs_of(setting, plan, stop, observer, told), told, cost=costs[number]
        )

    tasks = [task(number) for number in range(len(plans))]
    with StopRequest():
        done = run_tasks(tasks, comm, counted="runs", together=comm.size == 1, tolerated=())
    if 0 not in done.results:
        raise Interrupted(None)
    runs = [run for number in sorted(done.results) for run in done.results[number]]
    solution = assemble(case, setting, level, runs, time.perf_counter() - began, comm.size)
    tell_warnings(solution.warnings, comm)
    return unless_stopped(solution, on_stop)


def assemble(
    case: Case, setting: Setting, level: Level, runs: Sequence[Run], seconds: float, ranks: int
) -> ChainSolution:
    """Return the solution that several runs make together."""
    numbers, errors = numbers_of(runs, setting)
    certain = are_all(runs, setting)
    best = next(run for run in runs if run.role == STEPS[-1]) if certain else runs[0]
    complete = certain or (not case.numerics.certify and len(best.trains) == len(setting.times))
    measurement = Measurement.of(setting.target, best.nodes, setting.modes)
    log_train, log_transfer = map(float, best.numbers["log Z"])
    masses = {name: float(best.numbers[f"target {name}"]) for name in setting.modes}
    facts: dict[str, Any] = {
        "formulation": "tensor train",
        "reason": f"{setting.target.length} sites are coupled",
        "claim": "estimated, by runs that differ; not certified",
        "nodes": level.nodes,
        "box": list(setting.box),
        "pieces": measurement.ends.tolist(),
        "truncation": level.truncation,
        "steps": best.steps,
        "largest_rank": max(run.widest for run in runs),
        "largest_rank_of_a_density": max(core.shape[2] for law in best.laws for core in law.cores),
        "kernel_bytes": max(run.nbytes for run in runs),
        "runs": len(runs),
        "ranks": ranks,
        "log_partition": log_transfer,
        "log_partition_by_train": log_train,
        "target_mode_mass": {name: masses[name] for name in case.target.modes},
        "target_probabilities": {
            name: mass for name, mass in masses.items() if name not in case.target.modes
        },
        "checks": [],
    }
    solution = ChainSolution(
        case=case,
        times=setting.times[: len(best.trains)],
        nodes=best.nodes,
        trains=best.trains,
        laws=best.laws,
        numbers=numbers,
        errors=errors,
        facts=facts,
        warnings=(),
        complete=complete,
        wall_time=seconds,
        ranks=ranks,
    )
    return solution.with_warnings(*_warnings(solution, certain))


def _warnings(solution: ChainSolution, certain: bool) -> list[str]:
    case = solution.case
    if not certain:
        off = "stopped before all runs were done" if case.numerics.certify else (
            "numerics.certify is off")  # fmt: skip
        return [f"errors are not estimated: {off}"] if float(case.flow.alpha) else []
    tolerance = tolerance_of(case)
    estimate, what = worst_error(solution)
    if estimate <= tolerance:
        return []
    return [
        f"the tolerance of {tolerance:g} is not met: the estimated relative error is "
        f"{estimate:.1e} ({what}). A smaller accuracy.tolerance or more numerics.cells may help"
    ]
