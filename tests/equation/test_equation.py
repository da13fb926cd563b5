"""An equation knows its parts, its name, and what a case file's words mean."""

import pickle

import pytest

from wfrpde import load_case
from wfrpde.equation import Equation
from wfrpde.fields.protocols import Formula

U = Formula("-x**2", 1)


@pytest.mark.parametrize(
    ("alpha", "beta", "rate", "label"),
    [(1, 1, None, "WFR"), (2, 0, None, "W"), (0, 1, None, "FR"), (1, 0, U, "FK"), (1, 1, U, "FK")],
)
def test_label_and_rates(alpha, beta, rate, label):
    equation = Equation.of(alpha, beta, rate)
    assert equation.label == label
    assert (equation.alpha, equation.beta, equation.rate) == (alpha, beta, rate)
    assert equation.descends == (rate is None)
    assert pickle.loads(pickle.dumps(equation)) == equation


def test_companions_are_the_parts():
    assert list(Equation.of(1, 2).companions()) == ["W", "FR"]
    assert list(Equation.of(1, 2, U).companions()) == ["W"]
    assert Equation.of(1, 0).companions() == Equation.of(0, 1).companions() == {}
    assert Equation.of(0.5, 2).companions()["W"] == Equation.of(0.5, 0)


def test_words_of_a_case_file():
    whole = Equation.of(0.5, 2.0, U)
    assert whole.claimed("W") == Equation.of(0.5, 0.0)
    assert whole.claimed("FR") == Equation.of(0.0, 2.0)
    assert whole.claimed("WFR") == Equation.of(0.5, 2.0)
    assert whole.claimed("feynman-kac") == Equation.of(0.5, 0.0, U)
    other = Formula("x", 1)
    assert whole.claimed("feynman-kac", other) == Equation.of(0.5, 0.0, other)
    assert Equation.of(1.0, 0.0).claimed("feynman-kac") is None
    assert Equation.of(1.0, 0.0).claimed("FR") is None


def test_a_case_and_its_equation():
    case = load_case("tilted-double-well", {"flow.beta": 0.5})
    assert case.equation == Equation.of(1.0, 0.5)
    langevin = case.with_equation(case.equation.without_reaction())
    assert langevin.flow.beta == 0.0
    assert langevin.equation.label == "W"
    assert case.with_equation(case.equation) is case
    weighted = case.with_equation(Equation.of(1.0, 0.0, U))
    assert weighted.flow.reaction == "-x**2"
    assert weighted.equation == Equation.of(1.0, 0.0, U)
