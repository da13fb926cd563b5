"""Weights of the nodes integrate, and distances of densities are relative."""

import numpy as np
import pytest

from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid, simplices_of_box
from wfrpde.studies.convergence.field import node_weights, relative_error


def box(dim: int, *, holes: bool = False) -> TensorGrid:
    breaks = tuple(np.linspace(-1.0, 1.0 + axis, 5 + axis) for axis in range(dim))
    active = np.ones([len(b) - 1 for b in breaks], dtype=bool)
    if holes:
        active[(0,) * dim] = False
    return TensorGrid(breaks, active)


@pytest.mark.parametrize("degree", [1, 3, 6])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_weights_integrate_polynomials(dim, degree):
    interpolation = TensorInterpolation(box(dim), degree)
    weights = node_weights(interpolation)
    x = interpolation.nodes
    volume = np.prod(2.0 + np.arange(dim))
    assert weights.sum() == pytest.approx(volume, rel=1e-13)
    exact = volume * 0.5 * (dim - 1)  # the last axis is [−1, dim]: its mean is (dim − 1)/2
    assert weights @ x[:, -1] == pytest.approx(exact, abs=1e-12)
    if degree > 1:
        assert weights @ x[:, 0] ** 2 == pytest.approx(volume / 3, rel=1e-13)


def test_weights_leave_out_cells_that_are_no_part_of_the_mesh():
    grid = box(2, holes=True)
    cell = np.prod([np.diff(b)[0] for b in grid.breaks])
    assert node_weights(TensorInterpolation(grid, 4)).sum() == pytest.approx(6.0 - cell, rel=1e-13)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_weights_of_simplices(dim):
    interpolation = SimplexInterpolation(simplices_of_box(box(dim)))
    weights = node_weights(interpolation)
    assert weights.sum() == pytest.approx(np.prod(2.0 + np.arange(dim)), rel=1e-13)
    assert (weights > 0).all()


def test_relative_error():
    weights = np.array([1.0, 2.0, 1.0])
    truth = np.log([1.0, 2.0, 4.0])
    assert relative_error(truth, truth, weights) == 0.0
    assert relative_error(truth + np.log(1.1), truth, weights) == pytest.approx(0.1, rel=1e-12)
    assert relative_error(np.full(3, -np.inf), truth, weights) == pytest.approx(1.0, rel=1e-12)
