"""Axes that nobody has asked for: taken in a plane where they save half of the cells."""

import re

import numpy as np
import pytest
from scipy.special import ndtr

import wfrpde
from wfrpde import Case
from wfrpde.case.setup import make_problem
from wfrpde.report.terminal import run_summary

ANGLE = 0.7
A = np.array([[np.cos(ANGLE), np.sin(ANGLE)], [-np.sin(ANGLE), np.cos(ANGLE)]])
X, Y = (f"({a!r}*x + {b!r}*y)" for a, b in A.tolist())

BARRIER = "5*(X**2 - 1)**2 + Y**2/4"
"""Narrow across the barrier."""

VALLEY = "2*(X**2 - 1)**2 + 200*Y**2"
"""Narrow along it."""


def oblique(text):
    return text.replace("X", X).replace("Y", Y)


def spread(matrix):
    """A covariance along the axes, as it is in x and y."""
    turned = A.T @ np.array(matrix) @ A
    return ((turned + turned.T) / 2).tolist()


def case_of(potential, mean=(0.9, 0.1), covariance=((0.05, 0.0), (0.0, 0.05)), **changes):
    data = {
        "target": {"potential": oblique(potential)},
        "initial": {"mean": (A.T @ mean).tolist(), "covariance": spread(covariance)},
        "flow": {"save": [0.05, 0.3]},
        "accuracy": {"tolerance": 1e-3},
    }
    return Case.from_dict(data).with_overrides(changes)


def mixture(first, second):
    """Two modes 3 apart along (cos .7, sin .7), six times as long as wide."""
    u = 1.5 * A[0]
    return {
        "kind": "gaussian_mixture", "weights": [0.4, 0.6], "means": [(-u).tolist(), u.tolist()],
        "covariances": [_mode(first), _mode(second)],
    }  # fmt: skip


def _mode(angle):
    way = np.array([np.cos(angle), np.sin(angle)])
    return (0.5 / 36 * np.eye(2) + (0.5 - 0.5 / 36) * np.outer(way, way)).tolist()


@pytest.mark.parametrize(
    ("potential", "variances"),
    [
        (BARRIER, (0.05, 0.3)),
        (VALLEY, (0.05, 0.005)),
        ("X**4 + 50*Y**2", (0.1, 0.01)),
        ("X**2/2 + 40*Y**4 + 9*Y**2", (0.5, 0.05)),
    ],
)
def test_wells_along_oblique_axes_are_solved_along_them(potential, variances):
    problem = make_problem(case_of(potential, covariance=np.diag(variances)), turned=True)
    np.testing.assert_allclose(problem.facts["axes"], A, rtol=0, atol=1e-10)
    assert problem.facts["fewer_cells"] >= 2.0


@pytest.mark.parametrize(
    "potential",
    [
        "10*(X**2 + Y**2 - 1)**2 + 0.5*X",  # round
        "X**2/2 + 10*(Y - X**2)**2",  # a valley that bends
        "X**2/2 + 15*(Y - 0.1*X**2)**2",
        "3*(X**2 - 1)**2 + 6*(Y**2 - 1)**2 + 0.3*X*Y",  # wells as wide as they are long
        "3*(X**2 - 1)**2 + 32*(1 + X**2)*Y**2",  # one that is wider here than there
        "4*abs(X) + Y**2/8",  # kinks
        "5*(x**2 - 1)**2 + y**2/4",  # along x and y
        "5*(x**2 - 1)**2 + 3*(y - 0.3*x)**2",  # nearly so
    ],
)
def test_others_are_solved_along_x_and_y(potential):
    problem = make_problem(case_of(potential), turned=True)
    assert problem.frame is None
    assert "axes" not in problem.facts


@pytest.mark.parametrize(
    "angles", [(ANGLE + np.pi / 4, ANGLE - np.pi / 4), (0.6, 1.1)], ids=["crossed", "askew"]
)
def test_modes_that_agree_on_no_axes_have_none(angles):
    case = case_of(BARRIER)
    data = case.model_dump(include={"initial", "flow", "accuracy"}) | {"target": mixture(*angles)}
    assert make_problem(Case.from_dict(data), turned=True).frame is None


@pytest.mark.parametrize(
    "changes",
    [
        {"domain.axes": "coordinate"},
        {"accuracy.tolerance": None},
        {"domain.box": [[-5, 5], [-5, 5]]},
        {"numerics.cells": [40, 40]},
        {"numerics.degree": 4},
        {"numerics.formulation": "edge-averaged"},
        {"flow.alpha": 0.0},
        {"flow.reaction": "x"},
        {"flow.weights": True},
        {"flow.conserve_mass": False},
        {"flow.splitting": "strang", "numerics.dt": 0.05},
        {"dynamics.diffusion": [1.0, 2.0]},
        {"path.kind": "anneal", "path.schedule": "1 + t"},
        {"target": {"kind": "gaussian", "mean": [0, 0], "covariance": spread([[1, 0], [0, 0.01]])}},
    ],
    ids=lambda changes: " ".join(map(str, changes)),
)
def test_what_is_said_of_boxes_and_numerics_is_said_of_x_and_y(changes):
    case = case_of(VALLEY)
    target = changes.get("target")
    if target is None:
        case = case.with_overrides(changes)
    else:  # known in closed form
        case = Case.from_dict(
            case.model_dump(include={"initial", "flow", "accuracy"}) | {"target": target}
        )
    assert make_problem(case, turned=True).frame is None


