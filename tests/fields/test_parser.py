"""The whitelist: arithmetic gets through as it is meant, everything else is an `InputError`."""

import math
import time

import hypothesis.strategies as st
import numpy as np
import pytest
import sympy
from hypothesis import given, settings

from wfrpde.errors import InputError
from wfrpde.fields import numpy_function, parse_expression
from wfrpde.fields.parser import FUNCTIONS

WHERE = "target.potential"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8*(x**2 - 1)**2 + 0.5*x", lambda x, y: 8 * (x**2 - 1) ** 2 + 0.5 * x),
        ("-x**2 - -y", lambda x, y: -(x**2) + y),
        ("x/y/2*3", lambda x, y: x / y / 2 * 3),
        ("x - y - 1 + 2", lambda x, y: x - y - 1 + 2),
        ("2**-1 * x", lambda x, y: x / 2),
        ("2**3**2 + 0*x", lambda x, y: 512 + 0 * x),
        ("e**pi + exp(-x)", lambda x, y: math.e**math.pi + np.exp(-x)),
        ("atan2(y, x) + sqrt(x**2 + y**2)", lambda x, y: np.arctan2(y, x) + np.hypot(x, y)),
        ("abs(x - y) * sign(y)", lambda x, y: np.abs(x - y) * np.sign(y)),
        ("min(x, y, 0.1) + max(x, y)", lambda x, y: np.minimum(np.minimum(x, y), 0.1)
         + np.maximum(x, y)),
        ("tanh(x) + cosh(y)*sinh(x)", lambda x, y: np.tanh(x) + np.cosh(y) * np.sinh(x)),
        ("sin(x)*cos(y) + tan(x) + 1/tan(x)", lambda x, y: np.sin(x) * np.cos(y) + np.tan(x)
         + 1 / np.tan(x)),
        ("log(1 + x**2)", lambda x, y: np.log1p(x**2)),
        ("erf(x)", lambda x, y: np.vectorize(math.erf)(x)),
        ("1_000*x + 1e-3", lambda x, y: 1000 * x + 1e-3),
        ("x +\n  y", lambda x, y: x + y),
        ("x**0.5**2", lambda x, y: x**0.25),
    ],
)  # fmt: skip
def test_arithmetic_means_what_it_says(text, expected):
    points = np.random.default_rng(0).uniform(0.2, 2.0, (20, 2))
    value = numpy_function(parse_expression(text, 2, WHERE), 2)(points)
    np.testing.assert_allclose(value, expected(*points.T), rtol=1e-13)


def test_a_long_sum_is_not_deep():
    text = " + ".join(f"{k}*x" for k in range(1, 301))
    assert parse_expression(text, 1, WHERE) == 45150 * sympy.Symbol("x", real=True)


MALICIOUS = [
    "__import__('os').system('x')", "x.__class__", "x.__class__.__mro__[1]", "().__class__",
    "lambda: 0", "[c for c in (1,)]", "(x := 2)", "f'{x}'", "'x'", "x if x else 1", "x[0]",
    "exec('1')", "eval(x)", "open('a')", "x(2)", "exp.__call__(x)", "exp(*x)", "exp(x=1)",
    "await x", "yield", "x; y", "import os", "x = 1", "x, x", "{x}", "x @ x", "x // 2", "x % 2",
    "x << 2", "~x", "not x", "x < 1", "x and x", "None", "True", "...", "b'1'", "1j",
    "9**9**9**9", "9**(9**(x - x + 9))", "((((3*x)**100)**100)**100)", "exp(1e15*log(3*x))",
    "x**1e9", "1e999", "1/0", "0*x/0", "log(0)", "log(x - x)", "sqrt(-1)", "(-x**2)**0.5",
    "exp(1000)", "(-5/0.3**x)**pi",
    "0**x", "1e-300*1e-300/x", "tan()", "max(x)", "sin",
    "", "   ", "2x", "x^2", "((((", "\x00", "é", "ＸＸ",
    "(" * 300 + "x", "-" * 3000 + "x", "+".join(["x"] * 6000), "x" * 20_000, "9" * 5000,
    "**".join(["x"] * 500), "exp(" * 90 + "x" + ")" * 90, "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", MALICIOUS, ids=range(len(MALICIOUS)))
