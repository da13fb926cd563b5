"""A function for expressions that is added from outside: one line among the functions."""

import math

import numpy as np
import pytest
import sympy

from wfrpde.errors import InputError
from wfrpde.fields import LogSumExp, numpy_function, numpy_gradient, parse_expression
from wfrpde.fields.parser import FUNCTIONS


@pytest.fixture(autouse=True)
def softplus(monkeypatch):
    def build(argument):
        return LogSumExp(sympy.S.Zero, argument)

    monkeypatch.setitem(FUNCTIONS, "softplus", (1, 1, lambda a: math.log1p(math.exp(a)), build))


def test_a_new_function_has_values_and_a_gradient():
    x = np.array([[-800.0], [0.3], [800.0]])
    formula = parse_expression("2*softplus(3*x) + softplus(0)", 1, "target.potential")
    value = 2 * np.logaddexp(0, 3 * x[:, 0]) + np.log(2)
    np.testing.assert_allclose(numpy_function(formula, 1)(x), value, rtol=1e-14)
    with np.errstate(over="ignore"):
        slope = 6 / (1 + np.exp(-3 * x))
    np.testing.assert_allclose(numpy_gradient(formula, 1)(x), slope, rtol=1e-14)


def test_its_arguments_are_counted():
    with pytest.raises(InputError, match=r"2 argument\(s\) of softplus"):
        parse_expression("softplus(x, 1)", 1, "target.potential")
