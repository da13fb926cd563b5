"""Quadrature over the mesh and over regions that its cells do not follow."""

import numpy as np
import pytest
from scipy.special import ndtr

from wfrpde.discretisation.interpolation import SimplexInterpolation, TensorInterpolation
from wfrpde.discretisation.nodes import simplex_volumes
from wfrpde.discretisation.quadrature import make_quadrature
from wfrpde.domain.grid import TensorGrid, simplices_of_box


def box(dim, cells, reach=8.0):
    return TensorGrid((np.linspace(-reach, reach, cells + 1),) * dim, np.ones([cells] * dim, bool))


def gaussian(x):
    return np.exp(-(x**2).sum(axis=1) / 2) / (2 * np.pi) ** (x.shape[1] / 2)


@pytest.mark.parametrize(
    ("dim", "degree", "per_axis"), [(1, 1, 2), (2, 1, 2), (2, 4, 6), (3, 2, 4)]
)
def test_gauss_points_are_exact_to_degree_2n_minus_1(tensor_grid, dim, degree, per_axis):
    grid = tensor_grid(dim)
    rule = make_quadrature(TensorInterpolation(grid, degree), [])
    corners = grid.points[grid.cells]
    low, high = corners[:, 0], corners[:, -1]
    power = 2 * per_axis - 1
    exact = ((high ** (power + 1) - low ** (power + 1)) / (power + 1)).prod(axis=1).sum()
    assert len(rule.points) == grid.n_cells * per_axis**dim
    assert rule.weights @ (rule.points**power).prod(axis=1) == pytest.approx(exact, rel=1e-12)
    finer = make_quadrature(TensorInterpolation(grid, degree), [], points_per_axis=7)
    assert len(finer.points) == grid.n_cells * 7**dim


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_simplex_rule_is_exact_to_degree_5(tensor_grid, dim):
    tensor = tensor_grid(dim)
    rule = make_quadrature(SimplexInterpolation(simplices_of_box(tensor)), [])
    corners = tensor.points[tensor.cells]
    low, high = corners[:, 0], corners[:, -1]
    powers = {1: (5,), 2: (2, 3), 3: (2, 1, 2)}[dim]
    exact = np.ones(len(low))
    for axis, k in enumerate(powers):
        exact *= (high[:, axis] ** (k + 1) - low[:, axis] ** (k + 1)) / (k + 1)
    value = rule.weights @ (rule.points ** np.array(powers)).prod(axis=1)
    assert value == pytest.approx(exact.sum(), rel=1e-12)


@pytest.mark.parametrize("simplices", [False, True])
def test_mass_of_a_half_line(simplices):
    """To 1e-10, though 0.3 lies inside a cell."""
    grid = box(1, 50)
    interpolation = (
        SimplexInterpolation(simplices_of_box(grid)) if simplices else TensorInterpolation(grid, 4)
    )

    def left(x):
        return x[:, 0] < 0.3

    rule = make_quadrature(interpolation, [left])
    inside = left(rule.points)
    tolerance = 1e-7 if simplices else 1e-10
    value = rule.weights[inside] @ gaussian(rule.points[inside])
    assert value == pytest.approx(ndtr(0.3), abs=tolerance)


@pytest.mark.parametrize(
    ("simplices", "cells", "tolerance"), [(False, 40, 1e-4), (False, 160, 2e-5), (True, 40, 1e-4)]
)
def test_mass_of_an_oblique_half_plane(simplices, cells, tolerance):
    """x + 0.7 y < 0.4 under N(0, I), whose mass is Φ(0.4/√1.49), and its complement."""
    grid = box(2, cells)
    interpolation = (
        SimplexInterpolation(simplices_of_box(grid)) if simplices else TensorInterpolation(grid, 2)
    )

    def region(x):
        return x[:, 0] + 0.7 * x[:, 1] < 0.4

    rule = make_quadrature(interpolation, [region])
    density = rule.weights * gaussian(rule.points)
    inside = region(rule.points)
    assert density[inside].sum() == pytest.approx(ndtr(0.4 / np.sqrt(1.49)), abs=tolerance)
    assert density.sum() == pytest.approx(1.0, abs=1e-5)


def test_mass_of_a_half_space():
    grid = box(3, 24, reach=5.0)

    def region(x):
        return x @ [1.0, 0.7, -0.4] < 0.5

    rule = make_quadrature(TensorInterpolation(grid, 2), [region])
    inside = region(rule.points)
    value = rule.weights[inside] @ gaussian(rule.points[inside])
    assert value == pytest.approx(ndtr(0.5 / np.sqrt(1.65)), abs=1e-3)


def test_a_border_along_faces_cuts_nothing():
    """A region that ends at faces: exact halves, whole Gauss rules."""
    grid = box(2, 8)
    left = make_quadrature(TensorInterpolation(grid, 2), [lambda x: x[:, 0] < 0])
    plain = make_quadrature(TensorInterpolation(grid, 2), [])
    assert len(left.points) == len(plain.points)
    assert left.weights[left.points[:, 0] < 0].sum() == pytest.approx(128.0, rel=1e-14)


@pytest.mark.parametrize("simplices", [False, True])
def test_shares_of_the_ranks_add_up(tensor_grid, simplices):
    grid = tensor_grid(2)
    if simplices:
        interpolation = SimplexInterpolation(simplices_of_box(grid))
    else:
        interpolation = TensorInterpolation(grid, 3)

    def region(x):
        return x[:, 0] < 0.37

    whole = make_quadrature(interpolation, [region])
    parts = [make_quadrature(interpolation, [region], rank=r, size=3) for r in range(3)]

    def ordered(points, weights):
        return np.sort(points @ [1.0, np.sqrt(2)]), np.sort(weights)

    points = np.concatenate([p.points for p in parts])
    weights = np.concatenate([p.weights for p in parts])
    for one, other in zip(
        ordered(points, weights), ordered(whole.points, whole.weights), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-13)
    volume = simplex_volumes(simplices_of_box(grid).points[simplices_of_box(grid).cells]).sum()
    assert weights.sum() == pytest.approx(volume, rel=1e-12)
