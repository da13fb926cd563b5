"""A reader that has had enough, as in ``wfrpde … | head``."""

import importlib.util
import subprocess
import sys

from tests.faults.killing import CASES


def test_nobody_reads_on(tmp_path):
    (tmp_path / "flow.toml").write_text(CASES["flow"])
    words = [sys.executable, "-m", "wfrpde", "solve", "flow.toml", "--no-compare"]
    if importlib.util.find_spec("petsc4py") is not None:  # whose handlers take signals
        words += ["--set", "numerics.solver=iterative"]
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert "error: what is said cannot be written: Broken pipe" in told
    assert "MPI_ABORT" not in told.upper()
    assert "PETSC ERROR" not in told
    assert (tmp_path / "wfr-flow" / "summary.json").is_file()
