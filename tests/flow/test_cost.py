"""What a long run costs is told after its first, coarsest grid; nothing is asked for in vain."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

import wfrpde
from wfrpde.case.setup import make_problem
from wfrpde.flow import outcome
from wfrpde.flow.exact import GeometricMean
from wfrpde.flow.outcome import Context


@pytest.mark.parametrize(("spent", "told"), [(2.0, "about 3 minutes"), (0.5, "")])
def test_the_first_run_tells_what_the_others_take(spent, told, monkeypatch, caplog):
    clock = iter([10.0, 10.0 + spent, 20.0, 100.0])
    monkeypatch.setattr(outcome.time, "perf_counter", lambda: next(clock))
    context = Context(SimpleNamespace(rank=0), None, lambda *_: None, lambda: False)
    done = SimpleNamespace(complete=True)
    with caplog.at_level(logging.WARNING, logger="wfrpde"):
        context.made(0.01, lambda _: (done, {}))
        context.made(0.99, lambda _: (done, {}))
    assert (told in caplog.text) if told else not caplog.text
    assert caplog.text.count("minutes") == bool(told)


def test_gradients_of_a_start_are_asked_for_only_where_it_is():
    """A function without a gradient pays four values for each in the plane."""
    asked = []

    class Counted:
        dim = 2

        def potential(self, x):
            asked.append(len(x))
            return (x**2).sum(axis=1) / 2

    case = {
        "target": {"python": Counted()},
        "initial": {"mean": [-1.0, 0.0], "covariance": 0.01},
        "flow": {"save": [1.0]},
    }
    problem = make_problem(wfrpde.Case.model_validate(case))
    side = np.linspace(-7, 7, 201)
    x = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    scales = problem.scales  # kinks are looked for once
    asked.clear()
    u, squared = GeometricMean(problem, 1.0).samples(x, scales)
    assert sum(asked) < 1.2 * len(x)
    mass = np.exp(u - (x**2).sum(axis=1) / 2)
    # u = x²/2 − 50 |x − m|² up to a constant
    exact = ((x - 100 * (x - [-1.0, 0.0])) ** 2).sum(axis=1)
    assert (mass * squared).sum() == pytest.approx((mass * exact).sum(), rel=1e-7)


def test_a_higher_order_in_time_takes_no_more_steps():
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "5*(x**2 - 1)**2 + y**2"},
            "initial": {"mean": [-1.0, 0.0], "covariance": 0.05},
            "flow": {"save": [1.0]},
        }
    )
    steps = []
    for order in (2, 4):
        solution = wfrpde.solve(case.with_overrides({"numerics.time_order": order}))
        steps.append(sum(run["steps"] for run in solution.numerics["runs"]))
    assert steps[1] <= steps[0]


@pytest.mark.slow
def test_a_spectrum_in_the_plane_with_a_kink():
    """Of x²/2 + |x| the rates are 0, 2, 3, …; those of y²/2 are 0, 1, 2, … and they add up."""
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "x**2/2 + abs(x) + y**2/2"},
            "initial": {"mean": [0.0, 0.0], "covariance": 1.0},
            "spectrum": {"count": 3},
        }
    )
    found = wfrpde.spectrum(case)
    assert found.rates == pytest.approx([0.0, 1.0, 2.0], abs=1e-6)
    assert np.all(np.abs(found.rates - [0.0, 1.0, 2.0]) <= found.errors + 1e-12)
    assert len(found.nodes) < 200_000


def test_a_function_of_one_s_own_is_asked_a_few_dozen_times_a_node():
    """Python is slow: it was asked for 3.4 million values, 87 a node. Gradients are four each."""
    asked = []

    class Counted:
        dim = 2

        def potential(self, x):
            asked.append(len(x))
            return 5 * (x[:, 0] ** 2 - 1) ** 2 + (x**2).sum(axis=1) / 2

    case = {
        "target": {"python": Counted()},
        "initial": {"mean": [-1.0, 0.0], "covariance": 0.05},
        "flow": {"save": [1.0]},
    }
    solution = wfrpde.solve(wfrpde.Case.model_validate(case))
    assert sum(asked) < 40 * sum(run["nodes"] for run in solution.numerics["runs"])
