"""Semi-discrete flows that are small enough for dense linear algebra."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dolfinx")

from mpi4py import MPI

from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.discretisation.nodes import Nodes, make_nodes
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine.matrix import ShiftedSolver, assemble, merged_options, solver_options
from wfrpde.flow.steppers.splitting import Splitting
from wfrpde.flow.steppers.transport import FIFTH_ORDER, SECOND_ORDER, Transport


@dataclass
class SemiDiscrete:
    """Nodes, π and S of a flow; `log_mass` normalises −log ρ₀ given as a function."""

    nodes: Nodes
    potential: np.ndarray
    log_target: np.ndarray
    dense: np.ndarray
    solver: Any

    def log_mass(self, surprise):
        value = np.log(self.nodes.weights) - surprise(self.nodes.points)
        return value - self.nodes.logsumexp(value)

    def transport(self, rational=SECOND_ORDER, alpha=1.0, **limits):
        return Transport(self.nodes, self.solver, self.log_target, alpha, rational, **limits)

    def splitting(self, *, order=2, alpha=1.0, beta=1.0, conserve_mass=True):
        transport = None
        if alpha > 0:
            transport = self.transport(FIFTH_ORDER if order == 4 else SECOND_ORDER, alpha)
        return Splitting(self.nodes, self.log_target, transport, beta, conserve_mass, order=order)

    def exact_transport(self, log_mass, t):
        """e^{−tS} by eigenvalues."""
        value, vector = np.linalg.eigh(self.dense)
        start = np.exp(log_mass - self.log_target / 2)
        return np.log(vector @ (np.exp(-t * value) * (vector.T @ start))) + self.log_target / 2


@pytest.fixture
def semi_discrete():
    """Return (potential, cells, …) -> SemiDiscrete on [−low, high]^dim."""
    made = []

    def make(potential, cells=40, *, dim=1, degree=1, low=-4.0, high=4.0):
        breaks = (np.linspace(low, high, cells + 1),) * dim
        nodes = make_nodes(MPI.COMM_SELF, TensorGrid(breaks, np.ones([cells] * dim, bool)), degree)
        values = potential(nodes.points)
        log_target = np.log(nodes.weights) - values
        log_target -= nodes.logsumexp(log_target)
        triplets, _ = symmetrised_stiffness(nodes, values)
        dense = np.zeros((len(values), len(values)))
        np.add.at(dense, (triplets.row, triplets.column), triplets.value)
        matrix = assemble(nodes, triplets)
        options = solver_options(dim, degree, len(values), 1)
        solver = ShiftedSolver(matrix, merged_options(options, {}))
        made.append((solver, matrix))
        return SemiDiscrete(nodes, values, log_target, dense, solver)

    yield make
    for solver, matrix in made:
        solver.destroy()
        matrix.destroy()


def quadratic(x):
    """OU potential x²/2."""
    return (x**2).sum(axis=1) / 2


def double_well(x):
    """Two wells of different depth, in the first coordinate."""
    return 2 * (x[:, 0] ** 2 - 1) ** 2 + 0.3 * x[:, 0] + (x[:, 1:] ** 2).sum(axis=1)
