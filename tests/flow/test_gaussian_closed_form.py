"""Flows between Gaussians in one to three dimensions: chosen by themselves, and right."""

from __future__ import annotations

import dataclasses

import mpmath
import numpy as np
import pytest
from gaussian_flow import LINE, PLANE, SPACE, GaussianFlow, riccati
from scipy.special import ndtr
from scipy.stats import ncx2, norm

import wfrpde
from wfrpde.case.setup import make_problem
from wfrpde.errors import InputError
from wfrpde.fields.regions import parse_region
from wfrpde.flow.normal_mass import normal_mass
from wfrpde.flow.solve import choose

NARROW = GaussianFlow((0.0, 0.0), np.eye(2), (2.0, -1.0), [[1.0, 0.6], [0.6, 0.5]])


def closed_case(flow: GaussianFlow, *save: float, **sections) -> wfrpde.Case:
    numerics = {"formulation": "auto", **sections.pop("numerics", {})}
    return flow.case(*save, numerics=numerics, **sections)


@pytest.mark.parametrize("rates", [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("flow", [LINE, PLANE, SPACE, NARROW], ids=["1-D", "2-D", "3-D", "narrow"])
def test_numbers_at_round_off(flow, rates):
    flow = flow.rates(*rates)
    solution = wfrpde.solve(closed_case(flow, 0.1, 0.5, 1.0, accuracy={"tolerance": 1e-6}))
    assert solution.numerics["formulation"] == "closed form"
    for k, t in enumerate(solution.times):
        mean, covariance = flow.at(t)
        assert np.abs(solution.mean[k] - mean).max() < 1e-10
        assert np.abs(solution.covariance[k] - covariance).max() < 1e-10
        assert solution.series["kl"][k] == pytest.approx(flow.kl(t), abs=1e-10)
        assert solution.error.covariance[k].max() < 1e-8
    x = np.random.default_rng(0).normal(0, 0.5, (20, flow.dim))
    mean, covariance = flow.at(0.5)
    gap = x - mean
    square = np.einsum("ni,ij,nj->n", gap, np.linalg.inv(covariance), gap)
    exact = -(square + np.linalg.slogdet(2 * np.pi * covariance)[1]) / 2
    assert np.abs(solution.log_density(0.5, x) - exact).max() < 1e-9


def test_a_condition_number_of_a_thousand():
    turn, variance = np.array([[0.8, -0.6], [0.6, 0.8]]), np.array([1.0, 1e-3])
    goal = turn @ np.diag(variance) @ turn.T
    flow = GaussianFlow((0.0, 0.0), np.eye(2), (2.0, -1.0), goal)
    solution = wfrpde.solve(closed_case(flow, 0.005, 2.0))
    assert solution.series["kl"][1] == pytest.approx(flow.kl(0.005), rel=1e-9)
    assert (solution.error.density < 1e-6).all()
    solution = wfrpde.solve(closed_case(flow.rates(1.0, 0.0), 0.1, 2.0))
    for k, t in enumerate(solution.times):
        exact = variance + np.exp(-2 * t / variance) * (1 - variance)
        assert np.abs(solution.covariance[k] - turn @ np.diag(exact) @ turn.T).max() < 1e-12


PRECISION = np.array([[1.0, 0.4], [0.4, 2.0]])
TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])
TILTED = np.array([[1.0, 0.6], [0.6, 0.5]])


def linear(precision, dynamics, beta, *save, **sections):
    """A case towards N(0, A⁻¹) whose dynamics have further terms."""
    size = len(precision)
    target = {"kind": "gaussian", "mean": np.zeros(size), "covariance": np.linalg.inv(precision)}
    start = {"mean": [1.5, -0.5], "covariance": [[0.3, 0.1], [0.1, 0.4]]}
    return wfrpde.Case.from_dict(
        {
            "target": target, "initial": start, "dynamics": dynamics,
            "flow": {"beta": beta, "save": save}, **sections,
        }
    )  # fmt: skip


