"""e^{−τS} by polynomials: against eigenvectors and eigenvalues, and in every component."""

import numpy as np
import pytest

from wfrpde.discretisation.edges import cell_lines
from wfrpde.discretisation.fluxes import steep, symmetrised_stiffness
from wfrpde.engine import Traits, Wish, assemble
from wfrpde.engine.exponential import Exponential
from wfrpde.errors import SolverError


def potential_of(nodes, slope=1.0):
    x = nodes.points
    return 2 * (x**2).sum(axis=1) + np.sin(3 * x[:, 0]) + slope * x[:, -1]


@pytest.fixture
def system(nodes_of, dense):
    """Return (kind, dim, degree, levels) -> (nodes, V, dense S, Exponential)."""
    made = []

    def make(kind, dim, degree=1, levels=None, slope=1.0):
        nodes = nodes_of(kind, dim, degree)
        potential = potential_of(nodes, slope)
        triplets, _ = symmetrised_stiffness(nodes, potential, levels)
        matrix = assemble(nodes, triplets, Traits(degree == 1, dim), Wish())
        made.append(Exponential(matrix, monotone=degree == 1))
        return nodes, potential, dense(nodes, triplets), made[-1]

    yield make
    for exponential in made:
        exponential.destroy()


def exact(s, tau, x):
    value, vector = np.linalg.eigh(s)
    return vector @ (np.exp(-tau * value) * (vector.T @ x))


@pytest.mark.parametrize(
    ("kind", "dim", "degree"),
    [("tensor", 2, 1), ("simplex", 3, 1), ("tensor", 3, 1), ("tensor", 2, 4), ("tensor", 3, 2)],
)
def test_agrees_with_eigenvectors_over_four_decades_of_time(system, kind, dim, degree):
    _, _, s, exponential = system(kind, dim, degree)
    x = np.random.default_rng(3).exponential(size=len(s))
    for tau in (1e-3, 1e-2, 0.1, 10.0):  # the last one is divided into parts
        np.testing.assert_allclose(
            exponential.apply(tau, x), exact(s, tau, x), rtol=0, atol=3e-12 * x.max()
        )
    assert exponential.solves == 4
    assert exponential.iterations > 40


@pytest.mark.parametrize("degree", [1, 3])
def test_mass_and_equilibrium_are_kept(system, degree):
    nodes, potential, s, exponential = system("tensor", 3, degree)
    root = np.sqrt(nodes.weights) * np.exp(-(potential - potential.min()) / 2)
    np.testing.assert_allclose(exponential.apply(0.3, root), root, atol=1e-13 * root.max())
    x = np.random.default_rng(5).exponential(size=len(s))
    assert root @ exponential.apply(0.3, x) == pytest.approx(root @ x, rel=1e-13)


def test_every_component_is_accurate_relative_to_itself(system):
    """Mass in one corner alone: what arrives elsewhere spans 13 decades, and is never negative.

    The reference sums the positive series with twenty times as many terms.
    """
    nodes, _, s, exponential = system("tensor", 3)
    x = np.full(len(s), 1e-250)
    x[np.argmin(nodes.points.sum(axis=1))] = 1.0
    tau = 2e-3
    value = exponential.apply(tau, x)
    rate = s.diagonal().max()
    term, expected = x * np.exp(-rate * tau), x * np.exp(-rate * tau)
    for k in range(1, 400):
        term = (tau / k) * (rate * term - s @ term)
        expected = expected + term
    assert expected.max() / expected.min() > 1e13
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    # a norm says nothing about the small ones: the same with eigenvectors is noise there
    assert np.abs(exact(s, tau, x) / expected - 1).max() > 1e-6


def test_the_bound_is_one_and_a_close_one(system):
    for degree in (1, 2, 5):
        _, _, s, exponential = system("tensor", 2, degree)
        largest = np.linalg.eigvalsh(s)[-1]
        if degree == 1:
            assert exponential.rate == s.diagonal().max()
        else:
            assert largest <= exponential.rate < 1.3 * largest


def test_a_series_that_ends_too_early_says_so(system, monkeypatch):
    _, _, s, exponential = system("tensor", 2)
    x = np.full(len(s), 1e-250)
    x[0] = 1.0
    monkeypatch.setattr("wfrpde.engine.exponential.MOST_MISSES", 0)
    with pytest.raises(SolverError, match=r"the series of a transport step \(Λτ = "):
        exponential.apply(1e-4, x)


def test_levels_lower_the_largest_eigenvalue_where_nothing_matters(nodes_of, system):
    nodes = nodes_of("tensor", 2, 4)
    potential = potential_of(nodes, 15.0)
    far = potential - potential.min()
    counts = [
        sum(int(steep(lines, potential, levels).sum()) for lines in cell_lines(nodes))
        for levels in (None, 0 * far, far)
    ]
    assert counts[0] < counts[1] <= counts[2]
    _, _, plain, _ = system("tensor", 2, 4, None, 15.0)
    _, _, eased, _ = system("tensor", 2, 4, far, 15.0)
    largest = [float(np.linalg.eigvalsh(s)[-1]) for s in (plain, eased)]
    assert largest[1] < largest[0] / 50
