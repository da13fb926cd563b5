"""No options file of the working folder reaches PETSc: it could name files to write."""

import subprocess
import sys

import pytest

SCRIPT = """
import wfrpde
case = wfrpde.Case.from_dict({
    "target": {"potential": "x**2/2 + y**2"}, "initial": {"mean": [0, 0]},
    "domain": {"cell": CELL}, "flow": {"save": [0.1]},
    "numerics": {"cells": [6, 6], "certify": False, "formulation": "edge-averaged"},
})
wfrpde.solve(case)
from petsc4py import PETSc
print(sorted(PETSc.Options().getAll()))
"""


def test_options_files_are_not_read(tmp_path):
    pytest.importorskip("petsc4py")
    (tmp_path / ".petscrc").write_text(f"-log_view :{tmp_path}/written\n-wfrpde_ksp_type cg\n")
    for cell in ("tensor", "simplex"):
        script = SCRIPT.replace("CELL", repr(cell))
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "['no_signal_handler', 'skip_petscrc']", (
            done.stdout + done.stderr
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == [".petscrc"]
