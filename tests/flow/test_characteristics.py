"""Flows along characteristics: circulating, kinetic and driven, against closed forms."""

import numpy as np
import pytest
from characteristics import stepped
from gaussian_flow import riccati
from scipy.stats import norm

import wfrpde
from wfrpde.case import Case
from wfrpde.case.setup import make_problem
from wfrpde.discretisation.characteristics import CharacteristicForm
from wfrpde.discretisation.graded import UniformAxis, tensor_matrix
from wfrpde.domain.grid import TensorGrid
from wfrpde.errors import AccuracyError, InputError
from wfrpde.flow.steppers import STEPPERS

A = np.array([[1.0, 0.4], [0.4, 2.0]])
TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])
MEAN, COVARIANCE = np.array([1.5, -0.5]), np.array([[0.3, 0.1], [0.1, 0.4]])
QUADRATIC = "0.5*(x**2 + 0.8*x*y + 2*y**2)"


def case(potential, dynamics, save, beta=0.0, mean=MEAN, covariance=COVARIANCE, **tables):
    return Case.model_validate(
        {
            "target": {"potential": potential},
            "initial": {"mean": mean, "covariance": covariance},
            "flow": {"beta": beta, "save": save},
            "dynamics": dynamics,
            **tables,
        }
    )


def compared(solution, truth, limit):
    """Assert that numbers agree with a Gaussian flow, and that their bars say so."""
    for value, bar, exact in zip(
        (solution.mean, solution.covariance, solution.series["kl"]),
        (solution.error.mean, solution.error.covariance, solution.error.series["kl"]),
        truth,
        strict=True,
    ):
        gap = np.abs(value - exact)
        assert (gap < limit * np.maximum(1.0, np.abs(exact))).all()
        assert (gap <= 1.2 * bar + 1e-9).all()
        assert (bar < 5 * limit * np.maximum(1.0, np.abs(exact))).all()


@pytest.mark.parametrize(("theta", "beta"), [(1.0, 0.0), (10.0, 1.0)])
def test_circulation_in_a_correlated_gaussian(theta, beta):
    turned = theta * TURN
    solution = wfrpde.solve(case(QUADRATIC, {"circulation": turned}, [0.25, 1.0], beta))
    assert solution.numerics["formulation"] == "characteristics"
    drift = (np.eye(2) + turned) @ A
    compared(solution, riccati(solution.times, drift, np.eye(2), A, beta, MEAN, COVARIANCE), 1e-6)


@pytest.mark.parametrize(("friction", "beta"), [(0.2, 0.0), (1.0, 1.0), (2.0, 0.0), (5.0, 1.0)])
def test_kinetic_harmonic(friction, beta):
    start = {"mean": [1.0, 0.5], "covariance": [[0.3, 0.05], [0.05, 0.2]]}
    dynamics = {"kind": "kinetic", "friction": friction}
    solution = wfrpde.solve(case("x**2/2", dynamics, [0.25, 1.0], beta, **start))
    drift, noise = np.array([[0.0, -1.0], [1.0, friction]]), np.diag([0.0, friction])
    start = {key: np.array(value) for key, value in start.items()}
    truth = riccati(solution.times, drift, noise, np.eye(2), beta, **start)
    compared(solution, truth, 1e-6)


def test_the_target_is_stationary():
    turned = case("3*(x**2 - 1)**2 + y**2 + 0.6*x*y", {"circulation": 5 * TURN}, [0.1])
    problem = make_problem(turned)
    breaks = tuple(np.linspace(low, high, 41) for low, high in problem.box)
    form = CharacteristicForm(problem, TensorGrid(breaks, np.ones((40, 40), dtype=bool)), 7)
    stepper = STEPPERS["characteristics"](form)
    u = np.zeros(len(form.points))
    for k in range(20):
        u = stepper.step(u, 0.005 * k, 0.005).state
    assert np.abs(u).max() < 1e-12


