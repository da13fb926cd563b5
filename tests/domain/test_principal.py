"""Principal axes of wells, and functions of coordinates along them."""

from itertools import permutations

import numpy as np
import pytest
import sympy

from wfrpde.domain.frame import Frame
from wfrpde.domain.principal import principal_frame
from wfrpde.domain.turned import turned_target
from wfrpde.fields import coordinates
from wfrpde.targets import make_target

A = np.array([[0.8, 0.6], [-0.6, 0.8]])
B = np.array([[2.0, 1.0, 2.0], [-2.0, 2.0, 1.0], [-1.0, -2.0, 2.0]]) / 3.0

SHAPES = {
    "wells": (lambda s, t: 20 * (s**2 - 1) ** 2 + t**2 / 2, [[1.0, 0.0], [-1.0, 0.0]]),
    "a kink": (lambda s, t: 5 * abs(s) + t**2 / 2, [[0.0, 0.0]]),
    "a banana": (lambda s, t: s**2 / 2 + 10 * (t - s**2) ** 2, [[0.0, 0.0]]),
    "very thin": (lambda s, t: 1e6 * s**2 + t**2, [[0.0, 0.0]]),
    "small": (lambda s, t: 1e12 * (9 * s**2 + t**2), [[0.0, 0.0]]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_axes_are_found_to_round_off(shape):
    function, seeds = SHAPES[shape]
    frame = principal_frame(lambda x: function(*(x @ A.T).T), np.array(seeds) @ A)
    np.testing.assert_allclose(frame.matrix, A, rtol=0, atol=1e-9)


def test_axes_in_space_are_found():
    def potential(x):
        y = x @ B.T
        return 5 * (y[:, 0] ** 2 - 1) ** 2 + 60 * y[:, 1] ** 2 + y[:, 2] ** 2 / 2

    frame = principal_frame(potential, np.array([B[0], -B[0]]))
    np.testing.assert_allclose(np.abs(frame.matrix @ B.T).max(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(frame.matrix @ frame.matrix.T, np.eye(3), atol=1e-12)
    # of all orders and signs the one that turns least
    others = [np.abs(frame.matrix[list(order)]).trace() for order in permutations(range(3))]
    assert frame.matrix.trace() == max(others)


def test_a_plane_in_which_all_directions_are_alike_keeps_close_to_the_coordinates():
    normal = np.array([0.0, 0.6, 0.8])
    frame = principal_frame(lambda x: (x**2).sum(axis=1) + 50 * (x @ normal) ** 2, np.zeros((1, 3)))
    np.testing.assert_allclose(frame.matrix, [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]], atol=1e-9)


@pytest.mark.parametrize(
    ("potential", "dim"),
    [
        (lambda x: (x**2).sum(axis=1), 2),
        (lambda x: (x**2).sum(axis=1), 3),
        (lambda x: 30 * x[:, 0] ** 2 + x[:, 1] ** 2, 2),
        (lambda x: x[:, 0] ** 2, 2),  # does not confine
    ],
)
def test_what_has_no_axes_of_its_own_is_not_turned(potential, dim):
    assert principal_frame(potential, np.zeros((1, dim))) is None


def test_points_come_back():
    frame, x = Frame.of(B), np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_allclose(frame.along(x), x @ B.T, atol=1e-15)
    np.testing.assert_allclose(frame.back(frame.along(x)), x, atol=1e-14)
    # one at a time to the same digits
    rows = np.concatenate([frame.along(row[None]) for row in x])
    np.testing.assert_array_equal(rows, frame.along(x))


def test_a_target_along_axes_has_its_value_gradient_formula_and_regions():
    target = make_target(
        potential="(0.8*x + 0.6*y - 1)**4 + x**2 + y**2 + x*y", modes={"up": "y > 0.2"}
    )
    turned = turned_target(target, Frame.of(A))
    y = np.random.default_rng(0).normal(size=(40, 2))
    np.testing.assert_allclose(turned.potential(y), target.potential(y @ A), rtol=1e-12)
    np.testing.assert_allclose(turned.gradient(y), target.gradient(y @ A) @ A.T, rtol=1e-10)
    assert turned.known_smooth
    formula = sympy.lambdify(coordinates(2), turned.expression)
    np.testing.assert_allclose(formula(*y.T), turned.potential(y), rtol=1e-10, atol=1e-12)
    assert (turned.regions["up"](y) == target.regions["up"](y @ A)).all()
