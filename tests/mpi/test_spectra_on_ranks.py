"""The same rates, functions, exits and committors on one rank and on more.

Started by mpirun itself, this compares what all ranks find together with what each finds alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MPI = pytest.importorskip("mpi4py.MPI")

RELATIVE = 1e-8

MORE_RANKS_THAN_CORES = {
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",  # Open MPI 5
    "OMPI_MCA_rmaps_base_oversubscribe": "1",  # Open MPI 4
    "OMPI_MCA_mpi_yield_when_idle": "1",  # ranks that wait leave their core to others
}

WELL = {"kind": "double_well", "tilt": 0.5}
CASES: dict[str, dict[str, Any]] = {
    "line": {"target": {**WELL, "barrier": 20.0}},
    "plane": {
        "target": {**WELL, "barrier": 12.0, "dim": 2, "stiffness": 8.0, "coupling": 0.5},
        "numerics": {"cells": [14, 8], "degree": 6},
    },
    "triangles": {
        "target": {**WELL, "barrier": 6.0, "dim": 2, "stiffness": 8.0, "coupling": 0.5},
        "domain": {"cell": "simplex", "box": [[-1.8, 1.8], [-2.2, 2.2]]},
        "numerics": {"cells": [20, 12]},
    },
    "space": {
        "target": {**WELL, "barrier": 8.0, "dim": 3, "stiffness": 8.0, "coupling": 0.5},
        "numerics": {"cells": [8, 5, 5], "solver": "iterative"},
    },
}

PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np
from mpi4py import MPI
from test_spectra_on_ranks import CASES, found
folder = Path(sys.argv[1])
for name in CASES:
    values = found(name, MPI.COMM_WORLD)
    every = MPI.COMM_WORLD.gather(values)
    if MPI.COMM_WORLD.rank == 0:
        for other in every:
            assert all(np.array_equal(values[key], other[key]) for key in values), name
        np.savez(folder / name, **values)
"""


def found(name: str, comm) -> dict[str, np.ndarray]:
    """Everything that is to agree, as arrays."""
    import wfrpde
    from wfrpde.operators import committor, mean_exit_time

    tables = CASES[name]
    dim = tables["target"].get("dim", 1)
    start = {"mean": [-1.0] * dim, "covariance": np.eye(dim).tolist()}
    case = wfrpde.Case.model_validate(
        {"initial": start, "spectrum": {"count": 5}, "flow": {"reaction": "tanh(x)"}, **tables}
    )
    spectrum = wfrpde.spectrum(case, comm)
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (50, dim))
    points[:, 1:] = (points[:, 1:] + points[:, :1]) / 2  # along the valley: where π is
    values = {
        "rates": spectrum.rates[1:],
        "slow function": spectrum.eigenfunction(1, points),
        "nodes": spectrum.nodes,
    }
    if name in ("line", "plane"):
        values["eigenvalues"] = wfrpde.feynman_kac(case, comm).eigenvalues
        values["committor"] = committor(case, "x < -0.9", "x > 0.8", comm)(points)
        leaving = mean_exit_time(case, "x > 0.8", comm)
        values["times"] = leaving.time_from(points)
        values["exit"] = np.array([leaving.rate, leaving.mean_time])
    return values


def assert_same(name: str, one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    # an iterative solver ends where the norm in L²(π) is small: functions less far than rates
    size = {"space": 1e-5}.get(name, RELATIVE)
    for key, wanted in one.items():
        absolute = size if key in ("slow function", "committor") else 0.0
        np.testing.assert_allclose(other[key], wanted, rtol=RELATIVE, atol=absolute, err_msg=key)


@pytest.fixture(scope="module")
def by_ranks(tmp_path_factory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("spectra")
    (folder / "program.py").write_text(PROGRAM)
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    folders = {}
    for ranks in (1, 2, 3):
        folders[ranks] = folder / str(ranks)
        folders[ranks].mkdir()
        subprocess.run(
            ["mpirun", "-n", str(ranks), sys.executable, "program.py", str(folders[ranks])],
            cwd=folder, check=True, timeout=300,
            env=os.environ | MORE_RANKS_THAN_CORES | {"PYTHONPATH": paths},
        )  # fmt: skip
    return folders


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun")
@pytest.mark.skipif(MPI.COMM_WORLD.size > 1, reason="starts mpirun itself")
@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_spectra_agree(by_ranks, name, ranks):
    one, other = (dict(np.load(by_ranks[n] / f"{name}.npz")) for n in (1, ranks))
    assert_same(name, one, other)


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="compares ranks with one another")
@pytest.mark.parametrize("name", CASES)
def test_all_ranks_find_what_one_finds(name):
    assert_same(name, found(name, MPI.COMM_SELF), found(name, MPI.COMM_WORLD))
