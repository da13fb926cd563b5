"""Nodal fields: their weights integrate, they evaluate, and they come back from the disk."""

import pickle

import numpy as np
import pytest

from wfrpde.discretisation.interpolation import SimplexInterpolation, TensorInterpolation
from wfrpde.domain.grid import TensorGrid, simplices_of_box
from wfrpde.parallel.tasks import Store
from wfrpde.studies.convergence.field import Field, node_weights, relative_error
from wfrpde.studies.convergence.record import RunRecord


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


def fields() -> dict[str, Field]:
    made = {}
    coarse = simplices_of_box(box(2))
    for name, interpolation in {
        "tensor": TensorInterpolation(box(2, holes=True), 3),
        "simplex": SimplexInterpolation(coarse),
        "extrapolated simplex": SimplexInterpolation(coarse.refined(), coarse),
    }.items():
        x = interpolation.nodes
        u = 0.3 * x[:, 0] + 0.2 * x[:, 1]
        made[name] = Field(interpolation, u, u - 1.0)
    return made


@pytest.mark.parametrize("name", ["tensor", "simplex", "extrapolated simplex"])
def test_a_run_comes_back_from_the_disk_and_from_another_rank(name, tmp_path):
    field = fields()[name]
    point = np.array([[0.3, 0.7]])
    before = field.relative_at(point)  # leaves a search tree behind
    assert before == pytest.approx(0.3 * 0.3 + 0.2 * 0.7, abs=1e-12)
    record = RunRecord(field, 0.25, 1e-7, 0.0, len(field.relative), 1.5, 2)
    store = Store(tmp_path / "runs", RunRecord.arrays, RunRecord.of)
    store.save("key", record)
    assert [path.name for path in store.folder.iterdir()] == ["key.npz"]
    back = store.load("key")
    assert (back.kl, back.estimate, back.ranks) == (0.25, 1e-7, 2)
    for other in (back.field, pickle.loads(pickle.dumps(field))):
        np.testing.assert_array_equal(other.log_density, field.log_density)
        np.testing.assert_array_equal(other.relative_at(point), before)


def test_relative_error():
    weights = np.array([1.0, 2.0, 1.0])
    truth = np.log([1.0, 2.0, 4.0])
    assert relative_error(truth, truth, weights) == 0.0
    assert relative_error(truth + np.log(1.1), truth, weights) == pytest.approx(0.1, rel=1e-12)
    assert relative_error(np.full(3, -np.inf), truth, weights) == pytest.approx(1.0, rel=1e-12)
