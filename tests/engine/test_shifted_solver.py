"""Distributed matrices and the factorisations of I + cS."""

import numpy as np
import pytest

from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.engine import Traits, Triplets, Wish, assemble, decay, is_polynomial
from wfrpde.engine.exponential import Exponential
from wfrpde.engine.shifted import Band, ShiftedSolver
from wfrpde.errors import InputError, SolverError


@pytest.fixture
def system(nodes_of, dense):
    """Return kind, dim, degree -> (nodes, dense S, its triplets)."""

    def make(kind="tensor", dim=2, degree=1):
        nodes = nodes_of(kind, dim, degree)
        potential = 2 * (nodes.points**2).sum(axis=1) + np.sin(3 * nodes.points[:, 0])
        triplets, _ = symmetrised_stiffness(nodes, potential)
        return nodes, dense(nodes, triplets), triplets

    return make


def solver(system, method="auto", **options):
    """Solver of PETSc for I + cS, in one dimension, too, and its matrix."""
    nodes, _, triplets = system
    traits = Traits(nodes.degree == 1, nodes.dim)
    matrix = assemble(nodes, triplets, traits, Wish(method, options))
    return ShiftedSolver(matrix.factor, matrix)


def ksp_of(shifted):
    pytest.importorskip("petsc4py")
    return next(iter(shifted.factors.values())).ksp


@pytest.mark.parametrize(
    ("kind", "dim", "degree"), [("tensor", 1, 4), ("tensor", 2, 1), ("simplex", 3, 1)]
)
def test_assembled_matrix_equals_the_summed_triplets(system, kind, dim, degree):
    nodes, reference, triplets = system(kind, dim, degree)
    matrix = assemble(nodes, triplets, Traits(degree == 1, dim), Wish())
    values, size = np.empty_like(reference), np.abs(reference).max()
    for row, unit in zip(values, np.eye(len(reference)), strict=True):
        matrix.product(unit, row)
    np.testing.assert_allclose(values.T, reference, atol=1e-14 * size)
    np.testing.assert_allclose(matrix.diagonal(), reference.diagonal(), atol=1e-14 * size)
    x, out = np.arange(len(reference), dtype=float), np.empty(len(reference))
    magnitudes = matrix.magnitudes()
    magnitudes.product(x, out)
    np.testing.assert_allclose(out, np.abs(reference) @ x, rtol=1e-12)
    matrix.change(-0.5, 3.0)
    matrix.product(x, out)
    np.testing.assert_allclose(out, 3 * x - reference @ x / 2, rtol=1e-12, atol=1e-11 * size)
    magnitudes.destroy()
    matrix.destroy()


@pytest.mark.parametrize(("dim", "degree"), [(1, 1), (2, 1), (3, 1), (2, 3)])
@pytest.mark.parametrize("choice", ["direct", "iterative"])
def test_solves_match_dense_linear_algebra(system, dim, degree, choice):
    made = system(dim=dim, degree=degree)
    _, s, _ = made
    shifted = solver(made, choice)
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
    made = system()
    _, s, _ = made
    shifted = solver(made)
    rhs = np.ones(len(s))
    for c in (1.0, 2.0, 1.0, 1.0 + 1e-15, 2.0, 1.0):
        shifted.solve(c, rhs)
    assert shifted.factorisations == 2
    shifted.solve(3.0, rhs)  # evicts 2, the least recently used
    shifted.solve(1.0, rhs)
    shifted.solve(3.0, rhs)
    assert shifted.factorisations == 3
    shifted.solve(2.0, rhs)
    assert shifted.factorisations == 4
    assert shifted.solves == 10
    shifted.destroy()


def test_destroy_frees_the_solvers_and_the_matrix(system):
    pytest.importorskip("petsc4py")
    made = system()
    _, s, _ = made
    shifted = solver(made)
    shifted.solve(1.0, np.ones(len(s)))
    factor = next(iter(shifted.factors.values()))
    shifted.destroy()
    assert factor.ksp.handle == factor.matrix.handle == shifted._matrix.mat.handle == 0


def test_options_of_the_case_win_over_defaults(system):
    made = system()
    _, s, _ = made
    shifted = solver(made, ksp_type="gmres", pc_type="jacobi", ksp_rtol=1e-11)
    rhs = np.ones(len(s))
    value = shifted.solve(0.5, rhs)
    ksp = ksp_of(shifted)
    assert ksp.getType() == "gmres"
    assert ksp.getPC().getType() == "jacobi"
    assert shifted.iterations > 1
    np.testing.assert_allclose(value, np.linalg.solve(np.eye(len(s)) + 0.5 * s, rhs), rtol=1e-8)
    shifted.destroy()


