"""NumPy value and gradient of an expression, against mpmath and differences."""

import numpy as np
import pytest
from formulas import evaluated

from wfrpde.errors import InputError
from wfrpde.fields import coordinates, numpy_function, numpy_gradient, parse_expression
from wfrpde.fields.rendering import central_difference

FORMULAS = [
    "8*(x**2 - 1)**2 + 0.5*x*y",
    "sqrt(1 + x**2)*exp(-y) + sin(x*y)*cosh(y) - tanh(x)",
    "abs(x - 0.123*y)**3 + min(x, y)**2 + max(x, 2*y, 0.3)**2",
    "log(exp(-x**2/0.02) + 0.5*exp(-y**2) + 2)",
    "atan2(y + 3, x + 3) + erf(x) + 1/(2 + x)**3 + (3 + y)**-0.5",
    "log(cosh(3*x))*sign(y + 2) + pi/7 + x/3",
    "3.25",
    "y",
    "abs(sqrt((x*y)**2)) + abs(abs(x))",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_gradient_is_the_derivative(text):
    expression = parse_expression(text, 2, "v")
    points = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    numerical = central_difference(numpy_function(expression, 2), points)
    gradient = numpy_gradient(expression, 2)(points)
    assert gradient.shape == (50, 2)
    np.testing.assert_allclose(gradient, numerical, atol=1e-6, rtol=1e-7)


@pytest.mark.parametrize(
    ("text", "dim"),
    [
        *((text, 2) for text in FORMULAS),
        ("3*x**2 - log(exp(-x) + exp(x))", 1),
        ("x*y*z + sqrt(1 + z**2)", 3),
    ],
)
def test_numpy_is_mpmath(text, dim):
    expression = parse_expression(text, dim, "v")
    points = np.random.default_rng(2).uniform(-1.13, 0.97, (30, dim))
    values = numpy_function(expression, dim)(points)
    np.testing.assert_allclose(evaluated(expression, points), values, rtol=1e-13, atol=1e-13)


def test_derivatives_of_a_mixture():
    expression = parse_expression("log(exp(-x**2/0.1) + exp(-(y - x)**2) + 1)", 2, "v")
    points = np.random.default_rng(3).uniform(-1.13, 0.97, (30, 2))
    x, y = coordinates(2)
    for derivative in (expression.diff(x), expression.diff(x, y)):
        direct = numpy_function(derivative, 2)(points)
        values = evaluated(derivative, points)
        np.testing.assert_allclose(values, direct, rtol=1e-12, atol=1e-12)
    slope = numpy_function(expression.diff(x), 2)
    numerical = central_difference(slope, points)[:, 1]
    np.testing.assert_allclose(direct, numerical, atol=1e-7)


def test_a_users_mixture_stays_finite_far_from_its_modes():
    text = "-log(0.3*exp(-((x - 2)**2 + y**2)/0.02) + 0.7*exp(-(x + 2)**2 - y**2)/sqrt(2*pi*0.1))"
    expression = parse_expression(text, 2, "v")
    far = np.array([[1e3, 1e3], [-1e3, 5.0], [0.0, 1e6]])
    value, gradient = numpy_function(expression, 2)(far), numpy_gradient(expression, 2)(far)
    second = (far[:, 0] + 2) ** 2 + far[:, 1] ** 2 - np.log(0.7 / np.sqrt(0.2 * np.pi))
    np.testing.assert_allclose(value, second, rtol=1e-12)  # the wide mode rules everywhere there
    np.testing.assert_allclose(gradient, 2 * (far + np.array([2.0, 0.0])), rtol=1e-9)


@pytest.mark.parametrize(
    "text",
    ["log(2*x**2*exp(-x**2) + exp(-(x - 9)**2))", "log((exp(-x**2) + exp(-(x - 9)**2))**2/3)",
     "log(exp(-x)*(exp(-x**2) + exp(x))*(2 + x**2))", "log(cosh(x) + 1)", "log(x**2*exp(-x**2))"],
)  # fmt: skip
def test_rewritten_logarithms_are_the_logarithm(text):
    points = np.linspace(-3, 3, 12)[:, None]
    plain = eval(text, {"exp": np.exp, "log": np.log, "cosh": np.cosh, "x": points[:, 0]})
    expression = parse_expression(text, 1, "v")
    np.testing.assert_allclose(numpy_function(expression, 1)(points), plain, rtol=1e-12)
    assert np.isfinite(numpy_function(expression, 1)([[1e4]])).all()


def test_gradient_at_a_kink_is_finite():
    expression = parse_expression("((sqrt(x**2 + y**2) - 5)/0.25)**2", 2, "v")
    gradient = numpy_gradient(expression, 2)([[0.0, 0.0], [3.0, 4.0], [0.0, 6.0]])
    np.testing.assert_allclose(gradient, [[0, 0], [0, 0], [0, 32]], atol=1e-10)


def test_constants_fill_every_point():
    assert numpy_function(parse_expression("7", 2, "v"), 2)(np.zeros((4, 2))).tolist() == [7] * 4
    assert not numpy_gradient(parse_expression("7", 2, "v"), 2)(np.zeros((4, 2))).any()


def test_constants_keep_their_digits():
    value = numpy_function(parse_expression("x/3 + 0.1", 1, "v"), 1)([[1.0]])
    assert value[0] == pytest.approx(1 / 3 + 0.1, rel=2e-16)


def test_points_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(n, 2\) needed"):
        numpy_function(parse_expression("x", 2, "v"), 2)(np.zeros(3))


def test_undefined_values_come_back_as_they_are():
    value = numpy_function(parse_expression("log(x) + 1/y", 2, "v"), 2)
    result = value([[-1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert np.isnan(result[0])
    assert result[1] == -np.inf
    assert result[2] == np.inf


def test_overflowing_power_is_an_input_error():
    with pytest.raises(InputError, match="floating-point"):
        parse_expression("(1e300*x)**100", 1, "v")
