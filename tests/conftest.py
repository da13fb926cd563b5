"""What several folders of tests share."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from wfrpde import Solution


@pytest.fixture(scope="session")
def solved() -> Callable[[str], Solution]:
    """Solutions of the shipped cases by name, each computed once."""
    import wfrpde

    @cache
    def solve(name: str) -> Solution:
        return wfrpde.solve(wfrpde.load_case(name))

    return solve


@pytest.fixture
def tensor_grid():
    """Return (dim, cut) -> a ragged box, with some cells cut out."""
    from wfrpde.domain.grid import TensorGrid

    def make(dim, *, cut=True, cells=4, low=-1.0, high=2.0):
        spread = np.linspace(0.0, 1.0, cells + 1)
        spread = spread + 0.15 * spread * (1 - spread)  # unequal cells
        breaks = tuple(low + (high - low + 0.3 * k) * spread for k in range(dim))
        active = np.ones([cells] * dim, dtype=bool)
        if cut and dim > 1:
            active[0, 0] = False
            active[-1, -1] = False
        return TensorGrid(breaks, active)

    return make


@pytest.fixture
def nodes_of(tensor_grid):
    """Return (kind, dim, degree) -> nodes of a tensor or simplex grid on this process alone."""
    from mpi4py import MPI

    from wfrpde.discretisation.nodes import make_nodes
    from wfrpde.domain.grid import simplices_of_box

    def make(kind, dim, degree=1, **options):
        grid = tensor_grid(dim, **options)
        return make_nodes(
            MPI.COMM_SELF, simplices_of_box(grid) if kind == "simplex" else grid, degree
        )

    return make


@pytest.fixture
def dense():
    """Return (nodes, triplets) -> dense matrix in the local order of the nodes."""

    def make(nodes, triplets):
        matrix = np.zeros((len(nodes.points), len(nodes.points)))
        np.add.at(matrix, (triplets.row, triplets.column), triplets.value)
        return matrix

    return make
