"""Rational W steps: order, stability, mass, equilibrium, and the ways a step is refused."""

import numpy as np
import pytest

from wfrpde.errors import SolverError
from wfrpde.flow.steppers.transport import (
    FIFTH_ORDER,
    IMPLICIT_EULER,
    SECOND_ORDER,
    RationalStep,
    Transport,
)


def double_well(x):
    return 2 * (x[:, 0] ** 2 - 1) ** 2 + 0.3 * x[:, 0]


def tilted(x):
    """−log ρ₀ of a start whose relative density e^{−1.5 sin x} is smooth."""
    return double_well(x) + 1.5 * np.sin(x[:, 0])


def stability_function(step: RationalStep, z):
    v = 1 / (1 + step.gamma * z)
    return sum(c * v ** (k + 1) for k, c in enumerate(step.coefficients))


RATIONALS = [(IMPLICIT_EULER, 1, 2e-2), (SECOND_ORDER, 2, 1e-4), (FIFTH_ORDER, 5, 1e-7)]


@pytest.mark.parametrize(("step", "order", "error"), RATIONALS)
def test_order_of_the_rational_approximation(step, order, error):
    n = np.array([8, 16, 32])
    gap = np.abs(stability_function(step, 1.0 / n) ** n - np.exp(-1.0))
    assert gap[-1] < error
    np.testing.assert_allclose(np.log2(gap[:-1] / gap[1:]), order, atol=0.25)


@pytest.mark.parametrize(("step", "order", "error"), RATIONALS)
def test_rational_steps_are_l_stable_on_the_half_line(step, order, error):
    z = np.concatenate([[0.0], np.logspace(-8, 8, 20001)])
    value = stability_function(step, z)
    assert value[0] == pytest.approx(1, abs=1e-13)
    assert np.abs(value).max() <= 1 + 1e-13
    assert np.abs(value[-1]) < 1e-6
    far = np.abs(stability_function(step, np.array([1e4, 1e6, 1e8])))
    assert (far[1:] < far[:-1]).all()


def test_second_order_step_is_that_of_tr_bdf2():
    z = np.logspace(-3, 3, 50)
    g = 2 - np.sqrt(2)
    trapezium = (1 - g * z / 2) / (1 + g * z / 2)
    bdf2 = (trapezium / (g * (2 - g)) - (1 - g) ** 2 / (g * (2 - g))) / (1 + (1 - g) / (2 - g) * z)
    np.testing.assert_allclose(stability_function(SECOND_ORDER, z), bdf2, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("rational", "order", "steps", "error"),
    [(IMPLICIT_EULER, 1, 32, 2e-2), (SECOND_ORDER, 2, 16, 3e-4), (FIFTH_ORDER, 5, 8, 1e-6)],
)
def test_order_against_the_matrix_exponential(semi_discrete, rational, order, steps, error):
    problem = semi_discrete(double_well, 60, low=-2.5, high=2.5)
    start = problem.log_mass(tilted)
    exact = np.exp(problem.exact_transport(start, 0.5 * 0.8))
    gaps = []
    for n in (steps, 2 * steps):
        state, transport = start, problem.transport(rational, alpha=0.8)
        for _ in range(n):
            state = transport.step(state, 0.5 / n)
        gaps.append(np.abs(np.exp(state) - exact).sum())
    assert gaps[1] < error
    assert np.log2(gaps[0] / gaps[1]) == pytest.approx(order, abs=0.4)


@pytest.mark.parametrize("rational", [IMPLICIT_EULER, SECOND_ORDER, FIFTH_ORDER])
@pytest.mark.parametrize(("dim", "degree"), [(1, 1), (2, 1), (2, 4)])
def test_mass_is_kept_and_equilibrium_does_not_move(semi_discrete, rational, dim, degree):
    problem = semi_discrete(
        lambda x: double_well(x) + (x[:, 1:] ** 2).sum(axis=1),
        12,
        dim=dim,
        degree=degree,
        low=-2.5,
        high=2.5,
    )
    transport = problem.transport(rational, cure_limit=1.0)
    rested = transport.step(problem.log_target, 0.1)
    relative = np.abs(np.expm1(rested - problem.log_target)).max()
    assert relative < (1e-12 if degree == 1 else 1e-10)
    gap = np.exp(rested) - np.exp(problem.log_target)
    assert np.abs(gap).sum() < 1e-13
    moved = transport.step(problem.log_mass(tilted), 0.1)
    assert np.exp(moved).sum() == pytest.approx(1, abs=1e-13)
    assert transport.incidents.largest_mass_jump < 1e-12
    assert np.abs(np.exp(moved) - np.exp(problem.log_mass(tilted))).sum() > 0.01


