"""Functionals of Gaussian densities against their closed forms."""

from functools import partial

import numpy as np
import pytest
from scipy.special import ndtr

from wfrpde.discretisation.functionals import Evaluator
from wfrpde.discretisation.pieces import Samples
from wfrpde.discretisation.simplex_interpolation import SimplexInterpolation
from wfrpde.discretisation.tensor_interpolation import TensorInterpolation
from wfrpde.domain.grid import TensorGrid, simplices_of_box
from wfrpde.fields import parse_region
from wfrpde.parallel.mpi import MPI

MEAN = np.array([0.4, -0.3])
COVARIANCE = np.array([[0.6, 0.2], [0.2, 0.5]])
TARGET = np.array([[1.0, -0.3], [-0.3, 0.8]])


def quadratic(x, mean, covariance):
    gap = x - mean
    return np.einsum("ni,ij,nj->n", gap, np.linalg.inv(covariance), gap) / 2


def log_normal(x, mean, covariance):
    _, logdet = np.linalg.slogdet(2 * np.pi * np.asarray(covariance))
    return -quadratic(x, mean, covariance) - logdet / 2


def tensor(cells=24, degree=4, reach=7.0):
    breaks = (np.linspace(-reach, reach, cells + 1),) * 2
    return TensorInterpolation(TensorGrid(breaks, np.ones((cells, cells), bool)), degree)


REGIONS = {
    "left": lambda x: x[:, 0] < 0.1,
    "oblique": lambda x: x[:, 0] + x[:, 1] > 0.5,
    "all": lambda x: np.ones(len(x), dtype=bool),
}


@pytest.fixture(scope="module")
def evaluator():
    return Evaluator(MPI.COMM_SELF, tensor(), lambda x: quadratic(x, np.zeros(2), TARGET), REGIONS)


@pytest.fixture(scope="module")
def numbers(evaluator):
    nodes = tensor().nodes
    u = log_normal(nodes, MEAN, COVARIANCE) - log_normal(nodes, np.zeros(2), TARGET)
    return evaluator(evaluator.sample(u[None]))


def test_scalars_of_a_gaussian(numbers):
    """KL, ∫ρ|∇ log ρ/π|² and Var_ρ log ρ/π between N(m, C) and N(0, Σ)."""
    precision = np.linalg.inv(TARGET)
    kl = np.trace(precision @ COVARIANCE) - 2 + MEAN @ precision @ MEAN
    kl = (kl + np.log(np.linalg.det(TARGET) / np.linalg.det(COVARIANCE))) / 2
    # ∇u = (P − C⁻¹)(x − m) + P m
    gap = precision - np.linalg.inv(COVARIANCE)
    push = precision @ MEAN
    fisher = np.trace(gap @ COVARIANCE @ gap) + push @ push
    variance = np.trace(gap @ COVARIANCE @ gap @ COVARIANCE) / 2 + push @ COVARIANCE @ push
    assert numbers.mass[0] == pytest.approx(1, abs=1e-9)
    assert numbers.kl[0] == pytest.approx(kl, rel=1e-8)
    assert numbers.fisher_information[0] == pytest.approx(fisher, rel=1e-8)
    assert numbers.reaction_variance[0] == pytest.approx(variance, rel=1e-8)
    norm = (np.linalg.det(4 * np.pi * COVARIANCE)) ** -0.25
    assert numbers.density_norm[0] == pytest.approx(norm, rel=1e-8)
    assert set(numbers.series()) == {"kl", "mass", "fisher_information", "reaction_variance"}


def test_moments_of_a_gaussian(numbers):
    np.testing.assert_allclose(numbers.mean[0], MEAN, atol=1e-9)
    np.testing.assert_allclose(numbers.covariance[0], COVARIANCE, atol=1e-8)