def test_interpolation_falls_towards_the_walls():
    """Centred stencils only: what one-sided ones of degree 7 amplify at a wall stays bounded."""
    axis = UniformAxis(-1.0, 1.0, 21)
    x = np.linspace(-1.0, 1.0, 500)
    for degree in (1, 3, 5, 7):
        matrix = axis.matrix(x, degree)
        np.testing.assert_allclose(matrix @ np.ones(21), 1.0, atol=1e-13)
        inner = np.abs(x) < 0.65
        power = matrix @ axis.nodes**degree
        np.testing.assert_allclose(power[inner], x[inner] ** degree, atol=1e-12)
    shifted = axis.matrix(axis.nodes + 0.37 * axis.spacing, 7)
    u = np.random.default_rng(0).standard_normal(21)
    for _ in range(2000):
        u = shifted @ u
    assert np.abs(u).max() < 5.0
    closed = UniformAxis(0.0, 2 * np.pi, 32, closed=True)
    points = np.random.default_rng(1).uniform(-9.0, 9.0, (40, 2))
    both = tensor_matrix([closed, closed], points, 7)
    grid = np.sin(closed.nodes)[:, None] * np.cos(closed.nodes)
    exact = np.sin(points[:, 0]) * np.cos(points[:, 1])
    np.testing.assert_allclose(both @ grid.ravel(), exact, atol=1e-6)


def test_fronts_are_refused():
    """A ring that is filled from its centre: the mass tells, before it is normalised."""
    ring = case(
        "8*(x**2 + y**2 - 4)**2/4", {"circulation": TURN}, [0.2], mean=[0.0, 0.0],
        covariance=[[0.01, 0.0], [0.0, 0.01]], numerics={"cells": [40, 40], "dt": 0.02},
    )  # fmt: skip
    with pytest.raises(AccuracyError, match="mass"):
        wfrpde.solve(ring)


@pytest.mark.slow
def test_kinetic_double_well_by_two_settings():
    """Barrier 8 with a reaction: mode masses to 1e-4 of themselves, by two grids and steps."""
    start = {"mean": [-1.0, 0.5], "covariance": [[0.01, 0.0], [0.0, 1.0]]}
    wells = case("8*(x**2 - 1)**2", {"kind": "kinetic", "friction": 0.3}, [0.5], 1.0, **start)
    wells = wells.with_overrides({"target.modes": {"right": "x > 0"}})
    numerics = {"numerics.cells": [200, 200], "numerics.dt": 0.02}
    one = wfrpde.solve(wells.with_overrides(numerics))
    numerics = {"cells": [230, 180], "dt": 0.016, "certify": False}
    other = wfrpde.solve(wells.with_overrides({"numerics": numerics}))
    first, second = one.mode_mass["right"], other.mode_mass["right"]
    assert first[-1] == pytest.approx(1.50816e-4, rel=1e-4)
    np.testing.assert_allclose(second, first, rtol=3e-5)
    bar = one.error.mode_mass["right"]
    assert abs(second[-1] - first[-1]) <= bar[-1]
    assert first[0] == pytest.approx(norm.sf(10.0), rel=1e-6)  # at the start, 1e-31 off
    assert bar[-1] <= 1.1e-4 * first[-1]


def test_what_it_cannot_do_is_told():
    turned = case(QUADRATIC, {"circulation": TURN}, [0.2])
    for overrides, where in (
        ({"flow.reaction": "x"}, "numerics.formulation"),
        ({"flow.alpha": "1 + t"}, "numerics.formulation"),
        ({"domain.cell": "simplex"}, "numerics.formulation"),
        ({"numerics.formulation": "spectral"}, "dynamics.circulation"),
    ):
        with pytest.raises(InputError) as error:
            wfrpde.solve(turned.with_overrides(overrides))
        assert error.value.where == where


def test_it_is_kept(tmp_path):
    start = {"mean": [1.0, 0.5], "covariance": [[0.3, 0.05], [0.05, 0.2]]}
    table = {"numerics": {"certify": False, "cells": [40, 40]}}
    solution = wfrpde.solve(case("x**2/2", {"kind": "kinetic"}, [0.1], **start, **table))
    solution.save(tmp_path / "run.npz")
    again = wfrpde.load_solution(tmp_path / "run.npz")
    points = np.array([[0.5, 0.2], [-1.0, 2.0]])
    assert (again.log_density(0.1, points) == solution.log_density(0.1, points)).all()
    assert again.dim == 2


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_a_drift_whose_law_is_unknown(beta):
    """−(I + 10J)Ax as a drift beside a target that has nothing to do with it, nor with its law."""
    full, target = (np.eye(2) + 10 * TURN) @ A, 1.5 * np.eye(2)
    rest = target - full
    drift = [f"({a})*x + ({b})*y" for a, b in rest.tolist()]
    solution = wfrpde.solve(case("0.75*(x**2 + y**2)", {"drift": drift}, [0.25, 1.0], beta))
    compared(
        solution, riccati(solution.times, full, np.eye(2), target, beta, MEAN, COVARIANCE), 1e-6
    )


