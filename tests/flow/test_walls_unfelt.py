"""A box of the case whose walls a tolerance does not feel is solved as all of space."""

import math

import numpy as np
import pytest
from gaussian_flow import GaussianFlow

from wfrpde import Case, solve
from wfrpde.case.setup import make_problem
from wfrpde.errors import SolverError
from wfrpde.flow.control import ErrorControl

FLOW = GaussianFlow((-1.0, 0.5), np.diag([0.3, 0.5]), (0.0, 0.0), [[1.0, 0.4], [0.4, 0.7]])

AROUND = GaussianFlow(
    (10.0, 0.0), np.eye(2) / 10, (0.0, 0.0), [[0.55, 0.45], [0.45, 0.55]], 1.0, 0.0
)
"""Down the steep side of a valley first, to y = 3.5, then along it: walls at 3.1 are in the way:
with a tolerance means were off by 500 bars there."""


def in_a_box(half, tolerance, **tables):
    box = [[-half, half], [-half, half]]
    domain = {"box": box, **tables.pop("domain", {})}
    return FLOW.case(1.0, domain=domain, accuracy={"tolerance": tolerance}, **tables)


@pytest.mark.parametrize("half", [6.0, 40.0])
def test_what_matters_of_a_wide_box_is_solved_without_walls(half):
    """Against the closed form: within bars and tolerance, on few nodes however wide the box."""
    solution = solve(in_a_box(half, 1e-4))
    assert solution.numerics["formulation"] == "log-density"
    assert "fallbacks" not in solution.numerics
    assert solution.numerics["walls"] == "as if there were none"
    assert solution.numerics["runs"][-1]["nodes"] < 400
    mean, covariance = FLOW.at(1.0)
    gaps = [
        (solution.mean[1] - mean, solution.error.mean[1]),
        (solution.covariance[1] - covariance, solution.error.covariance[1]),
        (solution.series["kl"][1] - FLOW.kl(1.0), solution.error.series["kl"][1]),
        (FLOW.error(solution, 1.0, 5.0, 60), solution.error.density[1]),
    ]
    for gap, bar in gaps:
        assert (np.abs(gap) <= bar + 1e-12).all()
        assert np.abs(gap).max() < 5e-5


@pytest.mark.parametrize(
    "case",
    [
        in_a_box(3.0, 1e-4),
        in_a_box(6.0, 1e-7),
        in_a_box(6.0, 1e-4, domain={"sides": {"x": "absorbing"}}),
        in_a_box(6.0, 1e-4, initial={"kind": "uniform"}),
        in_a_box(6.0, 1e-4, flow={"reaction": "x"}),
        AROUND.case(1.0, domain={"box": [[-4.5, 12], [-3.1, 3.1]]}, accuracy={"tolerance": 1e-2}),
    ],
    ids=[
        "in the way",
        "below the tolerance",
        "absorbing",
        "no start of its own",
        "led away",
        "on a way that bends",
    ],
)
def test_walls_that_are_felt_stay(case):
    problem = make_problem(case)
    assert not problem.endless
    np.testing.assert_array_equal(problem.box, case.domain.box)


def test_modes_between_the_sample_points_of_a_wide_box_are_held():
    """Half of π was lost: 40 away, and narrower than the samples of the box are apart."""
    case = Case.from_dict(
        {
            "target": {
                "kind": "gaussian_mixture",
                "means": [[0.0, 0.0], [40.83, 40.83]],
                "covariances": [1e-3, 1e-3],
                "weights": [0.5, 0.5],
            },
            "initial": {"mean": [0.0, 0.0], "covariance": 2e-3},
            "flow": {"save": [0.1]},
            "domain": {"box": [[-100.0, 100.0], [-100.0, 100.0]]},
            "accuracy": {"tolerance": 1e-2},
        }
    )
    box = make_problem(case).box
    assert (box[:, 0] < -0.3).all()
    assert (box[:, 1] > 40.83 + 0.3).all()


def test_questions_about_the_target_keep_its_walls():
    assert not make_problem(in_a_box(6.0, 1e-2), at_equilibrium=True).endless


def test_a_run_that_blows_up_ends_soon():
    control = ErrorControl((1.0,), 1e-3, 0.1, patience=2)
    for _ in range(2):
        assert control.accept(0.0, control.propose(0.0), 1e20) is None
    with pytest.raises(SolverError, match="stall"):
        control.accept(0.0, control.propose(0.0), math.inf)