@pytest.mark.parametrize(("points", "most"), [(None, (16, 32, 64)), (3, (12, 14, 16))])
@pytest.mark.parametrize("region", ["left", "oblique"])
def test_a_second_rule_tells_the_error_of_masses(region, points, most):
    """At degree 1, where a region ends within cells, on the line and across the plane."""
    found = []
    for cells in most:
        interpolation = tensor(cells, degree=1)
        potential = partial(quadratic, mean=MEAN, covariance=COVARIANCE)
        one = Evaluator(MPI.COMM_SELF, interpolation, potential, REGIONS, points=points)
        flat = np.zeros((1, len(interpolation.nodes)))  # u = 0: the quadrature alone is wrong
        own, other = (e(e.sample(flat)).mode_mass[region][0] for e in (one, one.second()))
        exact = {
            "left": ndtr((0.1 - MEAN[0]) / np.sqrt(COVARIANCE[0, 0])),
            "oblique": ndtr((MEAN.sum() - 0.5) / np.sqrt(COVARIANCE.sum())),
        }[region]
        found.append((abs(own - other), abs(own - exact)))
    estimate, error = np.array(found).T
    assert error.max() < (1e-6 if points is None else 1e-4)
    np.testing.assert_allclose(estimate, error, rtol=0.1)


def test_masses_of_half_planes(numbers, evaluator):
    left = ndtr((0.1 - MEAN[0]) / np.sqrt(COVARIANCE[0, 0]))
    oblique = ndtr((MEAN.sum() - 0.5) / np.sqrt(COVARIANCE.sum()))
    assert numbers.mode_mass["left"][0] == pytest.approx(left, abs=2e-5)
    assert numbers.mode_mass["oblique"][0] == pytest.approx(oblique, abs=1e-4)
    assert numbers.mode_mass["all"][0] == pytest.approx(1, abs=1e-9)
    target = evaluator.target_mode_mass()
    assert target["left"] == pytest.approx(ndtr(0.1), abs=2e-5)
    assert target["oblique"] == pytest.approx(ndtr(-0.5 / np.sqrt(TARGET.sum())), abs=1e-4)


def test_normalisation_of_the_target(evaluator):
    exact = np.log(2 * np.pi * np.sqrt(np.linalg.det(TARGET)))
    assert evaluator.log_normalisation == pytest.approx(exact, abs=1e-9)


def test_equilibrium_has_no_kl_at_all(evaluator):
    n = len(tensor().nodes)
    numbers = evaluator(evaluator.sample(np.zeros((1, n))))
    assert numbers.kl[0] == 0.0
    assert numbers.fisher_information[0] == pytest.approx(0, abs=1e-20)
    assert numbers.mass[0] == pytest.approx(1, abs=1e-14)


def test_kl_keeps_its_digits_near_equilibrium(evaluator):
    """u = ε x has KL = ε²/2 Σ_xx + O(ε⁴) once normalised: nine digits at 1e-16."""
    epsilon = 1e-8
    u = epsilon * tensor().nodes[:, :1].T
    samples = evaluator.sample(u)
    numbers = evaluator(samples.shifted(-evaluator.log_mass(samples)))
    assert numbers.kl[0] == pytest.approx(epsilon**2 / 2 * TARGET[0, 0], rel=1e-6, abs=0)


def test_several_fields_are_evaluated_one_by_one(evaluator):
    nodes = tensor().nodes
    u = np.stack([0.1 * nodes[:, 0], np.zeros(len(nodes)), 0.2 * nodes[:, 1]])
    together = evaluator(evaluator.sample(u))
    for k, row in enumerate(u):
        alone = evaluator(evaluator.sample(row[None]))
        for name in together.series():
            assert together.series()[name][k] == alone.series()[name][0]
        np.testing.assert_array_equal(together.covariance[k], alone.covariance[0])
        assert together.mode_mass["left"][k] == alone.mode_mass["left"][0]


