"""Interpolation between the nodes: order, slopes, cliffs, the outside, and cells for display."""

import numpy as np
import pytest

from wfrpde.discretisation.interpolation import evaluate
from wfrpde.discretisation.lattices import evaluate_in_cells
from wfrpde.discretisation.simplex_interpolation import (
    SimplexInterpolation,
    barycentric_coordinates,
)
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid, simplices_of_box

RNG = np.random.default_rng(11)


def wave(x):
    return np.sin(x[:, 0] + 0.3) * np.cos(0.7 * x[:, -1])


def squared_slope(x):
    if x.shape[1] == 1:
        u = np.cos(x[:, 0] + 0.3) * np.cos(0.7 * x[:, 0])
        u -= 0.7 * np.sin(x[:, 0] + 0.3) * np.sin(0.7 * x[:, 0])
        return u**2
    first = np.cos(x[:, 0] + 0.3) * np.cos(0.7 * x[:, -1])
    last = -0.7 * np.sin(x[:, 0] + 0.3) * np.sin(0.7 * x[:, -1])
    return first**2 + last**2


def box(dim, cells):
    return TensorGrid((np.linspace(-1.0, 2.0, cells + 1),) * dim, np.ones([cells] * dim, bool))


def errors(interpolation, x):
    value, slope = evaluate(interpolation, wave(interpolation.nodes)[None], x, slopes=True)
    return np.abs(value[0] - wave(x)).max(), np.abs(slope[0] - squared_slope(x)).max()


@pytest.mark.parametrize(
    ("dim", "degree", "cells", "order", "error"),
    [
        (1, 1, 20, 6, 1e-7),
        (2, 1, 20, 6, 1e-7),
        (3, 1, 12, 4, 1e-4),
        (1, 3, 8, 4, 1e-4),
        (1, 6, 4, 7, 1e-6),
        (2, 4, 5, 5, 1e-5),
        (3, 2, 6, 3, 1e-3),
    ],
)
def test_order_of_the_value_and_one_less_of_the_slope(dim, degree, cells, order, error):
    x = RNG.uniform(-1, 2, size=(2000, dim))
    coarse, coarse_slope = errors(TensorInterpolation(box(dim, cells), degree), x)
    fine, fine_slope = errors(TensorInterpolation(box(dim, 2 * cells), degree), x)
    assert fine < error
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.7)
    assert fine_slope < 100 * error
    assert np.log2(coarse_slope / fine_slope) > order - 1.5


@pytest.mark.parametrize(("dim", "degree"), [(1, 1), (2, 3), (3, 1), (1, 8)])
def test_nodal_values_are_kept_exactly(tensor_grid, dim, degree):
    interpolation = TensorInterpolation(tensor_grid(dim, cells=5), degree)
    field = RNG.normal(size=(1, len(interpolation.nodes))) * 0.1
    value, _ = evaluate(interpolation, field, interpolation.nodes)
    np.testing.assert_allclose(value, field, atol=1e-14)


def test_nodes_are_those_of_the_discretisation(nodes_of):
    nodes = nodes_of("tensor", 2, 3)
    interpolation = TensorInterpolation(nodes.grid, 3)
    numbers, x = nodes.gather(nodes.points[:, 0])
    np.testing.assert_array_equal(numbers, interpolation.active_nodes)
    np.testing.assert_array_equal(x, interpolation.nodes[:, 0])


def test_several_fields_and_chunks_change_nothing():
    interpolation = TensorInterpolation(box(2, 8), 1)
    x = RNG.uniform(-1, 2, size=(101, 2))
    fields = np.stack([wave(interpolation.nodes), 2 * wave(interpolation.nodes)])
    whole = evaluate(interpolation, fields, x, slopes=True)
    chunked = evaluate(interpolation, fields, x, slopes=True, chunk=7)
    np.testing.assert_array_equal(whole[0], chunked[0])
    np.testing.assert_array_equal(whole[1], chunked[1])
    np.testing.assert_allclose(whole[0][1], 2 * whole[0][0], rtol=1e-12)
    assert evaluate(interpolation, fields, np.empty((0, 2)))[0].shape == (2, 0)


