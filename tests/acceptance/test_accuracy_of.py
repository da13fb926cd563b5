"""A tolerance on chosen numbers."""

from __future__ import annotations

import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.flow.accuracy import relative_errors

CASE = {
    "target": {"kind": "double_well", "barrier": 4.0, "tilt": 0.5},
    "initial": {"mean": [-1.0], "covariance": [[0.05]]},
    "flow": {"save": [0.1, 1.0]},
    "numerics": {"formulation": "edge-averaged"},
}


def solved(**accuracy):
    return wfrpde.solve(wfrpde.Case.from_dict({**CASE, "accuracy": accuracy}))


@pytest.mark.parametrize(
    ("of", "starts"), [(["kl"], "kl"), (["mode_mass"], "mass of"), (["kl", "mean"], ("kl", "mean"))]
)
def test_only_what_is_named_decides(of, starts):
    solution = solved(tolerance=1e-3, of=of)
    assert solution.numerics["accuracy"]["worst"].startswith(starts)
    assert solution.numerics["accuracy"]["met"]
    named = {name: error for name, error in relative_errors(solution).items()
             if name.startswith(starts)}  # fmt: skip
    assert max(error.max() for error in named.values()) <= 1e-3


def test_rates_may_be_asked_for():
    solution = solved(tolerance=1e-2, of=["fisher_information"])
    assert solution.numerics["accuracy"]["worst"].startswith("fisher_information")


@pytest.mark.parametrize(
    ("accuracy", "match"),
    [
        ({"of": ["kl"]}, "tolerance"),
        ({"tolerance": 1e-3, "of": []}, "accuracy.of"),
        ({"tolerance": 1e-3, "of": ["entropy"]}, "accuracy.of"),
        ({"tolerance": 1e-3, "of": ["log_normalising_constant"]}, "flow.reaction"),
    ],
)
def test_what_is_not_reported_is_refused(accuracy, match):
    with pytest.raises(InputError, match=match):
        solved(**accuracy)


def test_masses_need_regions():
    case = {**CASE, "target": {"potential": "x**2"}}
    case["accuracy"] = {"tolerance": 1e-3, "of": ["mode_mass"]}
    with pytest.raises(InputError, match="modes"):
        wfrpde.solve(wfrpde.Case.from_dict(case))
