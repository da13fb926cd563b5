"""Dynamics of the class b = −(D + J)∇V + div(D + J) + f: their parts, and that they keep π."""

import numpy as np
import pytest

import wfrpde
from wfrpde.case import Case
from wfrpde.equation import Dynamics
from wfrpde.errors import InputError

WELL = "3*(x**2 - 1)**2 + y**2 + 0.6*x*y"


def case(potential=WELL, dim=2, **dynamics):
    start = {"mean": [0.5] * dim, "covariance": (0.1 * np.eye(dim)).tolist()}
    return Case.model_validate(
        {"target": {"potential": potential}, "initial": start, "dynamics": dynamics}
    )


def defect(case, step=1e-4):
    """−∇·(bπ) + ∇·∇·(Dπ) relative to π, by differences: 0 if π is stationary."""
    target, dynamics = case.target.build(), case.equation.dynamics
    x = np.random.default_rng(1).uniform(-1.0, 1.0, (20, case.dim))

    def flux(x):
        pi = np.exp(-target.potential(x))
        b = dynamics.velocity(x, target.gradient(x))
        divergence = np.zeros_like(x)
        for j, e in enumerate(step * np.eye(case.dim)):
            for sign in (1, -1):
                pi_there = np.exp(-target.potential(x + sign * e))
                column = dynamics.diffusion_at(x + sign * e)[:, :, j]
                divergence += sign * pi_there[:, None] * column / (2 * step)
        return b * pi[:, None] - divergence

    total = np.zeros(len(x))
    for i, e in enumerate(step * np.eye(case.dim)):
        total += (flux(x + e)[:, i] - flux(x - e)[:, i]) / (2 * step)
    return np.abs(total / np.exp(-target.potential(x))).max()


@pytest.mark.parametrize(
    "dynamics",
    [
        {},
        {"circulation": [[0, 2], [-2, 0]]},
        {"circulation": [[0, "1 + x*y"], ["-1 - x*y", 0]]},
        {"diffusion": "2 + sin(x + y)"},
        {"diffusion": ["2 + sin(y)", 0.5]},
        {"diffusion": [["2 + x**2", "0.3*x"], ["0.3*x", 1.0]], "circulation": [[0, 1], [-1, 0]]},
    ],
)
def test_the_implied_drift_keeps_the_target(dynamics):
    assert defect(case(**dynamics)) < 2e-5


def test_a_further_drift_does_not_keep_it():
    one = case(drift=["y", "-x"])
    assert defect(one) > 0.1
    dynamics = one.equation.dynamics
    assert {dynamics.keeps_target, dynamics.reversible} == {False}
    assert {one.equation.descends, one.equation.reaches_target} == {False}


def test_kinetic_dynamics_are_of_the_same_class():
    dynamics = Dynamics(friction=0.5)
    x = np.array([[0.3, -0.7]])
    slope = np.array([[2.0, -0.7]])  # ∇H = (U', p)
    np.testing.assert_allclose(dynamics.velocity(x, slope), [[-0.7, -2.0 + 0.5 * 0.7]])
    np.testing.assert_allclose(dynamics.diffusion_at(x), [[[0, 0], [0, 0.5]]])
    assert (dynamics.degenerate, dynamics.reversible, dynamics.keeps_target) == (True, False, True)


def test_dynamics_stay_when_rates_change():
    whole = case(circulation=[[0, 1], [-1, 0]]).equation
    assert whole.dynamics.terms == ("circulation",)
    assert whole.claimed("W").dynamics == whole.dynamics
    assert whole.with_rates(2.0, 0.5).dynamics.circulation == whole.dynamics.circulation
    assert whole.without_transport().dynamics is None
    assert case().equation.dynamics == Dynamics()
    assert case(diffusion=1.0).equation == case().equation


@pytest.mark.parametrize(
    ("dynamics", "where", "found"),
    [
        ({"circulation": [[0, 1], [1, 0]]}, "dynamics.circulation", "not skew"),
        ({"circulation": [[1, 0], [0, 0]]}, "dynamics.circulation", "not skew"),
        ({"circulation": [["0", "x"], ["x", "0"]]}, "dynamics.circulation", "not skew"),
        ({"circulation": [[0, 1, 0]] * 3}, "dynamics.circulation", "3 entries"),
        ({"circulation": [[0], [0]]}, "dynamics.circulation[0]", "1 entries"),
        ({"diffusion": [[1, 2], [0, 1]]}, "dynamics.diffusion", "not symmetric"),
        ({"diffusion": [[1, 2], [2, 1]]}, "dynamics.diffusion", ""),
        ({"diffusion": 0.0}, "dynamics.diffusion", ""),
        ({"diffusion": "1 + q"}, "dynamics.diffusion", "unknown name"),
        ({"diffusion": True}, "dynamics.diffusion", "True"),
        ({"drift": ["y"]}, "dynamics.drift", "1 entries"),
        ({"drift": ["y", "import os"]}, "dynamics.drift[1]", ""),
        ({"friction": 1.0}, "dynamics.friction", "overdamped"),
        ({"kind": "kinetic", "friction": 0.0}, "dynamics.friction", "0.0"),
        ({"kind": "kinetic", "drift": ["y", "x"]}, "dynamics.drift", "kinetic"),
        ({"kind": "brownian"}, "dynamics.kind", "brownian"),
    ],
)
def test_what_is_no_dynamics_is_told(dynamics, where, found):
    with pytest.raises(InputError) as error:
        case(**dynamics)
    assert error.value.where == where
    assert found in str(error.value)


def test_what_a_formulation_cannot_solve_is_refused():
    turned = case(drift=["y", "-x"], circulation=[[0, 1], [-1, 0]])
    with pytest.raises(InputError) as error:
        wfrpde.solve(turned.with_overrides({"numerics.formulation": "spectral"}))
    assert error.value.where == "dynamics.circulation"


def test_kinetic_dynamics_have_as_many_momenta_as_positions():
    start = {"mean": [0.5, 0.5, 0.0, 0.0], "covariance": np.eye(4).tolist()}
    plane = Case.model_validate(
        {"target": {"potential": WELL}, "initial": start, "dynamics": {"kind": "kinetic"}}
    )
    assert plane.coordinates == ("q1", "q2", "p1", "p2")
