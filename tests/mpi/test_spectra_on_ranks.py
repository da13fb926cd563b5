"""The same rates, functions, exits and committors on one rank and on more.

Started by mpirun (``make test-mpi`` does), this compares what all ranks find together with what
each finds alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

MPI = pytest.importorskip("mpi4py.MPI")

RELATIVE = 1e-8

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


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="compares ranks with one another")
@pytest.mark.parametrize("name", CASES)
def test_all_ranks_find_what_one_finds(name):
    together = found(name, MPI.COMM_WORLD)
    for other in MPI.COMM_WORLD.allgather(together):
        assert all(np.array_equal(together[key], other[key]) for key in together)
    assert_same(name, found(name, MPI.COMM_SELF), together)


def test_few_unknowns_in_space_are_factorised_by_every_rank():
    """A factor that is divided costs more than it saves there; rates are those of one rank."""
    import wfrpde

    tables = {**CASES["space"], "numerics": {"cells": [6, 4, 4]}}
    start = {"mean": [-1.0] * 3, "covariance": 0.1}
    case = wfrpde.Case.model_validate({"initial": start, "spectrum": {"count": 4}, **tables})
    alone, together = (wfrpde.spectrum(case, comm) for comm in (MPI.COMM_SELF, MPI.COMM_WORLD))
    np.testing.assert_allclose(together.rates, alone.rates, rtol=RELATIVE, atol=1e-12)
    kind = "cholesky" if MPI.COMM_WORLD.size == 1 else "redundant"
    solvers = {run["linear_solver"] for run in together.numerics["runs"]}
    assert solvers == {f"preonly/{kind}"}
