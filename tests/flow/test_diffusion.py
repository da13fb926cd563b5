"""Flows whose noise depends on the place or the axis, against independent solutions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import wfrpde
from wfrpde.discretisation.fluxes import symmetrised_stiffness
from wfrpde.errors import InputError

WELL = {
    "target": {"potential": "3*(x**2 - 1)**2"},
    "initial": {"mean": [-0.8], "covariance": [[0.05]]},
    "dynamics": {"diffusion": "1 + 0.8*sin(3*x)"},
    "flow": {"beta": 0.0, "save": [0.02, 0.3]},
}


def by_sinc(times):
    """Mean and variance of ρ = √π y, y' = −AᵀA y, A = √D (∂ + V′/2), by dense collocation."""
    step = 4.8 / 159
    x = -2.4 + step * np.arange(160)
    gap = np.subtract.outer(np.arange(160), np.arange(160))
    derivative = np.where(gap == 0, 0.0, (-1.0) ** gap / np.where(gap == 0, 1, gap)) / step
    factor = np.sqrt(1 + 0.8 * np.sin(3 * x))[:, None] * (derivative + np.diag(6 * x * (x**2 - 1)))
    rates, modes = np.linalg.eigh(factor.T @ factor)
    root = np.exp(-1.5 * (x**2 - 1) ** 2)
    # ρ₀/√π reaches far, but what counts are moments: √π enters again
    start = np.exp(-((x + 0.8) ** 2) / 0.1 + 1.5 * (x**2 - 1) ** 2)
    result = []
    for t in times:
        density = root * (modes @ (np.exp(-rates * t) * (modes.T @ start)))
        density /= density.sum()
        mean = density @ x
        result.append((mean, density @ (x - mean) ** 2))
    return np.array(result)


@pytest.mark.parametrize("formulation", ["edge-averaged", "spectral"])
def test_noise_that_depends_on_the_place(formulation):
    case = wfrpde.Case.from_dict({**WELL, "numerics": {"formulation": formulation}})
    solution = wfrpde.solve(case)
    truth = by_sinc(solution.times[1:])
    found = np.stack([solution.mean[1:, 0], solution.covariance[1:, 0, 0]], axis=1)
    errors = np.stack([solution.error.mean[1:, 0], solution.error.covariance[1:, 0, 0]], axis=1)
    assert (np.abs(found - truth) <= np.minimum(errors, 1e-5)).all(), (found - truth, errors)
    assert all(check["passed"] for check in solution.numerics["checks"])
    assert solution.warnings == ()


def test_second_order_in_space():
    found = []
    for cells in (60, 120, 240):
        numerics = {"formulation": "edge-averaged", "cells": [cells], "dt": 1e-4, "certify": False}
        case = wfrpde.Case.from_dict({**WELL, "flow": {"beta": 0.0, "save": [0.02]}})
        solution = wfrpde.solve(case.with_overrides({"numerics": numerics}))
        found.append(abs(solution.mean[-1, 0] - by_sinc([0.02])[0, 0]))
    observed = np.log2(np.array(found[:-1]) / found[1:])
    assert observed.min() > 1.9, (found, observed)
    assert found[-1] < 5e-5, found


@pytest.mark.parametrize("beta", [1.0])
def test_a_diffusion_along_each_axis(beta):
    """D = diag(2, ½) between Gaussians: each axis follows a flow of its own."""
    case = wfrpde.Case.from_dict(
        {
            "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[1.0, 0], [0, 0.5]]},
            "initial": {"mean": [1.0, -0.5], "covariance": [[0.4, 0.0], [0.0, 0.8]]},
            "dynamics": {"diffusion": [2.0, 0.5]},
            "flow": {"beta": beta, "save": [0.3]},
        }
    )
    solution = wfrpde.solve(case)
    for axis, (spread, variance, mean, start) in enumerate(
        [(2.0, 1.0, 1.0, 0.4), (0.5, 0.5, -0.5, 0.8)]
    ):

        def slope(_, y, spread=spread, variance=variance):
            m, c = y
            rate = 2 * spread * (1 - c / variance) + beta * c * (1 - c / variance)
            return [-(spread + beta * c) * m / variance, rate]

        exact = solve_ivp(slope, (0, 0.3), [mean, start], rtol=1e-11, atol=1e-12).y[:, -1]
        found = [solution.mean[-1, axis], solution.covariance[-1, axis, axis]]
        assert found == pytest.approx(list(exact), abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"dynamics.diffusion": "sin(x)"}, "dynamics.diffusion"),
        ({"domain.cell": "simplex"}, "simplices"),
        ({"numerics.formulation": "log-density"}, "dynamics.diffusion"),
    ],
)
def test_refused(changes, text):
    case = wfrpde.Case.from_dict(WELL).with_overrides(changes)
    with pytest.raises(InputError, match=text):
        wfrpde.solve(case)