@pytest.mark.parametrize(("dim", "degree"), [(1, 1), (1, 4), (2, 1), (2, 3), (3, 1), (3, 2)])
def test_points_in_cells_have_the_values_of_single_points(tensor_grid, dim, degree):
    """One axis after the other, in layers: also where cells are left out and across cliffs."""
    interpolation = TensorInterpolation(tensor_grid(dim, cells=6), degree)
    x = interpolation.nodes
    fields = np.stack([wave(x), 0.2 * wave(x) ** 2, np.where(x[:, 0] > 0.4, 5.0, 0.0)])
    grid = interpolation.grid
    cells = np.array(np.nonzero(grid.active))[:, 2:]
    offsets = np.array([0.1, 0.4, 0.85])
    lattice = np.stack(np.meshgrid(*[offsets] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    low = np.stack([b[i] for b, i in zip(grid.breaks, cells, strict=True)], axis=1)
    high = np.stack([b[i + 1] for b, i in zip(grid.breaks, cells, strict=True)], axis=1)
    points = (low[:, None] + lattice * (high - low)[:, None]).reshape(-1, dim)
    expected = evaluate(interpolation, fields, points, slopes=True)
    for chunk in (1, 500, 10**6):
        found = evaluate_in_cells(interpolation, fields, cells, offsets, slopes=True, chunk=chunk)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_values_do_not_overshoot_a_cliff():
    """Across a jump of 100 a polynomial of degree 5 would ring by 10; elsewhere it is kept."""
    interpolation = TensorInterpolation(box(1, 60), 1)
    node = interpolation.nodes[:, 0]
    field = np.where(node > 0.5, 100.0, 0.0) + np.sin(node)
    x = np.linspace(-1, 2, 4001)[:, None]
    value = evaluate(interpolation, field[None], x)[0][0]
    assert value.min() > -1.0 - 0.5
    assert value.max() < 101.0 + 0.5
    far = np.abs(x[:, 0] - 0.5) > 0.2
    smooth = np.where(x[:, 0] > 0.5, 100.0, 0.0) + np.sin(x[:, 0])
    assert np.abs(value - smooth)[far].max() < 1e-7


def test_outside_of_the_box_is_nan_and_its_border_is_not(tensor_grid):
    for dim in (1, 2, 3):
        grid = tensor_grid(dim, cut=False)
        interpolation = TensorInterpolation(grid, 1)
        field = np.ones((1, len(interpolation.nodes)))
        corners = grid.box.T
        assert not np.isnan(evaluate(interpolation, field, corners)[0]).any()
        out = np.stack([corners[0] - 1e-6, corners[1] + 1e-6, np.full(dim, 1e9)])
        for part in evaluate(interpolation, field, out, slopes=True):
            assert np.isnan(part).all()


def test_stencils_across_a_cut_take_the_nearest_node(tensor_grid):
    """Nodes that were cut away get the value of the nearest kept one: bounded, never NaN."""
    interpolation = TensorInterpolation(tensor_grid(2, cells=6), 1)
    field = interpolation.nodes[:, 0][None]
    value = evaluate(interpolation, field, RNG.uniform(-1, 2, size=(500, 2)))[0]
    assert np.isfinite(value).all()
    assert value.min() > field.min() - 0.5
    assert value.max() < field.max() + 0.5


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_cells_for_display_have_positive_volume_in_vtk_order(tensor_grid, dim):
    interpolation = TensorInterpolation(tensor_grid(dim), 2)
    corners = interpolation.nodes[interpolation.cells]
    assert len(corners) == 2**dim * interpolation.grid.n_cells
    assert interpolation.cell_type == {1: "interval", 2: "quadrilateral", 3: "hexahedron"}[dim]
    if dim > 1:  # shoelace formula of the first face: anticlockwise, not a bow tie
        x, y = corners[:, :4, 0], corners[:, :4, 1]
        area = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1) / 2
        side = np.ptp(x, axis=1) * np.ptp(y, axis=1)
        np.testing.assert_allclose(area, side, rtol=1e-12)
    if dim == 3:
        lift = corners[:, 4:] - corners[:, :4]
        np.testing.assert_allclose(lift[..., :2], 0, atol=1e-14)
        assert (lift[..., 2] > 0).all()


@pytest.mark.parametrize("dim", [2, 3])
def test_simplices_with_coarse_cells_are_exact_on_quadratics(tensor_grid, dim):
    coarse = simplices_of_box(tensor_grid(dim, cut=False))
    interpolation = SimplexInterpolation(coarse.refined(), coarse)
    quadratic = np.array([[1.0, -2.0, 0.5], [0.0, 0.3, 1.0], [0.0, 0.0, -0.7]])[:dim, :dim] * 0.1

    def exact(x):
        return np.einsum("ni,ij,nj->n", x, quadratic, x) + x[:, 0] - 2

    low, high = coarse.box.T
    x = RNG.uniform(low, high, size=(500, dim))
    value, slope = evaluate(interpolation, exact(interpolation.nodes)[None], x, slopes=True)
    np.testing.assert_allclose(value[0], exact(x), atol=1e-12)
    gradient = x @ (quadratic + quadratic.T) + np.eye(dim)[0]
    np.testing.assert_allclose(slope[0], (gradient**2).sum(axis=1), atol=1e-11)


def test_simplices_without_coarse_cells_are_linear(tensor_grid):
    grid = simplices_of_box(tensor_grid(2, cut=False))
    interpolation = SimplexInterpolation(grid)
    x = RNG.uniform(*grid.box.T, size=(200, 2))
    field = (3 * grid.points[:, 0] - grid.points[:, 1])[None]
    value, slope = evaluate(interpolation, field, x, slopes=True)
    np.testing.assert_allclose(value[0], 3 * x[:, 0] - x[:, 1], atol=1e-12)
    np.testing.assert_allclose(slope[0], 10.0, rtol=1e-10)


@pytest.mark.parametrize("dim", [2, 3])
def test_simplex_nodes_are_found_and_the_outside_is_nan(tensor_grid, dim):
    coarse = simplices_of_box(tensor_grid(dim))
    interpolation = SimplexInterpolation(coarse.refined(), coarse)
    field = RNG.normal(size=(1, len(interpolation.nodes))) * 0.05
    value, _ = evaluate(interpolation, field, interpolation.nodes)
    np.testing.assert_allclose(value, field, atol=1e-12)
    inside_the_hole = coarse.box[:, 0] + 0.1
    outside = coarse.box[:, 1] + 0.1
    assert np.isnan(evaluate(interpolation, field, np.stack([inside_the_hole, outside]))[0]).all()


def test_barycentric_coordinates_and_their_gradients():
    corners = RNG.normal(size=(20, 4, 3))
    share = RNG.dirichlet(np.ones(4), size=20)
    x = np.einsum("ni,nid->nd", share, corners)
    coordinates, gradients = barycentric_coordinates(corners, x)
    np.testing.assert_allclose(coordinates, share, atol=1e-9)
    shift = np.array([1e-6, -2e-6, 3e-6])
    moved, _ = barycentric_coordinates(corners, x + shift)
    np.testing.assert_allclose(moved - coordinates, gradients @ shift, rtol=1e-5, atol=1e-10)
