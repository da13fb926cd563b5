"""`solve_noising`: the law of a score-based process, forwards or in reverse."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil, log
from typing import Any

import numpy as np

from wfrpde.case.case import Case
from wfrpde.flow.noising.budget import error_budget
from wfrpde.flow.noising.certified import Law
from wfrpde.flow.noising.reverse import forward_law, reverse_law
from wfrpde.flow.noising.setup import Process
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.parallel import Progress, collectively, watched, world_of

WEIGHED = 1e-4
"""Estimated L1 error of the density of weighted particles on a line from which cells are halved."""


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
    comm = world_of(comm)
    with collectively(comm), watched(observer, comm, "noising") as watching:

        def tell(share: float) -> None:
            if watching is not None:
                end = process.times[-1]
                watching(Progress("solving", share * end, end, 0.0, np.nan, share))

        process = Process.of(case)
        if process.reverse:
            process, law = _fine_enough(process, tell)
        else:
            law = forward_law(process)
        plain = process.reverse and process.corrector is None
        budget = error_budget(process, law) if plain else ()
        tilted, ends = None, np.inf
        if case.corrector is not None and case.corrector.weights and process.corrector is not None:
            tilted = reverse_law(process, order=2.0)
            ends = _moment_ends(process)
        spent = time.perf_counter() - began
        return NoisingSolution(
            case, process.times, law, budget, spent, comm.size, tilted=tilted, moment_ends=ends
        )


def _fine_enough(process: Process, tell: Callable[[float], None]) -> tuple[Process, Law]:
    """Return the law of a reverse process, on a lattice that is as fine as it has to be.

    Where few particles that carry large weights are most of the law, that is far finer than its
    widths: without a tolerance `WEIGHED` is asked for in one dimension.
    """
    law = reverse_law(process, tell)
    asked, spec = process.case.accuracy.tolerance, process.case.corrector
    if asked is None and spec is not None and spec.weights and process.data.dim == 1:
        asked = WEIGHED
    while asked is not None:
        off = max(law.density_error(k) for k in range(len(law.times)))
        finer = None
        # by how much halved cells and steps lessen an error
        for _ in range(ceil(log(off / asked) / log(16.0)) if off > asked else 0):
            finer = (finer or process).finer() or finer
        if finer is None:
            break
        process, law = finer, reverse_law(finer, tell)
    return process, law


def _moment_ends(process: Process) -> float:
    """Return the time of the process from which weights have no second moment; ∞ if never."""
    assert process.corrector is not None
    clock = process.corrector.moment_ends()
    if not np.isfinite(clock):
        return float(np.inf)
    left = process.noising.clock(process.end) - clock
    return process.end - process.noising.time(left, process.end)
