"""A box of the case whose walls a tolerance does not feel is solved as all of space."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from gaussian_flow import GaussianFlow

from wfrpde import Case, solve
from wfrpde.case.setup import make_problem
from wfrpde.errors import SolverError
from wfrpde.flow.accuracy import level_for
from wfrpde.flow.control import ErrorControl
from wfrpde.flow.cut_off import cut_off
from wfrpde.flow.schemes.log_density import LogDensity

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


def test_a_sharp_tolerance_is_met_without_walls():
    """KL at the end is a hundredth of what it was: what the walls cut off of it was 4e-6."""
    solution = solve(in_a_box(6.0, 1e-6))
    assert solution.numerics["formulation"] == "log-density"
    assert solution.numerics["walls"] == "as if there were none"
    assert solution.numerics["accuracy"]["met"]
    mean, covariance = FLOW.at(1.0)
    gaps = np.append(np.abs(solution.mean[1] - mean), np.abs(solution.covariance[1] - covariance))
    bars = np.append(solution.error.mean[1], solution.error.covariance[1])
    assert (gaps <= bars).all()
    assert gaps.max() < 2e-7
    kl, bar = solution.series["kl"][1] / FLOW.kl(1.0) - 1, solution.error.series["kl"][1]
    assert abs(kl) <= min(bar / FLOW.kl(1.0), 3e-7)


def test_what_comes_close_to_walls_on_its_way_is_in_the_bars():
    """Walls cut off 2e-9 of both ends, and change covariances by 1.2e-6 in between."""
    flow = {"save": [0.25, 0.5, 1.0]}

    def case(dim, mean, covariance, **tables):
        return Case.from_dict(
            {
                "target": {"kind": "gaussian", "mean": [0.0] * dim, "covariance": 1.0},
                "initial": {"mean": mean, "covariance": covariance},
                "domain": {"box": [[-6.0, 6.0], [-8.0, 8.0]][:dim]},
                "flow": flow,
                **tables,
            }
        )

    asked = {"tolerance": 3e-5, "of": ["mean", "covariance"]}
    plane = solve(case(2, [-3.0, 0.0], [[0.2, 0.0], [0.0, 0.5]], accuracy=asked))
    assert plane.numerics["walls"] == "as if there were none"
    line = solve(case(1, [-3.0], 0.2, accuracy={"tolerance": 1e-9}))
    for t in (1, 2, 3):
        assert abs(plane.mean[t, 0] - line.mean[t, 0]) <= plane.error.mean[t, 0]
        gap = abs(plane.covariance[t, 0, 0] - line.covariance[t, 0, 0])
        assert gap <= plane.error.covariance[t, 0, 0]
        assert gap < 3e-6


def test_small_cells_may_end_before_the_walls():
    """130 by 130 cells of a box that just holds the levels: none at the walls, which failed."""
    flow = GaussianFlow((1.0, 0.0), 0.5 * np.eye(2), (0.0, 0.0), np.eye(2))
    case = flow.case(0.5, domain={"box": [[-7.5, 7.5]] * 2}, accuracy={"tolerance": 1e-2})
    problem = make_problem(case, level=level_for(1e-2))
    assert problem.endless
    assert sum(problem.facts["cut_off_share"].values()) > 0
    grid = problem.tensor_grid((128, 128))
    assert not grid.active[[0, -1]].any()
    assert not grid.active[:, [0, -1]].any()
    nodes = np.zeros((3, 2))
    outcome = SimpleNamespace(
        times=np.array([0.0, 1.0]),
        interpolation=SimpleNamespace(nodes=nodes),
        best=np.zeros((2, 3)),
    )
    share, depth = cut_off(problem, outcome, np.zeros(2), 0.0)
    assert (share == sum(problem.facts["cut_off_share"].values())).all()
    assert np.isfinite(depth).all()


def test_walls_that_turn_out_to_be_felt_are_put_back():
    """Of KL at the end, which counts as 1e-3 of what it was at first, 2e-9 is too much."""
    case = in_a_box(6.0, 1e-6, flow={"save": [6.0]})
    assert make_problem(case).endless
    solution = solve(case)
    assert "walls" not in solution.numerics


def test_walls_that_a_second_formulation_feels_are_put_back(monkeypatch):
    """Where log densities fail the next formulation met no tolerance: its walls were left out."""

    def fails(self, context):
        raise SolverError("blown up")

    monkeypatch.setattr(LogDensity, "runs", fails)
    flow = GaussianFlow((1.0, 0.0), 0.5 * np.eye(2), (0.0, 0.0), np.eye(2))
    box = [[-4.6, 4.6]] * 2
    solution = solve(flow.case(6.0, domain={"box": box}, accuracy={"tolerance": 1e-2}))
    assert solution.numerics["accuracy"]["met"]
    assert "walls" not in solution.numerics


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
    for error in (1e20, 0.1, 1.1):  # of which the second is no more than a step too long
        assert control.accept(0.0, control.propose(0.0), error) is None
    with pytest.raises(SolverError, match="stall"):
        control.accept(0.0, control.propose(0.0), math.inf)
