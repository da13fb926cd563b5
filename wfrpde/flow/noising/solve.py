"""`solve_noising`: the law of a score-based process, forwards or in reverse."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from wfrpde.case.case import Case
from wfrpde.flow.noising.certified import LEVELS, Law, solved
from wfrpde.flow.noising.lattice import Lattice
from wfrpde.flow.noising.setup import Process
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.flow.noising.transport import Evolution
from wfrpde.noising.scores import Exact, Score
from wfrpde.noising.tabulated import Tabulated
from wfrpde.parallel import Progress, collectively, watched, world

Array = npt.NDArray[np.float64]


def solve_noising(
    case: Case, comm: Any = None, observer: Callable[[Progress], None] | None = None
) -> NoisingSolution:
    """Solve the process of a case with ``[noising]`` (every rank does the same).

    Forwards the noised data are a sum, without any time step. In reverse the law of

        dY = (−f Y + g² ŝ(Y, T − t)) dt + g dW

    is solved by three runs, in y = Y/r and the clock τ of `wfrpde.noising.schedules`.

    Raises
    ------
    InputError
        If the case cannot be solved as it stands.
    """
    began = time.perf_counter()
    comm = world() if comm is None else comm
    with collectively(comm), watched(observer, comm, "noising") as watching:

        def tell(share: float) -> None:
            if watching is not None:
                end = process.times[-1]
                watching(Progress("solving", share * end, end, 0.0, np.nan, share))

        process = Process.of(case)
        law = reverse_law(process, tell) if process.reverse else forward_law(process)
        return NoisingSolution(case, process.times, law, time.perf_counter() - began, comm.size)


def forward_law(process: Process) -> Law:
    """Return the law of noised data on lattices; exact at their nodes."""
    clocks = np.array([process.noising.clock(float(t)) for t in process.times])
    logs, lattices = [], [_lattice(process, level) for level in range(LEVELS)]
    for lattice in lattices:
        rows = []
        for t in process.times:
            unit = process.noising.unit(float(t))
            rows.append(_exact_logs(process, lattice, float(t)) + lattice.dim * np.log(unit))
        logs.append(np.array(rows).reshape(-1, *lattice.shape))
    growth = tuple(np.zeros(len(clocks)) for _ in lattices)
    return Law(clocks, lattices[0].axes, tuple(logs), growth, 0.0)


def _lattice(process: Process, level: int) -> Lattice:
    return Lattice.of(process.box, tuple(n * 2**level for n in process.cells))


def _exact_logs(process: Process, lattice: Lattice, t: float) -> Array:
    """Return log p_t of x = r y at the nodes y."""
    if t == 0.0 and isinstance(process.data, Tabulated):
        from wfrpde.flow.noising.solution import data_log_density

        return data_log_density(process.case, process.data)(lattice.points)
    law, unit = process.exact_law(t), process.noising.unit(process.noise_time(t))
    if isinstance(process.data, Tabulated):
        return np.asarray(law.on_grid(tuple(unit * axis for axis in lattice.axes))[0])
    return np.asarray(law.log_density(unit * lattice.points))


def reverse_law(process: Process, tell: Callable[[float], None] | None = None) -> Law:
    """Return the law of the reverse process with the score of the case."""
    noising, end = process.noising, process.end
    whole = noising.clock(end)
    clocks = np.array([whole - noising.clock(process.noise_time(t)) for t in process.times])
    first = noising.unit(end)
    return solved(
        Evolution(reverse_drift(process, process.score), lambda _: 1.0),
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
