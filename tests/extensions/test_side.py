"""A kind of side that is added from outside: an axis that closes upon itself."""

import numpy as np
import pytest

import wfrpde
from wfrpde.domain.sides import KINDS, Side, Sides
from wfrpde.errors import InputError


class Circular(Side):
    """The two ends are one place."""

    closed = True

    def wrapped(self, x, low, high):
        return low + (x - low) % (high - low)


def on_torus(side):
    case = {
        "target": {"potential": "2.5*cos(2*x) + 0.5*sin(x)"},
        "initial": {"log_density": "1.5*cos(x + 0.4)"},
        "domain": {"box": [[0.0, 2 * np.pi]], "sides": {"x": side}},
        "numerics": {"cells": 40},
    }
    return wfrpde.Case.model_validate(case)


def test_another_kind_of_closed_side(monkeypatch):
    monkeypatch.setitem(KINDS, "circular", Circular())
    one, other = (wfrpde.solve(on_torus(side)) for side in ("circular", "periodic"))
    np.testing.assert_array_equal(one.log_relative, other.log_relative)
    sides = Sides.of({"x": "circular"}, 2)
    box = np.array([[0.0, 2.0], [0.0, 2.0]])
    assert sides.wrapped(np.array([[2.5, 2.5], [-0.5, 1.0]]), box).tolist() == [
        [0.5, 2.5],
        [1.5, 1],
    ]


def test_what_no_scheme_can_do_is_refused(monkeypatch):
    monkeypatch.setitem(KINDS, "sticky", Side())
    with pytest.raises(InputError, match="'sticky', which no scheme can do"):
        wfrpde.solve(on_torus("sticky"))
