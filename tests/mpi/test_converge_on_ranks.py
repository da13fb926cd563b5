"""A study does not depend on how its runs share the ranks."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_flow import LINE

import wfrpde

MPI = pytest.importorskip("mpi4py.MPI")
STUDY = {
    "vary": "h",
    "values": [40, 60, 80],
    "numerics": {"formulation": "spectral", "degree": 2, "dt": 1 / 32},
}


@pytest.fixture
def folder(tmp_path):
    """The same folder on every rank."""
    return MPI.COMM_WORLD.bcast(tmp_path, root=0)


@pytest.mark.parametrize("cell", ["auto", "simplex"])
def test_layouts_agree(cell, folder):
    comm = MPI.COMM_WORLD
    study = STUDY
    if cell == "simplex":
        study = {**STUDY, "numerics": {"formulation": "edge-averaged", "dt": 1 / 64}}
    case = LINE.case(0.25, domain={"box": [[-8.0, 8.0]], "cell": cell}, convergence=[study])
    spread = wfrpde.converge(case, comm, layout="spread", folder=folder / cell)
    together = wfrpde.converge(case, comm, layout="together")
    alone = wfrpde.converge(case, MPI.COMM_SELF)
    assert spread.passed
    for other in (together, alone):
        assert np.allclose(
            [row.error for row in spread.table], [row.error for row in other.table], rtol=1e-6
        )
    assert all(row.ranks == 1 for row in spread.table)
    assert all(row.ranks == comm.size for row in together.table)
    orders = comm.allgather([fit.order for fit in spread.orders.values()])
    assert all(found == orders[0] for found in orders)
    assert len(list((folder / cell).iterdir())) == 3
    again = wfrpde.converge(case, comm, folder=folder / cell)
    assert [row.seconds for row in again.table] == [row.seconds for row in spread.table]


def test_a_study_in_particles_does_not_depend_on_the_ranks(folder):
    """Block by block, whoever computes them; and a second time from the files of all ranks."""
    comm = MPI.COMM_WORLD
    data = {
        "target": {"kind": "gaussian", "mean": [0.8], "covariance": [[0.6]]},
        "initial": {"mean": [0.0], "covariance": [[1.0]]},
        "flow": {"alpha": 0.0, "save": [1.0]},
        "sampler": [{"kind": "fisher_rao", "replicates": 40}],
        "convergence": [{"vary": "particles", "values": [500, 2000, 8000]}],
    }
    case = wfrpde.Case.model_validate(data)
    spread = wfrpde.converge(case, comm, folder=folder / "particles")
    alone = wfrpde.converge(case, MPI.COMM_SELF)
    assert [row.error for row in spread.table] == [row.error for row in alone.table]
    assert spread.orders["N, fisher_rao, RMSE of mean x"].order == pytest.approx(0.5, abs=0.1)
    comm.barrier()
    files = len(list((folder / "particles").iterdir()))
    assert files == 21
    again = wfrpde.converge(case, comm, folder=folder / "particles")
    assert [row.error for row in again.table] == [row.error for row in spread.table]


def test_bad_studies_are_refused_on_every_rank():
    case = LINE.case(0.5, convergence=[{**STUDY, "numerics": {"degre": 2}}])
    with pytest.raises(wfrpde.WfrpdeError, match="degre"):
        wfrpde.converge(case, MPI.COMM_WORLD)