def test_options_of_petscs_database_win_over_those_of_the_case():
    from petsc4py import PETSc

    from wfrpde.engine.petsc.options import asked

    PETSc.Options().setValue("wfrpde_ksp_type", "minres")
    try:
        merged = asked(Wish(options={"ksp_type": "gmres", "ksp_error_if_not_converged": True}))
    finally:
        PETSc.Options().delValue("wfrpde_ksp_type")
    assert merged == {"ksp_type": "minres", "ksp_error_if_not_converged": "true"}


def test_options_of_the_environment_are_checked_like_those_of_the_case():
    from petsc4py import PETSc

    from wfrpde.engine.petsc.options import asked

    database = PETSc.Options()
    database.setValue("wfrpde_ksp_monitor", "ascii:/tmp/written")
    try:
        with pytest.raises(InputError, match="ksp_monitor = 'ascii:/tmp/written'") as caught:
            asked(Wish())
        database.setValue("wfrpde_ksp_monitor", None)
        assert asked(Wish()) == {"ksp_monitor": ""}
    finally:
        database.delValue("wfrpde_ksp_monitor")
    assert caught.value.where == "PETSC_OPTIONS"


def test_solvers_leave_nothing_in_petscs_database(system):
    from petsc4py import PETSc

    before = PETSc.Options().getAll()
    made = system()
    _, s, _ = made
    one, other = solver(made, ksp_type="cg", pc_type="jacobi"), solver(made)
    one.solve(1.0, np.ones(len(s)))
    other.solve(1.0, np.ones(len(s)))
    assert [ksp_of(x).getType() for x in (one, other)] == ["cg", "preonly"]
    assert PETSc.Options().getAll() == before
    one.destroy()
    other.destroy()


def test_a_solver_that_does_not_converge_says_so(system):
    made = system()
    _, s, _ = made
    shifted = solver(made, ksp_type="cg", pc_type="none", ksp_max_it=2, ksp_rtol=1e-12)
    with pytest.raises(SolverError, match=r"cg/none.*reason -\d+ after 2 iterations"):
        shifted.solve(10.0, np.arange(len(s), dtype=float))
    shifted.destroy()


def test_sweeps_converge_in_every_component_relative_to_itself(system):
    """A regular splitting of an M-matrix: 1e-10 over 20 decades, where a norm says nothing."""
    made = system(dim=3)
    nodes, s, _ = made
    # across the order of the nodes, along which the incomplete factor is nearly exact
    rhs = np.exp(-12 * ((nodes.points + 1) @ [1.0, -1.0, 1.0]))
    exact = np.linalg.solve(np.eye(len(s)) + 1e-3 * s, rhs)
    assert exact.max() / exact.min() > 1e20
    swept = solver(made, "iterative")
    value = swept.solve(1e-3, rhs)
    assert (value > 0).all()
    assert np.abs(value / exact - 1).max() < 1e-10
    swept.destroy()
    conjugate = solver(made, "iterative", ksp_type="cg")
    assert np.abs(conjugate.solve(1e-3, rhs) / exact - 1).max() > 1e-8
    conjugate.destroy()


def test_sweeps_that_do_not_converge_say_so(system):
    made = system(dim=3)
    _, s, _ = made
    swept = solver(made, "iterative", pc_type="none")  # ρ(I − A) > 1
    with pytest.raises(SolverError, match="sweeps with an incomplete factor left changes of"):
        swept.solve(1.0, np.ones(len(s)))
    swept.destroy()


def test_defaults_by_dimension_size_and_ranks():
    from wfrpde.engine.petsc.options import factor_options

    rough, smooth = ([Traits(monotone, dim) for dim in (0, 1, 2, 3)] for monotone in (True, False))
    assert factor_options(rough[2], 10**6, 1)["pc_type"] == "cholesky"
    assert factor_options(rough[2], 1000, 2)["pc_type"] == "redundant"
    assert factor_options(rough[3], 1000, 1)["pc_factor_mat_solver_type"] == "mumps"
    assert factor_options(rough[3], 10**6, 1)["ksp_type"] == "richardson"
    assert factor_options(smooth[3], 10**6, 1)["ksp_type"] == "cg"
    assert factor_options(rough[3], 10**6, 2)["pc_type"] == "bjacobi"
    assert factor_options(rough[3], 10**6, 1, "direct")["pc_type"] == "cholesky"
    assert factor_options(smooth[1], 10, 1, "iterative")["ksp_type"] == "cg"


