"""Every library target: its gradient, SymPy's own values, its seeds, its regions, its Z."""

import math

import numpy as np
import pytest
from formulas import evaluated

from wfrpde.fields.rendering import central_difference
from wfrpde.targets import LIBRARY, make_target

COUPLED = [[1.0, 0.4, 0.1], [0.4, 0.7, -0.2], [0.1, -0.2, 0.5]]
MIXTURE = {
    "weights": [1, 2, 3],
    "means": [[0, 0], [3, 1], [-2, 2]],
    "covariances": [0.3, [0.2, 0.5], [[0.4, 0.1], [0.1, 0.3]]],
}
MANY = {
    "weights": [1, 2, 3, 1, 2],
    "means": [[0, 0], [3, 1], [-2, 2], [3, -2], [0.5, 4]],
    "covariances": [0.3, [0.2, 0.5], [[0.4, 0.1], [0.1, 0.3]], 0.2, [[0.3, -0.2], [-0.2, 0.4]]],
}
CASES = {
    "gaussian-1": ("gaussian", {"mean": 0.5, "covariance": 0.3}),
    "gaussian-2": ("gaussian", {"mean": [0.5, -1], "covariance": [[1, 0.4], [0.4, 0.7]]}),
    "gaussian-3": ("gaussian", {"mean": [0.5, -1, 0], "covariance": COUPLED}),
    "mixture-1": ("gaussian_mixture", {"means": [2, -1], "covariances": [0.2, 0.1]}),
    "mixture-2": ("gaussian_mixture", MIXTURE),
    "mixture-of-many": ("gaussian_mixture", MANY),
    "double-well-1": ("double_well", {"barrier": 8, "tilt": 0.5}),
    "double-well-2": ("double_well", {"dim": 2, "coupling": 0.7}),
    "double-well-3": ("double_well", {"dim": 3, "coupling": -0.4, "tilt": -1, "stiffness": 3}),
    "four-modes": ("four_modes", {}),
    "banana": ("banana", {}),
    "bent-banana": ("banana", {"bend": 0.5, "width": 0.7, "centre": -0.5, "length": 1.5}),
    "ring": ("ring", {"radius": 2, "width": 0.5}),
    "shell": ("ring", {"radius": 1.5, "width": 0.5, "dim": 3}),
    "muller-brown": ("muller_brown", {}),
}


def test_every_library_target_is_covered():
    # these live in any dimension: tests/flow/test_any_dimension.py, test_axial.py, test_chain.py
    spacious = {"radial", "student_t", "axial", "chain"}
    assert {kind for kind, _ in CASES.values()} == set(LIBRARY) - spacious


@pytest.fixture(params=CASES)
def target(request):
    kind, parameters = CASES[request.param]
    return make_target(kind=kind, parameters=parameters)


def sample_points(target, n=60):
    spread = np.random.default_rng(3).normal(scale=0.7, size=(n, target.dim))
    return target.seeds[np.arange(n) % len(target.seeds)] + spread


def test_gradient_is_the_derivative_of_the_potential(target):
    points = sample_points(target)
    numerical = central_difference(target.potential, points)
    scale = 1 + np.abs(numerical).max(axis=1, keepdims=True)
    assert np.abs((target.gradient(points) - numerical) / scale).max() < 1e-7


def test_potential_is_what_sympy_evaluates(target):
    points = sample_points(target, 8)
    values = evaluated(target.expression, points)
    np.testing.assert_allclose(target.potential(points), values, rtol=1e-12, atol=1e-12)


def test_seeds_are_minima(target):
    for seed in target.seeds:
        around = np.random.default_rng(4).normal(scale=0.05, size=(200, target.dim))
        here = target.potential(seed[None])[0]
        assert target.potential(seed + around).min() > here - 0.02
    assert not target.seeds.flags.writeable


def test_the_search_finds_the_librarys_seeds(target):
    from wfrpde.targets.minima import find_minima

    if target.name == "ring":
        pytest.skip("its minima are no points")
    found = find_minima(target.potential, target.gradient, target.dim, where="target.potential")
    distances = np.linalg.norm(target.seeds[:, None] - found, axis=2)
    assert distances.min(axis=1).max() < 0.05


def test_regions_partition_space(target):
    if not target.regions:
        pytest.skip("one mode")
    points = np.random.default_rng(5).uniform(-9, 9, (4000, target.dim))
    lattice = np.stack(np.meshgrid(*[np.arange(-4.0, 5.0)] * target.dim), -1)
    points = np.concatenate([points, lattice.reshape(-1, target.dim)])
    count = sum(region(points).astype(int) for region in target.regions.values())
    assert (count == 1).all()


def test_each_mode_has_its_own_region(target):
    if target.name in ("ring", "banana") or not target.regions:
        pytest.skip("its regions are no modes")
    owners = [next(n for n, r in target.regions.items() if r(s[None])[0]) for s in target.seeds]
    assert len(set(owners)) == len(target.seeds) == len(target.regions)


