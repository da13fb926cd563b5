"""What ``[target]`` accepts, and what its errors say."""

import numpy as np
import pytest

from wfrpde.errors import InputError
from wfrpde.targets import LIBRARY, make_target, validate_parameters
from wfrpde.targets.gaussian import GaussianTarget


def refused(call, *arguments, **keywords):
    with pytest.raises(InputError) as caught:
        call(*arguments, **keywords)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_unknown_kind_lists_the_kinds_and_guesses():
    message = refused(validate_parameters, "dobule_well", {})
    assert message.startswith("target.kind: found 'dobule_well'")
    assert all(kind in message for kind in LIBRARY)
    assert "Did you mean double_well?" in message
    assert refused(make_target, kind="dobule_well") == message


@pytest.mark.parametrize(
    ("kind", "parameters", "parts"),
    [
        ("double_well", {"barier": 8}, ["target.barier: found an unknown key", "barrier?"]),
        ("double_well", {"barrier": -8}, ["target.barrier: found -8;", "positive"]),
        ("double_well", {"barrier": "8"}, ["target.barrier: found '8';", "positive"]),
        ("double_well", {"tilt": float("nan")}, ["target.tilt: found nan;", "a number"]),
        ("double_well", {"tilt": True}, ["target.tilt: found True;", "a number"]),
        ("double_well", {"dim": 4}, ["target.dim: found 4;", "1, 2 or 3"]),
        ("ring", {"width": 0}, ["target.width: found 0;", "positive"]),
        ("gaussian_mixture", {"means": [[0, 0, 0, 0]], "covariances": [1]},
         ["target.means[0]: found 4 numbers", "1, 2 or 3"]),
        ("gaussian", {"mean": [0, "a"]}, ["target.mean: found", "numbers"]),
        ("gaussian", {"mean": [0, 0], "covariance": [[1, 0.4], [0.3, 1]]},
         ["target.covariance", "[0][1] = 0.4 but [1][0] = 0.3", "symmetric"]),
        ("gaussian", {"mean": [0, 0], "covariance": [[1, 2], [2, 1]]},
         ["target.covariance", "smallest eigenvalue -1", "positive definite"]),
        ("gaussian", {"mean": [0, 0], "covariance": [[1, 1], [1, 1]]},
         ["target.covariance", "smallest eigenvalue", "positive definite"]),
        ("gaussian", {"mean": [0, 0], "covariance": [[1, 0], [0]]},
         ["target.covariance: found rows of unequal length", "2×2"]),
        ("gaussian", {"mean": 0, "covariance": [[1, 0], [0, 1]]},
         ["target.covariance: found a 2×2 array", "1×1"]),
        ("gaussian", {"mean": 0, "covariance": 0}, ["target.covariance", "positive definite"]),
        ("gaussian_mixture", {"covariances": [1]}, ["target.means: found nothing"]),
        ("gaussian_mixture", {"means": [], "covariances": []}, ["target.means: found an empty"]),
        ("gaussian_mixture", {"means": [0, 1], "covariances": [1]},
         ["target.covariances: found 1 covariances", "2"]),
        ("gaussian_mixture", {"means": [[0, 0], 1], "covariances": [1, 1]},
         ["target.means[1]: found 1 numbers", "2, like means[0]"]),
        ("gaussian_mixture", {"means": [0, 1], "covariances": [1, -1]},
         ["target.covariances[1]", "eigenvalue -1"]),
        ("gaussian_mixture", {"means": [0, 1], "covariances": [1, 1], "weights": [1, -1]},
         ["target.weights: found the weight -1", "positive"]),
        ("gaussian_mixture", {"means": [0, 1], "covariances": [1, 1], "weights": [1]},
         ["target.weights: found 1 weights", "2"]),
        ("four_modes", {"means": [[0, 0], [1, 1]]}, ["target.means: found 2 means in 2"]),
    ],
)  # fmt: skip
def test_wrong_parameters_name_the_key(kind, parameters, parts):
    if kind == "four_modes":
        parameters = {**parameters, "weights": [1, 1], "covariances": [1, 1]}
    message = refused(validate_parameters, kind, parameters)
    for part in parts:
        assert part in message
    assert "\n" not in message


