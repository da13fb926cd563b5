"""Fluxes against DOLFINx's own assembly, closed forms, spectra, and what they must keep."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from wfrpde import _compat
from wfrpde.discretisation.edges import cell_lines, line_edges, merge_edges, simplex_edges
from wfrpde.discretisation.fluxes import (
    STEEP_LINE,
    bernoulli,
    edge_averaged,
    edge_averaged_rows,
    half_bernoulli,
    symmetrised_stiffness,
)
from wfrpde.discretisation.nodes import make_nodes
from wfrpde.domain.grid import SimplexGrid, TensorGrid
from wfrpde.parallel.mpi import MPI


def ripples(x):
    """A potential without any symmetry."""
    return 3 * np.sin(2 * x[:, 0]) + (x**2).sum(axis=1) + x[:, 0] * x[:, -1]


def stiffness_of_dolfinx(grid, degree):
    """∫ ∇φ_i·∇φ_j by UFL and FFCx, and the coordinates of the nodes: GLL quadrature on boxes."""
    import ufl
    from dolfinx import fem

    from wfrpde.parallel.mpi import MPI

    mesh = _compat.create_mesh(MPI.COMM_SELF, grid.cells, grid.points, grid.cell)
    space = _compat.lagrange_space(mesh, degree)
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    rule = {"quadrature_rule": "GLL", "quadrature_degree": 2 * degree - 1}
    dx = ufl.dx(mesh) if isinstance(grid, SimplexGrid) else ufl.dx(mesh, metadata=rule)
    form = fem.form(ufl.inner(ufl.grad(u), ufl.grad(v)) * dx)
    matrix = fem.assemble_matrix(form)
    matrix.scatter_reverse()
    return matrix.to_scipy().toarray(), space.tabulate_dof_coordinates()[:, : grid.dim]


def order(points):
    """Order of points that does not depend on how they are numbered."""
    return np.lexsort(np.round(points, 9).T)


@pytest.mark.parametrize(
    ("kind", "dim", "degree"),
    [
        ("tensor", 1, 1),
        ("tensor", 2, 1),
        ("tensor", 3, 1),
        ("simplex", 2, 1),
        ("simplex", 3, 1),
        ("tensor", 1, 5),
        ("tensor", 2, 3),
        ("tensor", 3, 2),
    ],
)
def test_without_a_potential_it_is_the_laplacian_of_dolfinx(nodes_of, dense, kind, dim, degree):
    nodes = nodes_of(kind, dim, degree, cells=3)
    triplets, _ = symmetrised_stiffness(nodes, np.zeros(len(nodes.points)))
    root = np.sqrt(nodes.weights)
    ours = dense(nodes, triplets) * root[:, None] * root[None, :]
    reference, points = stiffness_of_dolfinx(nodes.grid, degree)
    a, b = order(nodes.points), order(points)
    np.testing.assert_allclose(nodes.points[a], points[b], atol=1e-12)
    scale = np.abs(reference).max()
    np.testing.assert_allclose(ours[np.ix_(a, a)], reference[np.ix_(b, b)], atol=1e-13 * scale)


@pytest.mark.parametrize(
    ("kind", "dim", "degree"),
    [("tensor", 1, 1), ("tensor", 2, 1), ("simplex", 2, 1), ("simplex", 3, 1), ("tensor", 2, 4)],
)
def test_equilibrium_symmetry_and_sign(nodes_of, dense, kind, dim, degree):
    nodes = nodes_of(kind, dim, degree)
    potential = ripples(nodes.points)
    s = dense(nodes, symmetrised_stiffness(nodes, potential)[0])
    scale = np.abs(s).max()
    np.testing.assert_allclose(s, s.T, atol=1e-14 * scale)
    root = np.sqrt(nodes.weights) * np.exp(-potential / 2)
    np.testing.assert_allclose(s @ root, 0.0, atol=1e-13 * scale * root.max())
    eigenvalues = np.linalg.eigvalsh(s)
    assert eigenvalues[0] > -1e-12 * scale
    assert eigenvalues[1] > 1e-6 * scale  # √M alone is in the kernel
    if degree == 1:
        off = s - np.diag(np.diag(s))
        assert off.max() <= 1e-14 * scale
        assert (np.diag(s) > 0).all()


def test_an_obtuse_mesh_is_reported(nodes_of):
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.1], [0.5, -0.1]])
    flat = SimplexGrid(points, np.array([[0, 1, 2], [0, 1, 3]]))
    from wfrpde.discretisation.nodes import make_nodes
    from wfrpde.parallel.mpi import MPI

    nodes = make_nodes(MPI.COMM_SELF, flat)
    assert symmetrised_stiffness(nodes, np.zeros(4))[1] == {"obtuse_edges": 1}
    good = nodes_of("simplex", 2)
    facts = symmetrised_stiffness(good, np.zeros(len(good.points)))[1]
    assert facts == {"obtuse_edges": 0}


def test_edges_of_neighbours_are_merged(nodes_of):
    nodes = nodes_of("simplex", 2)
    every = simplex_edges(nodes.points, nodes.cell_nodes)
    merged = merge_edges(every)
    assert len(merged.i) == len(nodes.grid.edges()[0]) < len(every.i)
    assert merged.conductance.sum() == pytest.approx(every.conductance.sum(), rel=1e-13)
    assert (merged.i < merged.j).all()


def test_scharfetter_gummel_flux_of_a_linear_potential(nodes_of, dense):
    """Where V is linear the 1-D flux is exact: K_ij = −1/∫ e^V along the edge."""
    nodes = nodes_of("tensor", 1)
    slope = 7.0
    potential = slope * nodes.points[:, 0]
    s = dense(nodes, edge_averaged(line_edges(cell_lines(nodes)[0], 1), potential, nodes.weights))
    mass = nodes.weights * np.exp(-potential)
    k = s * np.sqrt(mass[:, None] * mass[None, :])
    for i, j in nodes.cell_nodes:
        resistance = (np.exp(potential[j]) - np.exp(potential[i])) / slope
        assert k[i, j] == pytest.approx(-1 / resistance, rel=1e-12, abs=0)


@pytest.mark.parametrize("degree", [8, 1])
def test_spectrum_of_the_ornstein_uhlenbeck_generator(nodes_of, dense, degree):
    """Eigenvalues 0, κ, 2κ, … to 1e-10 at degree 8, and of second order at degree 1."""
    kappa = 2.0
    errors = []
    for cells in (20, 40) if degree == 8 else (200, 400):
        nodes = nodes_of("tensor", 1, degree, cells=cells, low=-6.0, high=6.0)
        potential = kappa * nodes.points[:, 0] ** 2 / 2
        s = dense(nodes, symmetrised_stiffness(nodes, potential)[0])
        found = np.linalg.eigvalsh(s)[:4]
        errors.append(np.abs(found - kappa * np.arange(4)).max())
    if degree == 8:
        assert max(errors) < 1e-10
    else:
        assert errors[1] < 1e-2
        assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


def test_hybrid_takes_the_edge_averaged_flux_on_steep_lines_alone(nodes_of, dense):
    nodes = nodes_of("tensor", 2, 4)
    # rises by 20 over the whole of each cell in x near the right wall, by nothing in y
    potential = np.where(nodes.points[:, 0] > 1.2, 1.0, 0.0) * 60 * (nodes.points[:, 0] - 1.2)
    lines = cell_lines(nodes)
    rise = [np.ptp(potential[one.nodes], axis=1) for one in lines]
    share = lines[0].cells[rise[0] > STEEP_LINE].sum() / sum(one.cells.sum() for one in lines)
    assert 0 < share < 0.5
    triplets, facts = symmetrised_stiffness(nodes, potential)
    assert facts["steep_lines"] == pytest.approx(share)
    s = dense(nodes, triplets)
    steep_nodes = lines[0].nodes[rise[0] > STEEP_LINE]
    smooth_nodes = lines[0].nodes[rise[0] < 1e-9]
    # along a steep line next neighbours alone are coupled; along a smooth one all are
    assert (s[steep_nodes[:, 0], steep_nodes[:, 2]] == 0).all()
    assert (s[smooth_nodes[:, 0], smooth_nodes[:, 2]] != 0).all()
    root = np.sqrt(nodes.weights) * np.exp(-potential / 2)
    np.testing.assert_allclose(s @ root, 0.0, atol=1e-12 * np.abs(s).max())


def test_bernoulli_functions():
    """Identities that hold for every z, near 0 and far from it."""
    z = np.concatenate([[0.0], np.logspace(-12, 2.8, 400)])
    # B(−z) = B(z) + z,  and  (z/2)/sinh(z/2) = B(z) e^{z/2}
    np.testing.assert_allclose(bernoulli(-z), bernoulli(z) + z, rtol=1e-13)
    small = z[z < 600]
    np.testing.assert_allclose(
        half_bernoulli(small / 2), bernoulli(small) * np.exp(small / 2), rtol=1e-13
    )
    np.testing.assert_array_equal(half_bernoulli(-z), half_bernoulli(z))
    # Taylor's series to four terms near 0
    near = np.linspace(-0.02, 0.02, 81)
    series = 1 - near / 2 + near**2 / 12 - near**4 / 720 + near**6 / 30240
    np.testing.assert_allclose(bernoulli(near), series, rtol=1e-14)
    even = 1 - near**2 / 6 + 7 * near**4 / 360 - 31 * near**6 / 15120
    np.testing.assert_allclose(half_bernoulli(near), even, rtol=1e-14)
    assert half_bernoulli(np.array([0.0]))[0] == bernoulli(np.array([0.0]))[0] == 1.0


def test_bernoulli_functions_of_huge_arguments():
    huge = np.array([705.0, 1000.0, 1e6])
    np.testing.assert_array_equal(bernoulli(-huge), huge)
    assert (bernoulli(huge) < 1e-290).all()
    assert (half_bernoulli(huge) < 1e-290).all()
    assert (half_bernoulli(huge) >= 0).all()


def test_a_wall_of_900_kt_between_two_nodes_keeps_equilibrium(dense):
    """Neither overflow nor a wrong diagonal where √π changes by e^450 along an edge."""
    from wfrpde.discretisation.nodes import make_nodes
    from wfrpde.parallel.mpi import MPI

    grid = TensorGrid((np.array([0.0, 1.0, 2.0]),), np.ones(2, dtype=bool))
    nodes = make_nodes(MPI.COMM_SELF, grid)
    potential = 900.0 * np.maximum(nodes.points[:, 0] - 1, 0)
    s = dense(nodes, symmetrised_stiffness(nodes, potential)[0])
    root = np.sqrt(nodes.weights) * np.exp(-potential / 2)
    assert np.isfinite(s).all()
    top = int(np.argmax(potential))
    neighbour = int(np.argmin(np.abs(nodes.points[:, 0] - 1)))
    ratio = s[top, neighbour] * np.exp(450) * np.sqrt(nodes.weights[neighbour] / nodes.weights[top])
    assert s[top, top] == pytest.approx(-ratio, rel=1e-12)
    np.testing.assert_allclose(s @ root, 0.0, atol=1e-13 * np.abs(s).max())


@pytest.mark.parametrize("spread", [False, True])
def test_rows_made_layer_by_layer_are_the_same_matrix(tensor_grid, dense, monkeypatch, spread):
    """On a box in space some cells of which are left out: to round-off, however few rows a time."""
    grid = tensor_grid(3)
    active = np.random.default_rng(2).uniform(size=grid.active.shape) < 0.7
    nodes = make_nodes(MPI.COMM_SELF, replace(grid, active=active))
    potential = 30 * np.sin(nodes.points @ [1.0, 2.0, 3.0])
    diffusion = 1.5 + np.cos(nodes.points) if spread else None
    monkeypatch.setattr("wfrpde.discretisation.fluxes.ROWS", 1)
    rows = edge_averaged_rows(nodes, potential, diffusion)
    n = nodes.n_owned
    (pointers, columns, values), _ = rows.compressed(nodes)
    found = csr_matrix((values, columns, pointers), shape=(n, n)).toarray()
    expected = dense(nodes, symmetrised_stiffness(nodes, potential, None, diffusion)[0])
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)
    assert len(values) == np.count_nonzero(expected) <= rows.most
