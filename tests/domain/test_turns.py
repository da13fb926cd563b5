"""Places that formulas name: where they are, and how smooth a function is there."""

import numpy as np
import pytest
from sharp_mixtures import sharp_mixtures

from wfrpde.domain.branches import branches_on_line
from wfrpde.domain.turns import turns_at, zeros_on_line
from wfrpde.fields import numpy_function, parse_expression
from wfrpde.fields.switches import switches

LINE = np.linspace(-7.2, 8.1, 2001)


def turns_of(text):
    expression = parse_expression(text, 1, "here")

    def along(function):
        return lambda x: function(x[:, None])

    arguments = tuple(along(argument) for argument in switches(expression, 1))
    places = zeros_on_line(arguments, LINE)
    return turns_at(along(numpy_function(expression, 1)), places, LINE)


@pytest.mark.parametrize(
    ("text", "places", "powers", "branches"),
    [
        ("2*abs(x - 0.3)**2.5 + 0.1*x**2", [0.3], [2.5], [True]),
        ("3*max(0, x - 0.7)**1.5 + x**2/2", [0.7], [1.5], [True]),
        ("sqrt((x - 0.41)**2)**5 + x", [0.41], [5], [False]),
        ("sqrt(abs(x - 0.41))**5", [0.41], [2.5], [True]),
        ("exp(0.1*x)*abs(x - 0.3)**3.2", [0.3], [3.2], [True]),
        ("(x - 0.3)**2*log(abs(x - 0.3))", [0.3], [2], [True]),
        ("abs(abs(x) - 1)**2.5", [-1, 0, 1], [2.5, 1, 2.5], [True, False, True]),
        ("max(0, x - 0.4)**2 - max(0, x - 0.405)**2", [0.4, 0.405], [2, 2], [False, False]),
        ("max(0, 1 - abs(x - 0.3)/0.0005)", [0.2995, 0.3, 0.3005], [1, 1, 1], [False] * 3),
        ("sign(x + 0.00025) - sign(x - 0.00025)", [-0.00025, 0.00025], [0, 0], [False] * 2),
        ("min(x**2, (x - 1)**2 + 0.5, 3)", [-(3**0.5), 0.75, 1 + 2.5**0.5], [1] * 3, [False] * 3),
    ],
)
def test_places_powers_and_branches(text, places, powers, branches):
    found = turns_of(text)
    assert found.places == pytest.approx(places, abs=1e-12)
    assert found.powers == pytest.approx(powers, abs=0.06)
    np.testing.assert_array_equal(found.branches, branches)


@pytest.mark.parametrize(
    "text",
    ["abs(x)**2 + x", "max(x, x - 1)**3", "abs(x - 0.3)**4", "x*abs(sin(x)**2)", "sqrt(1 + x**2)"],
)
def test_arguments_without_consequence(text):
    assert len(turns_of(text).places) == 0


def test_two_zeros_between_two_points_are_found_beside_a_third():
    tent = (lambda x: np.abs(x - 0.3), lambda x: 1 - np.abs(x - 0.3) / 1e-5)
    assert zeros_on_line((lambda x: x - 0.3, *tent[1:]), LINE) == pytest.approx(
        [0.29999, 0.3, 0.30001], abs=1e-12
    )


@pytest.mark.parametrize("power", [0.5, 1.2, 1.5, 2.1, 2.5, 3.5])
def test_branches_of_functions_without_a_text(power):
    for function in (
        lambda x: np.abs(x - 0.3123) ** power + x**2,
        lambda x: 3 * np.maximum(0, x - 0.3123) ** power + x**4 / 10,
        lambda x: (2 + np.sin(3 * x)) * np.abs(x - 0.3123) ** power,
    ):
        assert branches_on_line(function, LINE) == pytest.approx([0.3123], abs=1e-4)


def test_sharp_mixtures_have_no_branches():
    for potential, x in sharp_mixtures():
        assert len(branches_on_line(potential, x)) == 0