def test_a_model_made_in_python_is_checked_as_well():
    message = refused(GaussianTarget, mean=[0, 0], covariance=[[1, 2], [2, 1]])
    assert message.startswith("covariance: found")
    assert GaussianTarget(mean=np.zeros(2), covariance=np.eye(2)).build().dim == 2


@pytest.mark.parametrize(
    ("keywords", "parts"),
    [
        ({}, ["target: found none of them", "exactly one of potential, kind, python"]),
        ({"kind": "ring", "potential": "x**2"}, ["target: found potential and kind"]),
        (
            {"kind": "gaussian", "parameters": {"mean": [1.0]}, "dim": 2},
            ["target.dim: found 2;", "1, the dimension"],
        ),
        ({"kind": "ring", "dim": 1}, ["target.dim: found 1;", "2 or 3"]),
        ({"potential": "x**2", "dim": 4}, ["target.dim: found 4;"]),
        ({"potential": "x**2 + y**2", "dim": 1}, ["target.potential: found the coordinate y"]),
        ({"potential": "x**2", "parameters": {"barrier": 1}}, ["target.barrier: found an unknown"]),
        ({"potential": "x**2", "modes": {"up": "y > 0"}}, ["target.modes.up: found the coord"]),
        ({"potential": "x**2", "modes": {"up": "x"}}, ["target.modes.up:", "comparison"]),
        ({"potential": "x"}, ["target.potential: found a potential that falls without bound"]),
        ({"potential": "x**2/2 + 1/x"}, ["falls without bound", "Or give [domain] box"]),
        ({"potential": "x**2/2 + tan(x)"}, ["falls without bound", "at x = (1.571)"]),
        (
            {"potential": "x**2/2 + 1/x", "box": [[-3.0, 3.0]]},
            ["falls without bound", "End [domain] box before that place"],
        ),
        ({"potential": "x**2 - y**4"}, ["target.potential: found a potential that falls"]),
        ({"potential": "log(x**2)"}, ["target.potential: found −∞ at [0.0]"]),
        ({"potential": "sqrt(-1 - x**2)"}, ["target.potential: found no finite value"]),
        ({"potential": "x**2", "box": [[1, 0]]}, ["domain.box: found [[1.0, 0.0]]"]),
    ],
)
def test_wrong_targets_name_the_key(keywords, parts):
    message = refused(make_target, **keywords)
    for part in parts:
        assert part in message


def test_dimension_follows_from_the_coordinates():
    assert make_target(potential="x**2").dim == 1
    assert make_target(potential="x**2 + y**2").dim == 2
    assert make_target(potential="x**2 + y**2 + z**2").dim == 3
    assert make_target(potential="x**2 + 0*y", dim=2).dim == 2
    assert make_target(kind="double_well", dim=3).dim == 3
    assert make_target(kind="ring", dim=3).dim == 3


def test_the_cases_modes_replace_the_natural_ones():
    target = make_target(kind="double_well", modes={"far": "x > 1", "rest": "x <= 1"})
    assert list(target.regions) == ["far", "rest"]
    assert target.regions["far"]([[2.0], [0.0]]).tolist() == [True, False]
    assert list(make_target(kind="double_well").regions) == ["left", "right"]
    assert not make_target(potential="x**2").regions


def test_a_box_makes_an_unconfined_potential_usable():
    assert make_target(potential="x", box=[[0, 10]]).seeds.tolist() == [[0.0]]
    wells = make_target(potential="-cos(x)", box=[[-8, 8]]).seeds
    np.testing.assert_allclose(np.sort(wells.ravel()), [-2 * np.pi, 0, 2 * np.pi], atol=1e-5)


def test_targets_are_frozen():
    target = make_target(kind="ring")
    with pytest.raises(AttributeError):
        target.dim = 3
    with pytest.raises(TypeError):
        target.regions["new"] = None


@pytest.mark.parametrize("potential", ["x**2/2 + 1/x", "1e6*abs(x - 0.3)", "1e8*(x**2 - 1)**2"])
def test_steep_is_not_without_bound(potential):
    """Beside a wall, at a kink and at the ends of long slopes minima are found."""
    target = make_target(potential=potential, box=[[0.0, 3.0]])
    minimum = 0.3 if "abs" in potential else 1.0
    assert target.seeds == pytest.approx(np.array([[minimum]]), abs=1e-4)
