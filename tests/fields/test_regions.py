"""Regions: comparisons joined by and, or, not."""

import pickle

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from wfrpde.errors import InputError
from wfrpde.fields import parse_region, region_read_later

POINTS = np.random.default_rng(2).uniform(-2, 2, (500, 2))
X, Y = POINTS.T


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x < 0", X < 0),
        ("x >= 0", X >= 0),
        ("-1 < x <= 1", (X > -1) & (X <= 1)),
        ("x > 0 and not y > 1", (X > 0) & (Y <= 1)),
        ("x > 0 or y > 0 and x < -1", (X > 0) | ((Y > 0) & (X < -1))),
        ("(x > 0) | ~(y > 0) & (x < -1)", (X > 0) | ((Y <= 0) & (X < -1))),
        ("x**2 + y**2 < 1", X**2 + Y**2 < 1),
        ("abs(x) < y < 2 - exp(x)", (np.abs(X) < Y) & (2 - np.exp(X) > Y)),
        ("1 > 0", np.full(500, True)),
    ],
)
def test_membership(text, expected):
    region = parse_region(text, 2, "target.modes.a")
    assert region.text == text
    np.testing.assert_array_equal(region(POINTS), expected)
    assert region(POINTS).dtype == bool
    np.testing.assert_array_equal(region.level(POINTS) > 0, expected)


@pytest.mark.parametrize(
    "text",
    ["x", "x == 1", "x != 0", "x < 0 & y > 0", "x and y", "not x", "x < 'a'", "x is y", "x in y",
     "x < y if x < 0 else y", "x.a < 1", "", "x <", "True", "(x < 1) + (y < 1)", "(x < 1) < 2",
     "z < 1", "not " * 60 + "x < 1"],
)  # fmt: skip
def test_everything_else_is_refused(text):
    with pytest.raises(InputError) as caught:
        parse_region(text, 2, "target.modes.a")
    assert str(caught.value).startswith("target.modes.a: found ")


@pytest.mark.parametrize(
    ("text", "planes", "straight"),
    [
        ("x < 0.3", ((0, 0.3),), True),
        ("-1 < y <= pi/4", ((1, -1.0), (1, np.pi / 4)), True),
        ("not (2 >= x) & (y > -0.5) or x > 2", ((1, -0.5), (0, 2.0)), True),
        ("x < 0 and x + y < 1", ((0, 0.0),), False),
        ("abs(x) < 1", (), False),
        ("x < y", (), False),
        ("1 > 0", (), False),
    ],
)
def test_planes_across_axes_are_known(text, planes, straight):
    for read in (parse_region, region_read_later):
        region = read(text, 2, "target.modes.a")
        assert set(region.planes) == set(planes)
        assert region.straight == straight


def test_a_region_survives_pickling():
    region = pickle.loads(pickle.dumps(parse_region("x < y", 2, "target.modes.a")))
    np.testing.assert_array_equal(region(POINTS), X < Y)


def test_a_region_that_is_read_later_is_the_same():
    text = "x**2 + y < 1 and x > -0.5"
    now, later = (read(text, 2, "target.modes.a") for read in (parse_region, region_read_later))
    assert later == now
    np.testing.assert_array_equal(later(POINTS), now(POINTS))
    np.testing.assert_array_equal(later.level(POINTS), now.level(POINTS))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(later))(POINTS), now(POINTS))


@settings(max_examples=200, deadline=5000, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            ["x", "y", "1", "<", "<=", ">", "==", "and", "or", "not", "(", ")", "&", "|", "~", "+"]
        ),
        max_size=15,
    ).map(" ".join)
)
def test_any_text_parses_or_raises_input_error(text):
    try:
        region = parse_region(text, 2, "target.modes.a")
    except InputError:
        return
    assert region(POINTS).shape == (500,)
