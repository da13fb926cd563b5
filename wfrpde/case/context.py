"""From a case to what its samplers may know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.axial import plane_case
from wfrpde.case.factors import factors_of, rotation_matrix
from wfrpde.case.problem import Problem
from wfrpde.case.radial import RADIAL, distance_case, is_centred
from wfrpde.case.setup import make_problem
from wfrpde.case.sites import site_of
from wfrpde.errors import InputError
from wfrpde.samplers.context import SamplerContext, drawable
from wfrpde.samplers.walls import Walls, no_walls
from wfrpde.starts.initial import InitialDensity
from wfrpde.starts.product import product_start
from wfrpde.targets import Target
from wfrpde.targets.product import product_target

if TYPE_CHECKING:
    from wfrpde.case import Case
    from wfrpde.samplers.oracle import Knowing, SavedFlow


def sampler_context(
    case: Case, solution: SavedFlow | Knowing | None = None, comm: Any = None
) -> SamplerContext:
    """Make what the samplers of a case need; see `SamplerContext.of`."""
    if case.noising is not None:
        do = "wfrpde.validate tells samplers the process."
        raise InputError("noising", "a score-based process", "a flow towards a target", do)
    if case.is_factored:
        return _of_factors(case, solution, comm)
    problem = make_problem(case)
    walls = walls_of(problem)
    return SamplerContext(
        problem.equation,
        problem.target,
        drawable(problem.initial, problem.box, walls),
        problem.box,
        problem.scales,
        solution,
        comm,
        case.model_dump(mode="json", exclude_unset=True, include={"target", "initial", "path"}),
        None if case.source is None else case.source.resolve().parent,
        walls,
    )


@dataclass(frozen=True)
class _Room:
    """A factor's target and start, box ``(k, 2)``, lengths ``(k,)``, and walls."""

    target: Target
    initial: InitialDensity
    box: Array
    scales: Array
    walls: Walls | None = None


def _of_factors(case: Case, solution: SavedFlow | Knowing | None, comm: Any) -> SamplerContext:
    """Make what samplers of a product need, from what those of each factor would."""
    from wfrpde.case.factor_cases import factor_case

    specs = factors_of(case)
    repeats = [spec.repeat for spec in specs]
    chain = case.target.is_chain
    rooms = [_room_of_chain(case)] if chain else [
        _room(factor_case(case, k)) for k in range(len(specs))]  # fmt: skip
    rotation = None
    if case.target.is_product:
        rotation = rotation_matrix(case.target.parameters.get("rotation"), case.dim)
    box = np.concatenate([np.tile(r.box, (n, 1)) for n, r in zip(repeats, rooms, strict=True)])
    scales = np.concatenate([np.tile(r.scales, n) for n, r in zip(repeats, rooms, strict=True)])
    target, initial = rooms[0].target, rooms[0].initial
    if case.target.is_product:
        pairs = list(zip(repeats, rooms, strict=True))
        target = product_target([(n, room.target) for n, room in pairs], rotation)
        initial = product_start([(n, room.initial) for n, room in pairs], rotation)
    walls = _walls_of_factors(repeats, rooms, box)
    if rotation is not None:
        if walls is not None:
            needed = "none, where a rotation turns them: samplers know boxes along the axes only"
            raise InputError("factor.domain", "sides of a box, with samplers", needed)
        middle, half = box.mean(axis=1), np.ptp(box, axis=1) / 2
        reach = np.abs(rotation) @ half
        box = np.stack([rotation @ middle - reach, rotation @ middle + reach], axis=1)
        scales = np.full(case.dim, scales.min())
    return SamplerContext(
        case.equation,
        target,
        initial,
        box,
        scales,
        solution,
        comm,
        case.model_dump(mode="json", exclude_unset=True, include={"target", "initial", "factor"}),
        None if case.source is None else case.source.resolve().parent,
        walls,
    )


def _room(case: Case) -> _Room:
    """Look at the case of one factor."""
    if case.target.is_round:
        line = case.target.kind in RADIAL and is_centred(case)
        reduced = (distance_case(case) if line else plane_case(case)).domain.box
        assert reduced is not None
        low, high = reduced[0] if line else (0.0, float(np.abs(reduced).max()))
        target = case.target.build()
        r = np.linspace(low, high, 2001)[:, None] * np.eye(1, target.dim)
        lowest = r[int(np.argmin(target.potential(r)))]
        initial = case.initial.build(target)
        box = np.tile([[-high, high]], (target.dim, 1))
        return _Room(
            replace(target, seeds=lowest[None]), initial, box, np.full(target.dim, high / 100)
        )
    if case.is_factored:
        target = case.target.build()
        initial = case.initial.build(target)
        ends = [density.gaussian for density in (target, initial)]
        boxes = []
        for moments in ends:
            if moments is not None:
                # standard deviations of a Gaussian that a box holds
                width = 8.0 * np.sqrt(np.diag(moments[1]))
                boxes.append([moments[0] - width, moments[0] + width])
        low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
        least = np.min([np.diag(m[1]) for m in ends if m is not None], axis=0)
        return _Room(target, initial, np.stack([low, high], axis=1), np.sqrt(least))
    problem = make_problem(case)
    walls = walls_of(problem)
    initial = drawable(problem.initial, problem.box, walls)
    return _Room(problem.target, initial, problem.box, problem.scales, walls)


def _room_of_chain(case: Case) -> _Room:
    """Look at a chain, whose sites all begin alike."""
    _, start, ends = site_of(case)
    sites, box = case.dim, np.tile([ends], (case.dim, 1))
    start = product_start([(sites, drawable(start, box[:1]))])
    scales = np.full(sites, np.ptp(box[0]) / 100)
    return _Room(case.target.build(), start, box, scales)


def _walls_of_factors(repeats: Sequence[int], rooms: Sequence[_Room], box: Array) -> Walls | None:
    if all(room.walls is None for room in rooms):
        return None
    closed, reflecting = [], []
    for repeat, room in zip(repeats, rooms, strict=True):
        walls = no_walls(len(room.box)) if room.walls is None else room.walls
        closed.append(np.tile(walls.closed, repeat))
        reflecting.append(np.tile(walls.reflecting, (repeat, 1)))
    return Walls(box, np.concatenate(closed), np.concatenate(reflecting))


def walls_of(problem: Problem) -> Walls | None:
    """Return what the sides of a box that the case gives do to particles."""
    sink, sides = problem.absorption, problem.sides
    if problem.domain.box is None:
        if sink is None:
            return None
        nothing = np.zeros((problem.dim, 2), dtype=bool)
        return Walls(problem.box, nothing[:, 0], nothing, sink)
    return Walls(problem.box, np.array(sides.closed), sides.reflecting, sink)