def assert_riccati(solution, drift, noise, precision, beta, limit):
    start = [1.5, -0.5], [[0.3, 0.1], [0.1, 0.4]]
    exact = riccati(solution.times, drift, noise, precision, beta, *start)
    found = solution.mean, solution.covariance, solution.series["kl"]
    for value, truth in zip(found, exact, strict=True):
        np.testing.assert_allclose(value, truth, rtol=0, atol=limit)
    error = solution.error
    assert max(error.mean.max(), error.covariance.max(), error.series["kl"].max()) < 1e-9


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize(
    ("dynamics", "mobility"),
    [
        *(({"circulation": theta}, np.eye(2) + theta * TURN) for theta in (0.0, 1.0, 10.0)),
        ({"diffusion": TILTED, "circulation": 2.0}, TILTED + 2 * TURN),
        ({"diffusion": [2.0, 0.5]}, np.diag([2.0, 0.5])),
    ],
)
def test_circulation_and_noise_of_numbers(dynamics, mobility, beta):
    """dX = −(D + J)AX dt + √(2D) dW, beside a reaction."""
    solution = wfrpde.solve(linear(PRECISION, dynamics, beta, 0.25, 1.0, 5.0))
    assert solution.numerics["formulation"] == "closed form"
    spread = (mobility + mobility.T) / 2
    assert_riccati(solution, mobility @ PRECISION, spread, PRECISION, beta, 1e-10)


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize("friction", [0.2, 1.0, 2.0, 5.0])
def test_kinetic_dynamics_in_a_harmonic_well(friction, beta):
    """Below, at (γ = 2, where eigenvalues meet) and above critical damping."""
    dynamics = {"kind": "kinetic", "friction": friction}
    solution = wfrpde.solve(linear(np.eye(1), dynamics, beta, 0.25, 1.0, 5.0))
    assert solution.numerics["formulation"] == "closed form"
    drift, noise = np.array([[0.0, -1.0], [1.0, friction]]), np.diag([0.0, friction])
    assert_riccati(solution, drift, noise, np.eye(2), beta, 1e-10)


def test_a_run_along_characteristics_checks_it():
    solution = wfrpde.solve(
        linear(PRECISION, {"circulation": 3.0}, 1.0, 0.3, numerics={"cross_check": True})
    )
    *_, check = solution.numerics["checks"]
    assert "characteristics" in check["name"]
    assert check["passed"]


def test_masses_of_regions():
    modes = {"right": "x > 1", "diagonal": "x + y < 0", "disk": "x**2 + y**2 < 1"}
    start = {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": 1.0}
    case = closed_case(NARROW, 0.5, initial=start)
    case = case.with_overrides({"target.modes": modes})
    solution = wfrpde.solve(case)
    for k, t in enumerate(solution.times):
        mean, covariance = NARROW.at(t)
        w = np.array([1.0, 1.0])
        right = ndtr((mean[0] - 1) / np.sqrt(covariance[0, 0]))
        diagonal = ndtr(-(w @ mean) / np.sqrt(w @ covariance @ w))
        assert solution.mode_mass["right"][k] == pytest.approx(right, abs=1e-9)
        assert solution.mode_mass["diagonal"][k] == pytest.approx(diagonal, abs=1e-9)
    disk = solution.estimated("mode_mass", "disk")
    assert abs(disk.value[0] - (1 - np.exp(-0.5))) <= disk.error[0] < 1e-5


def test_masses_far_out_keep_their_digits():
    value, error = normal_mass(lambda x: x[:, 0] > 7.0, np.zeros(1), np.eye(1))
    assert value == pytest.approx(ndtr(-7.0), rel=1e-10)
    assert error < 1e-24


def test_a_slot_is_seen():
    value, error = normal_mass(
        lambda x: (x[:, 0] > 1.6) & (x[:, 0] < 2.0), np.zeros(1), 100 * np.eye(1)
    )
    assert abs(value - (ndtr(0.2) - ndtr(0.16))) <= error < 1e-10


@pytest.mark.parametrize("radius", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("dim", [2, 3])
def test_small_regions_are_covered(dim, radius):
    centre = np.array([0.55, -0.35, 0.8])[:dim]

    def ball(x):
        return ((x - centre) ** 2).sum(axis=1) < radius**2

    value, error = normal_mass(ball, np.zeros(dim), np.eye(dim))
    assert abs(value - ncx2.cdf(radius**2, dim, centre @ centre)) <= error


def test_a_ball():
    def ball(x):
        return (x**2).sum(axis=1) < 1

    value, error = normal_mass(ball, np.zeros(3), np.eye(3))
    assert abs(value - 0.19874804309879915) <= error < 5e-3


def test_a_run_on_a_mesh_checks_it_on_request():
    solution = wfrpde.solve(
        closed_case(PLANE, 0.5, numerics={"cross_check": True}, accuracy={"tolerance": 1e-3})
    )
    *_, check = solution.numerics["checks"]
    assert "mesh" in check["name"]
    assert check["passed"]
    assert check["value"] < 3.0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("flow.reaction", "x"),
        ("flow.beta", "1 + t"),
        ("domain.box", [[-6, 6], [-6, 6]]),
        ("initial", {"kind": "uniform", "box": [[-1, 1], [-1, 1]]}),
        ("numerics.cells", [8, 8]),
        ("dynamics.drift", ["y", "-x"]),
        ("dynamics.diffusion", "1 + x**2"),
    ],
)
def test_what_it_does_not_know_is_refused_and_never_chosen(key, value):
    case = closed_case(PLANE, 0.1).with_overrides({key: value})
    with pytest.raises(InputError, match="closed form"):
        wfrpde.solve(case.with_overrides({"numerics.formulation": "closed form"}))
    assert choose(make_problem(case))[0] != "closed form"


