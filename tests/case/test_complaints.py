"""What is wrong in a case is told by its key, with what was found and what is needed."""

from __future__ import annotations

import pytest

from tests.case.conftest import MINIMAL
from wfrpde.case import Case
from wfrpde.errors import InputError

WRONG = [
    ({"flow.t_end": -1}, "flow.t_end: found -1; needed a positive number"),
    ({"flow.t_end": 0.0}, "flow.t_end: found 0.0; needed a positive number"),
    ({"flow.tend": 1.0}, "flow.tend: found an unknown key", "Did you mean t_end?"),
    ({"flo": {}}, "flo: found an unknown key", "Did you mean flow?"),
    ({"flow": 3}, "flow: found 3; needed a table"),
    ({"flow.save": [1.0, 0.5]}, "flow.save: found 0.5 after 1;", "ascending"),
    ({"flow.save": [0.5, 0.5]}, "flow.save: found 0.5 after 0.5;"),
    ({"flow.save": []}, "flow.save: found an empty list"),
    ({"flow.save": [-0.5, 1.0]}, "flow.save[0]: found -0.5; needed a positive number"),
    ({"flow.save": [2.0], "flow.t_end": 1.0}, "flow.save: found 2 with flow.t_end = 1"),
    ({"flow.alpha": -0.1}, "flow.alpha: found -0.1; needed a number that is not negative"),
    ({"flow.beta": float("nan")}, "flow.beta: found nan; needed a finite number"),
    ({"flow.alpha": True}, "flow.alpha: found True; needed a number"),
    ({"flow.alpha": "fast"}, "flow.alpha: found the unknown name 'fast'"),
    ({"flow.alpha": 0.0, "flow.beta": 0.0}, "flow: found alpha = 0 and beta = 0"),
    ({"numerics.degree": 9}, "numerics.degree: found 9", "8"),
    ({"numerics.degree": 0}, "numerics.degree: found 0", "1"),
    ({"numerics.degree": 2.5}, "numerics.degree: found 2.5", "whole number"),
    ({"numerics.cells": [0]}, "numerics.cells[0]: found 0"),
    ({"numerics.cells": [4, 4]}, "numerics.cells: found 2 entries; needed 1"),
    ({"numerics.cells": 0}, "numerics.cells: found 0; needed a list of numbers of cells, one for"),
    ({"numerics.cells": "many"}, "numerics.cells: found 'many'; needed a list of numbers"),
    ({"t_end": 12}, "t_end: found an unknown key", "Did you mean flow.t_end?"),
    ({"numerics.t_end": 12}, "numerics.t_end: found an unknown key", "Did you mean flow.t_end?"),
    ({"validation.replicates": 9}, "validation.replicates: found", "a key of each [[sampler]]."),
    (
        {"flow.dt": 1},
        "flow.dt: found an unknown key",
        "Did you mean numerics.dt or dt of [[sampler]]?",
    ),
    ({"initial.mean": [1.0, 2.0]}, "initial.mean: found 2 entries; needed 1"),
    ({"numerics.formulation": "spectrl"}, "numerics.formulation: found 'spectrl'", "'spectral'"),
    ({"numerics.time_order": 3}, "numerics.time_order: found 3; needed one of 2, 4"),
    ({"numerics.dt": 0.0}, "numerics.dt: found 0.0; needed a positive number"),
    ({"domain.box": [[1.0, -1.0]]}, "domain.box[0]: found [1, -1]; needed [lo, hi] with lo < hi"),
    ({"domain.box": [[-1.0, 1.0]] * 2}, "domain.box: found 2 entries", "1-dimensional"),
    ({"domain.box": [[-1.0, 1.0, 2.0]]}, "domain.box[0]"),
    ({"domain.boundary": "absorbing"}, "domain.boundary: found 'absorbing'"),
    ({"domain.mesh": "nowhere.msh"}, "domain.mesh: found no file", "nowhere.msh"),
    ({"domain.mesh": "a.msh", "domain.box": [[-1.0, 1.0]]}, "domain: found box and mesh"),
    ({"accuracy.tolerance": 0.0}, "accuracy.tolerance: found 0.0"),
    ({"spectrum.count": 0}, "spectrum.count: found 0"),
    ({"title": 3}, "title: found 3; needed text in quotes"),
    ({"target.kind": "ring"}, "target: found potential and kind; needed exactly one of"),
    ({"target.potential": "8*(x**2"}, "target.potential"),
    ({"target.potential": "__import__('os').system('x')"}, "target.potential"),
    ({"target.potential": "x.__class__"}, "target.potential"),
    ({"target.potential": "3"}, "target.potential", "expression in x"),
    ({"target.dim": 4}, "target.dim: found 4"),
    ({"target.potental": "x**2"}, "target.potental: found an unknown key", "potential?"),
    ({"target.modes": {"left": "x <"}}, "target.modes.left"),
    ({"target.modes": {"left": "y < 0"}}, "target.modes.left"),
    ({"target.modes": {"left": 3}}, "target.modes.left: found 3; needed text in quotes"),
    (
        {"initial.mean": [0.0, 1.0], "initial.covariance": 0.1},
        "initial.mean: found 2 entries; needed 1",
    ),
    ({"initial.meen": [0.0]}, "initial.meen", "mean"),
    ({"initial.kind": "gausian"}, "initial.kind", "gaussian"),
    ({"initial.covariance": [[-1.0]]}, "initial.covariance"),
    ({"initial.mass": 0.0}, "initial.mass: found 0.0; needed a positive number"),
    ({"initial": {}}, "initial: found no kind", "For example"),
    ({"initial": {"log_density": "-y**2"}}, "initial.log_density"),
]


@pytest.mark.parametrize(("overrides", "expected"), [(w[0], w[1:]) for w in WRONG])
def test_a_complaint_names_the_key(minimal, overrides, expected):
    with pytest.raises(InputError) as caught:
        minimal.with_overrides(overrides)
    message = str(caught.value)
    assert message.startswith(expected[0])
    # An expression is shown with a mark below the place; everything else is one line.
    assert message.count("\n") <= 4
    for part in expected[1:]:
        assert part in message


@pytest.mark.parametrize("key", ["target", "initial"])
def test_what_is_missing_is_named_with_an_example(key):
    with pytest.raises(InputError, match=rf"^{key}: found nothing; needed .* For example: \[{key}"):
        Case.model_validate({k: v for k, v in MINIMAL.items() if k != key})


def test_further_wrong_keys_are_named_too(minimal):
    with pytest.raises(InputError, match=r"Also wrong: flow\.t_end, spectrum\.count"):
        minimal.with_overrides({"domain.cell": "x", "flow.t_end": 0.0, "spectrum.count": 0})


def test_matrices_that_are_no_covariances():
    two = {
        "target": {"potential": "x**2 + y**2"},
        "initial": {"mean": [0.0, 0.0], "covariance": [[1.0, 0.5], [0.4, 1.0]]},
    }
    with pytest.raises(InputError, match=r"initial\.covariance.*symmetric"):
        Case.model_validate(two)
    two["initial"]["covariance"] = [[1.0, 2.0], [2.0, 1.0]]
    with pytest.raises(InputError, match=r"initial\.covariance.*definite"):
        Case.model_validate(two)


def test_parameters_of_a_library_target_are_checked():
    case = {"target": {"kind": "double_well", "barier": 8.0}, "initial": MINIMAL["initial"]}
    with pytest.raises(InputError, match=r"target\.barier.*barrier"):
        Case.model_validate(case)
