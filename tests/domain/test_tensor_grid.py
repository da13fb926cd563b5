"""Boxes divided by planes: numbering, cutting and nested refinement."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from wfrpde.domain.grid import TensorGrid

RAGGED = (
    np.array([-1.0, -0.2, 0.7, 2.0]),
    np.array([0.0, 0.3, 1.0]),
    np.array([5.0, 5.5, 7.0, 7.25]),
)


def full(dim):
    breaks = RAGGED[:dim]
    return TensorGrid(breaks, np.ones([len(b) - 1 for b in breaks], dtype=bool))


def volumes(grid):
    """Volume of every cell from its first and last corner."""
    corners = grid.points[grid.cells]
    return (corners[:, -1] - corners[:, 0]).prod(axis=1)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_corner_k_of_a_cell_has_axis_i_as_bit_i(dim):
    grid = full(dim)
    corners = grid.points[grid.cells]
    for number in range(2**dim):
        for axis in range(dim):
            end = corners[:, 2**axis, axis] if number >> axis & 1 else corners[:, 0, axis]
            np.testing.assert_array_equal(corners[:, number, axis], end)
    assert (corners[:, -1] > corners[:, 0]).all()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_cells_tile_the_box(dim):
    grid = full(dim)
    expected = np.prod(grid.box[:, 1] - grid.box[:, 0])
    assert volumes(grid).sum() == pytest.approx(expected, rel=1e-14)
    assert grid.n_cells == np.prod([len(b) - 1 for b in grid.breaks])
    assert len(np.unique(grid.points, axis=0)) == len(grid.points)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_plane_splits_what_it_cuts(dim):
    keep = np.zeros([len(b) for b in RAGGED[:dim]], dtype=bool)
    keep[(0,) * dim] = True
    for grid in (full(dim), full(dim).cut(keep)):
        split = grid.split(0, -0.6)
        np.testing.assert_array_equal(split.breaks[0], [-1.0, -0.6, -0.2, 0.7, 2.0])
        assert split.breaks[1:] == grid.breaks[1:]
        assert volumes(split).sum() == pytest.approx(volumes(grid).sum(), rel=1e-14)
        cells = grid.active[0].sum()
        assert split.n_cells == grid.n_cells + cells
        np.testing.assert_array_equal(split.active[0], split.active[1])
        for place in (-0.2, -0.2 + 1e-11, -1.0, 2.0, -3.0, 4.0):  # faces, and beyond
            assert grid.split(0, place) is grid


def test_cut_keeps_exactly_the_cells_that_touch_a_kept_vertex():
    grid = full(2)
    keep = np.zeros((4, 3), dtype=bool)
    keep[1, 2] = True  # vertex (-0.2, 1.0), shared by the two upper left cells
    cut = grid.cut(keep)
    np.testing.assert_array_equal(cut.active, [[False, True], [False, True], [False, False]])
    assert cut.n_cells == len(cut.cells) == 2
    expected = set(itertools.product((-1.0, -0.2, 0.7), (0.3, 1.0)))
    assert {tuple(p) for p in cut.points} == expected
    assert volumes(cut).sum() == pytest.approx(1.7 * 0.7, rel=1e-14)
    np.testing.assert_array_equal(cut.box, grid.box)


def test_a_cut_never_revives_a_cell():
    grid = TensorGrid((np.arange(4.0),), np.array([True, False, True]))
    np.testing.assert_array_equal(grid.cut(np.ones(4, dtype=bool)).active, grid.active)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_refined_grids_are_nested_and_keep_what_was_cut(dim):
    rng = np.random.default_rng(1)
    grid = full(dim)
    grid = TensorGrid(grid.breaks, rng.random(grid.active.shape) < 0.6)
    fine = grid.refined()
    assert fine.n_cells == 2**dim * grid.n_cells
    assert volumes(fine).sum() == pytest.approx(volumes(grid).sum(), rel=1e-14)
    assert {tuple(p) for p in grid.points} <= {tuple(p) for p in fine.points}
    for coarse_breaks, fine_breaks in zip(grid.breaks, fine.breaks, strict=True):
        np.testing.assert_array_equal(fine_breaks[::2], coarse_breaks)
        np.testing.assert_allclose(np.diff(fine_breaks)[::2], np.diff(fine_breaks)[1::2])


def test_grids_of_the_same_numbers_are_equal():
    """What is known of a grid is found again by its numbers."""
    one, other = (
        TensorGrid((np.linspace(0, 1, 4), np.linspace(0, 2, 3)), np.ones((3, 2), dtype=bool))
        for _ in range(2)
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one != other.refined()
    assert one != replace(other, closed=(True, False))
    fewer = other.active.copy()
    fewer[0, 0] = False
    assert one != replace(other, active=fewer)
    assert one != "a grid"