def test_everything_else_is_refused_quickly(text):
    start = time.perf_counter()
    with pytest.raises(InputError) as caught:
        parse_expression(text, 1, WHERE)
    assert time.perf_counter() - start < 2.0
    assert str(caught.value).startswith(f"{WHERE}: found ")
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("value", [None, 3, 1.5, ["x"]])
def test_text_is_needed(value):
    with pytest.raises(InputError, match="in quotes"):
        parse_expression(value, 1, WHERE)


def test_a_caret_marks_the_place():
    with pytest.raises(InputError) as caught:
        parse_expression("x**2 + foo(x)", 1, WHERE)
    lines = str(caught.value).splitlines()
    assert lines[-2].strip() == "x**2 + foo(x)"
    assert lines[-2][lines[-1].index("^")] == "f"
    assert "unknown name 'foo'" in lines[0]


@pytest.mark.parametrize(
    ("text", "hint"),
    [("ln(x)", "Did you mean log?"), ("sine(x)", "Did you mean sin?"), ("X", "Did you mean x?"),
     ("x^2", "** for powers"), ("x(1)", "Is a * missing after x?"), ("y + 1", "only x in 1")],
)  # fmt: skip
def test_the_message_says_what_to_write(text, hint):
    with pytest.raises(InputError) as caught:
        parse_expression(text, 1, WHERE)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("2x**2", 1, "write 2*x"),
        ("x + 3.5exp(x)", 7, "write 3.5*exp"),
        ("1e5x", 3, "write 1e5*x"),
        ("2 x", 2, "write 2*x"),
        ("1 + sin x", 8, "needed its argument in brackets: write sin(x)"),
        ("pi x", 3, "write pi*x"),
        ("width x", 6, "write width*x"),
        ("sin(x) cos(x)", 7, "write *"),
        ("x <", 3, "the end where something has to follow"),
        ("x**2 +", 6, "the end where something has to follow"),
        ("x + * 2", 4, "a syntax error"),
        ("x if", 4, "the end"),
    ],
)
def test_a_syntax_error_is_marked_where_it_is(text, column, words):
    with pytest.raises(InputError) as caught:
        parse_expression(text, 1, WHERE)
    message = str(caught.value)
    assert words in message
    assert message.splitlines()[-1] == " " * (4 + column) + "^"


_TOKENS = st.sampled_from(
    ["x", "y", "z", "pi", "e", "1", "0", "-1", "0.5", "1e300", "9", "+", "-", "*", "/", "**", "(",
     ")", ",", " ", "(x)", ".", "<", "and", "if", *(f"{name}(" for name in FUNCTIONS)]
)  # fmt: skip
_ATOMS = st.sampled_from(["x", "y", "z", "pi", "2", "0", "0.3", "-7", "1e200", "100"])
_FORMULAS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(
            lambda t: f"({t[0]}{t[1]}{t[2]})"
        ),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(st.sampled_from(["min", "max", "atan2"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]},{t[2]})"
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=5000, derandomize=True)
@given(st.one_of(st.text(max_size=60), st.lists(_TOKENS, max_size=30).map("".join)))
def test_any_text_parses_or_raises_input_error(text):
    _parses_or_refuses(text)


@settings(max_examples=300, deadline=5000, derandomize=True)
@given(_FORMULAS)
def test_any_formula_renders_or_raises_input_error(text):
    _parses_or_refuses(text)


def _parses_or_refuses(text):
    try:
        expression = parse_expression(text, 3, WHERE)
    except InputError:
        return
    value = numpy_function(expression, 3)([[0.3, -0.2, 0.7]])
    assert value.shape == (1,)