def test_partition_function(target):
    if target.log_partition is None:
        pytest.skip("no closed form")
    n = {1: 4001, 2: 1501, 3: 161}[target.dim]
    low, high = target.seeds.min(axis=0) - 8, target.seeds.max(axis=0) + 8
    if target.name == "four_modes":  # narrow: 0.1 wide
        low, high = target.seeds.min(axis=0) - 7, target.seeds.max(axis=0) + 7
    if target.name == "banana":
        low, high = np.array([-7.5, -6.0]), np.array([8.5, 75.0])
    if target.dim == 3:
        low, high = target.seeds.min(axis=0) - 5, target.seeds.max(axis=0) + 5
    axes = [np.linspace(a, b, n) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, target.dim)
    volume = math.prod(axis[1] - axis[0] for axis in axes)
    total = sum(np.exp(-target.potential(chunk)).sum() for chunk in np.array_split(points, 20))
    assert math.log(total * volume) == pytest.approx(target.log_partition, abs=1e-6)


@pytest.mark.parametrize("name", ["mixture-1", "mixture-2", "four-modes", "gaussian-3"])
@pytest.mark.parametrize("distance", [1e3, 1e6])
def test_far_from_every_mode_potential_and_gradient_are_finite(name, distance):
    kind, parameters = CASES[name]
    target = make_target(kind=kind, parameters=parameters)
    directions = np.random.default_rng(6).normal(size=(20, target.dim))
    points = distance * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    value, gradient = target.potential(points), target.gradient(points)
    assert np.isfinite(value).all()
    assert (value > 0.1 * distance**2).all()
    assert np.isfinite(gradient).all()
    assert ((gradient * points).sum(axis=1) > 0).all()


def test_gaussian_is_the_quadratic_form():
    target = make_target(kind="gaussian", parameters=CASES["gaussian-3"][1])
    mean, covariance = target.gaussian
    points = sample_points(target)
    expected = 0.5 * np.einsum(
        "ni,ij,nj->n", points - mean, np.linalg.inv(covariance), points - mean
    )
    np.testing.assert_allclose(target.potential(points), expected, rtol=1e-12)
    np.testing.assert_array_equal(covariance, COUPLED)


def test_double_well_is_its_formula():
    target = make_target(kind="double_well", dim=2, parameters={"tilt": 0.5, "coupling": 0.7})
    x, y = (points := sample_points(target)).T
    expected = 8 * (x**2 - 1) ** 2 + 0.5 * x + 4 * (y - 0.7 * x) ** 2
    np.testing.assert_allclose(target.potential(points), expected, rtol=1e-12)
    same = make_target(potential="8*(x**2 - 1)**2 + 0.5*x + 4*(y - 0.7*x)**2")
    np.testing.assert_allclose(same.seeds, target.seeds, atol=1e-5)


def test_a_strong_tilt_leaves_one_well():
    target = make_target(kind="double_well", parameters={"barrier": 1, "tilt": 5})
    assert target.seeds.shape == (1, 1)
    assert target.seeds[0, 0] < -1


def test_four_modes_are_the_published_mixture():
    target = make_target(kind="four_modes")
    x, y = (points := sample_points(target)).T
    density = 0.0
    for (mx, my), (vx, vy) in [((0, 8), (1.2, 0.01)), ((0, 2), (1.2, 0.01)),
                               ((-3, 5), (0.01, 2)), ((3, 5), (0.01, 2))]:  # fmt: skip
        norm = 2 * np.pi * np.sqrt(vx * vy)
        density += 0.25 * np.exp(-((x - mx) ** 2) / (2 * vx) - (y - my) ** 2 / (2 * vy)) / norm
    here = density > 1e-200
    np.testing.assert_allclose(target.potential(points)[here], -np.log(density[here]), rtol=1e-11)


def test_banana_and_ring_default_to_the_usual_formulas():
    points = np.random.default_rng(7).normal(scale=2, size=(50, 2))
    x, y = points.T
    banana = make_target(kind="banana").potential(points)
    np.testing.assert_allclose(banana, (y - x**2) ** 2 + (1 - x) ** 2 / 4, rtol=1e-12)
    ring = make_target(kind="ring")
    expected = ((np.hypot(x, y) - 5) / 0.25) ** 2
    np.testing.assert_allclose(ring.potential(points), expected, rtol=1e-12)
    assert ring.gradient([[0.0, 0.0]]).tolist() == [[0.0, 0.0]]


def test_muller_brown_has_its_published_minima():
    target = make_target(kind="muller_brown", parameters={"inverse_temperature": 1.0})
    published = {(-0.558, 1.442): -146.70, (-0.050, 0.467): -80.77, (0.623, 0.028): -108.17}
    np.testing.assert_allclose(target.seeds, list(published), atol=6e-4)
    energies = target.potential(target.seeds)
    np.testing.assert_allclose(energies, list(published.values()), atol=6e-3)


def test_coincident_means_share_a_region():
    parameters = {"means": [[0, 0], [0, 0], [4, 0]], "covariances": [1, 0.1, 1]}
    target = make_target(kind="gaussian_mixture", parameters=parameters)
    assert list(target.regions) == ["mode_1", "mode_2"]
