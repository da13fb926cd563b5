"""Infinite walls, heavy tails, and boxes that reach too high: solved, with bars that cover."""

import numpy as np
import pytest
from scipy import integrate, stats

pytest.importorskip("dolfinx")

import wfrpde
from wfrpde.errors import InputError


def case(potential, mean, covariance, save, **tables):
    return wfrpde.Case.model_validate(
        {
            "target": {"potential": potential},
            "initial": {"mean": mean, "covariance": covariance},
            "flow": {"save": save},
            **tables,
        }
    )


def test_an_infinite_wall_at_an_end_of_the_box():
    solution = wfrpde.solve(
        case("1/x**2 + x**2", [1.0], 0.05, [1.0, 12.0], domain={"box": [[0.0, 5.0]]})
    )
    weight = [
        integrate.quad(lambda x, k=k: x**k * np.exp(-1 / x**2 - x**2), 0, 8)[0] for k in (0, 1, 2)
    ]
    mean = weight[1] / weight[0]
    assert abs(solution.mean[-1, 0] - mean) < 2e-5
    assert abs(solution.covariance[-1, 0, 0] - (weight[2] / weight[0] - mean**2)) < 2e-5
    assert any("3.4e-05 of the mass of the initial density" in text for text in solution.warnings)


def test_a_wall_within_the_domain_is_refused_with_the_side_to_take():
    with pytest.raises(InputError, match=r"inf at x = 0.*For example: \[domain\] box = \[\[0, 6"):
        wfrpde.solve(case("1/x**2 + x**2", [1.0], 0.05, [1.0]))


def test_student_s_t_has_a_box_that_a_grid_can_hold():
    """π is t with three degrees of freedom; V = 2 log(1 + x²/3)."""
    solution = wfrpde.solve(
        wfrpde.Case.model_validate(
            {
                "target": {"potential": "2*log(1 + x**2/3)", "modes": {"far": "x > 3"}},
                "initial": {"mean": [1.0], "covariance": 0.5},
                "flow": {"save": [1.0, 30.0]},
            }
        )
    )
    assert 100 < solution.box[0, 1] < 1000
    far = stats.t(3).sf(3.0)
    found = solution.estimated("mode_mass", "far")[-1]
    assert abs(solution.numerics["target_mode_mass"]["far"] - far) < 1e-6
    assert abs(found.value - far) < found.error + 1e-9
    beyond = 2 * stats.t(3).sf(solution.box[0, 1])
    assert solution.numerics["cut_off_share"]["target"] == pytest.approx(beyond, rel=0.2)


def test_a_large_cell_does_not_reach_too_high():
    tables = {"accuracy": {"tolerance": 1e-2}, "numerics": {"degree": 4}}
    flow = case("x**4 + y**4", [0.0, 0.0], 1.0, [0.1], **tables)
    assert wfrpde.solve(flow).complete


def test_boxes_of_light_tails_are_left_alone():
    from wfrpde.case.setup import make_problem
    from wfrpde.domain.extent import LEVEL

    for potential in ("x**2/2", "abs(x)", "(x/30)**2 + (y*10)**2", "abs(x) + 40*y**2"):
        dim = 2 if "y" in potential else 1
        problem = make_problem(case(potential, [0.0] * dim, 1.0, [1.0]))
        assert problem.landscape.level == LEVEL
