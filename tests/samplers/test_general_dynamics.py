"""Samplers of circulating, driven and kinetic dynamics follow their Gaussian flows.

The law of a linear step is known: x ↦ Mx + noise of covariance Q. So are the biases of the steps,
and their orders, without chance; the particles then agree with that law.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from wfrpde import Case
from wfrpde.errors import InputError
from wfrpde.fields.tensors import MatrixField
from wfrpde.samplers.kinetic import Baoab

T, N, REPLICATES = 0.5, 10_000, 10
A = np.array([[1.0, 0.4], [0.4, 2.0]])
TURN = np.array([[0.0, 2.0], [-2.0, 0.0]])
START = {"mean": [1.0, 0.5], "covariance": [[0.3, 0.05], [0.05, 0.2]]}
FRICTION = 1.5

DRIFTS = {
    "circulation": (np.eye(2) + TURN) @ A,
    "drift": A + TURN,
    "diffusion": np.diag([0.5, 2.0]) @ A,
    "kinetic": np.array([[0.0, -1.0], [1.0, FRICTION]]),
}
NOISE = {"kinetic": np.diag([0.0, FRICTION]), "diffusion": np.diag([0.5, 2.0])}


def case(dynamics, beta):
    tables = {
        "circulation": {"circulation": TURN},
        "drift": {"drift": ["-2*y", "2*x"]},
        "diffusion": {"diffusion": [0.5, 2.0]},
        "kinetic": {"kind": "kinetic", "friction": FRICTION},
    }
    potential = "x**2/2" if dynamics == "kinetic" else "0.5*(x**2 + 0.8*x*y + 2*y**2)"
    return Case.model_validate(
        {
            "target": {"potential": potential},
            "initial": START,
            "flow": {"beta": beta, "save": [T]},
            "dynamics": tables[dynamics],
        }
    )


def truth(dynamics, beta, drift=None):
    b = DRIFTS[dynamics] if drift is None else drift
    noise = NOISE.get(dynamics, np.eye(2))
    precision = np.eye(2) if dynamics == "kinetic" else A

    def slope(_, z):
        m, c = z[:2], z[2:].reshape(2, 2)
        dm = -b @ m - beta * c @ precision @ m
        dc = 2 * noise - b @ c - c @ b.T + beta * (c - c @ precision @ c)
        return np.concatenate([dm, dc.ravel()])

    start = np.concatenate([START["mean"], np.ravel(START["covariance"])])
    return solve_ivp(slope, (0, T), start, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]


def moments(ensemble):
    mean = ensemble.average(ensemble.positions)
    gap = ensemble.positions - mean
    return np.concatenate([mean, ensemble.average(gap[:, :, None] * gap[:, None, :]).ravel()])


def off(run, dynamics, beta, dt, bias):
    """Largest error in units of what chance and the step may do."""
    seeds = np.random.SeedSequence(4).spawn(REPLICATES)
    found = np.array([moments(run.run(seed, N, dt, [T]).ensembles[0]) for seed in seeds])
    error = found.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
    return np.abs((found.mean(axis=0) - truth(dynamics, beta)) / (4 * error + bias)).max()


@pytest.mark.parametrize(
    ("dynamics", "beta", "kind", "dt", "bias"),
    [
        ("circulation", 0.0, "langevin", 0.01, 0.02),
        ("drift", 0.0, "langevin", 0.01, 0.01),
        ("diffusion", 0.0, "langevin", 0.01, 0.01),
        ("circulation", 1.0, "weighted", 0.01, 0.02),
        ("kinetic", 0.0, "baoab", 0.1, 0.002),
        ("kinetic", 0.0, "obabo", 0.1, 0.002),
        ("kinetic", 1.0, "weighted", 0.025, 0.02),
        ("kinetic", 1.0, "birth_death", 0.025, 0.02),
    ],
)
def test_the_flow_that_is_claimed(prepared, dynamics, beta, kind, dt, bias):
    run = prepared(case(dynamics, beta), kind=kind)
    assert off(run, dynamics, beta, dt, bias) < 1


class HotPositions(Baoab):
    """Also shakes positions, which have no noise of their own."""

    def step(self, ensemble, t, dt, rng):
        moved = super().step(ensemble, t, dt, rng)
        x = np.array(moved.positions)
        x[:, 0] += np.sqrt(0.2 * dt) * rng.standard_normal(len(x))
        return moved.moved(x)


def test_planted_faults_are_caught(prepared):
    turned = case("circulation", 0.0)
    run = prepared(turned, kind="langevin")
    dynamics = run.sampler.dynamics
    wrong = replace(dynamics, circulation=MatrixField(((0.0, -2.0), (2.0, 0.0))))
    backwards = replace(run, sampler=replace(run.sampler, dynamics=wrong))
    assert off(backwards, "circulation", 0.0, 0.01, 0.02) > 5
    none = replace(run, sampler=replace(run.sampler, dynamics=None))
    assert off(none, "circulation", 0.0, 0.01, 0.02) > 5
    run = prepared(case("kinetic", 0.0), kind="baoab")
    hot = HotPositions(run.sampler.target, friction=FRICTION)
    assert off(replace(run, sampler=hot), "kinetic", 0.0, 0.1, 0.002) > 5


def exact_law(letters, h, steps):
    """Mean and covariance after steps of a splitting for U = q²/2, without chance."""
    moves = {
        "A": lambda s: (np.array([[1.0, s], [0.0, 1.0]]), np.zeros((2, 2))),
        "B": lambda s: (np.array([[1.0, 0.0], [-s, 1.0]]), np.zeros((2, 2))),
        "O": lambda s: (
            np.diag([1.0, np.exp(-FRICTION * s)]),
            np.diag([0.0, 1 - np.exp(-2 * FRICTION * s)]),
        ),
    }
    m, c = np.array(START["mean"]), np.array(START["covariance"])
    for letter in letters * steps:
        step, noise = moves[letter](h / letters.count(letter))
        m, c = step @ m, step @ c @ step.T + noise
    return np.concatenate([m, c.ravel()])


@pytest.mark.parametrize("kind", ["baoab", "obabo"])
def test_kinetic_splittings_are_of_order_two(prepared, kind):
    exact = truth("kinetic", 0.0)
    errors = [np.abs(exact_law(kind.upper(), T / k, k) - exact).max() for k in (2, 4, 8)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx(2.0, abs=0.1)
    assert errors[-1] < 2e-3
    # and the particles have the law of their splitting, a step of T/2 included
    run = prepared(case("kinetic", 0.0), kind=kind)
    seeds = np.random.SeedSequence(5).spawn(REPLICATES)
    found = np.array([moments(run.run(seed, N, T / 2, [T]).ensembles[0]) for seed in seeds])
    error = found.std(axis=0, ddof=1) / np.sqrt(REPLICATES)
    assert (np.abs(found.mean(axis=0) - exact_law(kind.upper(), T / 2, 2)) < 4.5 * error).all()


def test_euler_steps_with_circulation_are_of_order_one():
    exact, errors = truth("circulation", 0.0), []
    for k in (16, 32, 64):
        step, m, c = np.eye(2) - T / k * DRIFTS["circulation"], np.array(START["mean"]), None
        c = np.array(START["covariance"])
        for _ in range(k):
            m, c = step @ m, step @ c @ step.T + 2 * T / k * np.eye(2)
        errors.append(np.abs(np.concatenate([m, c.ravel()]) - exact).max())
    assert np.log2(errors[1] / errors[2]) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("dynamics", "kind", "where"),
    [
        ("circulation", "mala", "dynamics.circulation"),
        ("kinetic", "langevin", "dynamics.kind"),
        ("circulation", "baoab", "dynamics.circulation"),
        ("kinetic", "smc_wfr", "dynamics.kind"),
    ],
)
def test_what_a_sampler_does_not_know_is_refused(prepared, dynamics, kind, where):
    with pytest.raises(InputError) as error:
        prepared(case(dynamics, 1.0), kind=kind)
    assert error.value.where == where
