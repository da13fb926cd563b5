"""Kinetic flows of two positions in a potential that couples them: four coordinates on a lattice.

Runs with steps Δt, Δt/2 and Δt/4 give two results that are extrapolated in time, as
`wfrpde.flow.schemes.characteristics` has them; a run with steps Δt and polynomials of two degrees
less tells what interpolation does, and sums over nodes in between what sums do.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.problem import Problem
from wfrpde.case.terms import EMPTY
from wfrpde.discretisation.graded import UniformAxis
from wfrpde.discretisation.shears import ShearForm, lattice_points
from wfrpde.domain.extent import automatic_box, with_orbits
from wfrpde.domain.landscape import Landscape
from wfrpde.errors import AccuracyError, InputError
from wfrpde.fields.blocks import in_blocks
from wfrpde.flow.control import Replay, StepPolicy
from wfrpde.flow.march import March, march
from wfrpde.flow.product.parts import ROUND_OFF
from wfrpde.flow.product.phase_numbers import PhaseNumbers
from wfrpde.flow.product.phase_part import PhasePart
from wfrpde.flow.refusals import refuse_beyond_fixed_rates
from wfrpde.flow.schemes.characteristics import DEFAULTS, default_dt, first_control
from wfrpde.flow.steppers import STEPPERS
from wfrpde.parallel import collectively

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.parallel import StopRequest

logger = logging.getLogger("wfrpde")

RESOLUTION, AT_RESOLUTION = 1.5, 1e-4
"""Spacing of nodes in units of the shortest length along an axis, and the tolerance that it is
for."""

LEAST, MOST = 24, 1_200_000
"""Nodes along an axis, and in all, where the case gives no cells."""

TIME, SPACE = 4 / 15, 8.0
"""Shares of the distance of the two extrapolated results, and of that of two degrees (with steps
four times as long as the finest), whose sum with the error of sums estimates the error."""

TAKEN = {"cells", "degree", "dt", "certify", "engine", "formulation"}
"""Keys of ``[numerics]`` that are heeded."""


def solve_phase_space(case: Case, comm: Any, stop: StopRequest) -> PhasePart:
    """Solve the flow of two positions and their momenta (collective; one process solves)."""
    with collectively(comm):
        _check(case)
        problem = phase_problem(case)
        alone = comm is None or comm.rank == 0
        part = _solved(problem, stop) if alone else None
    shared: PhasePart | None = part if comm is None else comm.bcast(part)
    assert shared is not None
    return shared


def _check(case: Case) -> None:
    if case.target.dimension != 2:
        found = f"'kinetic' with {case.target.dimension} positions"
        needed = "two, a product of factors with one each, or a Gaussian target and start"
        raise InputError("dynamics.kind", found, needed)
    refuse_beyond_fixed_rates(
        case,
        "what no flow of two positions and momenta can do",
        "fixed rates, conserved mass, and the Fisher–Rao reaction alone",
    )
    unheeded = case.numerics.altered - TAKEN
    if unheeded or case.numerics.formulation not in ("auto", "mesh", "characteristics"):
        key = min(unheeded, default="formulation")
        found = f"{getattr(case.numerics, key)!r}, with two positions and momenta"
        raise InputError(f"numerics.{key}", found, "cells, degree, dt and certify alone")


def phase_problem(case: Case) -> Problem:
    """Return the problem in a box of four coordinates."""
    target = case.build_target()
    initial = case.initial.build(target)
    landscape = Landscape(
        target.potential,
        lambda x: -np.maximum(np.nan_to_num(initial.log_density(x), nan=EMPTY), EMPTY),
        np.concatenate([target.seeds, initial.seeds]),
        reaction=case.flow.beta > 0,
        transport=case.flow.alpha > 0,
        # levels (kT) that the box holds: what lies beyond is 2e-9 of the mass
        level=20.0,
    )
    landscape = with_orbits(landscape)
    box = automatic_box(landscape)
    scales = landscape.scales(box)
    positions = case.target.build()
    flat = Landscape(positions.potential, positions.potential, positions.seeds)
    scales[:2] = np.minimum(scales[:2], flat.scales(box[:2]))
    return Problem(
        target, initial, case.equation, case, landscape, box, None, case.flow.save, scales
    )


def _nodes(problem: Problem) -> tuple[int, ...]:
    """Return the numbers of nodes along the axes."""
    if problem.numerics.cells is not None:
        return tuple(n + 1 for n in problem.numerics.cells)
    size = RESOLUTION
    if problem.tolerance is not None:
        size *= float(np.clip((problem.tolerance / AT_RESOLUTION) ** (1 / 12), 0.6, 1.3))
    wanted = np.ptp(problem.box, axis=1) / (size * problem.scales)
    # what is thin in a position is thin in its momentum a quarter of a turn later
    wanted = np.tile(np.maximum(wanted.reshape(2, 2).max(axis=0), LEAST), 2)
    wanted *= min(1.0, (MOST / np.prod(wanted)) ** 0.25)
    return tuple(int(np.ceil(n)) for n in wanted)


def _solved(problem: Problem, stop: StopRequest) -> PhasePart:
    axes = tuple(
        UniformAxis(float(low), float(high), n)
        for (low, high), n in zip(problem.box, _nodes(problem), strict=True)
    )
    # of the interpolation: dense matrices cost the same whatever it is
    degree = problem.numerics.degree or 11
    form = ShearForm(problem, axes, degree)
    logger.info("two positions and momenta: %s nodes", " x ".join(map(str, form.shape)))
    start = in_blocks(problem.log_initial, lattice_points([axis.nodes for axis in axes]))
    start = np.maximum(start, EMPTY) + form.potential
    start -= form.nodes.logsumexp(form.log_target + start)

    def run(form: ShearForm, policy: StepPolicy) -> March:
        stepper = STEPPERS["characteristics"](form, measured=policy.measured)
        return march(
            stepper, start, problem.save, policy, on_step=lambda *_: None, stop=stop.requested
        )

    certify, asked = problem.numerics.certify, problem.numerics.dt
    if asked is None:
        moves = problem.equation.dynamics is not None
        asked = default_dt(problem) if moves else problem.t_end / 8
    first = run(form, first_control(problem, asked))
    finer = Replay(first.schedule.halved())
    second = run(form, finer)
    once = second.u + (second.u - first.u[: len(second.u)]) / 3
    if not (certify and second.complete):
        return _part(problem, form, second, once, None, None)
    lower = run(ShearForm(problem, axes, degree - 2), Replay(first.schedule)).u
    third = run(form, Replay(finer.steps.halved()))
    count = len(third.u)
    twice = third.u + (third.u - second.u[:count]) / 3
    between = lower[:count] - first.u[:count]
    return _part(problem, form, third, twice, once[:count], between)


def _part(
    problem: Problem,
    form: ShearForm,
    last: March,
    best: Array,
    other: Array | None,
    between: Array | None,
) -> PhasePart:
    """Evaluate what is reported, and how far it may be off."""
    lost = float(np.expm1(np.log(last.history["mass"][-1])))
    if abs(lost) > DEFAULTS.lost:
        raise AccuracyError(
            f"the mass of a flow in phase space changed by {lost:.1%} before it was normalised: "
            "there is something thin that the nodes do not resolve. Take more [numerics] cells, "
            "or a shorter dt"
        )
    numbers = PhaseNumbers(problem, form)
    pairs = [numbers.with_defect(row) for row in best]
    every, nodal, gaps = zip(*pairs, strict=True)
    values = {name: np.array([row[name] for row, _ in every]) for name in every[0][0]}
    masses = {name: np.array([row[name] for _, row in every]) for name in every[0][1]}
    errors = {name: np.full_like(value, np.nan) for name, value in values.items()}
    mass_errors = {name: np.full_like(value, np.nan) for name, value in masses.items()}
    defect = np.full(best.shape, np.nan, dtype=np.float32)
    if other is not None and between is not None:
        constants = np.array([numbers.constant_defect(row) for row in best])
        defect[:] = TIME * np.abs(best - other) + SPACE * np.abs(between) + constants[:, None]
        rows = [[numbers(row) for row in field] for field in (other, best + between)]
        lost_twice = lost / 3 + ROUND_OFF
        for k, found in enumerate((errors, mass_errors)):
            for name in found:
                value = values[name] if k == 0 else masses[name]
                once, lower = (np.array([row[k][name] for row in field]) for field in rows)
                alone, sums = (np.array([row[k][name] for row in rows_]) for rows_ in (nodal, gaps))
                gap = TIME * np.abs(once - alone) + SPACE * np.abs(lower - alone)
                found[name] = gap + sums + ROUND_OFF * np.abs(value)
        errors["mass"] = np.full(len(best), abs(lost_twice))
    facts = {
        "formulation": "characteristics",
        "reason": "two positions and momenta, which the potential couples",
        "nodes": int(np.prod(form.shape)),
        "cells": [n - 1 for n in form.shape],
        "degree": form.degree,
        "steps": len(last.schedule.dt),
        "mass_defect": abs(lost),
    }
    warnings = [*problem.warnings, *_vague(problem, values, errors)]
    return PhasePart(
        target=problem.target,
        axes=tuple(form.axes),
        times=last.times,
        complete=last.complete,
        warnings=tuple(warnings),
        facts=facts,
        log_relative=best,
        defect=defect,
        values=values,
        errors=errors,
        masses=masses,
        mass_errors=mass_errors,
        target_masses=numbers.target_masses,
        log_normalisation=numbers.log_normalisation,
    )


def _vague(problem: Problem, values: dict[str, Array], errors: dict[str, Array]) -> list[str]:
    """Say which numbers miss the tolerance that is asked for, or are hardly known."""
    # error of a number, relative to its size, from which the user is warned
    limit, missed = problem.tolerance or 1e-2, []
    for name in ("kl", "mean", "covariance"):
        size = np.abs(values[name]).max() + (0.0 if name == "kl" else 1.0)
        if (errors[name] > limit * size).any():
            missed.append(f"{name} by {float(errors[name].max()):.1e}")
    if not missed:
        return []
    asked = "accuracy.tolerance is missed" if problem.tolerance else "some numbers are hardly known"
    return [f"{asked}: {', '.join(missed)} may be off. Take more [numerics] cells, or a shorter dt"]