def test_empty_regions_of_the_density_count_for_nothing(evaluator):
    """u = −∞ (ρ = 0) where the density vanishes: 0 log 0 = 0."""
    n = len(evaluator.points)
    right = evaluator.points[:, 0] > 0.1
    value = np.where(right, -np.inf, 0.0)[None]
    numbers = evaluator(Samples(value, np.where(right, np.nan, 0.0)[None]))
    kept = evaluator.target_mode_mass()["left"]
    assert numbers.mass[0] == pytest.approx(kept, abs=1e-12)
    assert numbers.kl[0] == pytest.approx(1 - kept, abs=1e-12)  # ∫ (π − ρ) where ρ = 0
    assert numbers.fisher_information[0] == 0
    assert numbers.mode_mass["oblique"][0] < 0.6
    assert n == len(right)


def test_unnormalised_densities_have_the_entropy_of_measures(evaluator):
    """KL(cπ | π) = c log c − c + 1, moments and covariances per unit mass."""
    c = 3.0
    n = len(tensor().nodes)
    numbers = evaluator(evaluator.sample(np.full((1, n), np.log(c))))
    assert numbers.mass[0] == pytest.approx(c, rel=1e-12)
    assert numbers.kl[0] == pytest.approx(c * np.log(c) - c + 1, rel=1e-12)
    np.testing.assert_allclose(numbers.covariance[0], TARGET, rtol=1e-7)
    assert evaluator.log_mass(evaluator.sample(np.full((1, n), np.log(c))))[0] == pytest.approx(
        np.log(c), abs=1e-13
    )


def test_relative_l2_distance(evaluator):
    """‖N(0, Σ) − N(δ, Σ)‖/‖·‖ = √(2 − 2 e^{−δᵀPδ/4})."""
    nodes = tensor().nodes
    shift = np.array([0.3, 0.1])
    one = np.zeros((1, len(nodes)))
    other = (log_normal(nodes, shift, TARGET) - log_normal(nodes, np.zeros(2), TARGET))[None]
    found = evaluator.l2_difference(evaluator.sample(one), evaluator.sample(other))
    overlap = np.exp(-shift @ np.linalg.inv(TARGET) @ shift / 4)
    assert found[0] == pytest.approx(np.sqrt(2 - 2 * overlap), rel=1e-8)
    assert evaluator.l2_difference(evaluator.sample(one), evaluator.sample(one))[0] == 0.0


@pytest.mark.parametrize("kind", ["tensor", "simplex"])
def test_second_order_grids_converge_to_the_closed_form(kind):
    """The nodal values are exact here: what is left is the error of the quadrature, order 4."""

    def kl(cells):
        grid = tensor(cells, 1, 6.0).grid
        if kind == "simplex":
            coarse = simplices_of_box(grid)
            interpolation = SimplexInterpolation(coarse.refined(), coarse)
        else:
            interpolation = TensorInterpolation(grid.refined(), 1)
        evaluate = Evaluator(
            MPI.COMM_SELF, interpolation, lambda x: quadratic(x, np.zeros(2), TARGET), {}
        )
        nodes = interpolation.nodes
        u = log_normal(nodes, MEAN, COVARIANCE) - log_normal(nodes, np.zeros(2), TARGET)
        return float(evaluate(evaluate.sample(u[None])).kl[0])

    precision = np.linalg.inv(TARGET)
    exact = np.trace(precision @ COVARIANCE) - 2 + MEAN @ precision @ MEAN
    exact = (exact + np.log(np.linalg.det(TARGET) / np.linalg.det(COVARIANCE))) / 2
    coarse, fine = abs(kl(6) - exact), abs(kl(12) - exact)
    assert fine < 3e-3
    assert np.log2(coarse / fine) > 3


