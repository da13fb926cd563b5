"""Limits of infinitely many particles: exact recursions between Gaussians, and order 1 in dt."""

import numpy as np
import pytest

import wfrpde
from wfrpde.comparison.flows import Flows
from wfrpde.comparison.limit import limit_laws
from wfrpde.samplers import KINDS, Langevin, LawStep, SamplerContext

# N(−0.6, 0.3) towards N(0.5, 0.8): everything stays Gaussian
MEAN, VARIANCE = 0.5, 0.8
GAUSSIAN = {
    "target": {"kind": "gaussian", "mean": MEAN, "covariance": VARIANCE},
    "initial": {"mean": [-0.6], "covariance": [[0.3]]},
    "flow": {"alpha": 0.7, "beta": 1.3, "save": [0.2, 0.5]},
}


@pytest.fixture(scope="module")
def context():
    case = wfrpde.Case.model_validate(GAUSSIAN)
    flows = Flows(case, closely=True)
    return SamplerContext.of(case, flows.solution(flows.gradient_flow))


def limit(context, kind, dt, **parameters):
    """Mean and variance at t = 0.5 for N = ∞."""
    sampler = KINDS[kind].of(context, kind, **parameters)
    laws = limit_laws(sampler.law(), context, dt, [0.2, 0.5])
    x, mass = laws[-1].lattice.points[:, 0], laws[-1].masses
    mean = mass @ x
    return np.array([mean, mass @ (x - mean) ** 2])


def flow(context):
    """Mean and variance of the flow at t = 0.5."""
    solution = context.solution
    index = int(np.argmin(np.abs(solution.times - 0.5)))
    return np.array([solution.mean[index, 0], solution.covariance[index, 0, 0]])


def moved(m, c, dt, alpha=0.7):
    """One Euler–Maruyama step of a Gaussian."""
    shrink = 1 - alpha * dt / VARIANCE
    return MEAN + shrink * (m - MEAN), shrink**2 * c + 2 * alpha * dt


def reweighted(m, c, dt, beta=1.3):
    """One exact Fisher–Rao step of a Gaussian: precisions are averaged."""
    theta = np.exp(-beta * dt)
    precision = theta / c + (1 - theta) / VARIANCE
    return (theta * m / c + (1 - theta) * MEAN / VARIANCE) / precision, 1 / precision


@pytest.mark.parametrize("dt", [0.05, 0.01])
def test_langevin_recursion(context, dt):
    m, c = -0.6, 0.3
    for _ in range(round(0.5 / dt)):
        m, c = moved(m, c, dt)
    np.testing.assert_allclose(limit(context, "langevin", dt), [m, c], atol=1e-9)


@pytest.mark.parametrize("kind", ["smc_wfr", "weighted"])
def test_split_step_recursion(context, kind):
    m, c = -0.6, 0.3
    for _ in range(25):
        m, c = reweighted(*moved(m, c, 0.02), 0.02)
    found = limit(context, kind, 0.02, **({"density": "kde"} if kind == "weighted" else {}))
    np.testing.assert_allclose(found, [m, c], atol=1e-8)


def test_kernel_of_fixed_width_smooths_infinitely_many_particles_too(context):
    """ρ̂ = N(m, c + w²) where ρ = N(m, c): w = 0.3 shifts the mean by 0.007."""
    m, c, width, dt = -0.6, 0.3, 0.3, 0.02
    share = -np.expm1(-1.3 * dt)
    for _ in range(25):
        m, c = moved(m, c, dt)
        smooth = c + width**2
        precision = 1 / c - share / smooth + share / VARIANCE
        m = (m / c - share * m / smooth + share * MEAN / VARIANCE) / precision
        c = 1 / precision
    found = limit(context, "birth_death", dt, density="kde", bandwidth=width)
    np.testing.assert_allclose(found, [m, c], atol=1e-6)
    assert abs(found[0] - limit(context, "birth_death", dt, density="kde")[0]) > 0.005