def test_unnormalised_mass_is_kept_as_well(semi_discrete):
    problem = semi_discrete(double_well, 30, low=-2.5, high=2.5)
    moved = problem.transport().step(problem.log_mass(tilted) + 50.0, 0.05)
    assert problem.nodes.logsumexp(moved) == pytest.approx(50.0, abs=1e-12)


def needle(problem):
    """All the mass in one node, e^{−300} elsewhere."""
    state = np.full(len(problem.potential), -300.0)
    state[np.argmin(np.abs(problem.nodes.points[:, 0]))] = 0.0
    return state - problem.nodes.logsumexp(state)


def test_negative_nodes_are_cured_and_counted(semi_discrete):
    """A step far longer than h² turns the source negative: v² takes its place."""
    problem = semi_discrete(lambda x: np.zeros(len(x)), 80)
    transport = problem.transport(cure_limit=10.0)
    state = transport.step(needle(problem), 0.5)
    assert np.isfinite(state).all()
    assert np.exp(state).sum() == pytest.approx(1, abs=1e-13)
    assert transport.incidents.cured_nodes >= 1
    assert 1e-3 < transport.incidents.cured_mass < 10


def test_a_cure_that_adds_mass_is_refused(semi_discrete):
    problem = semi_discrete(lambda x: np.zeros(len(x)), 80)
    transport = problem.transport()
    with pytest.raises(SolverError, match=r"nodes turned negative, with .* of the mass"):
        transport.step(needle(problem), 0.5)
    assert transport.incidents.cured_nodes >= 1  # counted even so
    short = problem.transport()
    short.step(needle(problem), 1e-4)
    assert short.incidents.cured_nodes == 0


class WrongSolver:
    """Solves as it should, but for a factor."""

    def __init__(self, solver, factor):
        self._solver, self._factor = solver, factor

    def solve(self, c, rhs):
        return self._factor * self._solver.solve(c, rhs)

    def destroy(self):
        self._solver.destroy()


@pytest.mark.parametrize("factor", [1 + 1e-6, np.nan])
def test_a_solve_that_changes_mass_is_refused(semi_discrete, factor):
    problem = semi_discrete(double_well, 30, low=-2.5, high=2.5)
    semi = problem.semi()
    semi.solver = WrongSolver(semi.solver, factor)
    transport = Transport(semi)
    with pytest.raises(SolverError, match="changed the mass by"):
        transport.step(problem.log_mass(tilted), 0.05)


def slope(height):
    return lambda x: height * x[:, 0]


def test_underflow_is_counted_where_it_is_harmless(semi_discrete):
    """All mass at the top of 900 kT: the bottom is e^{−750} of √π h there, and e^{−250} of mass."""
    problem = semi_discrete(slope(900.0), 300, low=0.0, high=1.0)
    state = np.where(problem.nodes.points[:, 0] > 0.98, 0.0, -400.0)
    transport = problem.transport(cure_limit=1e-6)
    moved = transport.step(state - problem.nodes.logsumexp(state), 1e-8)
    assert transport.incidents.underflows > 0
    assert np.exp(moved).sum() == pytest.approx(1, abs=1e-13)


def test_underflow_that_would_make_mass_is_refused(semi_discrete):
    problem = semi_discrete(slope(1395.0), 300, low=0.0, high=1.0)
    state = np.where(problem.nodes.points[:, 0] > 0.99, 0.0, -200.0)
    with pytest.raises(SolverError, match=r"spans more than e\^700"):
        problem.transport().step(state - problem.nodes.logsumexp(state), 1e-8)
