"""The order in which nodes of the plane are eliminated."""

import numpy as np
import pytest
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import splu

from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.domain.grid import TensorGrid
from wfrpde.engine import Traits, Wish, decay
from wfrpde.engine.dissection import dissected
from wfrpde.parallel.mpi import MPI


def cells_of_an_ellipse(count, degree):
    breaks = np.linspace(-1.0, 1.0, count + 1)
    x = (breaks[:-1] + breaks[1:]) / 2
    active = x[:, None] ** 2 + (x[None, :] / 0.7) ** 2 < 1
    return make_nodes(MPI.COMM_SELF, TensorGrid((breaks, breaks), active), degree)


def stiffness(nodes):
    entries, _ = symmetrised_stiffness(nodes, 3 * (nodes.points**2).sum(axis=1))
    n = nodes.n_owned
    return entries, csc_array((entries.value, (entries.row, entries.column)), shape=(n, n))


def entries_of_factor(s, order):
    matrix = (s + eye_array(s.shape[0]))[order][:, order]
    options = {"SymmetricMode": True}
    return splu(csc_array(matrix), permc_spec="NATURAL", relax=1, options=options).L.nnz


def test_a_line_that_parts_the_others_comes_last():
    x, y = np.divmod(np.arange(35), 5)
    order = dissected(np.array([x, y]))
    assert sorted(order) == list(range(35))
    assert set(x[order[-5:]]) == {3}  # the middle one of seven
    assert set(x[order[:15]]) == {0, 1, 2}


@pytest.mark.parametrize(("cells", "degree", "most"), [(60, 1, 1.25), (120, 1, 1.35), (15, 4, 2.2)])
def test_factors_grow_as_n_log_n(cells, degree, most):
    """By PETSc's own dissection they have 1.31, 1.43 and 3.03 n log₂ n, row by row 3.4 to 8.5."""
    nodes = cells_of_an_ellipse(cells, degree)
    _, s = stiffness(nodes)
    n = nodes.n_owned
    found = entries_of_factor(s, nodes.elimination(s.nnz))
    assert found < most * n * np.log2(n)
    assert 2 * found < entries_of_factor(s, np.arange(n))


@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("engine", ["auto", "scipy"])
def test_solves_in_that_order_are_those_of_the_matrix(degree, engine):
    nodes = cells_of_an_ellipse(24 // degree, degree)
    entries, s = stiffness(nodes)
    shifted = decay(nodes, entries, Traits(degree == 1, 2), Wish(engine=engine))
    rhs = np.exp(-4 * nodes.points[:, 0])
    for c in (0.03, 2.0, 0.5):
        expected = np.linalg.solve(np.eye(len(rhs)) + c * s.toarray(), rhs)
        np.testing.assert_allclose(shifted.solve(c, rhs), expected, rtol=1e-11)
    shifted.destroy()


def test_where_nothing_is_known_the_matrix_tells(nodes_of):
    for kind, dim in (("tensor", 1), ("tensor", 3), ("simplex", 2)):
        assert nodes_of(kind, dim).elimination(10) is None


def test_options_of_the_case_order_by_themselves(nodes_of):
    pytest.importorskip("petsc4py")
    nodes = nodes_of("tensor", 2, cells=12)
    entries, _ = stiffness(nodes)
    for options in ({}, {"pc_factor_mat_ordering_type": "rcm"}):
        shifted = decay(nodes, entries, Traits(True, 2), Wish(options=options))
        shifted.solve(0.1, np.ones(nodes.n_owned))
        (factor,) = shifted.factors.values()
        assert (factor._order is None) == bool(options)
        shifted.destroy()
