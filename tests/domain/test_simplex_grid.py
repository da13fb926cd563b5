"""Simplex meshes: Kuhn's division of boxes, cutting, and refinement with bounded shapes."""

from math import factorial

import numpy as np
import pytest

from wfrpde.discretisation.nodes import simplex_volumes
from wfrpde.domain.grid import SimplexGrid, TensorGrid, simplices_of_box


def box(dim, cells=2):
    breaks = tuple(np.linspace(0.0, 1.0 + k, cells + k + 1) for k in range(dim))
    return TensorGrid(breaks, np.ones([len(b) - 1 for b in breaks], dtype=bool))


def volumes(grid):
    return simplex_volumes(grid.points[grid.cells])


def quality(grid):
    """Volume over the cubed (squared, …) longest edge: zero for a degenerate simplex."""
    edges, of_cell = grid.edges()
    length = np.linalg.norm(np.diff(grid.points[edges], axis=1)[:, 0], axis=1)
    return volumes(grid) / length[of_cell].max(axis=1) ** grid.dim


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_kuhn_simplices_tile_the_box(dim):
    tensor = box(dim)
    grid = simplices_of_box(tensor)
    assert grid.n_cells == factorial(dim) * tensor.n_cells
    assert volumes(grid).sum() == pytest.approx(factorial(dim), rel=1e-13)
    np.testing.assert_allclose(volumes(grid), volumes(grid)[0], rtol=1e-12)
    np.testing.assert_array_equal(grid.box, tensor.box)


@pytest.mark.parametrize("dim", [2, 3])
def test_kuhn_simplices_are_conforming(dim):
    """Every inner facet belongs to two cells, every facet on the walls to one."""
    grid = simplices_of_box(box(dim))
    facets = np.concatenate([np.delete(grid.cells, k, axis=1) for k in range(dim + 1)])
    facets, count = np.unique(np.sort(facets, axis=1), axis=0, return_counts=True)
    x = grid.points[facets]
    low, high = grid.box.T
    on_wall = ((x == low).all(axis=1) | (x == high).all(axis=1)).any(axis=1)
    np.testing.assert_array_equal(count, np.where(on_wall, 1, 2))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_refinement_halves_every_edge_and_keeps_the_first_vertices(dim):
    grid = simplices_of_box(box(dim))
    edges, of_cell = grid.edges()
    fine = grid.refined()
    assert fine.n_cells == 2**dim * grid.n_cells
    assert of_cell.shape == (grid.n_cells, dim * (dim + 1) // 2)
    n = len(grid.points)
    np.testing.assert_array_equal(fine.points[:n], grid.points)
    np.testing.assert_allclose(fine.points[n:], grid.points[edges].mean(axis=1), atol=1e-15)
    np.testing.assert_allclose(volumes(fine), volumes(grid)[0] / 2**dim, rtol=1e-12)
    assert volumes(fine).sum() == pytest.approx(volumes(grid).sum(), rel=1e-13)


def test_kuhn_tetrahedra_keep_their_shape():
    cube = TensorGrid((np.array([0.0, 1.0]),) * 3, np.ones((1, 1, 1), dtype=bool))
    grid = simplices_of_box(cube)
    first = quality(grid).min()
    for _ in range(3):
        grid = grid.refined()
        assert quality(grid).min() == pytest.approx(first, rel=1e-9)


def test_shapes_of_any_tetrahedron_stay_bounded():
    """The shortest diagonal keeps 4 refinements of irregular tetrahedra well shaped."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        corners = rng.normal(size=(4, 3))
        grid = SimplexGrid(corners, np.arange(4)[None])
        total, first = volumes(grid).sum(), quality(grid).min()
        for _ in range(4):
            grid = grid.refined()
        assert volumes(grid).sum() == pytest.approx(total, rel=1e-12)
        assert quality(grid).min() > 0.3 * first


def test_cut_drops_the_vertices_that_no_cell_uses():
    grid = simplices_of_box(box(2, 3))
    keep = grid.points[:, 0] < 0.1
    cut = grid.cut(keep)
    assert 0 < cut.n_cells < grid.n_cells
    np.testing.assert_array_equal(np.unique(cut.cells), np.arange(len(cut.points)))
    assert cut.points[:, 0].max() == pytest.approx(1 / 3)
    touching = keep[grid.cells].any(axis=1)
    assert volumes(cut).sum() == pytest.approx(volumes(grid)[touching].sum(), rel=1e-13)
