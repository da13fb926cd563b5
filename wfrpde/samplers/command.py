"""Samplers that are programs: a JSON request goes in, an ``.npz`` file comes out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wfrpde.arrays import Array
from wfrpde.equation import Equation
from wfrpde.errors import SamplerError
from wfrpde.fields.schedules import written
from wfrpde.samplers.complaints import Complaints
from wfrpde.samplers.context import SamplerContext
from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.exchange import read_arrays
from wfrpde.samplers.run import ArraySampler, Request

FORMAT = 1
"""Version of the request; raised when an entry changes its meaning."""

_MPI_VARIABLES = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDRA_", "MPI_")


@dataclass(frozen=True)
class CommandSampler(ArraySampler):
    """A program that is started once for each replicate, or each batch of them.

    The path of the request is its last argument, and the request its standard input. It runs in
    the folder of the case file, in a session of its own, without the variables by which an MPI
    program knows its ranks, and is ended with all that it has started when its time is over.

    Attributes
    ----------
    name, claims
        As of any sampler that runs.
    command
        Program and arguments.
    context
        What the case says.
    parameters
        What the request holds besides.
    layout
        Order of the last two axes of the positions.
    time_limit
        Seconds for one replicate.
    batch
        How many replicates it makes at a time: it is told their seeds, and its arrays have an axis
        of replicates in front. None for one, without that axis.
    """

    name: str
    claims: Equation | None
    command: tuple[str, ...]
    context: SamplerContext
    parameters: Mapping[str, Any]
    layout: str
    time_limit: float
    batch: int | None = None

    def replicate(self, request: Request) -> Trajectory:
        """Run one replicate."""
        return self.together([request])[0]

    def together(self, requests: Sequence[Request]) -> list[Trajectory]:
        """Run replicates, so many at a time as the program makes."""
        made: list[Trajectory] = []
        for k in range(0, len(requests), self.batch or 1):
            try:
                made += self._batch(requests[k : k + (self.batch or 1)])
            except Stopped:
                return [*made, unfinished()]
        return made

    def _batch(self, requests: Sequence[Request]) -> list[Trajectory]:
        if self.batch is None:
            return [super().replicate(requests[0])]
        times, began = self.times(requests[0]), time.monotonic()
        arrays = dict(zip(("positions", "log weights"), self._drawn(requests, times), strict=True))
        for what, array in arrays.items():
            if array is not None and (not np.ndim(array) or len(array) != len(requests)):
                shape = np.shape(array)
                needed = f"{len(requests)} replicates in front, one of each seed"
                raise SamplerError(self.name, f"{what} of shape {shape}; needed {needed}")
        positions, log_weights = arrays.values()
        seconds = (time.monotonic() - began) / len(requests)
        return [
            self.checked(request, times, x, w, seconds)
            for request, x, w in zip(
                requests,
                positions,
                [None] * len(requests) if log_weights is None else log_weights,
                strict=True,
            )
        ]

    def draw(self, request: Request, times: Array) -> tuple[Any, Any]:
        """Start the program, and read what it wrote."""
        return self._drawn([request], times)

    def _drawn(self, requests: Sequence[Request], times: Array) -> tuple[Any, Any]:
        with tempfile.TemporaryDirectory(prefix="wfrpde-") as place:
            folder = Path(place)
            question, output = folder / "request.json", folder / "samples.npz"
            seeds, first = [request.seed for request in requests], requests[0]
            told = self.request(seeds, first.n, first.dt, times, output)
            question.write_text(json.dumps(told, indent=1), encoding="utf-8")
            self._start(question, first.stop, len(requests) * self.time_limit)
            if not output.is_file():
                raise SamplerError(self.name, f"ended well, but wrote no file {output.name}")
            arrays = read_arrays(self.name, output)
        if "positions" not in arrays:
            found = ", ".join(sorted(arrays)) or "nothing"
            raise SamplerError(self.name, f"wrote {found}; needed an array 'positions'")
        return arrays["positions"], arrays.get("log_weights")

    def request(
        self,
        seeds: Sequence[np.random.SeedSequence],
        n: int,
        dt: float,
        times: Array,
        output: Path,
    ) -> dict[str, Any]:
        """Return what the program is told, JSON-ready."""
        numbers = [int(s.generate_state(1, np.uint64)[0] >> np.uint64(11)) for s in seeds]
        target, equation = self.context.target, self.context.equation
        expression, rate = target.expression, equation.rate
        return {
            "format": FORMAT,
            "name": self.name,
            "dim": target.dim,
            "potential": None if expression is None else str(expression),
            **self.context.tables,
            "alpha": written(equation.alpha),
            "beta": written(equation.beta),
            "reaction": None if rate is None else rate.text,
            "times": None if self.claims is None else times.tolist(),
            "dt": dt,
            "particles": n,
            "seed": numbers[0],
            **({} if self.batch is None else {"seeds": numbers}),
            "layout": self.layout,
            "parameters": dict(self.parameters),
            "output": str(output),
        }

    def _start(self, request: Path, stop: Callable[[], bool] | None, limit: float) -> None:
        with request.open("rb") as told, Complaints() as complaints:
            try:
                process = subprocess.Popen(
                    [*self.command, str(request)],
                    stdin=told,
                    stdout=subprocess.DEVNULL,
                    stderr=complaints.end,
                    cwd=self.context.folder,
                    env=own_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                what = f"{self.command[0]} cannot be started: {error.strerror}"
                raise SamplerError(self.name, what) from None
            try:
                code = waited(process, limit, stop)
            finally:
                end_group(process)
        if code is None:
            raise SamplerError(self.name, f"not done after {limit:g} s, and ended")
        if code != 0:
            how = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
            raise SamplerError(self.name, f"{how}{complaints.last_lines()}")


class Stopped(Exception):
    """A run was asked to end early."""


def unfinished() -> Trajectory:
    """Return what a replicate yields that was stopped before its first saved time."""
    return Trajectory(np.empty(0), (), {"complete": False})


def waited(
    process: subprocess.Popen[bytes], limit: float, stop: Callable[[], bool] | None
) -> int | None:
    """Wait for a process; return its exit code, or None if its time is over.

    Raises
    ------
    Stopped
        If ``stop`` says so.
    """
    deadline = time.monotonic() + limit
    while True:
        try:
            return process.wait(min(0.2, max(0.0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                return None
            if stop is not None and stop():
                raise Stopped from None


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, and all that it has started there."""
    with suppress(ProcessLookupError, PermissionError):  # nothing of it may be left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def own_environment() -> dict[str, str]:
    """Environment for a process that is no rank of this MPI program, if this is one."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_MPI_VARIABLES)}
