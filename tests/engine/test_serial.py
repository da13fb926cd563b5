"""Unsymmetric matrices that every rank holds whole: each way of storing them solves alike."""

import numpy as np
import pytest

from wfrpde.engine.serial import Band, Dense, Sparse


def entries(size, half, rng):
    """Rows, columns and values of a matrix of some half-width, some places given twice."""
    rows = np.repeat(np.arange(size), 2 * half + 1)
    columns = rows + np.tile(np.arange(-half, half + 1), size)
    inside = (columns >= 0) & (columns < size)
    rows, columns = rows[inside], columns[inside]
    rows, columns = np.append(rows, rows[::7]), np.append(columns, columns[::7])
    return rows, columns, rng.normal(size=len(rows))


@pytest.mark.parametrize("kind", [Band, Dense, Sparse])
def test_every_pattern_solves_with_the_shifted_matrix(kind):
    rng = np.random.default_rng(5)
    size, half = 60, 4
    rows, columns, values = entries(size, half, rng)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (rows, columns), values)
    pattern = Band(rows, columns, size, half) if kind is Band else kind(rows, columns, size)
    for shift in (11.0, 20.0):  # the order is kept from one to the next
        solve = pattern.factored(pattern.stored(values), shift)
        rhs = rng.normal(size=size)
        exact = np.linalg.solve(matrix + shift * np.eye(size), rhs)
        np.testing.assert_allclose(solve(rhs), exact, atol=1e-13 * np.abs(exact).max())


@pytest.mark.parametrize("kind", [Dense, Sparse])
def test_singular_and_undefined_matrices_are_told(kind):
    rows, columns = np.array([0, 1]), np.array([1, 0])
    pattern = kind(rows, columns, 2)
    assert pattern.factored(pattern.stored(np.zeros(2)), 0.0) is None


def test_numbers_that_are_none_are_told():
    pattern = Sparse(np.array([0, 1]), np.array([1, 0]), 2)
    assert pattern.factored(pattern.stored(np.array([np.nan, 0.0])), 1.0) is None
