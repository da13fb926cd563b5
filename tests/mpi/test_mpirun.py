"""The command line on two ranks: nothing hangs, and every message comes once."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from two_ranks import complaints

pytest.importorskip("mpi4py")

CASE = """
[target]
potential = "(x**2 - 1)**2"
modes = { left = "x < 0", right = "x >= 0" }
[initial]
mean = [-1.0]
covariance = [[0.05]]
[flow]
t_end = 0.5
save = [0.1, 0.5]
"""

pytestmark = [
    pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun"),
    # Under mpirun itself these would start runs within runs.
    pytest.mark.skipif(
        "sys.modules.get('mpi4py.MPI') and sys.modules['mpi4py.MPI'].COMM_WORLD.size > 1",
        reason="starts mpirun itself",
    ),
]


def on_two_ranks(*words: str, folder, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["mpirun", "-n", "2", sys.executable, *words],
        capture_output=True, text=True, cwd=folder, timeout=timeout,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "well.toml").write_text(CASE)
    return tmp_path


BAD = {
    "end": (["solve", "well.toml", "--set", "flow.t_end=-1"], "well.toml: flow.t_end: found -1"),
    "potential": (
        ["solve", "well.toml", "--set", "target.potential=x.__class__"],
        "target.potential",
    ),
    "folder": (["solve", "well.toml", "--out", "/proc/none/run"], "cannot be written"),
    "full": (["solve", "well.toml", "--out", "."], "a folder that is not empty"),
    "count": (
        ["spectrum", "well.toml", "--set", "spectrum.count=5000"],
        "spectrum.count: found 5000 with",
    ),
    "absorbing": (
        ["spectrum", "well.toml", "--set", "spectrum.absorbing=x > 50"],
        "no node of the mesh in it",
    ),
    "sweep": (["spectrum", "well.toml", "--sweep", "flow.alpha=-1:1:3"], "flow.alpha: found -1"),
}


def test_bad_input_is_told_once(folder):
    for name, message in complaints(
        {name: words for name, (words, _) in BAD.items()}, folder
    ).items():
        assert BAD[name][1] in message
    assert [path.name for path in folder.iterdir()] == ["well.toml"]


def test_bad_input_ends_mpirun(folder):
    words, message = BAD["absorbing"]
    done = on_two_ranks("-m", "wfrpde", *words, folder=folder)
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert message in done.stderr
    assert [path.name for path in folder.iterdir()] == ["well.toml"]


@pytest.mark.parametrize("error", ["RuntimeError('unforeseen')", "SolverError('alone')"])
def test_a_rank_that_fails_alone_ends_the_run(folder, error):
    script = (
        "from wfrpde.commands.session import Session\n"
        "from wfrpde.errors import SolverError\n"
        "with Session() as session:\n"
        "    if session.rank == 1:\n"
        f"        raise {error}\n"
        "    session.comm.Barrier()\n"
        "    session.comm.Barrier()\n"
    )
    done = on_two_ranks("-c", script, folder=folder)
    assert done.returncode != 0
    assert "rank 1 of 2" in done.stderr
    assert error.split("'")[1] in done.stderr


def test_a_run_on_two_ranks(folder):
    words = ["--set", "numerics.cells=[40]", "--set", "numerics.dt=0.05"]
    done = on_two_ranks("-m", "wfrpde", "solve", "well.toml", *words, folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Report ") == 1
    summary = json.loads((folder / "wfr-well" / "summary.json").read_text())
    assert summary["complete"] is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_a_stopped_run_is_whole_or_absent(folder, number):
    words = ["-m", "wfrpde", "solve", "well.toml", "--no-compare", "--set", "numerics.dt=1e-7"]
    process = subprocess.Popen(
        ["mpirun", "-n", "2", sys.executable, *words, "--set", "flow.save=[1e-5, 0.5]"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    first = next(process.stderr)
    assert f"'kill -USR1 {process.pid}'" in first
    for line in process.stderr:
        if "t = " in line:
            break
    time.sleep(1.0)
    process.send_signal(number)
    process.communicate(timeout=300)
    left = {path.name for path in folder.iterdir()}
    if number == signal.SIGUSR1:
        assert left == {"well.toml", "wfr-well"}
        summary = json.loads((folder / "wfr-well" / "summary.json").read_text())
        assert summary["complete"] is False
    else:
        assert left <= {"well.toml", "wfr-well"}


KEPT = """
import pickle, sys
import numpy as np
from mpi4py import MPI
import wfrpde
from wfrpde.case import load_case
comm, path = MPI.COMM_WORLD, sys.argv[1]
few = {"numerics.cells": [40], "numerics.dt": 0.05}
solution = wfrpde.solve(load_case("well.toml", few), comm)
solution.save(path, comm)
again = wfrpde.load_solution(path)
x = np.linspace(-1.5, 1.5, 31)
for other in (again, comm.bcast(solution, root=1), pickle.loads(pickle.dumps(solution))):
    for t in solution.times:
        assert np.array_equal(other.log_density(t, x), solution.log_density(t, x))
assert again.numerics["ranks"] == 2
try:
    solution.save("/proc/none/kept.npz", comm)
except OSError as error:
    from pathlib import Path
    Path(f"refused-{comm.rank}").touch()
"""


def test_a_solution_of_two_ranks_is_kept(folder):
    done = on_two_ranks("-c", KEPT, str(folder / "kept.npz"), folder=folder)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.glob("refused-*")} == {"refused-0", "refused-1"}
    assert not list(folder.glob(".*"))
