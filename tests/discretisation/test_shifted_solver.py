"""Distributed matrices and the factorisations of I + cS."""

import numpy as np
import pytest

from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.engine.matrix import (
    BandedSolver,
    ShiftedSolver,
    assemble,
    is_banded,
    merged_options,
    solver_options,
)
from wfrpde.errors import InputError, SolverError


@pytest.fixture
def system(nodes_of, dense):
    """Return kind, dim -> (nodes, dense S, PETSc S)."""
    matrices = []

    def make(kind="tensor", dim=2, degree=1):
        nodes = nodes_of(kind, dim, degree)
        potential = 2 * (nodes.points**2).sum(axis=1) + np.sin(3 * nodes.points[:, 0])
        triplets, _ = symmetrised_stiffness(nodes, potential)
        matrices.append(assemble(nodes, triplets))
        return nodes, dense(nodes, triplets), matrices[-1]

    yield make
    for matrix in matrices:
        matrix.destroy()


def solver(matrix, nodes, choice="auto", case=None):
    defaults = solver_options(nodes.dim, nodes.degree, nodes.n_global, 1, choice)
    return ShiftedSolver(matrix, merged_options(defaults, case or {}))


@pytest.mark.parametrize(
    ("kind", "dim", "degree"), [("tensor", 1, 4), ("tensor", 2, 1), ("simplex", 3, 1)]
)
def test_assembled_matrix_equals_the_summed_triplets(system, kind, dim, degree):
    _, reference, matrix = system(kind, dim, degree)
    n = len(reference)
    values = matrix.getValues(range(n), range(n))
    np.testing.assert_allclose(values, reference, atol=1e-14 * np.abs(reference).max())


@pytest.mark.parametrize(("dim", "degree"), [(1, 1), (2, 1), (3, 1), (2, 3)])
@pytest.mark.parametrize("choice", ["direct", "iterative"])
def test_solves_match_dense_linear_algebra(system, dim, degree, choice):
    nodes, s, matrix = system(dim=dim, degree=degree)
    shifted = solver(matrix, nodes, choice)
    rng = np.random.default_rng(4)
    for c in (1e-4, 0.03, 3.0):
        # of one sign, as all densities are: sweeps converge relative to each component
        rhs = rng.exponential(size=len(s))
        expected = np.linalg.solve(np.eye(len(s)) + c * s, rhs)
        np.testing.assert_allclose(shifted.solve(c, rhs), expected, rtol=0, atol=1e-10)
    if dim > 1:  # in 1-D the incomplete factor is the complete one
        assert (shifted.iterations > 3) == (choice == "iterative")
    shifted.destroy()


def test_factorisations_are_kept_for_the_last_few_shifts(system):
    nodes, s, matrix = system()
    shifted = solver(matrix, nodes)
    rhs = np.ones(len(s))
    for c in (1.0, 2.0, 3.0, 1.0, 1.0 + 1e-15, 2.0):
        shifted.solve(c, rhs)
    assert shifted.factorisations == 3
    shifted.solve(4.0, rhs)  # evicts 3, the least recently used
    shifted.solve(1.0, rhs)
    shifted.solve(2.0, rhs)
    assert shifted.factorisations == 4
    shifted.solve(3.0, rhs)
    assert shifted.factorisations == 5
    assert shifted.solves == 10
    shifted.destroy()


def test_destroy_frees_the_solvers_but_not_the_matrix(system):
    nodes, s, matrix = system()
    shifted = solver(matrix, nodes)
    shifted.solve(1.0, np.ones(len(s)))
    ksp, shifted_matrix = next(iter(shifted._solvers.values()))
    shifted.destroy()
    assert ksp.handle == 0
    assert shifted_matrix.handle == 0
    assert matrix.handle != 0
    assert matrix.norm() > 0


def test_options_of_the_case_win_over_defaults(system):
    nodes, s, matrix = system()
    case = {"ksp_type": "gmres", "pc_type": "jacobi", "ksp_rtol": 1e-11}
    shifted = solver(matrix, nodes, case=case)
    rhs = np.ones(len(s))
    value = shifted.solve(0.5, rhs)
    ksp, _ = next(iter(shifted._solvers.values()))
    assert ksp.getType() == "gmres"
    assert ksp.getPC().getType() == "jacobi"
    assert shifted.iterations > 1
    np.testing.assert_allclose(value, np.linalg.solve(np.eye(len(s)) + 0.5 * s, rhs), rtol=1e-8)
    shifted.destroy()


def test_options_of_petscs_database_win_over_those_of_the_case():
    from petsc4py import PETSc

    PETSc.Options().setValue("wfrpde_ksp_type", "minres")
    try:
        merged = merged_options(
            {"ksp_type": "preonly", "pc_type": "cholesky", "ksp_max_it": 7},
            {"ksp_type": "gmres", "pc_type": "jacobi", "ksp_error_if_not_converged": True},
        )
    finally:
        PETSc.Options().delValue("wfrpde_ksp_type")
    assert merged == {
        "ksp_type": "minres",
        "pc_type": "jacobi",
        "ksp_max_it": "7",
        "ksp_error_if_not_converged": "true",
    }


def test_options_of_the_environment_are_checked_like_those_of_the_case():
    from petsc4py import PETSc

    database = PETSc.Options()
    database.setValue("wfrpde_ksp_monitor", "ascii:/tmp/written")
    try:
        with pytest.raises(InputError, match="ksp_monitor = 'ascii:/tmp/written'") as caught:
            merged_options({}, {})
        database.setValue("wfrpde_ksp_monitor", None)
        assert merged_options({}, {}) == {"ksp_monitor": ""}
    finally:
        database.delValue("wfrpde_ksp_monitor")
    assert caught.value.where == "PETSC_OPTIONS"


