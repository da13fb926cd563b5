"""Fluxes with a direction: π stays, mass is kept, and inside no coupling is negative."""

from __future__ import annotations

import numpy as np
import pytest

from wfrpde import Case
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.discretisation.swept import Sweep


def stiffness(dynamics, sides=None):
    """S of the dynamics, √M, the grid and its nodes, in a box some cells of which are cut away."""
    from wfrpde.parallel.mpi import MPI

    domain = {"box": [[-3.0, 3.0], [-2.0, 2.0]]}
    potential = "cos(pi*x/3) + 2*y**2 - y" if sides else "(x**2 - 2)**2 + 6*(y - 0.3*x)**2"
    case = Case.from_dict(
        {
            "target": {"potential": potential}, "initial": {"kind": "uniform"},
            "dynamics": dynamics, "domain": {**domain, **({"sides": sides} if sides else {})},
        }
    )  # fmt: skip
    problem = make_problem(case, at_equilibrium=True)
    grid = problem.tensor_grid((14, 10))
    nodes = make_nodes(MPI.COMM_SELF, grid, 1)
    value = problem.potential(nodes.points)
    sweep = Sweep(nodes, value, case.dynamics.build(2), problem.potential)
    entries, _ = symmetrised_stiffness(nodes, value, sweep=sweep)
    matrix = np.zeros((len(value), len(value)))
    np.add.at(matrix, (entries.row, entries.column), entries.value)
    root = np.sqrt(nodes.weights * np.exp(value.min() - value))
    return matrix, root, grid, nodes.points


@pytest.mark.parametrize("sides", [None, {"x": "periodic"}])
@pytest.mark.parametrize("circulation", ["3", "20", "1 + sin(pi*x/3)*y"])
def test_circulation_keeps_the_target(circulation, sides):
    matrix, root, grid, points = stiffness({"circulation": circulation}, sides)
    assert sides or not grid.active.all()
    size = np.abs(matrix).max()
    assert np.abs(matrix @ root).max() < 1e-12 * size * root.max()
    assert np.abs(root @ matrix).max() < 1e-12 * size * root.max()
    row, column = np.nonzero(matrix - np.diag(np.diag(matrix)) > 1e-12)
    on_wall = np.isin(points[:, 1], [-2.0, 2.0]) | np.isin(points[:, 0], [-3.0, 3.0])
    assert on_wall[row].all()  # where the flow along a wall is not taken upwind
    assert on_wall[column].all()
    assert np.abs(matrix - matrix.T).max() > 1e-2


def test_a_drift_keeps_the_mass():
    matrix, root, *_ = stiffness({"drift": ["y + x", "1 - x"], "circulation": "2"})
    size = np.abs(matrix).max()
    assert np.abs(root @ matrix).max() < 1e-12 * size * root.max()
    assert np.abs(matrix @ root).max() > 1e-3 * size * root.min()
