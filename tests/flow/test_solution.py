"""What a `Solution` answers, and what it refuses."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("dolfinx")

import wfrpde
from wfrpde.case import Case
from wfrpde.flow.exact import gaussian_flow, gaussian_log_density

TIMES = (0.2, 0.7)


@pytest.fixture(scope="module")
def line():
    return wfrpde.solve(
        Case.model_validate(
            {
                "target": {"potential": "x**2/2", "modes": {"left": "x < 0", "right": "x > 0"}},
                "initial": {"kind": "gaussian", "mean": [-1.0], "covariance": 0.5},
                "flow": {"save": list(TIMES)},
                "domain": {"box": [[-7.0, 7.0]]},
                "numerics": {"formulation": "edge-averaged", "cells": [160]},
            }
        )
    )


@pytest.fixture(scope="module")
def triangles():
    return wfrpde.solve(
        Case.model_validate(
            {
                "target": {"potential": "(x**2 + y**2)/2"},
                "initial": {"kind": "gaussian", "mean": [-0.5, 0.0], "covariance": 0.5},
                "flow": {"save": [0.1]},
                "domain": {"box": [[-4.0, 4.0], [-3.0, 5.0]], "cell": "simplex"},
                "numerics": {"cells": [12, 12], "dt": 0.05},
            }
        )
    )


def test_densities_at_points(line):
    """Three names for one field, which is the exact Gaussian to the scheme's accuracy."""
    x = np.linspace(-4, 4, 37)[:, None]
    for t in (0.0, *TIMES):
        mean, covariance = gaussian_flow(-1.0, 0.5, 0.0, 1.0, t)
        exact = gaussian_log_density(x, mean, covariance)
        np.testing.assert_allclose(line.log_density(t, x), exact, atol=2e-4)
        np.testing.assert_array_equal(line.density(t, x), np.exp(line.log_density(t, x)))
        relative = exact - gaussian_log_density(x, np.zeros(1), np.eye(1))
        np.testing.assert_allclose(line.log_relative_density(t, x), relative, atol=2e-4)
    # the start is known in closed form
    start = gaussian_log_density(x, np.array([-1.0]), np.array([[0.5]]))
    np.testing.assert_allclose(line.log_density(0.0, x), start, atol=1e-7)


def test_one_dimension_takes_flat_arrays(line):
    x = np.linspace(-2, 2, 5)
    np.testing.assert_array_equal(line.density(0.2, x), line.density(0.2, x[:, None]))
    assert line.density(0.2, [0.5]).shape == (1,)
    assert line.density(0.2, np.empty((0, 1))).shape == (0,)


@pytest.mark.parametrize("t", [0.1, -0.2, 0.7 + 1e-6, 1e9])
def test_a_time_that_was_not_saved_is_refused(line, t):
    with pytest.raises(ValueError, match=r"was not saved; the saved times are 0, 0\.2, 0\.7"):
        line.density(t, [[0.0]])


def test_round_off_in_a_time_is_forgiven(line):
    np.testing.assert_array_equal(line.density(0.1 + 0.1, [0.3]), line.density(0.2, [0.3]))
    np.testing.assert_array_equal(line.density(0.7 * (1 + 1e-12), [0.3]), line.density(0.7, [0.3]))


@pytest.mark.parametrize("x", [[[0.0, 1.0]], 0.5, np.zeros((2, 1, 1))])
def test_points_of_the_wrong_shape_are_refused(line, x):
    with pytest.raises(ValueError, match=r"points have shape .*; needed \(n, 1\)"):
        line.density(0.2, x)


def test_a_single_point_may_be_flat(triangles):
    assert triangles.density(0.1, [0.1, 0.2]) == triangles.density(0.1, [[0.1, 0.2]])
    with pytest.raises(ValueError, match=r"needed \(n, 2\)"):
        triangles.density(0.1, [0.0, 0.0, 0.0])


def test_there_is_nothing_outside_of_the_domain(line, triangles):
    for t in (0.0, 0.2):
        np.testing.assert_array_equal(line.density(t, [-7.5, 8.0, 1e6]), 0.0)
        assert np.isneginf(line.log_density(t, [8.0])).all()
    for t in (0.0, 0.1):
        np.testing.assert_array_equal(triangles.density(t, [[4.5, 0.0], [0.0, -3.2]]), 0.0)
        assert triangles.density(t, [[3.5, 4.5]])[0] > 0  # a corner that a disc would miss


def test_errors_have_the_names_and_shapes_of_the_numbers(line):
    error = line.error
    for name, values in line.series.items():
        assert error[name].shape == values.shape == (3,)
        np.testing.assert_array_equal(error[name], error.series[name])
        assert (error[name] >= 0).all()
    assert error["mean"].shape == line.mean.shape == (3, 1)
    assert error["covariance"].shape == line.covariance.shape == (3, 1, 1)
    assert error["density"].shape == (3,)
    assert set(error["mode_mass"]) == set(line.mode_mass) == {"left", "right"}
    with pytest.raises(KeyError, match="nonsense"):
        error["nonsense"]


def test_estimated_errors_bound_the_true_ones(line):
    for k, t in enumerate(line.times):
        mean, covariance = gaussian_flow(-1.0, 0.5, 0.0, 1.0, t)
        assert abs(line.mean[k] - mean) <= 2 * line.error.mean[k] + 1e-8
        assert abs(line.covariance[k] - covariance) <= 2 * line.error.covariance[k] + 1e-8


def test_nodes_cells_and_nodal_values_belong_together(line, triangles):
    for solution, cell, corners in ((line, "interval", 2), (triangles, "triangle", 3)):
        assert solution.cell_type == cell
        assert solution.cells.shape[1] == corners
        assert solution.cells.max() == len(solution.nodes) - 1
        assert solution.log_relative.shape == (len(solution.times), len(solution.nodes))
        t = solution.times[-1]
        np.testing.assert_allclose(
            solution.log_relative_density(t, solution.nodes), solution.log_relative[-1], atol=1e-9
        )
    np.testing.assert_allclose(line.box, [[-7, 7]])
    np.testing.assert_allclose(triangles.box, [[-4, 4], [-3, 5]])


def test_modes_add_up_and_checks_are_green(line):
    np.testing.assert_allclose(line.mode_mass["left"] + line.mode_mass["right"], 1, atol=1e-12)
    assert line.complete
    assert all(check["passed"] for check in line.numerics["checks"])
    assert line.history["t"][-1] == pytest.approx(TIMES[-1], rel=1e-12)
    assert (np.diff(line.series["kl"]) < 0).all()


def test_results_are_frozen(line):
    with pytest.raises(dataclasses.FrozenInstanceError):
        line.complete = False
    with pytest.raises(dataclasses.FrozenInstanceError):
        line.error.density = None