@pytest.mark.parametrize("kind", ["tensor", "simplex"])
def test_pieces_of_a_mesh_say_what_the_whole_says(monkeypatch, kind):
    """A mesh in forty pieces, densities far from equilibrium: nothing is lost between pieces."""
    interpolation = tensor(24, 1)
    if kind == "simplex":
        interpolation = SimplexInterpolation(simplices_of_box(interpolation.grid))
    nodes = interpolation.nodes
    far = log_normal(nodes, MEAN, COVARIANCE / 4) - log_normal(nodes, np.zeros(2), TARGET)
    fields = [np.stack([far, 1e-8 * nodes[:, 0]]), np.stack([1.001 * far, 2e-8 * nodes[:, 1]])]
    found = []
    for most in (10**6, 240):
        monkeypatch.setattr("wfrpde.discretisation.functionals.AT_ONCE", most)
        one = Evaluator(
            MPI.COMM_SELF, interpolation, lambda x: quadratic(x, np.zeros(2), TARGET), REGIONS
        )
        assert (len(list(one.pieces())) == 1) == (most > 240)
        every = one.evaluated(lambda points: [points.sample(u) for u in fields])
        shifts = [-every.log_mass(k) for k in (0, 1)]
        found.append(
            (
                every.functionals(1, shifts[1]),
                every.l2_difference(1, *shifts),
                every.target_mode_mass(),
            )
        )
    (whole, distance, masses), (pieces, apart, others) = found
    for name in ("kl", "mass", "fisher_information", "reaction_variance", "density_norm"):
        one, other = getattr(pieces, name), getattr(whole, name)
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-23)
    for name in ("mean", "covariance"):
        np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), atol=1e-13)
    for name, mass in whole.mode_mass.items():
        np.testing.assert_allclose(pieces.mode_mass[name], mass, rtol=1e-12)
        assert others[name] == pytest.approx(masses[name], rel=1e-12)
    np.testing.assert_allclose(apart, distance, rtol=1e-9, atol=1e-15)
    assert pieces.kl[1] == pytest.approx(2e-16 * TARGET[1, 1], rel=1e-2, abs=0)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("x < 0.123", ndtr(0.123)),
        ("-0.4 < y and x >= 0.123", ndtr(0.4) * ndtr(-0.123)),
        # ∫ φ(x) Φ(0.2 − x) dx up to 0.123; an oblique side still cuts cells
        ("x < 0.123 and x + y < 0.2", 0.4287036191494369),
    ],
)
def test_cells_end_at_planes_that_bound_a_region(text, exact, second):
    """Masses of N(0, I): cells that planes would cut are lattices of points, as all others."""
    region = parse_region(text, 2, "target.modes.a")
    rule = Evaluator(MPI.COMM_SELF, tensor(), lambda x: (x**2).sum(axis=1) / 2, {"a": region})
    rule = rule.second() if second else rule
    numbers = rule(rule.sample(np.zeros((1, tensor().n_nodes))))
    lattices = rule._whole.rule.lattices
    held = sum(cells.shape[1] * len(offsets) ** 2 for cells, offsets in lattices)
    assert (held == len(rule.points)) == region.straight
    assert numbers.mode_mass["a"][0] == pytest.approx(exact, abs=1e-9 if region.straight else 3e-5)
    assert numbers.mean == pytest.approx(0, abs=1e-11)


def test_the_potential_is_found_again_at_points():
    """V = log w − log(w e^{−V}) to round-off, also where it is thousands."""
    far = Evaluator(MPI.COMM_SELF, tensor(6, 1, 60.0), lambda x: (x**2).sum(axis=1), REGIONS)
    exact = (far.points**2).sum(axis=1)
    assert exact.max() > 5000.0
    np.testing.assert_allclose(far.potential, exact, rtol=1e-14, atol=1e-14)
    (points,) = far.pieces()
    np.testing.assert_array_equal(points.potential, far.potential)


def test_where_there_is_no_density_the_potential_is_infinite():
    walls = Evaluator(
        MPI.COMM_SELF, tensor(6, 1), lambda x: np.where(x[:, 0] > 0, np.inf, 0.0), REGIONS
    )
    right = walls.points[:, 0] > 0
    assert np.isposinf(walls.potential[right]).all()
    np.testing.assert_allclose(walls.potential[~right], 0.0, atol=1e-15)
