"""Laws of noised data and of reverse processes, on lattices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.case.case import Case
from wfrpde.flow.noising.certified import LEVELS, Law, solved
from wfrpde.flow.noising.lattice import Lattice
from wfrpde.flow.noising.setup import FEWEST_CELLS, Process
from wfrpde.flow.noising.transport import Evolution
from wfrpde.noising.characteristics import flow_log_density
from wfrpde.noising.scores import Exact, Score
from wfrpde.noising.tabulated import Tabulated


def forward_law(process: Process) -> Law:
    """Return the law of noised data on lattices; exact at their nodes."""
    clocks = np.array([process.noising.clock(float(t)) for t in process.times])
    logs, lattices = [], [_lattice(process, level) for level in range(LEVELS)]
    for lattice in lattices:
        rows = []
        for t in map(float, process.times):
            unit = process.noising.unit(t)
            rows.append(exact_logs(process, lattice, unit, t) + lattice.dim * np.log(unit))
        logs.append(np.array(rows).reshape(-1, *lattice.shape))
    growth = tuple(np.zeros(len(clocks)) for _ in lattices)
    return Law(clocks, lattices[0].axes, tuple(logs), growth, 0.0)


def _lattice(process: Process, level: int) -> Lattice:
    return Lattice.of(process.box, tuple(n * 2**level for n in process.cells))


def exact_logs(process: Process, lattice: Lattice, unit: float, noise: float) -> Array:
    """Return log p of data noised up to a time, at x = unit·y of the nodes y."""
    data = process.data
    x = unit * lattice.points
    if noise == 0.0 and isinstance(data, Tabulated):
        return data_log_density(process.case, data)(x)
    law: Any = data.noised(process.noising.scale(noise), process.noising.variance(noise))
    if isinstance(data, Tabulated):
        return np.asarray(law.on_grid(tuple(unit * axis for axis in lattice.axes))[0])
    return np.asarray(law.log_density(x))


def evolution(process: Process, order: float = 1.0) -> Evolution:
    """Return what moves the particles, and weighs them by a power of their weights."""
    corrector, spec = process.corrector, process.case.corrector
    if corrector is None or spec is None:
        return Evolution(reverse_drift(process, process.score), lambda _: 1.0)
    own = Evolution(
        lambda lattice, clock: corrector.drift(lattice.points, clock),
        lambda _: corrector.diffusion,
        lambda lattice, clock: corrector.reaction(lattice.points, clock),
    )
    return own.tilted(order) if spec.weights else replace(own, reaction=None)


def reference_logs(process: Process, lattice: Lattice, unit: float, noise: float) -> Array:
    """Return log of what the process aims at, up to a constant, at x = unit·y of the nodes."""
    if process.corrector is None:
        return exact_logs(process, lattice, unit, noise)
    clock = process.noising.clock(process.end) - process.noising.clock(noise)
    return process.corrector.log_path(lattice.points, clock)


def reverse_law(
    process: Process, tell: Callable[[float], None] | None = None, order: float = 1.0
) -> Law:
    """Return the law of the reverse process with the score of the case.

    Parameters
    ----------
    order
        Of the moment of the weights, with a corrector: 2 for their variance.
    """
    noising, end = process.noising, process.end
    whole = noising.clock(end)
    clocks = np.array([whole - noising.clock(process.noise_time(t)) for t in process.times])
    first = noising.unit(end)
    assert process.case.score is not None
    if process.case.score.process == "ode":
        return flow_law(process, clocks)
    return solved(
        evolution(process, order),
        process.box,
        process.cells,
        lambda y: process.log_start(first * y),
        clocks,
        process.steps,
        tell,
    )


def reverse_drift(process: Process, score: Score) -> Callable[[Lattice, float], Array]:
    """Return y + 2 r ŝ(r y, t) at nodes y, at the clock of the reverse process."""
    noising, end = process.noising, process.end
    whole = noising.clock(end)

    def drift(lattice: Lattice, clock: float) -> Array:
        t = noising.time(whole - clock, end)
        unit = noising.unit(t)
        if isinstance(score, Exact) and isinstance(score.data, Tabulated):
            law: Any = score.density(t)
            own = law.on_grid(tuple(unit * axis for axis in lattice.axes))[1]
        else:
            own = score(unit * lattice.points, t)
        return np.asarray(lattice.points + 2 * unit * own)

    return drift


def flow_law(process: Process, clocks: Array, score: Score | None = None) -> Law:
    """Return the law of the probability flow on lattices; exact at their nodes.

    With another score than that of the process if one is given.
    """
    own = process.score if score is None else score
    noising = process.noising
    cells = tuple(max(FEWEST_CELLS[len(process.box)] // 2, n // 4) for n in process.cells)
    finest = Lattice.of(process.box, tuple(n * 2 ** (LEVELS - 1) for n in cells))
    rows = []
    for t in map(float, process.times):
        unit = noising.unit(process.noise_time(t))
        logs = flow_log_density(
            noising, own, process.end, process.noise_time(t), unit * finest.points,
            process.log_start,
        )  # fmt: skip
        rows.append(logs + finest.dim * np.log(unit))
    whole = np.array(rows).reshape(-1, *finest.shape)
    skips = [2 ** (LEVELS - 1 - level) for level in range(LEVELS)]
    logs_of = tuple(whole[(slice(None), *[slice(None, None, n)] * finest.dim)] for n in skips)
    growth = tuple(np.zeros(len(clocks)) for _ in range(LEVELS))
    return Law(clocks, Lattice.of(process.box, cells).axes, logs_of, growth, 0.0)


def data_log_density(case: Case, data: Tabulated) -> Callable[[Array], Array]:
    """Return log p₀ of data on a grid, from what the case says of them, normalised on the grid."""
    if case.score is not None:
        potential = case.build_target().potential

        def raw(x: Array) -> Array:
            return -potential(x)
    else:
        raw = case.initial.build(case.build_target()).log_density
    grid = np.unravel_index(int(data.masses.argmax()), data.masses.shape)
    place = np.array([[axis[i] for axis, i in zip(data.axes, grid, strict=True)]])
    cell = np.prod([axis[1] - axis[0] for axis in data.axes])
    constant = np.log(data.masses.max() / cell) - float(raw(place)[0])
    return lambda x: raw(x) + constant