@pytest.mark.parametrize(
    ("kind", "parameters"), [("weighted", {"density": "oracle"}), ("smc_wfr", {})]
)
def test_order_in_dt_and_limit_is_the_flow(context, kind, parameters):
    coarse, middle, fine = (
        limit(context, kind, dt, **parameters) - flow(context) for dt in (0.05, 0.025, 0.0125)
    )
    assert np.abs(coarse).max() < 0.03
    order = np.log2((coarse - middle) / (middle - fine))
    np.testing.assert_allclose(order, 1.0, atol=0.15)
    # extrapolated to dt = 0 the flow remains: second differences leave O(dt²)
    np.testing.assert_allclose(2 * fine - middle, 0.0, atol=4e-4)


@pytest.mark.parametrize("density", ["oracle", "kde"])
def test_birth_and_death_approach_the_flow(context, density):
    """Of order 1 in the end; terms of order 2, of the other sign, still show at these steps."""
    coarse, middle, fine = (
        limit(context, "birth_death", dt, density=density) - flow(context)
        for dt in (0.0125, 0.00625, 0.003125)
    )
    assert np.abs(coarse).max() < 0.005
    assert (np.abs(fine) < 0.4 * np.abs(coarse)).all()
    np.testing.assert_allclose(2 * fine - middle, 0.0, atol=1e-4)


def test_a_wrong_rate_shows_for_every_step(context):
    right = 2 * limit(context, "birth_death", 0.0125) - limit(context, "birth_death", 0.025)
    wrong = 2 * limit(context, "birth_death", 0.0125, beta=1.43) - limit(
        context, "birth_death", 0.025, beta=1.43
    )
    assert np.abs(wrong - right).max() > 0.005


def test_fixed_mesh_smooths_infinitely_many_particles_too(context):
    fine = limit(context, "birth_death", 0.02, density="kde")
    coarse = limit(context, "birth_death", 0.02, cells=24)
    finer = limit(context, "birth_death", 0.02, cells=96)
    assert np.abs(finer - fine).max() < 0.25 * np.abs(coarse - fine).max()


class OtherStep(Langevin):
    def step(self, ensemble, t, dt, rng):
        return ensemble


class OtherStart(Langevin):
    def init(self, positions, rng):
        return super().init(positions, rng)


class OtherName(Langevin):
    kind = "other"


class OwnLaw(OtherStep):
    def step(self, ensemble, t, dt, rng):
        return ensemble.moved(ensemble.positions + 0.0)

    def law(self):
        return LawStep(0.0)


def test_a_subclass_that_moves_otherwise_has_no_law_unless_it_states_one(context):
    assert OtherName(context.target).law() == Langevin(context.target).law()
    for kind in (OtherStep, OtherStart):
        assert kind(context.target).law() is None
    assert OwnLaw(context.target).law() == LawStep(0.0)
    assert KINDS["mala"].of(context, "mala").law() is None


def test_limit_in_the_plane():
    case = wfrpde.Case.model_validate(
        {
            "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [1.0, 0.5]},
            "initial": {"mean": [0.4, -0.3], "covariance": [0.4, 0.6]},
            "domain": {"box": [[-5.0, 5.0], [-4.0, 4.0]]},
            "flow": {"save": [0.2]},
        }
    )
    context = SamplerContext.of(case)
    (law,) = limit_laws(Langevin.of(context, "langevin").law(), context, 0.05, [0.2])
    m, c = np.array([0.4, -0.3]), np.array([0.4, 0.6])
    for _ in range(4):
        shrink = 1 - 0.05 / np.array([1.0, 0.5])
        m, c = shrink * m, shrink**2 * c + 0.1
    x, mass = law.lattice.points, law.masses
    np.testing.assert_allclose(mass @ x, m, atol=1e-5)
    np.testing.assert_allclose(mass @ (x - m) ** 2, c, atol=1e-5)
    points = np.array([[0.1, 0.2], [-0.5, 0.3]])
    exact = -((points - m) ** 2 / c + np.log(2 * np.pi * c)).sum(axis=1) / 2
    np.testing.assert_allclose(law.log_density(points), exact, atol=1e-4)
