"""Targets that are Python code of the user."""

import sys
import textwrap

import numpy as np
import pytest

from wfrpde.errors import InputError
from wfrpde.targets import make_target

CODE = """
import numpy as np
from wfrpde.targets import make_target

class Well:
    dim = 2
    description = "a bowl"
    regions = {"left": "x < 0"}
    def __init__(self, depth=1.0):
        self.depth = depth
    def potential(self, x):
        return self.depth * ((x - 1) ** 2).sum(axis=1)

class WithGradient(Well):
    def gradient(self, x):
        return 2 * self.depth * (x - 1)

well = Well(2.0)
ring = make_target(kind="ring")

class NoDim:
    def potential(self, x):
        return (x ** 2).sum(axis=1)
no_dim = NoDim()

class Scalar:
    dim = 1
    def potential(self, x):
        return 0.0
scalar = Scalar()

class Failing:
    dim = 1
    def potential(self, x):
        raise RuntimeError("boom")
failing = Failing()

def family(depth):
    return Well(depth)

class Sides:
    def __init__(self, dim=1, depth=1.0):
        self.own, self.depth = dim, depth
    def potential(self, x):
        assert x.shape[1] == self.own
        return self.depth * (x ** 2).sum(axis=1)
number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "my_targets.py").write_text(textwrap.dedent(CODE))
    (tmp_path / "broken_targets.py").write_text("1/0")
    monkeypatch.chdir(tmp_path)  # found in the working folder, as from a console script
    yield
    sys.modules.pop("my_targets", None)


def test_potential_alone_is_enough():
    target = make_target(python="my_targets:well")
    assert target.dim == 2
    assert target.description == "a bowl"
    np.testing.assert_allclose(target.potential([[0.0, 0.0]]), [4.0])
    np.testing.assert_allclose(target.gradient([[0.0, 3.0]]), [[-4.0, 8.0]], rtol=1e-8)
    np.testing.assert_allclose(target.seeds, [[1.0, 1.0]], atol=1e-5)
    assert list(target.regions) == ["left"]


def test_classes_and_functions_take_the_parameters():
    for name in ("Well", "family", "WithGradient"):
        target = make_target(python=f"my_targets:{name}", parameters={"depth": 3.0})
        np.testing.assert_allclose(target.potential([[0.0, 0.0]]), [6.0])


def test_the_dimension_of_the_case_reaches_a_parameter_of_that_name():
    """Its own default would be asked at points in the plane, or solve another problem silently."""
    target = make_target(python="my_targets:Sides", dim=2, parameters={"depth": 3.0})
    assert target.dim == 2
    np.testing.assert_allclose(target.potential([[1.0, 2.0]]), [15.0])


def test_a_ready_target_is_taken_as_it_is():
    target = make_target(python="my_targets:ring", modes={"up": "y > 0"})
    assert target.name == "ring"
    assert list(target.regions) == ["up"]


def test_dimension_can_come_from_the_case():
    assert make_target(python="my_targets:no_dim", dim=3).dim == 3


@pytest.mark.parametrize(
    ("keywords", "parts"),
    [
        ({"python": "my_targets"}, ["target.python", "'module:object'"]),
        ({"python": "nowhere:well"}, ["nowhere, which cannot be imported", "PYTHONPATH"]),
        ({"python": "nowhere.py:well"}, ["Write nowhere:well, without .py"]),
        ({"python": "broken_targets:well"}, ["cannot be imported: ZeroDivisionError"]),
        ({"python": "my_targets:wall"}, ["no wall in my_targets", "well"]),
        ({"python": "my_targets:number"}, ["a int without potential", "potential(x (n, d))"]),
        ({"python": "my_targets:no_dim"}, ["target.dim: found nothing"]),
        ({"python": "my_targets:well", "dim": 1}, ["target.dim: found 1;", "2"]),
        ({"python": "my_targets:ring", "dim": 3}, ["target.dim: found 3;", "2"]),
        ({"python": "my_targets:scalar"}, ["returns the shape ()", "(2,)"]),
        ({"python": "my_targets:failing"}, ["failed at", "RuntimeError: boom"]),
        ({"python": "my_targets:family"}, ["failed when it was made: TypeError"]),
        ({"python": "my_targets:well", "parameters": {"depth": 1}}, ["target.depth: found an un"]),
    ],
)
def test_errors_say_what_is_wrong(keywords, parts):
    with pytest.raises(InputError) as caught:
        make_target(**keywords)
    for part in parts:
        assert part in str(caught.value)