@pytest.mark.parametrize(("stiffness", "box"), [(1.5, None), (1e-9, [[-8.5, 8.5], [-7.5, 7.5]])])
def test_tails_whatever_the_reference(stiffness, box):
    """Moments and KL look right when tails are ruined: log ρ is asked to 20 nats below its peak.

    The reference of the drift is the case's target: another Gaussian, or nearly nothing at all.
    """
    full = (np.eye(2) + 3 * TURN) @ A
    drift = [f"({a})*x + ({b})*y" for a, b in (stiffness * np.eye(2) - full).tolist()]
    tables = {"domain": {"box": box, "cut_off_share": 0.999999}} if box else {}
    wanted = case(f"{stiffness / 2}*(x**2 + y**2)", {"drift": drift}, [0.5], **tables)
    solution = wfrpde.solve(wanted)
    reference = stiffness * np.eye(2)
    means, covariances, _ = riccati(
        solution.times, full, np.eye(2), reference, 0.0, MEAN, COVARIANCE
    )
    rng = np.random.default_rng(0)
    depth, direction = rng.uniform(0, 20, 2000), rng.normal(size=(2000, 2))
    direction *= np.sqrt(2 * depth)[:, None] / np.linalg.norm(direction, axis=1)[:, None]
    x = means[-1] + direction @ np.linalg.cholesky(covariances[-1]).T
    exact = -depth - np.linalg.slogdet(2 * np.pi * covariances[-1])[1] / 2
    gap = np.abs(solution.log_density(0.5, x) - exact)
    assert gap[depth < 10].max() < 1e-5
    assert gap.max() < 1e-3


def test_a_diffusion_along_each_axis_beside_a_circulation():
    """D = diag(½, 2), and in phase space noise on positions, too: no reversible part is left."""
    turned, spread = 3.0 * TURN, np.diag([0.5, 2.0])
    dynamics = {"circulation": turned, "diffusion": [0.5, 2.0]}
    numerics = {"cells": [40, 40], "dt": 0.025, "certify": False}
    solution = wfrpde.solve(case(QUADRATIC, dynamics, [0.3], 1.0, numerics=numerics))
    mean, covariance, kl = riccati(
        solution.times, (spread + turned) @ A, spread, A, 1.0, MEAN, COVARIANCE
    )
    np.testing.assert_allclose(solution.mean, mean, atol=2e-6)
    np.testing.assert_allclose(solution.covariance, covariance, atol=2e-6)
    np.testing.assert_allclose(solution.series["kl"], kl, atol=1e-5)
    with pytest.raises(InputError, match=r"dynamics\.diffusion"):
        wfrpde.solve(case(QUADRATIC, {**dynamics, "diffusion": "1 + x**2"}, [0.3]))


def test_the_box_holds_both_densities_to_50_nats():
    """What a narrower one cuts off from the tails comes back along the characteristics."""
    problem = make_problem(case(QUADRATIC, {"circulation": 3 * TURN}, [0.5]))
    faces = []
    for axis, end in np.ndindex(2, 2):
        points = np.random.default_rng(0).uniform(*problem.box.T, (400, 2))
        points[:, axis] = problem.box[axis, end]
        faces.append(points)
    edge = np.concatenate(faces)
    gap = edge - MEAN
    surprise = np.einsum("ni,ij,nj->n", gap, np.linalg.inv(COVARIANCE), gap) / 2
    assert problem.potential(edge).min() > 45
    assert surprise.min() > 45


def test_the_mass_that_a_step_makes_is_told_before_it_is_normalised():
    turned = case(QUADRATIC, {"circulation": 3 * TURN}, [0.2])
    _, form, run = stepped(turned, 24, 0.1)
    defect = abs(run.history["mass"][-1] - 1)
    assert 1e-7 < defect < 0.05
    assert form.nodes.logsumexp(run.u[-1] + form.log_target) == pytest.approx(0.0, abs=1e-12)
