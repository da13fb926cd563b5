"""Kinks are found to many digits, and smooth functions, however sharp, have none."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from sharp_mixtures import sharp_mixtures

import wfrpde
from wfrpde.domain.bends import bends_on_line
from wfrpde.domain.kinks import kinks_of, on_line

BOX = np.array([[-5.0, 5.0], [-5.0, 5.0]])


@pytest.mark.parametrize(
    ("function", "places"),
    [
        (lambda x: 100 * np.maximum(0, np.abs(x) - 1), [-1, 1]),
        (lambda x: np.abs(x - 0.1234567), [0.1234567]),
        (lambda x: x**2 + np.minimum(np.abs(x), 0.25), [-0.25, 0, 0.25]),
        (lambda x: np.interp(x, [-2, -1, 0.5, 2], [3, 0, 1, 4]), [-2, -1, 0.5, 2]),
        (lambda x: np.where(np.abs(x) < 1.3, 0.0, 1e5), [-1.3, 1.3]),
    ],
    ids=["walls", "between points", "minimum", "table", "jump"],
)
def test_places_of_kinks(function, places):
    assert on_line(function, -3.0, 3.1) == pytest.approx(places, abs=1e-7)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 8 * (x**2 - 1) ** 2 + x / 2,
        lambda x: x**2 / 2 - 8 * np.exp(-((x - 1.2345) ** 2) / 0.0002),
        lambda x: -np.logaddexp(-((x + 2) ** 2) / 0.02, -((x - 2) ** 2) / 0.02),
        lambda x: 0.0 * x,
        lambda x: np.abs(x) ** 3,
    ],
    ids=["wells", "narrow well", "ridge", "constant", "third power"],
)
def test_smooth_functions_have_none(function):
    assert len(on_line(function, -6.0, 6.0)) == 0


def test_smooth_mixtures_have_none():
    rng = np.random.default_rng(0)
    for _ in range(100):
        mean, width = rng.normal(0, 3, 4), 10 ** rng.uniform(-2, 0.5, 4)
        weight = rng.uniform(0.1, 1, 4) / width

        def potential(x, mean=mean, width=width, weight=weight):
            logs = -0.5 * ((x[:, None] - mean) / width) ** 2 + np.log(weight)
            return -np.logaddexp.reduce(logs, axis=1)

        assert len(on_line(potential, -12.0, 12.0)) == 0


def test_planes_and_oblique_kinks():
    def potential(x):
        return 2 * np.abs(x[:, 0] - 0.3) + 3 * np.abs(x[:, 1])

    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    lines = np.random.default_rng(1).uniform(-2, 2, (5, 2))
    found = kinks_of([potential, lambda x: x[:, 0] ** 2], BOX, lines)
    assert found.planes[0] == pytest.approx([0.3], abs=1e-7)
    assert found.planes[1] == pytest.approx([0.0], abs=1e-7)
    assert not found.oblique
    assert not found.point
    turned = kinks_of([lambda x: potential(x @ turn)], BOX, lines)
    assert turned.oblique
    assert not turned.point
    assert all(len(plane) == 0 for plane in turned.planes)


def test_a_kink_in_a_point():
    """Lines through it see it, all in one place: cells need not follow."""
    centre = np.array([0.3, -0.2])
    lines = np.concatenate([[centre], np.random.default_rng(1).uniform(-2, 2, (4, 2))])
    found = kinks_of([lambda x: 3 * np.linalg.norm(x - centre, axis=1)], BOX, lines)
    assert found.point
    assert not found.any


@pytest.mark.parametrize("seed", range(5))
def test_places_are_known_to_round_off(seed):
    """Where two parabolas cross (2e-8 off before, which made rates of a spectrum wrong by 2e-9)."""
    rng = np.random.default_rng(seed)
    (a, b), c = np.exp(rng.uniform(0, 3, 2)), rng.uniform(-1, 1)
    found = on_line(lambda x: np.minimum(a * (x + 1) ** 2, b * (x - 1) ** 2 + c), -6.4, 6.0)
    exact = np.roots([a - b, 2 * a + 2 * b, a - b - c])
    inside = np.sort(exact[np.abs(exact) < 5.9])
    assert found[np.abs(found) < 5.9] == pytest.approx(inside, abs=1e-13)


def test_a_rate_where_two_wells_meet_in_a_kink():
    """Against singular values of a bidiagonal matrix, by bisection, extrapolated (own 8e-12)."""
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "min(3.7*(x + 1)**2, 7.31*(x - 1)**2 - 0.728)", "dim": 1},
            "initial": {"mean": [0.0], "covariance": [[1.0]]},
        }
    )
    rate = wfrpde.spectrum(case).rates[1]
    assert rate == pytest.approx(0.069736032083, abs=2e-11)


def test_rates_of_a_soft_wall():
    """The second derivative of V jumps: up to 10.5 bars of 2e-8 before cells ended there."""
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "x**2/2 + 10*max(0, x - 0.3)**2"},
            "initial": {"mean": [0.0], "covariance": [[1.0]]},
        }
    )
    right = [1.602756167778, 3.371154763363, 5.192091334571, 7.038930623477]
    assert wfrpde.spectrum(case).rates[1:5] == pytest.approx(right, abs=4e-12)


@pytest.mark.parametrize("apart", [0.25, 0.2, 0.15, 0.1, 0.05, 0.01, 0.001])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0])
def test_kinks_close_together_are_told_apart(apart, ratio):
    """Points on this line are .07 apart: of two kinks nearer than .21 one or both were not seen."""
    right = np.array([0.5, 0.5 + apart])
    found = on_line(lambda x: abs(x - right[0]) + ratio * abs(x - right[1]) + x**2, -68.0, 72.0)
    assert found == pytest.approx(right, abs=2e-7)


def huber(x):
    away = np.abs(x - 0.1)
    return np.where(away < 0.5, 2 * away**2, 2 * away - 0.5)


KNOTS = np.linspace(-5, 5, 9)


@pytest.mark.parametrize(
    ("function", "places"),
    [
        (lambda x: x**2 / 2 + 10 * np.maximum(0, x - 0.3) ** 2, [0.3]),
        (lambda x: 20 * np.maximum(0, np.abs(x - 0.2) - 1) ** 2, [-0.8, 1.2]),
        (huber, [-0.4, 0.6]),
        (lambda x: 2 * np.abs(x - 0.3) ** 3 + x**2, [0.3]),
        (lambda x: 1e-3 * np.maximum(0, x + 1.1) ** 2 + x**2, [-1.1]),
        (CubicSpline(KNOTS, np.cos(np.arange(9)), bc_type="natural"), KNOTS[1:-1]),
    ],
    ids=["half a parabola", "soft walls", "Huber", "third power", "weak", "spline"],
)
def test_places_where_higher_derivatives_jump(function, places):
    """Cells have to end there as well: the second or third derivative jumps."""
    for low, high in ((-6.0, 6.5), (-29.0, 28.0)):
        x = np.linspace(low, high, 2001)
        inside = [p for p in places if low < p < high]
        found = bends_on_line(function, x, on_line(function, low, high))
        assert found == pytest.approx(inside, abs=2e-7)


def test_smooth_functions_bend_nowhere():
    for potential, x in sharp_mixtures():
        assert len(bends_on_line(potential, x, on_line(potential, x[0], x[-1]))) == 0


def test_cells_end_in_planes_where_derivatives_jump():
    lines = np.random.default_rng(1).uniform(-2, 2, (5, 2))
    soft = kinks_of([lambda x: np.maximum(0, x[:, 0] - 0.3) ** 2 + x[:, 1] ** 4], BOX, lines)
    assert soft.planes[0] == pytest.approx([0.3], abs=1e-7)
    assert len(soft.planes[1]) == 0
    assert soft.bind
    assert not soft.any
    assert not soft.bent
    ring = kinks_of([lambda x: np.maximum(0, np.hypot(*x.T) - 1) ** 2], BOX, lines)
    assert not ring.any
    assert ring.bent
    assert not ring.point
