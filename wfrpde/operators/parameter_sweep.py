"""The spectrum as one key of the case changes, with the values shared out over the ranks.

Every value is a problem of its own that one rank solves alone, so that ranks never wait for one
another. A value that cannot be solved says why, and the others go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wfrpde.arrays import Array, Flags
from wfrpde.case.origin import check_origin, note_origin, origin_of
from wfrpde.case.stored import Result
from wfrpde.operators.kramers import eyring_kramers
from wfrpde.operators.spectra import spectrum
from wfrpde.parallel import (
    OnStop,
    Progress,
    StopRequest,
    checked_on_stop,
    collectively,
    tell_warnings,
    unless_stopped,
    watched,
    world_of,
)
from wfrpde.parallel.screen import quiet
from wfrpde.parallel.tasks import Store, Task, run_tasks, store_key

if TYPE_CHECKING:
    from mpi4py.MPI import Comm

    from wfrpde.case import Case


@dataclass(frozen=True)
class Sweep(Result):
    """Rates for several values of one key, the same on every rank.

    Attributes
    ----------
    key, values
        The key of the case, and its values ``(m,)`` in the order given.
    rates, errors, residuals
        ``(m, k)``: eigenvalues of −L, their estimated absolute errors, and residuals in L²(π); NaN
        where there are none.
    rotations
        ``(m, k)``: their imaginary parts, 0 where modes do not rotate.
    kramers
        ``(m,)`` Eyring–Kramers estimates of λ₁; NaN where the target has not two minima.
    principal, principal_errors
        ``(m,)`` principal eigenvalue Λ of αL + U and its estimated error; NaN without
        ``flow.reaction``.
    remarks
        Why a value has no numbers; empty where it has.
    complete
        False if it was stopped before every value had its turn.
    """

    case: Case
    key: str
    values: Array
    rates: Array
    errors: Array
    residuals: Array
    rotations: Array
    kramers: Array
    principal: Array
    principal_errors: Array
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]
    complete: bool
    ranks: int
    wall_time: float

    @property
    def solved(self) -> Flags:
        """``(m,)``: which values have numbers."""
        return np.asarray(np.isfinite(self.rates).any(axis=1))


@dataclass(frozen=True)
class _Point(Result):
    """What one value gave."""

    rates: Array
    errors: Array
    residuals: Array
    rotations: Array
    kramers: float
    principal: tuple[float, float]
    warnings: tuple[str, ...]


def sweep(
    case: Case,
    key: str,
    values: Sequence[float],
    comm: Comm | None = None,
    *,
    observer: Callable[[Progress], None] | None = None,
    on_stop: OnStop = "raise",
    folder: Path | None = None,
) -> Sweep:
    """Compute the spectrum of a case for several values of one key (collective).

    Parameters
    ----------
    case
        The case.
    key
        A dotted key, such as ``"target.barrier"``.
    values
        Numbers that it takes in turn; whole ones are given as integers.
    comm
        MPI communicator; all of MPI.COMM_WORLD by default.
    observer
        Told, on rank 0, what is being done and how many values are finished.
    on_stop
        What Ctrl-C, SIGTERM or SIGHUP before the end lead to: ``"raise"`` raises
        `wfrpde.Interrupted`, whose ``result`` holds what was finished; ``"return"`` returns it,
        with ``complete`` False.
    folder
        Where finished values are kept, and found again; by default nowhere.

    Raises
    ------
    InputError
        If the case cannot take one of the values, none of them can be solved, or the folder holds
        those of another case.
    """
    checked_on_stop(on_stop)
    comm = world_of(comm)
    began = time.perf_counter()
    # all of them before any is solved: a key that is wrong is told at once
    cases = [case.with_overrides({key: _plain(value)}) for value in values]
    name, store = store_key(f"sweep {key}"), None
    if folder is not None:
        store = Store(folder, _Point.arrays, _Point.from_arrays, sync=False)
        with collectively(comm):
            if comm.rank == 0:
                origin = origin_of(case, key=key)
                origin.pop(key, None)
                check_origin(folder, name, origin)
                note_origin(folder, name, origin)
    keys = [f"{name}-{value!r}" for value in map(float, values)]
    tasks = [Task(partial(_solved, one), "", at) for one, at in zip(cases, keys, strict=True)]
    with watched(observer, comm, "sweep") as observer:
        done = run_tasks(tasks, comm, store=store, observer=observer, counted="values")
    points, failures = done.results, {int(k): error for k, error in done.failures.items()}
    if not points and failures and done.complete:
        raise failures[min(failures)]
    width = max((len(p.rates) for p in points.values()), default=1)

    def rows(pick: Callable[[_Point], Array]) -> Array:
        result = np.full((len(cases), width), np.nan)
        for index, point in points.items():
            row = pick(point)
            result[index, : len(row)] = row
        return result

    def column(pick: Callable[[_Point], float]) -> Array:
        return np.array([pick(points[i]) if i in points else np.nan for i in range(len(cases))])

    remarks = [
        str(failures[i]) if i in failures else "" if i in points else "not reached"
        for i in range(len(cases))
    ]
    warnings = [
        f"{key} = {values[i]:g}: {text}" for i in sorted(points) for text in points[i].warnings
    ]
    warnings += [f"{key} = {values[i]:g}: {failures[i]}" for i in sorted(failures)]
    tell_warnings(warnings, comm)
    result = Sweep(
        case=case,
        key=key,
        values=np.array(values, dtype=float),
        rates=rows(lambda p: p.rates),
        errors=rows(lambda p: p.errors),
        residuals=rows(lambda p: p.residuals),
        rotations=rows(lambda p: p.rotations),
        kramers=column(lambda p: p.kramers),
        principal=column(lambda p: p.principal[0]),
        principal_errors=column(lambda p: p.principal[1]),
        remarks=tuple(remarks),
        warnings=tuple(warnings),
        complete=done.complete,
        ranks=comm.size,
        wall_time=time.perf_counter() - began,
    )
    return unless_stopped(result, on_stop)


def _plain(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _solved(case: Case, comm: Any, stop: StopRequest) -> _Point:
    # what a value warns of is told with it in the end
    with stop.at_once(), quiet(logging.ERROR):
        return _point(case)


def _point(case: Case) -> _Point:
    from wfrpde.parallel.mpi import MPI

    result = spectrum(case, MPI.COMM_SELF)
    warnings = list(result.warnings)
    kramers, principal = None, (np.nan, np.nan)
    if result.absorbing is None:
        kramers = eyring_kramers(result.target, np.array(result.numerics["box"]))
    if case.flow.reaction is not None:
        from wfrpde.operators.tilting import feynman_kac

        tilted = feynman_kac(case, MPI.COMM_SELF)
        principal = (tilted.principal_eigenvalue, tilted.error)
        warnings += [text for text in tilted.warnings if text not in warnings]
    return _Point(
        result.rates,
        result.errors,
        result.residuals,
        result.eigenvalues.imag,
        np.nan if kramers is None else kramers,
        principal,
        tuple(warnings),
    )
