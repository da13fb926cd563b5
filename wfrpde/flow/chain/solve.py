"""`solve_chain`: the flow of a chain, several times, and what the runs differ by."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wfrpde.case.case import Case
from wfrpde.case.numerics import NumericsSpec
from wfrpde.errors import InputError
from wfrpde.fields.schedules import is_moving
from wfrpde.flow.chain.extent import relaxation_time, site_box
from wfrpde.flow.chain.kernels import SiteKernels
from wfrpde.flow.chain.law import Energy, Law
from wfrpde.flow.chain.march import FIRST, Pace, march
from wfrpde.flow.chain.measure import LAW_TOLERANCE, Measurement, chain_region
from wfrpde.flow.chain.nodes import GAUSS, SiteNodes
from wfrpde.flow.chain.solution import ChainSolution
from wfrpde.flow.chain.train import Cores, Train, values
from wfrpde.parallel import (
    Interrupted,
    OnStop,
    Progress,
    StopRequest,
    collectively,
    unless_stopped,
    world,
)
from wfrpde.parallel.tasks import Task, run_tasks
from wfrpde.starts.initial import InitialDensity
from wfrpde.targets import make_target
from wfrpde.targets.chain import ChainTarget

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

Array = npt.NDArray[np.float64]
logger = logging.getLogger("wfrpde")

PROBES = 200
"""Draws at which the log densities of two runs are compared."""

STARTING, STARTING_TRUNCATION = 64, 1e-10
"""Nodes of a site, and truncation, with which the start is measured."""

SAFETY = 6.0
"""Errors are so many times the differences of runs: more nodes do not help evenly.