def test_solvers_leave_nothing_in_petscs_database(system):
    from petsc4py import PETSc

    before = PETSc.Options().getAll()
    nodes, s, matrix = system()
    one = solver(matrix, nodes, case={"ksp_type": "cg", "pc_type": "jacobi"})
    other = solver(matrix, nodes)
    one.solve(1.0, np.ones(len(s)))
    other.solve(1.0, np.ones(len(s)))
    types = [next(iter(x._solvers.values()))[0].getType() for x in (one, other)]
    assert types == ["cg", "preonly"]
    assert PETSc.Options().getAll() == before
    one.destroy()
    other.destroy()


def test_a_solver_that_does_not_converge_says_so(system):
    nodes, s, matrix = system()
    case = {"ksp_type": "cg", "pc_type": "none", "ksp_max_it": 2, "ksp_rtol": 1e-12}
    shifted = solver(matrix, nodes, case=case)
    with pytest.raises(SolverError, match=r"cg/none.*reason -\d+ after 2 iterations"):
        shifted.solve(10.0, np.arange(len(s), dtype=float))
    shifted.destroy()


def test_sweeps_converge_in_every_component_relative_to_itself(system):
    """A regular splitting of an M-matrix: 1e-10 over 20 decades, where a norm says nothing."""
    nodes, s, matrix = system(dim=3)
    # across the order of the nodes, along which the incomplete factor is nearly exact
    rhs = np.exp(-12 * ((nodes.points + 1) @ [1.0, -1.0, 1.0]))
    exact = np.linalg.solve(np.eye(len(s)) + 1e-3 * s, rhs)
    assert exact.max() / exact.min() > 1e20
    swept = solver(matrix, nodes, "iterative")
    value = swept.solve(1e-3, rhs)
    assert (value > 0).all()
    assert np.abs(value / exact - 1).max() < 1e-10
    swept.destroy()
    conjugate = solver(matrix, nodes, "iterative", {"ksp_type": "cg"})
    assert np.abs(conjugate.solve(1e-3, rhs) / exact - 1).max() > 1e-8
    conjugate.destroy()


def test_sweeps_that_do_not_converge_say_so(system):
    nodes, s, matrix = system(dim=3)
    swept = solver(matrix, nodes, "iterative", {"pc_type": "none"})  # ρ(I − A) > 1
    with pytest.raises(SolverError, match="sweeps with an incomplete factor left changes of"):
        swept.solve(1.0, np.ones(len(s)))
    swept.destroy()


def test_defaults_by_dimension_size_and_ranks():
    assert solver_options(2, 1, 10**6, 1)["pc_type"] == "cholesky"
    assert solver_options(2, 1, 1000, 2)["pc_type"] == "redundant"
    assert solver_options(3, 1, 1000, 1)["pc_factor_mat_solver_type"] == "mumps"
    assert solver_options(3, 1, 10**6, 1)["ksp_type"] == "richardson"
    assert solver_options(3, 4, 10**6, 1)["ksp_type"] == "cg"
    assert solver_options(3, 1, 10**6, 2)["pc_type"] == "bjacobi"
    assert solver_options(3, 1, 10**6, 1, "direct")["pc_type"] == "cholesky"
    assert solver_options(1, 2, 10, 1, "iterative")["ksp_type"] == "cg"


@pytest.mark.parametrize("degree", [1, 2, 7])
def test_banded_solves_match_dense_linear_algebra(nodes_of, dense, degree):
    nodes = nodes_of("tensor", 1, degree, cells=9)
    triplets, _ = symmetrised_stiffness(nodes, 3 * nodes.points[:, 0] ** 2)
    s = dense(nodes, triplets)
    banded = BandedSolver(nodes.n_global, degree, triplets, keep=2)
    rhs = np.exp(-5 * nodes.points[:, 0])
    for c in (1e-4, 0.03, 3.0, 3.0, 0.03):
        expected = np.linalg.solve(np.eye(len(s)) + c * s, rhs)
        np.testing.assert_allclose(banded.solve(c, rhs), expected, rtol=1e-11)
    assert (banded.factorisations, banded.solves) == (3, 5)
    banded.destroy()


def test_a_banded_matrix_that_is_not_positive_is_refused(nodes_of):
    nodes = nodes_of("tensor", 1)
    triplets, _ = symmetrised_stiffness(nodes, nodes.points[:, 0])
    with pytest.raises(SolverError, match="banded Cholesky"):
        BandedSolver(nodes.n_global, 1, triplets).solve(-1e3, np.ones(nodes.n_global))


def test_where_the_banded_solver_stands_in_for_petsc(nodes_of):
    line = nodes_of("tensor", 1)
    assert is_banded(line, "auto", {})
    assert is_banded(line, "direct", {})
    assert not is_banded(line, "iterative", {})
    assert not is_banded(line, "auto", {"ksp_type": "cg"})
    assert not is_banded(nodes_of("tensor", 2), "auto", {})
    assert not is_banded(nodes_of("simplex", 1), "auto", {})


def test_a_factor_made_again_with_the_old_pattern_is_right(system):
    nodes, s, matrix = system()
    shifted = solver(matrix, nodes)
    rhs = np.ones(len(s))
    for c in (1.0, 2.0, 3.0, 40.0, 0.5, 1.0):
        expected = np.linalg.solve(np.eye(len(s)) + c * s, rhs)
        np.testing.assert_allclose(shifted.solve(c, rhs), expected, atol=1e-12)
    assert shifted.factorisations == 6
    shifted.destroy()
