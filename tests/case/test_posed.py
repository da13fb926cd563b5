"""Problems that were posed before are taken again where nothing that they need has changed."""

import numpy as np
import pytest

from wfrpde import Case, solve
from wfrpde.case import setup
from wfrpde.case.posed import forget
from wfrpde.case.setup import make_problem
from wfrpde.errors import InputError

WELLS = {
    "target": {"potential": "5*(x**2-1)**2+3*(y-0.3*x)**2", "modes": {"right": "x > 0"}},
    "initial": {"mean": [-1.0, 0.0], "covariance": 0.02},
    "flow": {"t_end": 0.2, "save": [0.1, 0.2]},
    "accuracy": {"tolerance": 1e-2},
}


FACTORS = {
    "target": {"kind": "gaussian", "mean": [0.0] * 5, "covariance": np.eye(5).tolist()},
    "initial": {"mean": [1.0] * 5, "covariance": 0.5},
}


@pytest.fixture
def looks(monkeypatch):
    """Count how often densities are looked at."""
    made = []
    found = setup._looked_at

    def counted(case, **options):
        made.append(options)
        return found(case, **options)

    monkeypatch.setattr(setup, "_looked_at", counted)
    return made


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({"flow.alpha": 0.5}, 1),
        ({"flow.beta": 3.0}, 1),
        ({"flow.save": [0.3], "flow.t_end": 0.3}, 1),
        ({"numerics.cells": [5, 4]}, 1),
        ({"title": "another"}, 1),
        ({"flow.beta": 0.0}, 2),
        ({"flow.alpha": 0.0}, 2),
        ({"initial.mean": [-0.9, 0.0]}, 2),
        ({"target.potential": "5*(x**2-1)**2+3*y**2"}, 2),
        ({"target.modes": {"left": "x < 0"}}, 2),
        ({"domain.box": [[-2.0, 2.0], [-2.0, 2.0]]}, 2),
        ({"accuracy.tolerance": 1e-4}, 2),
        ({"flow.conserve_mass": False}, 2),
    ],
)
def test_what_changes_is_looked_at_anew(looks, changes, times):
    case = Case.from_dict(WELLS)
    other = case.with_overrides(changes)
    make_problem(case)
    problem = make_problem(other)
    assert len(looks) == times
    assert problem.case == other
    assert problem.equation == other.equation
    assert problem.save == other.flow.save
    alone = setup._looked_at(other, at_equilibrium=False, level=setup.LEVEL, walls=False)
    np.testing.assert_array_equal(problem.box, alone.box)
    assert problem.facts == alone.facts
    assert problem.warnings == alone.warnings


@pytest.mark.parametrize(
    "tables",
    [
        {"flow": {"reaction": "x", "save": [0.1], "t_end": 0.1}},
        {"dynamics": {"circulation": [[0, 1], [-1, 0]]}},
        {"path": {"kind": "temper"}},
    ],
)
def test_what_favours_densities_by_its_own_is_always_looked_at(looks, tables):
    case = Case.from_dict({**WELLS, **tables})
    for _ in range(2):
        make_problem(case)
    assert len(looks) == 2


def test_what_is_refused_is_refused_whatever_was_posed_before():
    """Rates that move have no spectrum, factors no mesh."""
    case = Case.from_dict(WELLS)
    make_problem(case, at_equilibrium=True)
    with pytest.raises(InputError, match=r"flow\.alpha"):
        make_problem(case.with_overrides({"flow.alpha": "1 + t"}), at_equilibrium=True)
    with pytest.raises(InputError, match="answered on a mesh"):
        make_problem(Case.from_dict({**WELLS, **FACTORS}))


def test_facts_and_warnings_are_those_of_one_problem():
    case = Case.from_dict(WELLS)
    make_problem(case).warnings.append("one")
    make_problem(case).facts["box"].append("two")
    problem = make_problem(case)
    assert problem.warnings == []
    assert len(problem.facts["box"]) == 2


def test_a_sweep_gives_what_each_flow_gives_alone(looks):
    """Second solves say the same digits as first ones, whatever was solved before."""
    case = Case.from_dict(WELLS)
    sweep = [case.with_overrides({"flow.beta": beta}) for beta in (0.5, 1.0)]
    together = [solve(one) for one in sweep]
    assert len(looks) == 1
    for one, known in zip(sweep, together, strict=True):
        forget()
        alone = solve(one)
        for name, values in alone.series.items():
            np.testing.assert_array_equal(values, known.series[name])
        np.testing.assert_array_equal(alone.error.density, known.error.density)
