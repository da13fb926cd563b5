"""The eigenvalues of smallest real part, whatever their imaginary part."""

from __future__ import annotations

import numpy as np
from scipy.linalg import block_diag
from scipy.sparse import csr_array, diags

from wfrpde.engine.nonsymmetric import ascending, lowest


def test_slow_modes_that_rotate_fast_are_not_missed():
    """Real eigenvalues 1 … 900 hide three slow pairs from any search around 0."""
    pairs = [0.5 + 40j, 0.7 + 170j, 0.2 + 333j]
    blocks = [np.array([[v.real, v.imag], [-v.imag, v.real]]) for v in pairs]
    matrix = csr_array(block_diag(*blocks, np.diag(np.arange(1.0, 901.0))))
    found = lowest(matrix, 8, scale=0.1, rotation=lambda values: 400.0)
    expected = [0.2 + 333j, 0.2 - 333j, 0.5 + 40j, 0.5 - 40j, 0.7 + 170j, 0.7 - 170j, 1.0, 2.0]
    np.testing.assert_allclose(found.values, expected, atol=1e-9)
    assert found.complete
    assert found.searched >= 400.0
    assert found.residuals.max() < 1e-9


def test_conditions_and_left_vectors():
    """Of [[1, s], [0, 2]] both conditions are √(1 + s²)."""
    s = 30.0
    matrix = csr_array(block_diag([[1.0, s], [0.0, 2.0]], np.diag(np.arange(3.0, 700.0))))
    found = lowest(matrix, 3, scale=0.1, rotation=lambda values: 0.0)
    np.testing.assert_allclose(found.values, [1.0, 2.0, 3.0], atol=1e-9)
    np.testing.assert_allclose(found.conditions, [np.hypot(1, s), np.hypot(1, s), 1.0], rtol=1e-8)
    left = found.left.conj() @ matrix.toarray() - found.values[:, None] * found.left.conj()
    assert np.abs(left).max() < 1e-7


def test_multiple_eigenvalues_are_all_found():
    values = np.repeat(np.arange(1.0, 300.0), 2)
    found = lowest(csr_array(diags(values)), 6, scale=0.1, rotation=lambda values: 5.0)
    np.testing.assert_allclose(found.values, [1, 1, 2, 2, 3, 3], atol=1e-9)
    np.testing.assert_allclose(np.abs(found.left.conj() @ found.right.T), np.eye(6), atol=1e-8)


def test_round_off_of_the_real_parts_does_not_change_the_order():
    """1 ± 4i and 1 have the same real part, whatever the last digit of each is."""
    expected = [0.5 + 2j, 0.5 - 2j, 1.0, 1 + 4j, 1 - 4j, 2.0]
    rng = np.random.default_rng(0)
    for _ in range(50):
        blurred = np.array(expected) * (1 + 1e-15 * rng.standard_normal(6))
        found = sorted(rng.permutation(blurred), key=ascending)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