With 2, nine of 32 numbers of coupled Gaussian flows (two to four sites, tolerances 1e-2 and 1e-3)
lay outside, the worst by a factor of 2.9.
"""

ROUND_OFF = 1e-10
"""Relative error that no number is said to have less than."""


@dataclass(frozen=True)
class Level:
    """How finely a chain is solved.

    Attributes
    ----------
    nodes, cells
        Points of a site, and cells of the coarser grid on which it diffuses.
    truncation
        Root mean square of log(ρ/π) that a bond may leave out.
    per_octave
        Time steps from t to 2t, of the coarser run.
    """

    nodes: int
    cells: int
    truncation: float
    per_octave: int


LEVELS = ((1e-2, Level(18, 48, 1e-3, 2)), (1e-3, Level(22, 60, 3e-4, 4)))
"""Levels for tolerances of at least so much; the second is that of cases without one."""

DEFAULT_TOLERANCE = 1e-3
"""Up to which errors are not remarked upon where no tolerance is asked for."""

FINEST = Level(28, 80, 3e-5, 6)
"""Level of smaller tolerances."""


@dataclass(frozen=True)
class Setting:
    """What all runs of a case share."""

    target: ChainTarget
    start: InitialDensity
    box: tuple[float, float]
    times: Array
    alpha: float
    beta: float
    modes: dict[str, str]
    shortest: float

    def nodes(self, level: Level) -> SiteNodes:
        """Return the points of a site."""
        return SiteNodes(*self.box, level.nodes)

    def pace(self, level: Level) -> Pace:
        """Return the steps in time; one to each saved time where there is no transport."""
        if self.alpha == 0:
            return Pace.of(self.times, 1, np.inf)
        return Pace.of(self.times, level.per_octave, self.shortest)


@dataclass(frozen=True)
class Run:
    """One solution of the flow: cores at the saved times, and numbers of each."""

    nodes: SiteNodes
    trains: tuple[Cores, ...]
    laws: tuple[Law, ...]
    numbers: dict[str, Array]
    widest: int
    steps: int
    nbytes: int


def solve_chain(
    case: Case,
    comm: Comm | None = None,
    observer: Callable[[Progress], None] | None = None,
    *,
    on_stop: OnStop = "raise",
) -> ChainSolution:
    """Solve the flow of a chain of coupled sites (collective).

    Parameters and exceptions are those of `wfrpde.solve`; but a stop leaves no result, since the
    errors need all runs: `wfrpde.Interrupted` is raised without one, whatever `on_stop` says.
    On several ranks `observer` hears of the runs of its own rank.

    Returns
    -------
    ChainSolution
        The same on every rank.
    """
    began = time.perf_counter()
    comm = world() if comm is None else comm
    with collectively(comm):
        setting = setting_of(case)
    level = level_of(case)
    # half the steps of what is told; both, and more nodes, and a finer truncation
    finer = replace(level, nodes=level.nodes + 4, cells=level.cells + 20)
    sharper = replace(level, truncation=level.truncation / 5)
    words = [f"{level.nodes} nodes a site", f"{finer.nodes} nodes a site"]
    plans = [[(level, True, False)]]
    if case.numerics.certify:
        plans[0] += [(level, False, True), (sharper, False, False)]
        plans.append([(finer, False, False)])

    def task(number: int) -> Task[list[Run]]:
        plan, told = plans[number], words[number]
        return Task(
            lambda _, stop: runs_of(setting, plan, stop, observer, told), told, cost=4.0 - number
        )

    tasks = [task(number) for number in range(len(plans))]
    with StopRequest():
        done = run_tasks(tasks, comm, counted="runs", together=comm.size == 1, tolerated=())
    if len(done.results) < len(tasks):
        raise Interrupted(None)
    runs = [run for k in range(len(tasks)) for run in done.results[k]]
    solution = assemble(case, setting, level, runs, time.perf_counter() - began, comm.size)
    return unless_stopped(solution, on_stop)


def setting_of(case: Case) -> Setting:
    """Return what the runs of a case share.

    Raises
    ------
    InputError
        If the case asks for what flows of chains cannot do.
    """
    ours = {"certify": True, "engine": "auto", "cells": None}
    beyond = {
        "flow.reaction": case.flow.reaction is not None,
        "flow.conserve_mass": not case.flow.conserve_mass,
        "flow.splitting": case.flow.splitting is not None,
        "flow.alpha": is_moving(case.flow.alpha),
        "flow.beta": is_moving(case.flow.beta),
        "initial.mass": case.initial.mass != 1.0,
        "domain": bool(case.domain.altered - {"box"}),
        "numerics": case.numerics.model_copy(update=ours) != NumericsSpec(),
    }
    for where, given in beyond.items():
        if given:
            needed = "numbers α and β, a box at most, and numerics.certify and cells alone"
            raise InputError(where, "what flows of chains cannot do yet", needed)
    for name, text in case.target.modes.items():
        chain_region(text, f"target.modes.{name}")
    target = ChainTarget(**case.target.parameters)
    site = make_target(potential=target.site, dim=1)
    box = None if case.domain.box is None else np.asarray(case.domain.box, dtype=float)
    start = case.initial.build(site, box)
    ends = site_box(target, start) if box is None else (float(box[0, 0]), float(box[0, 1]))
    if box is not None:
        needs = site_box(target, start)
        slack = 0.15 * (needs[1] - needs[0])  # a little less than what all of it takes
        if ends[0] > needs[0] + slack or ends[1] < needs[1] - slack:
            found = (
                f"[{ends[0]:g}, {ends[1]:g}], where sites reach from {needs[0]:g} to {needs[1]:g}"
            )
            raise InputError("domain.box", found, "none, or a wider one: chains have no walls")
    x = np.linspace(*ends, 101)[:, None]
    if not np.isfinite(start.log_density(x)).all():
        raise InputError(
            "initial", "a density that is zero in places", "one that is positive, in a chain"
        )
    return Setting(
        target=target,
        start=start,
        box=ends,
        times=np.array([0.0, *case.flow.save]),
        alpha=float(case.flow.alpha),
        beta=float(case.flow.beta),
        modes=dict(case.target.modes),
        shortest=FIRST * relaxation_time(target, start, ends) / max(float(case.flow.alpha), 1e-300),
    )


def level_of(case: Case) -> Level:
    """Return how finely a case is solved, by its tolerance."""
    tolerance = case.accuracy.tolerance
    level = next(
        (own for least, own in LEVELS if (tolerance or DEFAULT_TOLERANCE) >= least), FINEST
    )
    return (
        level if case.numerics.cells is None else replace(level, nodes=case.numerics.cells[0] + 1)
    )


def runs_of(
    setting: Setting,
    plans: Sequence[tuple[Level, bool, bool]],
    stop: StopRequest,
    observer: Callable[[Progress], None] | None,
    words: str,
) -> list[Run] | None:
    """Solve for levels of equal nodes: each once, with halved steps, or measured twice.

    Parameters
    ----------
    plans
        Level, whether its steps are halved, and whether finer quadratures measure it again.
    """
    first = plans[0][0]
    nodes = setting.nodes(first)
    site, coupling = setting.target.functions()
    kernels = SiteKernels(nodes, site, coupling, first.cells) if setting.alpha else None
    paces = [setting.pace(level) for level, _, _ in plans]
    paces = [pace.halved() if plan[1] else pace for pace, plan in zip(paces, plans, strict=True)]
    total, before = sum(pace.count for pace in paces), 0
    found = []
    for (level, _, twice), pace in zip(plans, paces, strict=True):

        def tell(done: int, before: int = before) -> None:
            if observer is not None:
                observer(Progress.count(words, before + done, total, "steps"))

        train = start_of(setting, nodes, level.truncation)
        trains = [train.cores()]
        for cores in march(train, kernels, pace, setting.alpha, setting.beta, tell):
            trains.append(cores)
            if stop.requested():
                return None
        nbytes = 0 if kernels is None else kernels.nbytes
        measured = [(GAUSS, LAW_TOLERANCE), *([(GAUSS + 4, LAW_TOLERANCE / 10)] if twice else [])]
        for gauss, tolerance in measured:
            laws, numbers = _measured(setting, nodes, trains, gauss, tolerance)
            found.append(Run(nodes, tuple(trains), laws, numbers, train.widest, pace.count, nbytes))
        before += pace.count
    return found


def start_of(setting: Setting, nodes: SiteNodes, truncation: float) -> Train:
    """Return log(ρ₀/π) up to a constant."""
    x, n = nodes.points, nodes.count
    site, coupling = setting.target.functions()
    own = -setting.start.log_density(x[:, None]) - site(x)
    pair = -coupling(np.repeat(x, n), np.tile(x, n)).reshape(n, n)
    energy = Energy(setting.target.length, None, own, pair)
    train = Train(setting.target.length, n, truncation)
    train.fill(
        lambda other, bond: energy.block(other.left[bond], other.right[bond + 2], bond),
        2,
        np.random.default_rng(0),
    )
    return train


def _measured(
    setting: Setting, nodes: SiteNodes, trains: Sequence[Cores], gauss: int, tolerance: float
) -> tuple[tuple[Law, ...], dict[str, Array]]:
    measurement = Measurement.of(setting.target, nodes, setting.modes, gauss, tolerance)
    beyond = measurement.log_partition()
    # the start is known: it need not suffer from the nodes of the flow
    many = SiteNodes(nodes.low, nodes.high, STARTING)
    first = start_of(setting, many, STARTING_TRUNCATION).cores()
    rows = [measurement.numbers(many, first, beyond)]
    rows += [measurement.numbers(nodes, cores, beyond) for cores in trains[1:]]
    target, masses = measurement.target_numbers()
    numbers = {name: np.array([row[name] for _, row in rows]) for name in rows[0][1]}
    numbers["log Z"] = np.array([target.log_mass, beyond])
    numbers |= {f"target {name}": np.array(mass) for name, mass in masses.items()}
    return (*(law for law, _ in rows), target), numbers


# --- runs together --------------------------------------------------------------------------


def combined(runs: Sequence[Array]) -> tuple[Array, Array]:
    """Return numbers and their estimated errors, from those of the runs.

    The runs are: halved steps, steps, steps with a finer quadrature, finer truncation, more nodes.
    Steps are of order two; what the others change is added, and counts as error.
    """
    halved, coarse, *others = runs
    step = (halved - coarse) / 3
    changes = [other - coarse for other in others]
    value = halved + step + sum(changes)
    error = np.abs(step) + sum(np.abs(change) for change in changes)
    return value, SAFETY * error + ROUND_OFF * np.abs(value)


def estimated(runs: Sequence[Array]) -> tuple[Array, Array]:
    """Return `combined` numbers; of logs where all are positive, so that they stay so."""
    if len(runs) == 1:
        return runs[0], np.full_like(runs[0], np.nan)
    if all((run > 0).all() for run in runs):
        value, error = combined([np.log(run) for run in runs])
        return np.exp(value), np.exp(value) * np.expm1(error)
    return combined(runs)


def assemble(
    case: Case, setting: Setting, level: Level, runs: Sequence[Run], seconds: float, ranks: int
) -> ChainSolution:
    """Return the solution that several runs make together."""
    best = runs[0]
    numbers, errors = {}, {}
    for name in best.numbers:
        if not name.startswith(("target ", "log Z")):
            numbers[name], errors[name] = estimated([run.numbers[name] for run in runs])
    errors["mass"] = np.zeros(len(setting.times)) if len(runs) > 1 else errors["mass"]
    errors["density"] = _density_errors(setting, runs)
    measurement = Measurement.of(setting.target, best.nodes, setting.modes)
    log_train, log_transfer = map(float, best.numbers["log Z"])
    warnings = []
    if setting.alpha and not case.numerics.certify:
        warnings.append("errors are not estimated: numerics.certify is off")
    warnings += _not_met(numbers, errors, case.accuracy.tolerance or DEFAULT_TOLERANCE)
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
        "target_mode_mass": {name: float(best.numbers[f"target {name}"]) for name in setting.modes},
        "checks": [],
    }
    return ChainSolution(
        case=case,
        times=setting.times,
        nodes=best.nodes,
        trains=best.trains,
        laws=best.laws,
        numbers=numbers,
        errors=errors,
        facts=facts,
        warnings=tuple(warnings),
        complete=True,
        wall_time=seconds,
        ranks=ranks,
    )


def _not_met(
    numbers: Mapping[str, Array], errors: Mapping[str, Array], tolerance: float
) -> list[str]:
    """Return a warning where an estimated error is larger than what was asked for.

    Of KL relative to its largest value, of means and covariances in standard deviations.
    """
    spread = np.sqrt(np.diagonal(numbers["covariance"], axis1=1, axis2=2))
    scales = {
        "kl": numbers["kl"].max(),
        "mean": spread,
        "covariance": spread[:, :, None] * spread[:, None, :],
    }
    shares = {
        name: float(np.nanmax(np.nan_to_num(errors[name] / scales.get(name, 1.0))))
        for name in numbers
        if name in scales or name.startswith("mode ")
    }
    worst = max(shares, key=lambda name: shares[name])
    if shares[worst] <= tolerance:
        return []
    return [
        f"the tolerance of {tolerance:g} was not met: the estimated error of "
        f"{worst.removeprefix('mode ')} is {shares[worst]:.1e} (KL relative to its largest value, "
        "means and covariances in standard deviations). A smaller accuracy.tolerance or more "
        "numerics.cells may help; a start much narrower than the target is hard"
    ]


def _density_errors(setting: Setting, runs: Sequence[Run]) -> Array:
    """Return the root mean square of the error of log ρ under ρ, at fresh random points."""
    if len(runs) == 1:
        return np.full(len(setting.times), np.nan)
    rng = np.random.default_rng(1)
    ends = Measurement.of(setting.target, runs[0].nodes, setting.modes).ends
    found = []
    for k in range(len(setting.times)):
        at = runs[0].laws[k].sample(PROBES, rng, ends)
        logs = [
            values(run.trains[k], [run.nodes.interpolation(x) for x in at.T]) - run.laws[k].log_mass
            for run in runs
        ]
        _, error = combined(logs)
        found.append(float(np.sqrt(np.mean(error**2))))
    return np.array(found)
