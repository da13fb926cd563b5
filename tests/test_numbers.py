"""Numbers are rounded where their error says so, and never beyond."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfrpde.numbers import (
    MISSING,
    column,
    duration,
    number,
    pretty,
    shortened,
    with_error,
)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.23402e-5, 2.1e-9, "1.2340e-05 ± 2e-09"),
        (0.31000024, 1e-6, "0.310000 ± 1e-06"),
        (1234.5678, 0.04, "1234.57 ± 0.04"),
        (-0.5, 0.031, "-0.50 ± 0.03"),
        (0.9996, 0.00096, "1.000 ± 0.001"),
        (2003.4, 12.0, "2000 ± 10"),
        (2e-15, 3e-15, "2e-15 ± 3e-15"),
        (1e-17, 3e-15, "1e-17 ± 3e-15"),
        (0.0, 1e-16, "0 ± 1e-16"),
        (0.0, 0.0, "0 ± 0"),
        (1.0, 1e-300, "1.00000000 ± 1e-300"),
        (0.25, None, "0.2500"),
        (0.25, math.nan, "0.2500"),
        (0.25, math.inf, "0.2500 ± inf"),
        (None, 1.0, MISSING),
        (math.nan, 1.0, MISSING),
        (math.inf, 1.0, "inf"),
    ],
)
def test_value_with_error(value, error, text):
    shown = with_error(value, error)
    assert shown == text


@given(
    st.floats(-1e200, 1e200, allow_subnormal=False),
    st.floats(1e-200, 1e200, allow_subnormal=False),
)
def test_rounding_stays_within_the_error(value, error):
    shown, _, shown_error = with_error(value, error, max_digits=17).partition(" ± ")
    # The error is rounded to one digit, the value to the place of that digit.
    assert float(shown_error) == pytest.approx(error, rel=0.5)
    assert abs(float(shown) - value) <= 0.5 * float(shown_error) * (1 + 1e-9) + 1e-15 * abs(value)


def test_fixed_digits():
    assert number(0.99999, 3) == "1.00"
    assert number(0.5, 4, trim=True) == "0.5"
    assert number(2.0, 4, trim=True) == "2"
    assert number(100.0, 3, trim=True) == "100"
    assert number(1e-12, 3, trim=True) == "1e-12"
    assert number(-math.inf) == "-inf"


def test_pretty():
    assert pretty("1.2340e-05 ± 2e-09") == "1.2340×10⁻⁵ ± 2×10⁻⁹"
    assert pretty("-3.0e+12") == "−3.0×10¹²"
    assert pretty("1e-07") == "10⁻⁷"
    assert pretty("-0.5") == "−0.5"
    assert pretty("0.31 ± 0.02") == "0.31 ± 0.02"
    assert pretty(MISSING) == MISSING
    assert (
        pretty("off by -2e-7, at most 1e+3; (-0.1, 3)") == "off by −2×10⁻⁷, at most 10³; (−0.1, 3)"
    )
    assert pretty("--at 1e3f, dt^-2, ula-1, 3-D, -inf") == "--at 1e3f, dt^-2, ula-1, 3-D, −inf"


def test_duration():
    assert duration(0.4213) == "0.42 s"
    assert duration(185) == "3 min 5 s"
    assert duration(7800) == "2 h 10 min"
    assert duration(math.nan) == MISSING


@pytest.mark.parametrize(
    ("values", "errors", "texts"),
    [
        ([0.0, 2.02e-4, 0.0068], None, ["0", "2.02e-04", "6.80e-03"]),
        ([0.324, 0.0764, 0.0], None, ["0.3240", "0.0764", "0"]),
        ([50.0, 0.0123], None, ["50.0000", "0.0123"]),
        ([500.0, 0.0123], None, ["5.00e+02", "1.23e-02"]),
        ([0.5, math.nan], None, ["0.500", MISSING]),
        ([0.5, 1e-9], [0.01, 1e-12], ["5.0e-01 ± 1e-02", "1.000e-09 ± 1e-12"]),
        ([0.5, 0.25], [0.01, 1e-6], ["0.50 ± 1e-02", "0.250000 ± 1e-06"]),
        ([0.5, 1e-9], [math.nan, math.nan], ["5.000e-01", "1.000e-09"]),
        ([], [], []),
    ],
)
def test_a_column_has_one_notation(values, errors, texts):
    assert column(values, errors, 3 if errors is None else 9) == texts


def test_long_descriptions_are_cut():
    assert shortened("short") == "short"
    assert shortened("9" * 1000) == "9" * 199 + "…"