def test_it_is_kept(tmp_path):
    solution = wfrpde.solve(closed_case(PLANE, 0.5))
    solution.save(tmp_path / "run.npz")
    x = np.zeros((1, 2))
    loaded = wfrpde.load_solution(tmp_path / "run.npz")
    assert loaded.log_density(0.5, x) == solution.log_density(0.5, x)


@pytest.mark.parametrize(
    ("key", "value"),
    [("flow.alpha", "1 + t"), ("domain.absorbing", "x > 3"), ("domain.box", [[-9, 9]] * 5)],
)
def test_more_than_three_dimensions_heed_what_is_asked(key, value):
    case = closed_case(NARROW, 0.5)
    changes = {
        "target": {"kind": "gaussian", "mean": [0.0] * 5, "covariance": 1.0},
        "initial": {"kind": "gaussian", "mean": [1.0] * 5, "covariance": 0.5},
        key: value,
    }
    with pytest.raises(InputError, match=key):
        wfrpde.solve(case.with_overrides(changes))


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("x > 0.3", [(0.3, np.inf)]),
        ("not x > 0.3", [(-np.inf, 0.3)]),
        ("-1 < x < 2", [(-1.0, 2.0)]),
        ("x < -1 or x > 2", [(-np.inf, -1.0), (2.0, np.inf)]),
        ("x > 9", [(9.0, np.inf)]),
        ("9 < x < 9.5", [(9.0, 9.5)]),
        ("x < 3 and x < 1", [(-np.inf, 1.0)]),
    ],
)
def test_what_planes_across_an_axis_bound_is_known_by_one_coordinate(text, ends):
    """Masses of half-spaces and slabs are differences of values of Φ, however thin their tails."""
    mean, covariance = np.array([0.2, -0.4]), np.array([[1.7, 0.6], [0.6, 0.5]])
    looked = []
    region = parse_region(text, 2, "region")
    told = dataclasses.replace(region, _member=lambda x: looked.append(len(x)) or region(x))
    value, error = normal_mass(told, mean, covariance)
    with mpmath.workdps(40):
        deviation = mpmath.sqrt(covariance[0, 0])

        def left(x):
            return mpmath.ncdf((x - mpmath.mpf(mean[0])) / deviation)

        def right(x):
            return mpmath.ncdf((mpmath.mpf(mean[0]) - x) / deviation)

        exact = sum(left(b) - left(a) if a < 1 else right(a) - right(b) for a, b in ends)
    assert value == pytest.approx(float(exact), rel=5e-14)
    assert abs(value - float(exact)) <= error <= 2e-13 * value
    assert sum(looked) <= 3


def test_planes_across_two_axes_are_integrated_between():
    """A quadrant with correlation 1/2 holds a third (Sheppard)."""
    covariance = np.array([[1.0, 0.5], [0.5, 1.0]])
    value, error = normal_mass(
        parse_region("x > 0 and y > 0", 2, "region"), np.zeros(2), covariance
    )
    assert abs(value - 1 / 3) <= error < 1e-5


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("0 < x < 1e-9", 1e-9 / np.sqrt(2 * np.pi)),
        ("1 < x < 1.0000001", 2.419707125618859e-08),
        ("x > -1e9", 1.0),
        ("x > -1e20", 1.0),
        ("x + 0 > 10", 7.619853024160525e-24),
    ],
)
def test_bars_cover_thin_slabs_and_planes_far_out(text, exact):
    """Of Φ at both sides of a slab the difference is off by their round-off; Φ = 1 is not off."""
    value, error = normal_mass(parse_region(text, 1, "region"), np.zeros(1), np.eye(1))
    assert abs(value - exact) <= error < 1e-12


def test_a_region_between_probes_has_a_bar():
    """Of width 2e-5: it was told as 0 ± 2e-17. What lies beyond the law's reach is nothing."""
    mean, covariance = np.zeros(1), np.eye(1)
    value, error = normal_mass(lambda x: np.abs(x[:, 0] - 0.3) < 1e-5, mean, covariance)
    assert abs(value - 2e-5 * norm.pdf(0.3)) <= error < 1e-3
    value, error = normal_mass(lambda x: x[:, 0] ** 2 > 144.0, mean, covariance)
    assert abs(value - 2 * norm.sf(12.0)) <= error < 1e-16
