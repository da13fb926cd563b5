"""Orders of eigenvalues (2p) and eigenfunctions in the cell size, with absolute errors.

Spectral elements of degree p have rates of order 2p at least; the edge-averaged scheme has order 2,
and from two extrapolations 6. Where a region absorbs along planes the orders are the same.
"""

from __future__ import annotations

import numpy as np
import pytest
from spectrum_references import case_of, gaussian, oscillator_rates

import wfrpde

PLANE = np.array([[1.0, 0.3], [0.3, 0.8]])


def check(errors, cells, order, limit):
    """The order over all meshes, and the errors on the finest."""
    errors = np.asarray(errors)
    orders = np.log(errors[0] / errors[-1]) / np.log(cells[-1] / cells[0])
    report = f"cells {cells}: errors {errors}, orders {orders}"
    assert (orders >= order).all(), report
    assert (errors[-1] <= limit).all(), report


def rate_errors(covariance, half_width, cells, modes, **numerics):
    dim = len(covariance)
    wanted = oscillator_rates(covariance, 11)[modes]
    errors = []
    for n in cells:
        case = gaussian(
            covariance,
            domain={"box": [[-half_width, half_width]] * dim},
            numerics={"cells": [n] * dim, "certify": False, **numerics},
            spectrum={"count": max(modes) + 1},
        )
        errors.append(np.abs(wfrpde.spectrum(case).rates[modes] / wanted - 1))
    return np.array(errors)


@pytest.mark.parametrize(
    ("degree", "cells", "limit"),
    [
        (1, (24, 48), 5e-3),
        (2, (144, 288), 2e-7),
        (3, (30, 40, 60), 2e-8),
        (4, (20, 24, 32), 1e-8),
        (6, (12, 16, 20), 1e-10),
        (8, (8, 10, 12), 1e-10),
    ],
)
def test_intervals(degree, cells, limit):
    errors = rate_errors([[1.0]], 9.0, cells, [1, 2, 3], degree=degree)
    check(errors, cells, 1.95 if degree == 1 else 2 * degree - 0.05, limit)


@pytest.mark.parametrize(
    ("degree", "cells", "limit"),
    [(1, (8, 16), 2e-2), (3, (12, 24), 1e-6), (5, (9, 16), 1e-9)],
)
def test_quadrilaterals(degree, cells, limit):
    errors = rate_errors(PLANE, 7.0, cells, [1, 2, 3], degree=degree)
    check(errors, cells, 1.9 if degree == 1 else 2 * degree, limit)


def test_hexahedra():
    cells = (5, 8)
    covariance = [[1.0, 0.2, 0.1], [0.2, 0.9, -0.1], [0.1, -0.1, 1.1]]
    check(rate_errors(covariance, 6.0, cells, [1, 2, 3], degree=3), cells, 6.0, 1e-2)


@pytest.mark.parametrize("cell", ["tensor", "simplex"])
def test_extrapolation_of_the_edge_averaged_scheme(cell):
    """Order 6 on three tensor grids, 4 on two of triangles; and the estimates cover the errors."""
    cells, errors = {"tensor": (12, 24), "simplex": (16, 32)}[cell], []
    wanted = oscillator_rates(PLANE, 3)
    for n in cells:
        case = gaussian(
            PLANE,
            domain={"box": [[-6.0, 6.0]] * 2, "cell": cell},
            numerics={"cells": [n] * 2, "degree": 1},
            spectrum={"count": 3},
        )
        spectrum = wfrpde.spectrum(case)
        assert spectrum.numerics["extrapolated"]
        errors.append(np.abs(spectrum.rates - wanted)[1:])
        assert (errors[-1] <= spectrum.errors[1:]).all(), (errors[-1], spectrum.errors)
    check(errors, cells, {"tensor": 5.8, "simplex": 3.8}[cell], 3e-4)


def test_eigenfunctions():
    """Hermite polynomials, at points between the nodes: order p + 1."""
    x = np.linspace(-3.1, 3.1, 41)
    wanted = (x**3 - 3 * x) / np.sqrt(6)
    cells, errors = (16, 32), []
    for n in cells:
        case = case_of(
            "x**2/2",
            domain={"box": [[-8.0, 8.0]]},
            numerics={"cells": [n], "degree": 4, "certify": False},
        )
        errors.append([np.abs(wfrpde.spectrum(case).eigenfunction(3, x) - wanted).max()])
    check(errors, cells, 4.9, 5e-5)


@pytest.mark.parametrize(("degree", "cells", "limit"), [(2, (6, 12, 24), 1e-6), (4, (6, 12), 1e-9)])
def test_rates_of_exit(degree, cells, limit):
    """From (−1, 1) under V = x²/2: He₂ = x² − 1 vanishes at both ends."""
    errors = []
    for n in cells:
        case = case_of(
            "x**2/2",
            domain={"box": [[-8.0, 8.0]]},
            numerics={"cells": [8 * n], "degree": degree, "certify": False},
            spectrum={"absorbing": "x < -1 or x > 1", "count": 1},
        )
        errors.append([abs(wfrpde.spectrum(case).rates[0] / 2 - 1)])
    check(errors, cells, 2 * degree, limit)
