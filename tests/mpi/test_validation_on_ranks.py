"""Replicates on ranks: the same bits whoever computes them; errors and failures on every rank."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import wfrpde

MPI = pytest.importorskip("mpi4py.MPI")
pytest.importorskip("dolfinx")

TABLES = {
    "target": {"potential": "(x**2 - 1)**2", "modes": {"right": "x >= 0"}},
    "initial": {"mean": [-1.0], "covariance": [[0.1]]},
    "flow": {"save": [0.1, 0.3]},
    "validation": {"particles_ladder": [1, 0.5], "dt_ladder": [1, 2], "equation": False},
    "sampler": [
        {"kind": "langevin", "particles": 200, "replicates": 7},
        {"kind": "weighted", "density": "oracle", "particles": 200, "replicates": 5},
        {"kind": "birth_death", "particles": 200, "replicates": 5},
    ],
}

FEW = {"particles": 100, "replicates": 4, "dt": 0.1}
MIXTURE = {"weights": [0.3, 0.7], "means": [-1.2, 1.0], "covariances": [0.0625, 0.16]}
REVERSE = {
    "target": {"kind": "gaussian_mixture", **MIXTURE},
    "noising": {"kind": "ou", "stop": 0.1},
    "score": {},
    "flow": {"t_end": 1.0, "save": [0.5]},
    "numerics": {"cells": [40]},
    "sampler": [{"kind": "reverse_sde", **FEW}, {"kind": "pf_ode", **FEW}],
}
CORRECTED = {
    **REVERSE,
    "corrector": {"kind": "anneal", "power": 1.5},
    "sampler": [{"kind": "fkc", **FEW}],
}
ANNEALED = {
    "target": {"potential": "0.75*(x - 0.8*t)**2"},
    "path": {"kind": "expression"},
    "domain": {"box": [[-5.0, 6.0]]},
    "flow": {"reaction": "annealed", "save": [0.2]},
    "numerics": {"cells": [40], "dt": 0.05},
    "sampler": [{"kind": "ais", **FEW}, {"kind": "smc", **{**FEW, "dt": 0.2}}],
}

PROGRAM = """
import json, sys
from pathlib import Path
import wfrpde
from mpi4py import MPI
case = wfrpde.Case.model_validate(json.loads(Path(sys.argv[1]).read_text()))
report = wfrpde.validate(case, resume=sys.argv[2])
if MPI.COMM_WORLD.rank == 0:
    rows = [[r.sampler, r.observable, r.time, r.mean, r.standard_error] for r in report.table]
    Path(sys.argv[3]).write_text(json.dumps(rows))
"""


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun")
@pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts mpirun itself")
def test_replicates_have_the_same_bits_on_any_number_of_ranks(tmp_path):
    (tmp_path / "case.json").write_text(json.dumps(TABLES))
    (tmp_path / "program.py").write_text(PROGRAM)
    more = {
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
    }
    for ranks in (1, 3):
        words = [sys.executable, "program.py", "case.json", f"store-{ranks}", f"{ranks}.json"]
        subprocess.run(
            ["mpirun", "-n", str(ranks), *words],
            cwd=tmp_path, env=os.environ | more, check=True, timeout=200,
        )  # fmt: skip
    names = sorted(path.name for path in (tmp_path / "store-1").iterdir())
    assert len(names) == 17 + 2 * 17 + 2 * 17
    assert sorted(path.name for path in (tmp_path / "store-3").iterdir()) == names
    for name in names:
        with (
            np.load(tmp_path / "store-1" / name) as one,
            np.load(tmp_path / "store-3" / name) as other,
        ):
            for key in one.files:
                if not key.endswith("seconds"):
                    np.testing.assert_array_equal(one[key], other[key], err_msg=f"{name} {key}")
    assert (tmp_path / "3.json").read_text() == (tmp_path / "1.json").read_text()


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="compares ranks with one another")
@pytest.mark.parametrize("given", [TABLES, REVERSE, CORRECTED, ANNEALED])
def test_every_rank_has_the_report(given):
    quick = {"metrics": False, "equation": False}
    report = wfrpde.validate(wfrpde.Case.model_validate({**given, "validation": quick}))
    tables = MPI.COMM_WORLD.allgather(report.table)
    assert all(table == tables[0] for table in tables)
    assert MPI.COMM_WORLD.allgather(report.verdicts) == [report.verdicts] * MPI.COMM_WORLD.size


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="needs several ranks")
def test_bad_input_is_raised_on_every_rank():
    tables = {**TABLES, "sampler": [{"kind": "langevin"}], "flow": {"alpha": 0.0}}
    with pytest.raises(wfrpde.WfrpdeError):
        # a Langevin sampler claims W, which a case without diffusion does not have
        wfrpde.validate(wfrpde.Case.model_validate(tables))
