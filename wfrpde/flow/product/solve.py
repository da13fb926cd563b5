"""`solve_product`: the flows of the factors, each solved once, spread over the ranks."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.case.axial import axis_of, plane_case
from wfrpde.case.case import Case
from wfrpde.case.factor_cases import factor_case, factor_key
from wfrpde.case.factors import factors_of, rotation_matrix
from wfrpde.case.radial import RADIAL, distance_case, is_centred
from wfrpde.errors import InputError
from wfrpde.fields.schedules import is_moving
from wfrpde.flow.product.axial import AxialPart
from wfrpde.flow.product.factors import AnyPart
from wfrpde.flow.product.gaussian_part import gaussian_part
from wfrpde.flow.product.mesh_part import MeshPart
from wfrpde.flow.product.phase_space import solve_phase_space
from wfrpde.flow.product.radial import RadialPart
from wfrpde.flow.product.solution import ProductSolution
from wfrpde.flow.refusals import refuse_beyond_fixed_rates
from wfrpde.flow.solve import solve_on_mesh
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


def solve_product(
    case: Case,
    comm: Comm | None = None,
    observer: Callable[[Progress], None] | None = None,
    *,
    on_stop: OnStop = "raise",
) -> ProductSolution:
    """Solve the flow of a case whose target and start factorise (collective).

    Parameters, exceptions and stops are those of `wfrpde.solve`.

    Returns
    -------
    ProductSolution
        The same on every rank.
    """
    began = time.perf_counter()
    comm = world_of(comm)
    with collectively(comm):
        specs = factors_of(case)
        rotation = rotation_matrix(case.target.parameters.get("rotation"), case.dim) if (
            case.target.is_product) else None  # fmt: skip
        cases = [factor_case(case, index) for index in range(len(specs))]
        kinds: dict[str, int] = {}
        which = [kinds.setdefault(factor_key(one), len(kinds)) for one in cases]
        different = [cases[which.index(kind)] for kind in range(len(kinds))]
        if all(_closed(one) for one in different):
            refuse_numerics(case)
    tasks: list[Task[AnyPart]] = [
        Task(
            partial(_part, one, _words(index, one)),
            _words(index, one),
            cost=10.0 ** min(one.dim, 3),
        )
        for index, one in enumerate(different)
    ]
    alone = comm.size == 1 or len(tasks) == 1
    with StopRequest():
        done = run_tasks(
            tasks, comm, observer=observer, counted="factors", together=alone, tolerated=()
        )
    if len(done.results) < len(tasks):
        raise Interrupted(None)
    parts = tuple(done.results[k] for k in range(len(tasks)))
    order = tuple(kind for kind, spec in zip(which, specs, strict=True) for _ in range(spec.repeat))
    names = tuple(spec.name for spec in specs for _ in range(spec.repeat))
    solution = ProductSolution(
        case=case,
        parts=parts,
        order=order,
        names=names,
        rotation=rotation,
        complete=all(part.complete for part in parts),
        wall_time=time.perf_counter() - began,
        ranks=comm.size,
    )
    tell_warnings(solution.warnings, comm)
    return unless_stopped(solution, on_stop)


def _reduced(case: Case, comm: Any) -> RadialPart | AxialPart:
    """Solve the flow of the coordinates that a round target and its start depend on."""
    target = case.target.build()
    if case.target.kind in RADIAL and is_centred(case):
        line = solve_on_mesh(distance_case(case), comm, on_stop="return")
        return RadialPart(target, MeshPart(line))
    plane = solve_on_mesh(plane_case(case), comm, on_stop="return")
    return AxialPart(target, MeshPart(plane), axis_of(case))


def _closed(case: Case) -> bool:
    """Whether the flow of a factor is that of Gaussians in closed form."""
    if case.is_coupled:
        return case.numerics.formulation in ("auto", "closed form") and _is_gaussian(case)
    beyond = case.dim > 3 and not case.target.is_round
    return beyond or case.numerics.formulation == "closed form"


def _is_gaussian(case: Case) -> bool:
    """Whether target and start are Gaussian, and nothing else is asked for."""
    target = case.build_target()
    ends = target.gaussian, case.initial.build(target).gaussian
    moving = is_moving(case.flow.alpha) or is_moving(case.flow.beta)
    return None not in ends and not moving and case.flow.reaction is None


def refuse_numerics(case: Case) -> None:
    """Refuse keys of ``[numerics]`` where nothing is discretised."""
    given = case.numerics.altered - {"certify", "engine", "formulation"}
    if case.numerics.formulation not in ("auto", "closed form"):
        given.add("formulation")
    if given:
        key = min(given)
        found = f"{getattr(case.numerics, key)!r}, in {case.dim} dimensions"
        needed = "none: Gaussians are in closed form there, without cells or steps"
        raise InputError(f"numerics.{key}", found, needed)


def refuse_unheeded(case: Case) -> None:
    """Refuse what the closed form of Gaussians would not heed."""
    refuse_beyond_fixed_rates(
        case,
        "what the closed form does not know",
        "fixed rates, conserved mass and no domain, for Gaussians in closed form",
        {"domain": bool(case.domain.altered - {"cut_off_share"})},
    )


def _words(index: int, case: Case) -> str:
    return f"factor {index + 1} ({case.target.kind or case.target.potential or case.target.python})"


def _part(case: Case, words: str, comm: Any, stop: StopRequest) -> AnyPart | None:
    if case.target.is_round:
        return _reduced(case, comm)
    times = np.array([0.0, *case.flow.save])
    if case.is_coupled and not _closed(case):
        return solve_phase_space(case, comm, stop)
    if _closed(case):
        target = case.build_target()
        start = case.initial.build(target).gaussian
        if target.gaussian is None or start is None or case.flow.reaction is not None:
            what = (
                "a linear reaction" if case.flow.reaction else "a target or start of another kind"
            )
            raise InputError(
                "numerics.formulation" if case.dim <= 3 else "initial",
                f"{what}, in closed form",
                "a Gaussian target, a Gaussian start and no linear reaction",
            )
        refuse_unheeded(case)
        dynamics = case.equation.dynamics
        mobility = None
        if dynamics is not None and dynamics.kinetic:
            mobility = dynamics.mobility_at(np.zeros((1, target.dim)))[0]
        return gaussian_part(target, start, case.flow.alpha, case.flow.beta, times, mobility)
    solution = solve_on_mesh(case, comm, on_stop="return")
    return MeshPart(solution)
