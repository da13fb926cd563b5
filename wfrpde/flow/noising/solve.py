"""`solve_noising`: the law of a score-based process, forwards or in reverse."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from wfrpde.case.case import Case
from wfrpde.flow.noising.budget import error_budget
from wfrpde.flow.noising.reverse import forward_law, reverse_law
from wfrpde.flow.noising.setup import Process
from wfrpde.flow.noising.solution import NoisingSolution
from wfrpde.parallel import Progress, collectively, watched, world


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


def _moment_ends(process: Process) -> float:
    """Return the time of the process from which weights have no second moment; ∞ if never."""
    assert process.corrector is not None
    clock = process.corrector.moment_ends()
    if not np.isfinite(clock):
        return float(np.inf)
    left = process.noising.clock(process.end) - clock
    return process.end - process.noising.time(left, process.end)
