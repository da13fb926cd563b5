"""Richardson's extrapolation over nested grids, on fields whose error is known."""

import numpy as np
import pytest

from wfrpde.discretisation.extrapolation import coarse_positions, extrapolate, prolong
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid, simplices_of_box


def ladder(kind, dim, cells, *, cut=True, levels=2):
    """Interpolations on nested grids, with a corner cut out or not, the coarsest first."""
    active = np.ones([cells] * dim, dtype=bool)
    if dim > 1 and cut:
        active[: cells // 4, : cells // 4] = False
    grid = TensorGrid((np.linspace(-1.0, 1.0, cells + 1),) * dim, active)
    if kind == "simplex":
        grid = simplices_of_box(grid)
    grids = [grid]
    for _ in range(levels - 1):
        grids.append(grids[-1].refined())
    if kind == "simplex":
        return [SimplexInterpolation(g, grids[k - 1] if k else None) for k, g in enumerate(grids)]
    return [TensorInterpolation(g, 1) for g in grids]


def exact(x):
    return np.sin(2 * x[:, 0]) * np.exp(0.5 * x[:, -1])


def with_error(x, h):
    """A field of two times with errors h² and h⁴, as a second-order scheme leaves them."""
    one = exact(x) + h**2 * np.cos(x[:, 0]) * x[:, -1] + h**4 * np.sin(3 * x[:, 0])
    return np.stack([one, 2 * one])


KINDS = [("tensor", 1), ("tensor", 2), ("tensor", 3), ("simplex", 2), ("simplex", 3)]


@pytest.mark.parametrize(("kind", "dim"), KINDS)
def test_positions_of_the_coarse_nodes(kind, dim):
    coarse, fine = ladder(kind, dim, 8)
    position = coarse_positions(coarse, fine)
    np.testing.assert_allclose(fine.nodes[position], coarse.nodes, atol=1e-14)
    assert len(np.unique(position)) == len(coarse.nodes)


@pytest.mark.parametrize(("kind", "dim"), KINDS)
def test_fields_are_prolonged_at_once_as_one_by_one(kind, dim, monkeypatch):
    coarse, fine = ladder(kind, dim, 8)
    fields = np.concatenate([with_error(coarse.nodes, 0.3), with_error(coarse.nodes, 0.2)])
    every = prolong(coarse, fields, fine)
    assert every.shape == (4, len(fine.nodes))
    for most in (1, 2 * int(np.prod(fine.shape if kind == "tensor" else 1))):
        monkeypatch.setattr("wfrpde.discretisation.extrapolation.AT_ONCE", most)
        np.testing.assert_allclose(prolong(coarse, fields, fine), every, rtol=0, atol=1e-13)
    for field, found in zip(fields, every, strict=True):
        np.testing.assert_allclose(prolong(coarse, field[None], fine)[0], found, atol=1e-13)


@pytest.mark.parametrize(("kind", "dim"), KINDS)
def test_errors_of_second_order_become_fourth(kind, dim):
    errors = []
    for cells in (8, 16):
        # stencils that reach over a cut have a lower order there, where no mass is
        coarse, fine = ladder(kind, dim, cells, cut=kind == "simplex")
        h = 2 / cells
        u = extrapolate(coarse, with_error(coarse.nodes, h), fine, with_error(fine.nodes, h / 2))
        truth = np.stack([exact(fine.nodes), 2 * exact(fine.nodes)])
        errors.append(np.abs(u - truth).max())
        raw = np.abs(with_error(fine.nodes, h / 2) - truth).max()
        assert errors[-1] < 0.15 * raw
    assert errors[1] < 5e-4
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize(("kind", "dim"), KINDS)
def test_prolongation_keeps_the_coarse_values_and_linear_fields(kind, dim):
    coarse, fine = ladder(kind, dim, 8)
    values = np.random.default_rng(2).normal(size=(2, len(coarse.nodes))) * 0.05
    moved = prolong(coarse, values, fine)
    np.testing.assert_allclose(moved[:, coarse_positions(coarse, fine)], values, atol=1e-13)
    if dim == 1 or kind == "simplex":
        linear = coarse.nodes @ np.arange(1.0, dim + 1)
        expected = fine.nodes @ np.arange(1.0, dim + 1)
        np.testing.assert_allclose(prolong(coarse, linear[None], fine)[0], expected, atol=1e-13)
