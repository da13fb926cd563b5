"""A target that is added from outside: its class, and its line in the library."""

from typing import ClassVar

import numpy as np
import pytest
from pydantic import Field

import wfrpde
from wfrpde.errors import InputError
from wfrpde.fields import coordinates
from wfrpde.fields.numbers import number
from wfrpde.fields.parameters import Positive
from wfrpde.targets import LIBRARY, Target, TargetParameters, symbolic_target


class Quartic(TargetParameters):
    """V = h x⁴, with the ``height`` h."""

    kind: ClassVar[str] = "quartic"
    height: Positive = Field(default=1.0, description="a positive number: V at x = 1")

    def build(self) -> Target:
        (x,) = coordinates(1)
        return symbolic_target(
            number(self.height) * x**4,
            1,
            name=self.kind,
            seeds=[[0.0]],
            regions={"right": "x > 0"},
        )


@pytest.fixture(autouse=True)
def quartic(monkeypatch):
    monkeypatch.setitem(LIBRARY, Quartic.kind, Quartic)


def case(target):
    start = {"mean": [-0.5], "covariance": [[0.04]]}
    numerics = {"formulation": "edge-averaged", "cells": 80, "certify": False}
    return wfrpde.Case.model_validate({"target": target, "initial": start, "numerics": numerics})


def test_a_new_target_is_one_like_any_other():
    new = wfrpde.solve(case({"kind": "quartic", "height": 3.0}))
    same = wfrpde.solve(case({"potential": "3*x**4", "modes": {"right": "x > 0"}}))
    np.testing.assert_allclose(new.series["kl"], same.series["kl"], rtol=1e-9)
    np.testing.assert_allclose(new.mode_mass["right"], same.mode_mass["right"], rtol=1e-9)


def test_its_parameters_are_checked():
    with pytest.raises(
        InputError, match=r"target\.height: found -1.0; needed a positive number: V"
    ):
        case({"kind": "quartic", "height": -1.0})
    with pytest.raises(InputError, match=r"target\.kind: .*quartic.*Did you mean quartic\?"):
        case({"kind": "quartik"})


def test_a_case_names_its_class_as_python_too():
    own = wfrpde.solve(case({"python": f"{__name__}:Quartic", "height": 3.0}))
    known = wfrpde.solve(case({"kind": "quartic", "height": 3.0}))
    np.testing.assert_array_equal(own.series["kl"], known.series["kl"])
    with pytest.raises(InputError, match=r"target.height: found -1"):
        case({"python": f"{__name__}:Quartic", "height": -1.0})
    with pytest.raises(InputError, match="one of your own is python = 'module:object'"):
        case({"kind": "sextic"})
