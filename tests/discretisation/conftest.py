"""Grids with cut-out cells, and matrices in the canonical order of the nodes."""

import numpy as np
import pytest

pytest.importorskip("dolfinx")

from mpi4py import MPI

from wfrpde.discretisation.nodes import make_nodes
from wfrpde.domain.grid import TensorGrid, simplices_of_box


@pytest.fixture
def tensor_grid():
    """Return (dim, cut) -> a ragged box, with some cells cut out."""

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
