"""GLL rules, and the nodes, weights and numbers that every formulation shares."""

import numpy as np
import pytest

from wfrpde.discretisation.gll import gll_rule
from wfrpde.discretisation.lattice import owners
from wfrpde.discretisation.nodes import make_nodes, simplex_volumes
from wfrpde.domain.grid import simplices_of_box
from wfrpde.parallel.mpi import MPI


@pytest.mark.parametrize("degree", range(1, 9))
def test_gll_rule_integrates_and_differentiates_exactly(degree):
    rule = gll_rule(degree)
    assert rule.nodes[[0, -1]].tolist() == [-1.0, 1.0]
    assert (np.diff(rule.nodes) > 0).all()
    assert (rule.weights > 0).all()
    for power in range(2 * degree):
        exact = 0.0 if power % 2 else 2 / (power + 1)
        assert rule.weights @ rule.nodes**power == pytest.approx(exact, abs=1e-14)
    # one degree more is not integrated, or the rule would be Gauss's
    assert abs(rule.weights @ rule.nodes ** (2 * degree) - 2 / (2 * degree + 1)) > 1e-6
    for power in range(degree + 1):
        slope = power * rule.nodes ** max(power - 1, 0)
        np.testing.assert_allclose(rule.derivative @ rule.nodes**power, slope, atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("degree", [1, 2, 5])
def test_tensor_weights_integrate_polynomials_to_degree_2p_minus_1(nodes_of, dim, degree):
    nodes = nodes_of("tensor", dim, degree, cells=3)
    corners = nodes.grid.points[nodes.grid.cells]
    low, high = corners[:, 0], corners[:, -1]
    power = 2 * degree - 1
    exact = ((high ** (power + 1) - low ** (power + 1)) / (power + 1)).prod(axis=1).sum()
    value = nodes.weights @ (nodes.points**power).prod(axis=1)
    assert value == pytest.approx(exact, rel=1e-12)
    assert nodes.weights.sum() == pytest.approx((high - low).prod(axis=1).sum(), rel=1e-13)
    assert (nodes.weights > 0).all()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_simplex_weights_integrate_linear_functions(nodes_of, dim):
    nodes = nodes_of("simplex", dim)
    corners = nodes.grid.points[nodes.grid.cells]
    volume = simplex_volumes(corners)
    assert nodes.weights.sum() == pytest.approx(volume.sum(), rel=1e-13)
    first = volume @ corners.mean(axis=1)
    np.testing.assert_allclose(nodes.weights @ nodes.points, first, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "dim", "degree"),
    [("tensor", 1, 6), ("tensor", 2, 1), ("tensor", 2, 4), ("tensor", 3, 3), ("simplex", 3, 1)],
)
def test_canonical_numbers_depend_on_the_grid_alone(nodes_of, kind, dim, degree):
    nodes = nodes_of(kind, dim, degree)
    assert len(np.unique(nodes.canonical)) == len(nodes.points) == nodes.n_global
    if kind == "simplex":
        np.testing.assert_array_equal(nodes.points, nodes.grid.points[nodes.canonical])
    else:
        index = np.unravel_index(nodes.canonical, tuple(len(a) for a in nodes.axes))
        expected = np.stack([a[i] for a, i in zip(nodes.axes, index, strict=True)], axis=1)
        np.testing.assert_array_equal(nodes.points, expected)


@pytest.mark.parametrize(("kind", "degree"), [("tensor", 3), ("simplex", 1)])
def test_any_communicator_gives_the_same_canonical_fields(nodes_of, kind, degree):
    """Under mpirun the second set of nodes is distributed; without, both are alike."""
    alone = nodes_of(kind, 2, degree)
    shared = make_nodes(MPI.COMM_WORLD, alone.grid, degree)
    assert shared.n_global == alone.n_global
    for field in ("weights", "points"):
        one, other = getattr(alone, field), getattr(shared, field)
        if field == "points":
            one, other = one @ [1.0, np.pi], other @ [1.0, np.pi]
        numbers, values = alone.gather(one)
        others, other_values = shared.gather(other)
        np.testing.assert_array_equal(numbers, others)
        np.testing.assert_allclose(values, other_values, rtol=1e-14)


@pytest.mark.parametrize(("dim", "degree"), [(1, 4), (2, 1), (2, 3), (3, 2)])
def test_one_rank_alone_has_the_nodes_in_the_canonical_order(nodes_of, dim, degree):
    nodes = nodes_of("tensor", dim, degree)
    assert (np.diff(nodes.canonical) > 0).all()
    assert nodes.n_owned == nodes.n_global == len(nodes.points)
    np.testing.assert_array_equal(nodes.global_numbers, np.arange(nodes.n_global))
    width = int(np.ptp(nodes.cell_nodes, axis=1).max())
    assert dim > 1 or width == degree, "which makes banded matrices on a line"


@pytest.mark.parametrize(("dim", "degree"), [(1, 4), (2, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("ranks", [2, 3, 200])
def test_a_node_belongs_to_the_first_rank_that_has_a_cell_of_it(nodes_of, dim, degree, ranks):
    """Also with more ranks than cells."""
    alone = nodes_of("tensor", dim, degree)
    count = len(alone.cell_nodes)
    bounds = [count * r // ranks for r in range(ranks + 1)]
    owner = owners(alone.grid, degree, bounds)
    assert owner.shape == tuple(len(a) for a in alone.axes)
    expected = np.full(owner.size, ranks)
    for rank in range(ranks):
        nodes = alone.canonical[alone.cell_nodes[bounds[rank] : bounds[rank + 1]]]
        expected[nodes] = np.minimum(expected[nodes], rank)
    np.testing.assert_array_equal(owner.ravel(), expected)


@pytest.mark.parametrize("degree", [1, 3])
def test_cell_nodes_run_with_the_last_axis_fastest(nodes_of, degree):
    nodes = nodes_of("tensor", 3, degree, cells=3)
    block = nodes.points[nodes.cell_nodes].reshape(-1, *([degree + 1] * 3), 3)
    for axis in range(3):
        along = np.moveaxis(block[..., axis], axis + 1, 1)
        assert (np.diff(along, axis=1) > 0).all()
        np.testing.assert_array_equal(along, np.broadcast_to(along[:, :, :1, :1], along.shape))


def test_reductions(nodes_of):
    nodes = nodes_of("tensor", 2)
    field = nodes.points[:, 0]
    assert nodes.max(field) == field.max()
    assert nodes.sum(field) == pytest.approx(field.sum())
    assert nodes.logsumexp(field + 900) == pytest.approx(900 + np.log(np.exp(field).sum()))
    np.testing.assert_array_equal(nodes.with_ghosts(field), field)


def test_simplices_carry_degree_one_only(tensor_grid):
    with pytest.raises(ValueError, match="degree 1"):
        make_nodes(MPI.COMM_SELF, simplices_of_box(tensor_grid(2)), 2)
