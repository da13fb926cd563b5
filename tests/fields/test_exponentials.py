"""Exponentials far below zero: exact where they are numbers, and none where they count for none."""

import numpy as np
import pytest

from wfrpde.fields import numpy_function
from wfrpde.fields.exponentials import LEAST, exp_above, exp_or_zero
from wfrpde.fields.functions import LogSumExp
from wfrpde.fields.parser import coordinates
from wfrpde.fields.rendering import IN_CACHE


def test_what_is_too_small_is_exactly_zero():
    x = np.array([0.0, -1.0, LEAST, np.nextafter(LEAST, -800.0), -745.0, -1e5, -np.inf])
    found = exp_or_zero(x)
    np.testing.assert_allclose(found[:3], [1.0, 0.36787944117144233, 9.8596765e-305], rtol=1e-7)
    assert (found[3:] == 0.0).all()
    assert x[-1] == -np.inf, "what is given stays"


def test_what_is_too_large_is_the_largest_number_and_nan_stays():
    assert exp_or_zero(np.array([1e4]))[0] == pytest.approx(np.exp(709.0), rel=1e-12)
    assert np.isnan(exp_or_zero(np.array([np.nan]))[0])
    assert np.isnan(exp_above(np.array([np.nan]))[0])


def test_above_a_least_number():
    assert exp_above(-1e9) == np.exp(LEAST)
    assert exp_above(2.0) == np.exp(2.0)


def test_a_sum_of_nothing_is_nothing():
    """log Σ e^a of −∞ alone is −∞, also where the terms' exponentials end above zero."""
    (x,) = coordinates(1)
    sums = numpy_function(LogSumExp(x, 2 * x), 1)
    value = sums(np.array([[-np.inf], [np.inf], [-2000.0], [0.0]]))
    np.testing.assert_allclose(value, [-np.inf, np.inf, -2000.0, np.log(2.0)], rtol=1e-15)


def test_formulas_are_the_same_of_many_points():
    """Points are worked through some after the other: no one is left out or taken twice."""
    (x,) = coordinates(1)
    points = np.arange(2.0 * IN_CACHE + 3)[:, None]
    np.testing.assert_array_equal(numpy_function(x**2 + 1, 1)(points), points[:, 0] ** 2 + 1)
    np.testing.assert_array_equal(numpy_function(x * 0 + 3, 1)(points), np.full(len(points), 3.0))