def test_large_factors_of_eigensolvers_in_the_plane_are_dense_blocks():
    """Each serves few solves there; a flow has hundreds, which take MUMPS ten times as long."""
    from wfrpde.engine.petsc.options import eigen_options, factor_options

    rough, fluxes, wish = Traits(False, 2), Traits(True, 2), Wish()
    kind = "pc_factor_mat_solver_type"
    assert eigen_options(rough, 60_000, 1, wish)[f"st_{kind}"] == "mumps"
    assert eigen_options(rough, 60_000, 2, wish)[f"st_redundant_{kind}"] == "mumps"
    few, many = (f"st_{kind}" in eigen_options(rough, n, 1, wish) for n in (40_000, 60_000))
    assert (few, many) == (False, True)
    assert f"st_{kind}" not in eigen_options(fluxes, 60_000, 1, wish)
    assert kind not in factor_options(rough, 60_000, 1)


@pytest.mark.parametrize("options", [{}, {"method": "iterative"}])
def test_a_matrix_that_is_not_symmetric(nodes_of, options):
    """Factors and Krylov methods of the other kind, by the flag alone."""
    nodes = nodes_of("tensor", 2)
    n = len(nodes.points)
    s = np.diag(np.arange(2.0, n + 2)) - np.diag(np.full(n - 1, 1.5), 1)
    row, column = np.nonzero(s)
    triplets = Triplets(row, column, s[row, column])
    shifted = decay(nodes, triplets, Traits(False, 2, symmetric=False), Wish(**options))
    rhs = np.random.default_rng(0).normal(size=n)
    expected = np.linalg.solve(np.eye(n) + 0.3 * s, rhs)
    np.testing.assert_allclose(shifted.solve(0.3, rhs), expected, atol=1e-12)
    assert ksp_of(shifted).getType() == ("gmres" if options else "preonly")
    shifted.destroy()


@pytest.mark.parametrize("degree", [1, 2, 7])
def test_banded_solves_match_dense_linear_algebra(nodes_of, dense, degree):
    nodes = nodes_of("tensor", 1, degree, cells=9)
    triplets, _ = symmetrised_stiffness(nodes, 3 * nodes.points[:, 0] ** 2)
    s = dense(nodes, triplets)
    banded = ShiftedSolver(Band(nodes.n_global, degree, triplets).factor, keep=2)
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
        Band(nodes.n_global, 1, triplets).factor(-1e3)


def test_what_applies_or_solves_by_size_and_wish(nodes_of, monkeypatch):
    def kind(dim, method="auto", cells=12, **options):
        nodes = nodes_of("tensor", dim, 1, cells=cells)
        triplets, _ = symmetrised_stiffness(nodes, nodes.points[:, 0])
        made = decay(nodes, triplets, Traits(True, dim), Wish(method, options))
        if not isinstance(made, Exponential):
            made.solve(1.0, np.ones(nodes.n_owned))
            made = next(iter(made.factors.values()))
        made.destroy()
        return type(made).__name__

    assert kind(1) == kind(1, "direct") == kind(2, cells=3) == "_BandFactor"
    assert kind(1, "iterative") == kind(1, ksp_type="cg") == kind(2) == "KspFactor"
    assert kind(3, cells=4) == "Exponential"
    assert kind(3, "direct", cells=4) == kind(3, cells=4, ksp_type="cg") == "KspFactor"
    monkeypatch.setenv("PETSC_OPTIONS", "-wfrpde_ksp_type cg")
    assert kind(1) == "KspFactor"
    assert not is_polynomial(3, Wish())


def test_a_factor_made_again_with_the_old_pattern_is_right(system):
    made = system()
    _, s, _ = made
    shifted = solver(made)
    rhs = np.ones(len(s))
    for c in (1.0, 2.0, 3.0, 40.0, 0.5, 1.0):
        expected = np.linalg.solve(np.eye(len(s)) + c * s, rhs)
        np.testing.assert_allclose(shifted.solve(c, rhs), expected, atol=1e-12)
    assert shifted.factorisations == 6
    shifted.destroy()


def test_a_library_that_this_petsc_lacks_is_told_and_leaves_nothing_behind(system, monkeypatch):
    from wfrpde.engine.petsc.linear import KspFactor

    made = system()
    destroyed = []
    whole = KspFactor.destroy
    monkeypatch.setattr(KspFactor, "destroy", lambda self: (destroyed.append(1), whole(self)))
    shifted = solver(made, pc_type="lu", pc_factor_mat_solver_type="mkl_pardiso")
    with pytest.raises((SolverError, InputError)):
        shifted.solve(1.0, np.ones(len(made[1])))
    assert destroyed == [1]
    shifted.destroy()
