"""Multiple and nearly multiple eigenvalues, many of them, signs and norms of the functions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigvalsh_tridiagonal
from spectrum_references import (
    case_of,
    double_well_rates,
    gaussian,
    oscillator_rates,
    schroedinger_rates,
)

import wfrpde


def assert_orthonormal(spectrum, tolerance=1e-10):
    product = (spectrum.functions * spectrum.mass) @ spectrum.functions.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=tolerance)


def assert_covered(spectrum, wanted, reference=1e-13):
    off = np.abs(spectrum.rates - wanted)
    assert (off <= spectrum.errors + reference * wanted).all(), (off, spectrum.errors)


def test_many_rates():
    """Sixty on a line: they live far outside the bulk of π, and so must the box."""
    spectrum = wfrpde.spectrum(case_of("x**2/2", spectrum={"count": 60}))
    np.testing.assert_allclose(spectrum.rates, np.arange(60), rtol=1e-7)
    assert_covered(spectrum, np.arange(60.0))
    assert_orthonormal(spectrum)


def test_high_multiplicities():
    """Isotropic: n + 1 eigenvalues n, the multiplet at the end of the list cut through."""
    case = gaussian(np.eye(2), spectrum={"count": 18}, numerics={"cells": [12, 12], "degree": 8})
    spectrum = wfrpde.spectrum(case)
    np.testing.assert_allclose(spectrum.rates, oscillator_rates(np.eye(2), 18), rtol=1e-7)
    assert_orthonormal(spectrum)
    # each of a multiplet solves the equation, and so the span is that of x and y
    x = np.array([[0.5, -1.0], [1.2, 0.3], [-0.7, 0.9]])
    pair = np.array([spectrum.eigenfunction(i, x) for i in (1, 2)])
    np.testing.assert_allclose((pair**2).sum(axis=0), (x**2).sum(axis=1), rtol=1e-5)


def test_a_ring():
    """Pairs that go as e^{±imφ}: the radial problem with m²/r² is one-dimensional."""
    potential = "4*(sqrt(x**2 + y**2 + 0.01) - 1.5)**2"
    case = case_of(potential, 2, spectrum={"count": 7}, numerics={"cells": [20, 20], "degree": 6})
    spectrum = wfrpde.spectrum(case)
    rates = spectrum.rates
    np.testing.assert_allclose(rates[1::2], rates[2::2], rtol=1e-7)
    # on a line through the origin, V_eff of u(r) r^{1/2}: V'^2/4 − (V'' + V'/r)/2 + (m² − 1/4)/r²
    n = 3000
    r = (np.arange(n) + 0.5) * 4.0 / n
    s = np.sqrt(r**2 + 0.01)
    v = 4 * (s - 1.5) ** 2
    half = (np.arange(n + 1)) * 4.0 / n
    weight = half * np.exp(-4 * (np.sqrt(half**2 + 0.01) - 1.5) ** 2)
    mass = r * np.exp(-v)
    step = 4.0 / n
    for m in (1, 2, 3):
        diagonal = (weight[:-1] + weight[1:]) / mass / step**2 + m * m / r**2
        off = -weight[1:-1] / np.sqrt(mass[:-1] * mass[1:]) / step**2
        wanted = eigvalsh_tridiagonal(diagonal, off, select="i", select_range=(0, 0))[0]
        assert rates[2 * m - 1] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("ratio", [1.0, 1.001])
def test_tiny_rates_that_nearly_agree(ratio):
    """Four modes: two rates near 1e-7, equal or 0.6 % apart, and their sum, to ten digits."""
    a, b = 20.0, 20.0 * ratio
    target = f"{a}*(x**2 - 1)**2 + {b}*(y**2 - 1)**2"
    case = case_of(target, 2, spectrum={"count": 6}, numerics={"cells": [20, 20], "degree": 7})
    spectrum = wfrpde.spectrum(case)
    first, second = double_well_rates(a, 0.0, 4), double_well_rates(b, 0.0, 4)
    wanted = np.sort(np.add.outer(first, second).ravel())[:6]
    assert wanted[3] < 2e-7 < 1 < wanted[4]
    np.testing.assert_allclose(spectrum.rates[1:4], wanted[1:4], rtol=1e-9)
    np.testing.assert_allclose(spectrum.rates[4:], wanted[4:], rtol=1e-6)
    assert_covered(spectrum, wanted)
    assert_orthonormal(spectrum)
    # the slow functions are constant in each of the four wells
    wells = np.array([[sx, sy] for sx in (-1.0, 1.0) for sy in (-1.0, 1.0)])
    nearby = wells + np.array([0.05, -0.08])
    for i in (1, 2, 3):
        np.testing.assert_allclose(
            spectrum.eigenfunction(i, wells), spectrum.eigenfunction(i, nearby), atol=1e-4
        )
    if ratio > 1:  # the higher barrier along y is the slower
        np.testing.assert_allclose(spectrum.eigenfunction(1, wells), [-1, 1, -1, 1], atol=1e-5)


@pytest.mark.parametrize("terms", [{}, {"dynamics": {"drift": ["1"]}}], ids=["gradient", "drift"])
def test_nodes_that_close_an_axis_count_once(terms):
    """Masses of a flat circle sum to one, and its modes are √2 cos, √2 sin: their mean is 0."""
    case = {
        "target": {"potential": "0*x"},
        "initial": {"log_density": "cos(x)"},
        "domain": {"box": [[0.0, 2 * np.pi]], "sides": {"x": "periodic"}},
        "numerics": {"cells": [10]},
        "spectrum": {"count": 3},
        **terms,
    }
    spectrum = wfrpde.spectrum(wfrpde.Case.model_validate(case))
    assert spectrum.mass.sum() == pytest.approx(1.0, abs=1e-13)
    mean = spectrum.functions @ spectrum.mass
    assert abs(mean[0]) == pytest.approx(1.0, abs=1e-12)
    assert np.abs(mean[1:]).max() < 1e-12
    norms = (np.abs(spectrum.functions) ** 2) @ spectrum.mass
    assert norms == pytest.approx(1.0, abs=1e-12)


def test_signs_norms_and_densities():
    target = {"kind": "double_well", "barrier": 6.0, "tilt": 0.4}
    spectrum = wfrpde.spectrum(case_of(target))
    assert_orthonormal(spectrum)
    assert spectrum.eigenfunction(1, [1.0])[0] > 0, "positive at the last of the highest peaks"
    np.testing.assert_allclose(spectrum.functions[0], 1)
    x = np.linspace(-2.0, 2.0, 4001)
    for i in range(3):
        density = spectrum.density(i, x)
        assert np.trapezoid(density, x) == pytest.approx(float(i == 0), abs=1e-9), "mass of π u_i"
        norm = np.trapezoid(density * spectrum.eigenfunction(i, x), x)
        assert norm == pytest.approx(1, abs=1e-9)
    assert np.isnan(spectrum.eigenfunction(1, [50.0])).all()
    assert spectrum.density(1, [50.0]) == pytest.approx(0.0, abs=0.0)


def test_predicted_rates():
    case = case_of("x**2", flow={"alpha": 0.3, "beta": 2.0})
    spectrum = wfrpde.spectrum(case)
    assert spectrum.gap == pytest.approx(2, rel=1e-12)
    assert spectrum.langevin_rate == pytest.approx(1.2, rel=1e-12)
    assert spectrum.wfr_rate == pytest.approx(5.2, rel=1e-12)


def test_a_chain_of_wells():
    """A band of small rates, against sinc functions of the Schrödinger form."""
    target = "8*cos(2*pi*x) + 0.02*x**4"
    spectrum = wfrpde.spectrum(case_of(target, spectrum={"count": 10}))
    wanted = schroedinger_rates(
        lambda x: -16 * np.pi * np.sin(2 * np.pi * x) + 0.08 * x**3,
        lambda x: -32 * np.pi**2 * np.cos(2 * np.pi * x) + 0.24 * x**2,
        8.0,
        10,
        points=900,
    )
    np.testing.assert_allclose(spectrum.rates[1:], wanted[1:], rtol=1e-6, atol=2e-11)