def test_questions_about_the_generator_are_asked_along_x_and_y():
    assert make_problem(case_of(VALLEY), at_equilibrium=True).frame is None


@pytest.fixture(scope="module")
def wells():
    """WFR of two wells, to 1e-3, and the same along x and y."""
    modes = {"target.modes": {"right": oblique("X > 0"), "upper": "y > 0.2"}}
    case = case_of(VALLEY, covariance=((0.05, 0.0), (0.0, 0.005)), **modes)
    return wfrpde.solve(case), wfrpde.solve(case.with_overrides({"domain.axes": "coordinate"}))


def test_what_is_solved_along_them_is_that_of_lines(wells):
    """A product of two lines, whose flows and errors are known to 1e-7."""
    solved, _ = wells
    np.testing.assert_allclose(solved.numerics["axes"], A, rtol=0, atol=1e-10)
    assert solved.numerics["accuracy"]["met"]
    lines = [
        wfrpde.solve(
            Case.from_dict(
                {
                    "target": {"potential": potential, "modes": {"right": "x > 0"}},
                    "initial": {"mean": [mean], "covariance": variance},
                    "flow": {"save": [0.05, 0.3]},
                    "accuracy": {"tolerance": 1e-7},
                }
            )
        )
        for potential, mean, variance in (
            ("2*(x**2 - 1)**2", 0.9, 0.05),
            ("200*x**2", 0.1, 0.005),
        )
    ]
    mean = np.stack([line.mean[:, 0] for line in lines], axis=1) @ A
    variance = np.stack([line.covariance[:, 0, 0] for line in lines], axis=1)
    exact = {
        "mean": mean,
        "covariance": np.einsum("tk,ki,kj->tij", variance, A, A),
        "kl": sum(line.series["kl"] for line in lines),
        "mode_mass": lines[0].mode_mass["right"],
    }
    for name, value in exact.items():
        found = solved.estimated(name, "right" if name == "mode_mass" else "")
        off = np.abs(found.value - value)
        assert (off <= found.error + 1e-6).all(), name
        assert off.max() < 1e-3, name


def test_who_keeps_to_x_and_y_gets_the_same_numbers(wells):
    solved, plain = wells
    assert "axes" not in plain.numerics
    for name, region in (("kl", ""), ("mean", ""), ("covariance", ""), ("mode_mass", "upper")):
        one, other = solved.estimated(name, region), plain.estimated(name, region)
        assert (np.abs(one.value - other.value) <= one.error + other.error).all(), name
    assert len(solved.nodes) < len(plain.nodes) / 2


def test_a_summary_says_that_they_were_chosen(wells):
    solved, plain = wells
    words = run_summary(solved)
    found = re.search(
        r"Axes of the box: \(0.765, 0.644\), \(-0.644, 0.765\)\n"
        r"Chosen, as x and y would ask for up to ([\d.]+) times as many cells\n", words,
    )  # fmt: skip
    assert float(found[1]) > len(plain.nodes) / len(solved.nodes)  # which is 2 at least
    assert "Axes of the box" not in run_summary(plain)
    assert "Chosen" not in run_summary(plain)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
def test_transport_of_a_mixture_into_an_oblique_gaussian(tolerance):
    """Component after component it is a Gaussian: means, covariances and masses are known."""
    ends, start = np.diag([1.0, 0.02]), np.diag([0.2, 0.03])
    middles, weights, times = np.array([[-0.5, 0.1], [0.8, 0.1]]), [0.4, 0.6], [0.05, 0.3]
    case = Case.from_dict(
        {
            "target": {
                "kind": "gaussian", "mean": [0.0, 0.0], "covariance": spread(ends),
                "modes": {"upper": "y > 0.2"},
            },
            "initial": {
                "kind": "mixture", "weights": weights, "means": (middles @ A).tolist(),
                "covariances": [spread(start)] * 2,
            },
            "flow": {"save": times, "beta": 0.0},
            "accuracy": {"tolerance": tolerance},
        }
    )  # fmt: skip
    solved = wfrpde.solve(case)
    np.testing.assert_allclose(solved.numerics["axes"], A, rtol=0, atol=1e-10)
    for k, t in enumerate(times, start=1):
        decay = np.exp(-t / np.diag(ends))
        means, variance = middles * decay, np.diag(ends) + np.diag(start - ends) * decay**2
        mean = weights @ means
        off = means - mean
        covariance = np.diag(variance) + np.einsum("k,ki,kj->ij", weights, off, off)
        up = A.T[1]
        mass = weights @ ndtr((means @ up - 0.2) / np.sqrt(up @ (variance * up)))
        exact = {"mean": mean @ A, "covariance": A.T @ covariance @ A, "mode_mass": mass}
        for name, value in exact.items():
            found = solved.estimated(name, "upper" if name == "mode_mass" else "")
            error = np.abs(found.value[k] - value)
            assert (error <= found.error[k] + 1e-12).all(), (name, t)
            assert error.max() < tolerance, (name, t)
