"""Commands that are killed at some moment and gone on with, for tests and `validation/kills.py`."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

CASES = {
    "flow": """
[target]
potential = "(x**2 - 1)**2 + 0.3*x"
modes = { left = "x < 0", right = "x >= 0" }
[initial]
mean = [-1.0]
covariance = [[0.05]]
[flow]
t_end = 0.3
save = [0.1, 0.3]
[numerics]
formulation = "edge-averaged"
cells = [60]
dt = 1e-2
[output]
figures = false
paraview = false
""",
    "judged": """
[target]
potential = "x**2/2"
[initial]
mean = [1.0]
covariance = [[0.25]]
[flow]
beta = 0.0
save = [0.2, 0.4]
[[sampler]]
kind = "langevin"
particles = 100
replicates = 8
dt = 0.02
[output]
figures = false
[validation]
metrics = false
""",
    "studied": """
[target]
potential = "x**2/2"
[initial]
mean = [1.0]
covariance = [[0.5]]
[flow]
t_end = 0.3
[[convergence]]
vary = "h"
values = [20, 40, 80]
[output]
figures = false
""",
}

COMMANDS = {
    "solve": ["solve", "flow.toml"],
    "spectrum": ["spectrum", "flow.toml", "--sweep", "flow.alpha=0.5:2:5"],
    "validate": ["validate", "judged.toml"],
    "converge": ["converge", "studied.toml"],
}

SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT]

ALWAYS = (
    "from wfrpde.commands.launcher import end_with_launcher; end_with_launcher(); "
    "import sys; import wfrpde.flow.checkpoints as c; c.EVERY = c.LATENCY = 0; c.SHARE = 9; "
)
"""Before a command: what it begins with, and checkpoints after every step."""

CODE = f"{ALWAYS}from wfrpde.commands.cli import main; sys.exit(main())"
"""What runs a command with the words that follow."""

MARK = "WFRPDE_KILLED"
"""Variable by which the processes of a command are found again."""

PATIENT = {"OMPI_MCA_mpi_yield_when_idle": "1"}
"""Ranks that wait for one another leave the processors to others."""


class Command(Protocol):
    """What is asked of a process."""

    @property
    def pid(self) -> int: ...
    def wait(self, timeout: float) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, number: int) -> None: ...


@dataclass(frozen=True)
class Bench:
    """Runs commands in a folder of their own, on so many ranks, none longer than ``patience``."""

    folder: Path
    ranks: int = 1
    patience: float = 120.0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, text in CASES.items():
            (self.folder / f"{name}.toml").write_text(text)

    def start(self, command: str, out: str, *further: str) -> tuple[Command, str]:
        words, mark = [*COMMANDS[command], "--out", out, *further], uuid.uuid4().hex
        return self.process(words, self.folder / f"{out}.log", mark), mark

    def process(self, words: list[str], log: Path, mark: str) -> Command:
        """Begin a command in a session of its own."""
        begins = ["mpirun", "-n", str(self.ranks)] if self.ranks > 1 else []
        # a launcher that is killed leaves files by its number, which comes again: then none starts
        scratch = self.folder / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        with log.open("ab") as file:
            return subprocess.Popen(
                [*begins, sys.executable, "-c", CODE, *words], cwd=self.folder, stdout=file,
                stderr=file, start_new_session=True,
                env={**os.environ, **PATIENT, MARK: mark, "TMPDIR": str(scratch)},
            )  # fmt: skip

    def whole(self, command: str, out: str, *further: str) -> float:
        """Run a command to its end; return the CPU seconds that it took."""
        process, mark = self.start(command, out, *further)
        try:
            code, spent = self._until(process, mark, math.inf)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
        # a study or a verdict may end with 1
        assert code in (0, 1), f"{code}: {(self.folder / f'{out}.log').read_text()}"
        assert not left_of(mark)
        return spent

    def killed(self, command: str, out: str, number: int, after: float) -> bool:
        """Run a command, and send it a signal after so many CPU seconds.

        Seconds of a clock would be other moments whenever the machine has other work. Return False
        if it had come to its end before that.
        """
        process, mark = self.start(command, out)
        try:
            code, _ = self._until(process, mark, after)
            if code is None:
                process.send_signal(number)
            process.wait(self.patience / 2)
            deadline = time.monotonic() + self.patience / 6
            while (left := left_of(mark)) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not left, f"processes are left: {left}"
        finally:
            for pid in left_of(mark):
                os.kill(pid, signal.SIGKILL)
        return code is None

    def _until(self, process: Command, mark: str, most: float) -> tuple[int | None, float]:
        """Wait till a command has ended, or spent so many CPU seconds; what it gave and spent."""
        deadline, spent = time.monotonic() + self.patience, 0.0
        while (code := process.poll()) is None and spent < most:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(mark, self.patience)
            time.sleep(0.1)
            spent = max(spent, sum(cpu_seconds(pid) for pid in {process.pid, *left_of(mark)}))
        return code, spent

    def numbers(self, command: str, out: str) -> str:
        """What a run gave, without what the clock says."""
        folder = self.folder / out
        if command in ("solve", "spectrum"):
            found = {"solve": "solution.npz", "spectrum": "sweep.npz"}
            with np.load(folder / found[command], allow_pickle=False) as file:
                arrays = {name: file[name].tolist() for name in file.files if name != "content"}
                content = json.loads(str(file["content"]))
        else:
            found = {"validate": "validation.json", "converge": "convergence.json"}
            arrays = {}
            content = json.loads((folder / found[command]).read_text())
        return json.dumps({**arrays, "content": timeless(content)}, sort_keys=True)

    def hidden(self, out: str) -> set[str]:
        """Hidden files but for the marker, and checkpoints."""
        every = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}
        odd = {name for name in every if "/." in f"/{name}" or "checkpoints" in name}
        return odd - {name for name in every if name.endswith("/.wfrpde")}


def timeless(content: object) -> object:
    """Leave out wall times and dates."""
    if isinstance(content, dict):
        clock = {
            *("wall_time", "seconds", "created", "efficiency"),
            *("replicates_reused", "replicates_computed"),
        }
        return {key: timeless(value) for key, value in content.items() if key not in clock}
    return [timeless(entry) for entry in content] if isinstance(content, list) else content


def cpu_seconds(pid: int) -> float:
    """What a process has spent; 0 of one that is gone."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def left_of(mark: str) -> list[int]:
    """Processes that a command has left, by its mark."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
