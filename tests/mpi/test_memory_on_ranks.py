"""Bytes a node that a solve in space holds at its peak, on one rank and on each of several.

What NumPy allocates is counted, and with it the matrix, whose arrays PETSc takes over; of what
ranks share each fills a part. What does not grow with the nodes (samples of the landscape, blocks
in which points are worked through) is made small, as it is beside a large mesh.
"""

import mmap
import tracemalloc

import pytest

import wfrpde
from wfrpde.parallel.mpi import MPI

SHARES = {1: 1.0, 2: 0.55, 4: 0.3}

CASE = {
    "target": {
        "kind": "gaussian",
        "mean": [0.0] * 3,
        "covariance": [[1.0, 0.3, 0.0], [0.3, 0.8, 0.2], [0.0, 0.2, 0.6]],
    },
    "initial": {"mean": [-0.5, 0.5, 0.0], "covariance": [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.4]]},
    "flow": {"save": [0.005, 0.01]},
    "domain": {"box": [[-5.0, 5.0]] * 3},
    "numerics": {"formulation": "edge-averaged", "certify": False, "dt": 0.01},
}


class Counted(mmap.mmap):
    """Shared memory, the part of which that a rank fills it is seen to allocate."""

    def __new__(cls, number, size):
        made = super().__new__(cls, number, size)
        made.counted = bytearray(size // MPI.COMM_WORLD.size)
        return made


@pytest.fixture
def small(monkeypatch):
    """Blocks that are small beside the mesh; and what is large there is shared."""
    monkeypatch.setattr("wfrpde.parallel.shared.LEAST", 0)
    monkeypatch.setattr("wfrpde.parallel.shared.mmap.mmap", Counted)
    monkeypatch.setattr("wfrpde.discretisation.functionals.AT_ONCE", 5_000)
    monkeypatch.setattr("wfrpde.discretisation.fluxes.ROWS", 600)
    monkeypatch.setattr("wfrpde.discretisation.tensor_interpolation.LOOKED_AT", 3_000)
    monkeypatch.setattr("wfrpde.fields.blocks.BLOCK", 1_000)
    monkeypatch.setattr("wfrpde.fields.rendering.IN_CACHE", 1_000)
    monkeypatch.setattr("wfrpde.flow.evaluation.BLOCK", 1_000)
    monkeypatch.setitem(wfrpde.domain.extent.SAMPLES, 3, 9)


def bytes_a_node(comm, cells):
    """Bytes on the rank that holds most, by the nodes of all ranks; and the solution."""
    case = wfrpde.Case.from_dict({**CASE, "numerics": {**CASE["numerics"], "cells": cells}})
    wfrpde.solve(case.with_overrides({"numerics.cells": [8, 8, 8]}), comm)  # what is imported stays
    tracemalloc.start()
    try:
        solution = wfrpde.solve(case, comm)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return max(comm.allgather(peak)) / solution.numerics["nodes"], solution


def test_bytes_a_node_a_rank(small):
    """At most 400 on one rank; of that .55 on each of two, .3 on each of four."""
    comm, cells = MPI.COMM_WORLD, [60, 8, 8]
    alone, one = bytes_a_node(MPI.COMM_SELF, cells)
    assert alone < 400
    if comm.size == 1:
        return
    shared, other = bytes_a_node(comm, cells)
    assert shared < SHARES.get(comm.size, 0.55) * alone
    assert other.series["kl"] == pytest.approx(one.series["kl"], rel=1e-8)
