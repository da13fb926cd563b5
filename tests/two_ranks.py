"""Commands that are to fail on two ranks, all of them within one mpirun: a start takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAM = """
import io, json, sys
from contextlib import redirect_stderr
from mpi4py import MPI
from wfrpde.commands.cli import main
told = {}
for name, words in json.loads(sys.argv[1]).items():
    screen = io.StringIO()
    with redirect_stderr(screen):
        code = main(words)
    told[name] = [MPI.COMM_WORLD.allgather(code), MPI.COMM_WORLD.allgather(screen.getvalue())]
if MPI.COMM_WORLD.rank == 0:
    print(json.dumps(told))
"""


def complaints(commands: Mapping[str, Sequence[str]], folder: Path) -> dict[str, str]:
    """The one message about each command, after which both ranks end with 2."""
    done = subprocess.run(
        ["mpirun", "-n", "2", sys.executable, "-c", PROGRAM, json.dumps(commands)],
        capture_output=True, text=True, cwd=folder, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "error:" not in done.stderr
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout)
    assert set(told) == set(commands)
    for name, (codes, (first, second)) in told.items():
        assert codes == [2, 2], name
        assert first.count("error:") == 1, name
        assert "Traceback" not in first, name
        assert second == "", name
    return {name: first for name, (_, (first, _)) in told.items()}
