"""Python samplers in a process of their own, which can be ended when it hangs or has crashed."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from wfrpde.equation import Equation
from wfrpde.errors import InputError, SamplerError
from wfrpde.samplers.command import Stopped, end_group, own_environment, unfinished
from wfrpde.samplers.complaints import Complaints
from wfrpde.samplers.ensemble import Trajectory
from wfrpde.samplers.run import Request, SamplerRun


class _Process:
    """A worker, the connection to it, and what it prints."""

    def __init__(self, folder: Path | None) -> None:
        self.log = Complaints()
        self.connection, other = multiprocessing.Pipe()
        places = [str(folder), *sys.path] if folder is not None else sys.path
        paths = [str(Path(p).resolve()) for p in dict.fromkeys(places)]
        environment = {**own_environment(), "PYTHONPATH": os.pathsep.join(paths)}
        with self.log as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wfrpde.samplers.worker", str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log.end,
                stderr=log.end,
                env=environment,
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        other.close()
        self._end = weakref.finalize(self, _end, self.connection, self.process)

    def end(self) -> None:
        """Kill it."""
        self._end()


def _end(connection: Connection[Any, Any], process: subprocess.Popen[bytes]) -> None:
    connection.close()
    end_group(process)


@dataclass
class IsolatedSampler(SamplerRun):
    """A sampler of a worker process that lives as long as it answers in time.

    It is started when it is needed first, and anew after it had to be ended. A crash, or a call
    of ``exit``, ends the worker alone.

    Attributes
    ----------
    name, claims
        As of any sampler that runs.
    reference
        ``"module:object"``.
    setup
        What the worker needs to make the sampler; see `wfrpde.samplers.worker`.
    folder
        Where modules are looked for first.
    time_limit
        Seconds for one replicate, and for the import of the sampler.
    """

    name: str
    reference: str
    folder: Path | None
    time_limit: float
    claims: Equation | None = None
    setup: dict[str, Any] = field(default_factory=dict)
    _process: _Process | None = field(default=None, repr=False)
    _made: bool = field(default=False, repr=False)

    def load(self) -> None:
        """Start the worker, if it does not run, and let it import the sampler.

        Raises
        ------
        InputError, SamplerError
            As `start` does.
        """
        if self._process is None:
            self._process, self._made = _Process(self.folder), False
            self._ask((self.reference, f"sampler {self.name}: python"), None)

    def start(self) -> None:
        """Start the worker, if it does not run, and let it make the sampler.

        Raises
        ------
        InputError
            If the sampler cannot be made.
        SamplerError
            If that crashes or takes too long.
        """
        self.load()
        if not self._made:
            self._ask(self.setup, None)
            self._made = True

    def replicate(self, request: Request) -> Trajectory:
        """Run one replicate; ``stop`` is asked while it waits, and must not communicate."""
        self.start()
        try:
            made = self._ask(replace(request, stop=None), request.stop)
        except Stopped:
            return unfinished()
        assert isinstance(made, Trajectory)
        return made

    def close(self) -> None:
        """End the worker."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _ask(self, request: Any, stop: Callable[[], bool] | None) -> Any:
        assert self._process is not None
        connection, deadline = self._process.connection, time.monotonic() + self.time_limit
        try:
            connection.send(request)
            while not connection.poll(min(0.2, max(0.0, deadline - time.monotonic()))):
                if time.monotonic() >= deadline:
                    raise SamplerError(
                        self.name, f"not done after {self.time_limit:g} s, and ended"
                    )
                if stop is not None and stop():
                    raise Stopped
            kind, answer = connection.recv()
        except (EOFError, OSError):
            code = self._process.process.wait()
            lines = self._process.log.last_lines()
            self.close()
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            raise SamplerError(self.name, f"its process ended ({how}){lines}") from None
        except BaseException:
            self.close()
            raise
        if kind == "input":
            raise InputError(*answer)
        if kind == "error":
            raise SamplerError(self.name, answer)
        return answer
