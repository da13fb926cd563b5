"""Orders in space and in time of every term that dynamics may have, each with an absolute error.

Along characteristics log(ρ/π) of a Gaussian flow is quadratic, and interpolated exactly: there the
order in time is seen alone. That in space is asked of anharmonic wells.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from characteristics import stepped
from gaussian_flow import riccati

import wfrpde

A = np.array([[1.0, 0.4], [0.4, 2.0]])
TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])
START = {"mean": [1.0, -0.5], "covariance": [[0.4, 0.1], [0.1, 0.5]]}
T = 0.2

TILTED = (np.eye(2) + 3 * TURN) @ A
PUSH = [f"({a})*x + ({b})*y" for a, b in (1.5 * np.eye(2) - TILTED).tolist()]

HARMONIC = {
    "circulation": (
        "0.5*(x**2 + 0.8*x*y + 2*y**2)", {"circulation": 3 * TURN}, TILTED, np.eye(2), A
    ),
    "drift": ("0.75*(x**2 + y**2)", {"drift": PUSH}, TILTED, np.eye(2), 1.5 * np.eye(2)),
    "kinetic": (
        "x**2/2", {"kind": "kinetic", "friction": 1.5}, np.array([[0.0, -1.0], [1.0, 1.5]]),
        np.diag([0.0, 1.5]), np.eye(2),
    ),
}  # fmt: skip
"""Potential, dynamics, and B, D and A of dX = −BX dt + √(2D) dW towards N(0, A⁻¹)."""

ANHARMONIC = {
    "circulation": ("x**4/4 + y**2/2 + 0.3*x*y", {"circulation": 3 * TURN}),
    "drift": ("x**4/4 + y**2/2", {"drift": ["y", "-x + sin(y)"]}),
    "kinetic": ("x**4/4", {"kind": "kinetic", "friction": 1.5}),
}


def case(potential, dynamics, beta=0.0, **tables):
    return wfrpde.Case.from_dict(
        {
            "target": {"potential": potential}, "initial": START, "dynamics": dynamics,
            "flow": {"beta": beta, "save": [T]}, **tables,
        }
    )  # fmt: skip


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize("term", HARMONIC)
def test_time_along_characteristics(term, beta):
    """Order 2 of the steps, 4 extrapolated."""
    potential, dynamics, drift, noise, precision = HARMONIC[term]
    runs = [stepped(case(potential, dynamics, beta), 56, dt) for dt in (0.04, 0.02, 0.01)]
    times, start = np.array([0.0, T]), (START["mean"], START["covariance"])
    mean, covariance, _ = riccati(times, drift, noise, precision, beta, *start)
    gap = runs[0][1].points - mean[-1]
    exact = -np.einsum("ni,ij,nj->n", gap, np.linalg.inv(covariance[-1]), gap) / 2
    near = exact > -10

    def error(value):
        off = (value - exact)[near]
        return np.abs(off - off.mean()).max()

    values = [log_density for log_density, *_ in runs]
    plain = [error(value) for value in values]
    once = [error((4 * b - a) / 3) for a, b in pairwise(values)]
    assert np.log2(plain[1] / plain[2]) == pytest.approx(2.0, abs=0.1), plain
    assert np.log2(once[0] / once[1]) > 3.6, once
    assert once[1] < 1e-5


@pytest.mark.parametrize(("degree", "order", "limit"), [(3, 3.4, 1e-2), (7, 7.0, 1e-4)])
@pytest.mark.parametrize("term", ANHARMONIC)
def test_space_along_characteristics(term, degree, order, limit):
    """Interpolation of degree p makes errors of order p + 1, against a grid four times as fine."""
    box = {"box": [[-5.0, 5.0], [-9.0, 9.0]]}
    anharmonic = case(*ANHARMONIC[term], domain=box)
    cells, finest = (24, 48), 96
    exact, form, _ = stepped(anharmonic, finest, 0.05, t=0.1)
    exact = exact.reshape(form.shape)
    near = exact[::4, ::4] > exact.max() - 10
    errors = []
    for n in cells:
        value, form, _ = stepped(anharmonic, n, 0.05, degree, t=0.1)
        value = value.reshape(form.shape)[:: n // 24, :: n // 24]
        errors.append(np.abs(value - exact[::4, ::4])[near].max())
    observed = np.log2(errors[0] / errors[1])
    assert observed > order, errors
    assert errors[1] < limit, errors


LINES = {
    "D(x)": {
        "target": {"potential": "x**2/2 + x**4/16"},
        "initial": {"mean": [0.5], "covariance": [[0.3]]},
        "domain": {"box": [[-5.0, 5.0]]},
        "dynamics": {"diffusion": "1 + 0.8*sin(3*x)"},
    },
    "periodic": {
        "target": {"potential": "2.5*cos(2*x) + 0.5*sin(x)"},
        "initial": {"log_density": "1.5*cos(x + 0.4)"},
        "domain": {"box": [[0.0, 2 * np.pi]], "sides": {"x": "periodic"}},
    },
    "absorbing": {
        "target": {"potential": "x**2/2"},
        "initial": {"density": "x*exp(-x**2/0.6)"},
        "domain": {"box": [[0.0, 8.0]], "sides": {"x": ["absorbing", "reflecting"]}},
    },
}


def on_a_line(term, beta, **numerics):
    """Mean, variance and KL (or survival) of one run."""
    numerics = {"certify": False, **numerics}
    flow = {"beta": beta, "save": [T]}
    solution = wfrpde.solve(
        wfrpde.Case.from_dict({**LINES[term], "flow": flow, "numerics": numerics})
    )
    last = "survival" if term == "absorbing" else "kl"
    found = solution.mean[-1, 0], solution.covariance[-1, 0, 0], solution.series[last][-1]
    return np.array(found)


def order_of(runs, exact, ratio=2.0):
    """The order between the last two runs, and the error of the last."""
    errors = [np.abs(run - exact).max() for run in runs]
    return np.log(errors[-2] / errors[-1]) / np.log(ratio), errors[-1]


EDGES = {"formulation": "edge-averaged", "cells": [160]}
ELEMENTS = {"formulation": "spectral", "degree": 6, "cells": [24], "time_order": 4}


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize(
    ("term", "scheme", "order"),
    [
        ("D(x)", EDGES, 2),
        ("D(x)", ELEMENTS, 4),
        ("periodic", EDGES, 2),
        ("periodic", ELEMENTS, 4),
        ("absorbing", EDGES, 2),
    ],
)
def test_time_on_a_line(term, scheme, order, beta):
    """With cells fixed, against steps an eighth as long."""
    *runs, exact = (on_a_line(term, beta, dt=T / n, **scheme) for n in (8, 16, 128))
    observed, error = order_of(runs, exact)
    assert observed > order - 0.4, (observed, error)
    assert error < (1e-4 if order == 2 else 1e-6)


@pytest.mark.parametrize("beta", [0.0, 1.0])
@pytest.mark.parametrize(
    ("term", "scheme", "order", "limit"),
    [
        ("D(x)", {"formulation": "edge-averaged"}, 2, 1e-3),
        ("D(x)", {"formulation": "spectral", "degree": 4}, 6, 1e-6),
        ("periodic", {"formulation": "edge-averaged"}, 2, 1e-3),
        ("periodic", {"formulation": "spectral", "degree": 4}, 6, 1e-6),
        ("absorbing", {}, 2, 1e-3),
    ],
)
def test_space_on_a_line(term, scheme, order, limit, beta):
    """With steps fixed, against much smaller cells."""
    cells = (12, 32, 96) if scheme.get("degree") else (40, 80, 640)
    *runs, exact = (on_a_line(term, beta, dt=T / 16, cells=[n], **scheme) for n in cells)
    observed, error = order_of(runs, exact, cells[1] / cells[0])
    assert observed > order - 0.5, (observed, error)
    assert error < limit
