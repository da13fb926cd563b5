"""The exact reaction, and its splitting from transport: orders, mass, measures."""

import numpy as np
import pytest

from wfrpde.equation.reaction import fisher_rao
from wfrpde.flow.march import nodal_kl
from wfrpde.flow.steppers import STEPPERS
from wfrpde.flow.steppers.strang import Splitting

SPLITTINGS = [
    name for name, stepper in STEPPERS.items() if issubclass(stepper, Splitting) and stepper.solves
]
"""All that step the log mass by the matrix of fluxes."""

STEPS = {1: ((160, 320, 640), 1e-2), 2: ((20, 40, 80), 3e-5), 4: ((10, 20, 40), 1e-7)}
"""Numbers of steps by order, and the largest error with the last one."""


def double_well(x):
    return 2 * (x[:, 0] ** 2 - 1) ** 2 + 0.3 * x[:, 0] + (x[:, 1:] ** 2).sum(axis=1)


def tilted(x):
    """−log ρ₀ of a start whose relative density e^{−1.5 sin x} is smooth."""
    return double_well(x) + 1.5 * np.sin(x[:, 0])


def run(splitting, state, t, n):
    for _ in range(n):
        state = splitting.step(state, 0.0, t / n).state
    return state


def test_reaction_between_gaussians_is_exact(semi_discrete):
    """Precisions mix with weights e^{−βt} and 1 − e^{−βt}, and so do precision times mean."""
    problem = semi_discrete(lambda x: ((x - 1) ** 2)[:, 0], 400, low=-9.0, high=9.0)
    start = problem.log_mass(lambda x: ((x + 1) ** 2)[:, 0] / 0.6)
    t, beta = 0.7, 1.3
    state = fisher_rao(start, problem.log_target, beta, t)
    mass = np.exp(state - problem.nodes.logsumexp(state))
    x, theta = problem.nodes.points[:, 0], np.exp(-beta * t)
    precision = theta / 0.3 + (1 - theta) / 0.5
    mean = (theta * -1 / 0.3 + (1 - theta) / 0.5) / precision
    assert mass @ x == pytest.approx(mean, abs=1e-12)
    assert mass @ (x - mean) ** 2 == pytest.approx(1 / precision, rel=1e-12)


def test_reaction_is_a_group():
    rng = np.random.default_rng(0)
    state, target = rng.normal(size=50) * 100, rng.normal(size=50) * 100
    once = fisher_rao(state, target, 2.0, 0.9)
    twice = fisher_rao(fisher_rao(state, target, 2.0, 0.4), target, 2.0, 0.5)
    np.testing.assert_allclose(twice, once, atol=1e-12)
    np.testing.assert_allclose(fisher_rao(once, target, 2.0, -0.9), state, atol=1e-10)
    np.testing.assert_allclose(fisher_rao(target, target, 2.0, 0.3), target, rtol=1e-15)


@pytest.mark.parametrize("name", SPLITTINGS)
@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("beta", [1.0, 0.0])
def test_order_in_time(semi_discrete, name, dim, beta):
    """On a fixed mesh, against 16 times as many steps of order 4."""
    stepper = STEPPERS[name]
    if stepper.by_axes and dim == 1:
        pytest.skip("one axis")
    order, (steps, error) = stepper.order, STEPS[stepper.order]
    cells = 40 if dim == 1 else 14
    problem = semi_discrete(double_well, cells, dim=dim, low=-2.5, high=2.5)
    start = problem.log_mass(tilted)
    exact = np.exp(run(problem.splitting(order=4, beta=beta, alpha=0.5), start, 1.0, 160))
    gaps = np.array(
        [
            np.abs(
                np.exp(run(problem.splitting(name=name, beta=beta, alpha=0.5), start, 1.0, n))
                - exact
            ).sum()
            for n in steps
        ]
    )
    assert gaps[-1] < error
    # without a reaction the fifth order of the transport shows
    expected = 5 if order == 4 and beta == 0 else order
    np.testing.assert_allclose(np.log2(gaps[:-1] / gaps[1:]), expected, atol=0.45)


