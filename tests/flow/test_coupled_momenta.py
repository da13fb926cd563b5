"""Kinetic flows of several positions in a potential that couples them."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_flow import riccati
from scipy.stats import norm

import wfrpde
from wfrpde import Case
from wfrpde.discretisation.graded import UniformAxis
from wfrpde.discretisation.shears import ShearForm, lattice_points
from wfrpde.errors import InputError
from wfrpde.flow.product.phase_numbers import PhaseNumbers
from wfrpde.flow.product.phase_space import phase_problem

STIFF = np.array([[1.0, 0.4], [0.4, 1.5]])
MEAN = np.array([1.0, -0.5, 0.5, 0.0])
COVARIANCE = np.diag([0.5, 0.6, 0.5, 0.6])
COVARIANCE[0, 2] = COVARIANCE[2, 0] = 0.1
FRICTION = 1.5

TURN = np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2)
"""Coordinates (s, t) = TURN (x, y) in which an anharmonic potential is a sum."""

ALONE = {"s": "{0}**4/4 + {0}**2/4", "t": "{0}**2/2 + {0}**4/16"}


def coupled(beta, **tables):
    return Case.from_dict(
        {
            "target": {
                "mean": [0.0, 0.0],
                "covariance": np.linalg.inv(STIFF).tolist(),
                "kind": "gaussian",
                "modes": {"right": "x > 0"},
            },
            "initial": {"mean": MEAN.tolist(), "covariance": COVARIANCE.tolist()},
            "dynamics": {"kind": "kinetic", "friction": FRICTION},
            "flow": {"beta": beta, "save": [0.2]},
            **tables,
        }
    )


def truth(times, beta):
    drift, precision = np.zeros((4, 4)), np.eye(4)
    drift[:2, 2:], drift[2:, :2], drift[2:, 2:] = -np.eye(2), STIFF, FRICTION * np.eye(2)
    precision[:2, :2] = STIFF
    noise = np.diag([0.0, 0.0, FRICTION, FRICTION])
    return riccati(times, drift, noise, precision, beta, MEAN, COVARIANCE)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_gaussians_in_closed_form(beta):
    solution = wfrpde.solve(coupled(beta, flow={"beta": beta, "save": [0.2, 2.0]}))
    assert solution.numerics["formulation"] == "closed form"
    assert solution.case.coordinates == ("q1", "q2", "p1", "p2")
    mean, covariance, kl = truth(solution.times, beta)
    np.testing.assert_allclose(solution.mean, mean, atol=1e-8)
    np.testing.assert_allclose(solution.covariance, covariance, atol=1e-8)
    np.testing.assert_allclose(solution.series["kl"], kl, atol=1e-8)
    exact = norm.cdf(mean[:, 0] / np.sqrt(covariance[:, 0, 0]))
    np.testing.assert_allclose(solution.mode_mass["right"], exact, rtol=1e-7)


def test_three_positions_in_closed_form():
    held = np.linalg.inv([[1, 0.3, 0], [0.3, 1, 0.2], [0, 0.2, 2]])
    case = Case.from_dict(
        {
            "target": {"kind": "gaussian", "mean": [0.0] * 3, "covariance": held.tolist()},
            "initial": {"mean": [1.0, 0, 0, 0, 0, 1.0], "covariance": np.diag([0.5] * 6).tolist()},
            "dynamics": {"kind": "kinetic"},
            "flow": {"beta": 0.0, "save": [30.0]},
        }
    )
    solution = wfrpde.solve(case)
    np.testing.assert_allclose(solution.covariance[-1, :3, :3], held, atol=1e-5)
    np.testing.assert_allclose(solution.mean[-1], 0.0, atol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_shears_on_a_lattice(beta):
    """The same flow without its closed form, to 1e-6; every bar covers."""
    numerics = {"formulation": "mesh", "cells": [17] * 4, "dt": 0.1}
    case = coupled(beta, numerics=numerics)
    solution, exact = wfrpde.solve(case), wfrpde.solve(coupled(beta))
    assert solution.numerics["formulation"] == "characteristics"
    for name in ("mean", "covariance", "kl", "fisher_information", "reaction_variance"):
        found, right = solution.estimated(name)[-1], exact.estimated(name)[-1]
        gap = np.abs(found.value - right.value)
        assert (gap <= found.error + 1e-9).all(), name
        assert (gap < (1e-5 if name in ("mean", "covariance") else 1e-3)).all(), name
    mass = solution.estimated("mode_mass", "right")
    assert np.abs(mass.value - exact.mode_mass["right"]).max() < 1e-4
    assert (np.abs(mass.value - exact.mode_mass["right"]) <= mass.error + 1e-9).all()
    x = MEAN + np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_allclose(solution.log_density(0.2, x), exact.log_density(0.2, x), atol=2e-4)


def test_order_in_time():
    """Of two runs that are extrapolated once, 4; steps of Strang are of order 2 by themselves."""
    exact = wfrpde.solve(coupled(1.0, flow={"beta": 1.0, "save": [0.8]})).covariance[-1]
    errors = []
    for dt in (0.8, 0.4):
        numerics = {"formulation": "mesh", "cells": [17] * 4, "dt": dt, "certify": False}
        solution = wfrpde.solve(coupled(1.0, flow={"beta": 1.0, "save": [0.8]}, numerics=numerics))
        errors.append(np.abs(solution.covariance[-1] - exact).max())
    assert np.log2(errors[0] / errors[1]) > 3.3, errors
    assert errors[1] < 5e-4


def test_order_in_space():
    """Of shears that interpolate on lattices: at least 6, down to what the steps leave."""
    exact = wfrpde.solve(coupled(1.0)).mean[-1]
    errors = []
    for cells in (11, 19):
        numerics = {"formulation": "mesh", "cells": [cells] * 4, "dt": 0.1, "certify": False}
        errors.append(np.abs(wfrpde.solve(coupled(1.0, numerics=numerics)).mean[-1] - exact).max())
    assert np.log(errors[0] / errors[1]) / np.log(20 / 12) > 6, errors
    assert errors[1] < 1e-6


def anharmonic(dt):
    """Two oscillators that do not separate in x and y; they do in s and t."""
    s, t = "((x + y)/sqrt(2))", "((y - x)/sqrt(2))"
    mean, width = np.array([0.6, -0.3]), np.array([0.4, 0.5])
    momenta, heat = np.array([0.4, 0.0]), np.array([0.8, 1.0])
    covariance = np.zeros((4, 4))
    covariance[:2, :2] = TURN.T @ np.diag(width) @ TURN
    covariance[2:, 2:] = TURN.T @ np.diag(heat) @ TURN
    whole = Case.from_dict(
        {
            "target": {"potential": f"{ALONE['s'].format(s)} + {ALONE['t'].format(t)}"},
            "initial": {
                "mean": [*(TURN.T @ mean), *(TURN.T @ momenta)],
                "covariance": covariance.tolist(),
            },
            "dynamics": {"kind": "kinetic", "friction": FRICTION},
            "flow": {"beta": 1.0, "save": [0.2]},
            "numerics": {"cells": [17] * 4, "dt": dt, "certify": False},
        }
    )
    return whole, mean, width, momenta, heat


def test_what_does_not_separate_against_what_does():
    """Mean and variance to 1e-4 on 18⁴ nodes, against two flows in one position each."""
    whole, mean, width, momenta, heat = anharmonic(0.1)
    solution = wfrpde.solve(whole)
    gaps = []
    for k, name in enumerate("st"):
        alone = Case.from_dict(
            {
                "target": {"potential": ALONE[name].format("x")},
                "initial": {
                    "mean": [mean[k], momenta[k]],
                    "covariance": [[width[k], 0], [0, heat[k]]],
                },
                "dynamics": {"kind": "kinetic", "friction": FRICTION},
                "flow": {"beta": 1.0, "save": [0.2]},
                "numerics": {"certify": False, "cells": [64, 64], "dt": 0.025},
            }
        )
        flow = wfrpde.solve(alone)
        for block, own in ((slice(0, 2), 0), (slice(2, 4), 1)):
            w = TURN[k]
            gaps.append(solution.mean[-1, block] @ w - flow.mean[-1, own])
            found = w @ solution.covariance[-1, block, block] @ w
            gaps.append(found - flow.covariance[-1, own, own])
    assert np.abs(gaps).max() < 1e-4, gaps


def test_the_case_that_ships(tmp_path):
    """Bars below 1e-2; kept and read again; regions are of positions, laws of one coordinate."""
    solution = wfrpde.solve(wfrpde.load_case("coupled-momenta"))
    assert solution.warnings == ()
    for name in ("mean", "covariance", "kl"):
        assert solution.estimated(name).error.max() < 1e-2
    masses = solution.mode_mass["left"] + solution.mode_mass["right"]
    np.testing.assert_allclose(masses, 1.0, atol=1e-6)
    assert solution.mode_mass["left"][0] == pytest.approx(norm.cdf(0.5 / np.sqrt(0.3)), abs=1e-6)
    solution.save(tmp_path / "run.npz")
    again = wfrpde.load_solution(tmp_path / "run.npz")
    x = np.array([[0.1, -0.2, 0.3, 0.4]])
    assert (again.log_density(0.3, x) == solution.log_density(0.3, x)).all()
    law = again.marginal(0.3, 1)
    assert law.mean == pytest.approx(solution.mean[-1, 1], abs=1e-3)
    s = np.array([-0.9, 0.3])
    exact = norm.pdf(s, -0.5, np.sqrt(0.3))
    np.testing.assert_allclose(again.marginal_density(0.0, 0, s[:, None]), exact, rtol=1e-6)
    pair = again.marginal_density(0.0, (2, 0), np.stack([s + 1, s], axis=1))
    np.testing.assert_allclose(pair, exact * norm.pdf(s + 1, 0.8, np.sqrt(0.8)), rtol=1e-6)
    assert again.tail(0.3, [1.0, 0, 0, 0], 0.0).probability == pytest.approx(
        solution.mode_mass["right"][-1], abs=1e-3
    )


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"flow.reaction": "x"}, "flow.reaction"),
        ({"flow.alpha": "1 + t"}, "flow.alpha"),
        ({"numerics.solver": "direct"}, "numerics.solver"),
        ({"domain.box": [[-9, 9]] * 4}, "domain.box"),
    ],
)
def test_what_is_refused(changes, where):
    numerics = {"formulation": "mesh", "cells": [8] * 4}
    with pytest.raises(InputError) as error:
        wfrpde.solve(coupled(0.0, numerics=numerics).with_overrides(changes))
    assert error.value.where.startswith(where)


def test_questions_that_two_positions_do_not_answer_are_refused():
    with pytest.raises(InputError, match="dimensions"):
        wfrpde.spectrum(coupled(0.0))
    three = {"target": {"potential": "x**4 + y**2 + z**2 + x*y"}, "initial": {
        "mean": [0.0] * 6, "covariance": np.eye(6).tolist()}}  # fmt: skip
    with pytest.raises(InputError, match="two, a product"):
        wfrpde.solve(Case.from_dict({**three, "dynamics": {"kind": "kinetic"}}))


def test_what_normalises_on_few_nodes_is_in_the_bar():
    """Two narrow wells and a narrow start on 16⁴ nodes: sums over them are off by some per cent."""
    case = Case.from_dict(
        {
            "target": {"potential": "4*(x**2 - 1)**2 + 3*y**2 + 2*x*y"},
            "initial": {
                "mean": [-1.0, 0.3, 0.5, 0.0],
                "covariance": np.diag([0.05, 0.08, 0.5, 1.0]).tolist(),
            },
            "dynamics": {"kind": "kinetic"},
            "flow": {"save": [0.1]},
        }
    )
    problem = phase_problem(case)
    axes = [UniformAxis(low, high, 16) for low, high in problem.box]
    form, volume = ShearForm(problem, axes, 11), sum(np.log(axis.spacing) for axis in axes)
    start = problem.log_initial(lattice_points([axis.nodes for axis in axes]))
    off = form.nodes.logsumexp(start) + volume
    assert abs(off) > 1e-3
    bar = PhaseNumbers(problem, form).constant_defect(start + form.potential)
    assert abs(off) < bar < 0.3
