"""Semi-discrete flows that are small enough for dense linear algebra."""

import numpy as np
import pytest

from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.discretisation.semi_discrete import SemiDiscrete
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine import Wish
from wfrpde.engine.choice import missing
from wfrpde.equation import Equation
from wfrpde.flow.steppers import STEPPERS
from wfrpde.flow.steppers.transport import SECOND_ORDER, Transport
from wfrpde.parallel.mpi import MPI


class OnMesh:
    """Nodes and a potential there; `log_mass` normalises −log ρ₀ given as a function."""

    def __init__(self, nodes, potential):
        self.nodes, self.potential = nodes, potential
        self.opened = []
        self.log_target = self.semi().log_target

    def semi(self, alpha=1.0, beta=1.0, *, by_axes=False, **keys):
        equation = Equation.of(alpha, beta, **keys)
        # a solver of PETSc's in one dimension, too
        wish = Wish(options={} if missing() else {"ksp_type": "preonly", "pc_type": "cholesky"})
        made = SemiDiscrete(equation, self.nodes, self.potential, wish=wish, by_axes=by_axes)
        self.opened.append(made)
        return self.opened[-1]

    def log_mass(self, surprise):
        value = np.log(self.nodes.weights) - surprise(self.nodes.points)
        return value - self.nodes.logsumexp(value)

    def transport(self, rational=SECOND_ORDER, alpha=1.0, **limits):
        return Transport(self.semi(alpha), rational, **limits)

    def splitting(self, *, order=2, alpha=1.0, beta=1.0, conserve_mass=True, name=None):
        usual = next(name for name, one in STEPPERS.items() if one.order == order)
        stepper = STEPPERS[name or usual]
        semi = self.semi(alpha, beta, conserve=conserve_mass, by_axes=stepper.by_axes)
        return stepper(semi)

    def exact_transport(self, log_mass, t):
        """e^{−tS} by eigenvalues."""
        triplets, _ = symmetrised_stiffness(self.nodes, self.potential)
        dense = np.zeros((len(self.potential), len(self.potential)))
        np.add.at(dense, (triplets.row, triplets.column), triplets.value)
        value, vector = np.linalg.eigh(dense)
        start = np.exp(log_mass - self.log_target / 2)
        return np.log(vector @ (np.exp(-t * value) * (vector.T @ start))) + self.log_target / 2


@pytest.fixture
def semi_discrete():
    """Return (potential, cells, …) -> OnMesh on [low, high]^dim."""
    made = []

    def make(potential, cells=40, *, dim=1, degree=1, low=-4.0, high=4.0):
        breaks = (np.linspace(low, high, cells + 1),) * dim
        nodes = make_nodes(MPI.COMM_SELF, TensorGrid(breaks, np.ones([cells] * dim, bool)), degree)
        made.append(OnMesh(nodes, potential(nodes.points)))
        return made[-1]

    yield make
    for problem in made:
        for semi in problem.opened:
            semi.close()


def quadratic(x):
    """OU potential x²/2."""
    return (x**2).sum(axis=1) / 2


def double_well(x):
    """Two wells of different depth, in the first coordinate."""
    return 2 * (x[:, 0] ** 2 - 1) ** 2 + 0.3 * x[:, 0] + (x[:, 1:] ** 2).sum(axis=1)