PRECISION = np.array([[1.0, 0.4], [0.4, 2.0]])
START = np.array([1.5, -0.5]), np.array([[0.3, 0.1], [0.1, 0.4]])


def tilted(ratio):
    """D with the eigenvalues 1 and 1/ratio, the first along 30 degrees."""
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    turn = np.array([[c, -s], [s, c]])
    return turn @ np.diag([1.0, 1 / ratio]) @ turn.T


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_a_full_matrix_of_anisotropy_100(beta):
    """dX = −DAX dt + √(2D) dW at 30 degrees to the axes, against its Gaussian; order in cells."""
    spread = tilted(100.0)

    def slope(_, z):
        m, c = z[:2], z[2:].reshape(2, 2)
        b = spread @ PRECISION
        dc = 2 * spread - b @ c - c @ b.T + beta * (c - c @ PRECISION @ c)
        return np.concatenate([-b @ m - beta * c @ PRECISION @ m, dc.ravel()])

    start = np.concatenate([START[0], START[1].ravel()])
    exact = solve_ivp(slope, (0, 0.4), start, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    case = {
        "target": {"potential": "0.5*(x**2 + 0.8*x*y + 2*y**2)"},
        "initial": {"mean": START[0], "covariance": START[1]},
        "dynamics": {"diffusion": spread},
        "flow": {"beta": beta, "save": [0.4]},
        "domain": {"box": [[-8, 8], [-6, 6]]},
    }
    errors = []
    for cells in ((8, 6), (15, 12)):
        numerics = {"cells": cells, "degree": 6}
        solution = wfrpde.solve(wfrpde.Case.from_dict({**case, "numerics": numerics}))
        assert solution.numerics["formulation"] == "spectral"
        found = np.concatenate([solution.mean[-1], solution.covariance[-1].ravel()])
        bars = [solution.error.mean[-1], solution.error.covariance[-1].ravel()]
        gap = np.abs(found - exact)
        errors.append(gap.max())
    assert (gap <= np.concatenate(bars)).all()
    assert errors[1] < 2e-6, errors
    assert np.log(errors[0] / errors[1]) / np.log(15 / 8) > 5, errors
    assert all(check["passed"] for check in solution.numerics["checks"])


def test_full_and_diagonal_forms_agree(nodes_of, dense):
    """The same S where the matrix is diagonal; symmetric with the kernel √M where it turns."""
    nodes = nodes_of("tensor", 2, 4)
    x, y = nodes.points.T
    potential = x**2 + 0.5 * np.sin(y) * x
    each = np.stack([1 + 0.5 * np.sin(x), 2 + np.cos(y)], axis=1)
    full = np.einsum("ni,ij->nij", each, np.eye(2))
    one, _ = symmetrised_stiffness(nodes, potential, np.zeros(len(x)), each)
    other, _ = symmetrised_stiffness(nodes, potential, np.zeros(len(x)), full)
    size = np.abs(dense(nodes, one)).max()
    np.testing.assert_allclose(dense(nodes, other), dense(nodes, one), atol=1e-13 * size)
    full[:, 0, 1] = full[:, 1, 0] = 0.9 * np.sqrt(each.prod(axis=1)) * np.cos(3 * x * y)
    matrix = dense(nodes, symmetrised_stiffness(nodes, potential, None, full)[0])
    root = np.sqrt(nodes.weights * np.exp(-potential))
    assert np.abs(matrix - matrix.T).max() < 1e-13 * size
    assert np.abs(matrix @ root).max() < 1e-12 * size
    assert np.linalg.eigvalsh(matrix)[0] > -1e-11 * size