@pytest.mark.parametrize("name", SPLITTINGS)
def test_mass_equilibrium_and_entropy(semi_discrete, name):
    problem = semi_discrete(double_well, 20, dim=2, low=-2.5, high=2.5)
    splitting = problem.splitting(name=name)
    rested = splitting.step(problem.log_target, 0.0, 0.05)
    assert np.abs(rested.state - problem.log_target).max() < 1e-12
    state = problem.log_mass(tilted)
    kl = nodal_kl(problem.nodes, state, problem.log_target)
    for _ in range(20):
        state = splitting.step(state, 0.0, 0.05).state
        after = nodal_kl(problem.nodes, state, problem.log_target)
        assert after < kl
        kl = after
        assert np.exp(state).sum() == pytest.approx(1, abs=1e-13)


def test_pure_reaction_needs_no_transport(semi_discrete):
    problem = semi_discrete(double_well, 20)
    splitting = problem.splitting(alpha=0.0, beta=2.0)
    start = problem.log_mass(tilted)
    step = splitting.step(start, 0.0, 0.3)
    expected = fisher_rao(start, problem.log_target, 2.0, 0.3)
    np.testing.assert_allclose(step.state, expected - problem.nodes.logsumexp(expected), atol=1e-13)
    assert step.measure == 0.0


def test_without_the_mean_mass_follows_its_own_equation(semi_discrete):
    """(log m)' = −β(log m + KL(ρ/m ‖ π)), integrated by Simpson's rule over 40 steps."""
    problem = semi_discrete(double_well, 60, low=-2.5, high=2.5)
    beta, t, n = 1.5, 0.8, 40
    splitting = problem.splitting(order=4, beta=beta, conserve_mass=False)
    nodes = problem.nodes
    state = problem.log_mass(tilted) + np.log(3.0)
    log_mass, kl = [np.log(3.0)], []
    for k in range(n + 1):
        if k:
            state = splitting.step(state, 0.0, t / n).state
            log_mass.append(nodes.logsumexp(state))
        kl.append(nodal_kl(nodes, state - log_mass[-1], problem.log_target))
    log_mass, kl, time = np.array(log_mass), np.array(kl), np.linspace(0, t, n + 1)
    # e^{βt} log m = log m₀ − β ∫ e^{βs} KL(s) ds
    weight = np.ones(n + 1)
    weight[1:-1:2], weight[2:-1:2] = 4, 2
    integral = (np.exp(beta * time) * kl) @ weight * t / n / 3
    expected = np.exp(-beta * t) * (np.log(3.0) - beta * integral)
    assert log_mass[-1] == pytest.approx(expected, abs=3e-6)
    assert abs(log_mass[-1] - log_mass[0]) > 0.5


def test_measure_at_order_2_is_the_change_that_transport_makes(semi_discrete):
    problem = semi_discrete(double_well, 40, low=-2.5, high=2.5)
    start = problem.log_mass(tilted)
    splitting = problem.splitting(beta=0.0)
    step = splitting.step(start, 0.0, 1e-3)
    matters = problem.log_target > problem.log_target.max() - 45
    assert not matters.all()
    gap = np.abs(step.state - start)
    assert step.measure == pytest.approx(gap[matters].max(), rel=1e-9)
    assert splitting.step(problem.log_target, 0.0, 0.1).measure < 1e-11
    # a reaction alone is exact, and does not count
    strong = problem.splitting(beta=5.0)
    assert strong.step(problem.log_target, 0.0, 0.1).measure < 1e-11


def test_measure_at_order_4_falls_like_the_local_error(semi_discrete):
    problem = semi_discrete(double_well, 40, low=-2.5, high=2.5)
    splitting = problem.splitting(order=4)
    state = run(splitting, problem.log_mass(tilted), 0.1, 4)
    long, short = (splitting.step(state, 0.0, dt).measure for dt in (0.04, 0.02))
    assert short < 1e-3
    assert np.log2(long / short) == pytest.approx(3, abs=0.4)
