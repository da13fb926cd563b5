"""Feynman–Kac eigenvalues, eigenfunctions, Doob drifts and cumulants against closed forms.

With V = κx²/2 and U = kx the principal function is e^{bx}, b = k/(ακ), and the eigenvalues are
αb² − ακn; with U = −cx² it is e^{−sx²/2}, 2s = w − κ, w = √(κ² + 4c/α), and they are −αs − αwn.
"""

from __future__ import annotations

import numpy as np
import pytest
from spectrum_references import case_of, schroedinger_rates

import wfrpde
from wfrpde.errors import InputError
from wfrpde.operators import cumulants

KAPPA = 1.7
X = np.linspace(-2.5, 2.5, 21)
LINE = f"{KAPPA}*x**2/2"
WELL = {"kind": "double_well", "barrier": 4.0, "tilt": 0.3}


def within(value, wanted, error, tolerance):
    """Within the tolerance, and within the estimated error but for round-off."""
    off = np.abs(np.asarray(value) - wanted)
    assert (off <= tolerance * np.maximum(np.abs(wanted), 1)).all(), off
    assert (off <= np.asarray(error) + 1e-14).all(), (off, error)


def gaussian(x, mean, variance):
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


@pytest.mark.parametrize("alpha", [1.0, 0.6])
@pytest.mark.parametrize("k", [0.9, -2.0])
def test_a_linear_rate(k, alpha):
    case = case_of(LINE, flow={"alpha": alpha, "reaction": f"{k}*x"})
    fk = wfrpde.feynman_kac(case)
    b = k / (alpha * KAPPA)
    within(fk.eigenvalues, alpha * b * b - alpha * KAPPA * np.arange(8), fk.errors, 1e-10)
    within(fk.principal_eigenvalue, alpha * b * b, fk.error, 1e-10)
    assert fk.gap == pytest.approx(alpha * KAPPA, rel=1e-10)
    assert fk.mean_rate == pytest.approx(2 * k * b / KAPPA, rel=1e-10)
    function = np.exp(b * X - b * b / KAPPA)  # ∫π φ² = 1
    np.testing.assert_allclose(fk.right_eigenfunction(X), function, rtol=1e-8)
    density = gaussian(X, 0, 1 / KAPPA)
    np.testing.assert_allclose(fk.left_eigenfunction(X), density * function, rtol=1e-8)
    settled = gaussian(X, b / KAPPA, 1 / KAPPA)
    np.testing.assert_allclose(fk.quasi_stationary_density(X), settled, rtol=1e-8)
    tilted = gaussian(X, 2 * b / KAPPA, 1 / KAPPA)
    np.testing.assert_allclose(fk.tilted_density(X), tilted, rtol=1e-8)
    # the derivative of log φ has an order less
    drift = -alpha * KAPPA * X + 2 * alpha * b
    np.testing.assert_allclose(fk.doob_drift(X)[:, 0], drift, atol=1e-6)


@pytest.mark.parametrize("c", [0.7, 3.0, -0.3])
def test_a_quadratic_rate(c):
    alpha = 0.8
    fk = wfrpde.feynman_kac(case_of(LINE, flow={"alpha": alpha, "reaction": f"{-c}*x**2"}))
    w = np.sqrt(KAPPA**2 + 4 * c / alpha)
    s = (w - KAPPA) / 2
    within(fk.eigenvalues, -alpha * s - alpha * w * np.arange(8), fk.errors, 1e-10)
    assert fk.mean_rate == pytest.approx(-c / w, rel=1e-10)
    np.testing.assert_allclose(fk.tilted_density(X), gaussian(X, 0, 1 / w), rtol=1e-7)
    settled = gaussian(X, 0, 1 / (KAPPA + s))
    np.testing.assert_allclose(fk.quasi_stationary_density(X), settled, rtol=1e-7)
    np.testing.assert_allclose(fk.doob_drift(X)[:, 0], -alpha * w * X, atol=1e-5)


def test_in_the_plane():
    """A sum over coordinates: eigenvalues add up, the drift is that of each."""
    case = case_of(
        f"{KAPPA}*x**2/2 + y**2",
        2,
        flow={"reaction": "0.5*x - 0.4*y**2"},
        domain={"box": [[-7.0, 7.5], [-6.0, 6.0]]},
        numerics={"degree": 8, "cells": [13, 13]},
    )
    fk = wfrpde.feynman_kac(case)
    b, w = 0.5 / KAPPA, np.sqrt(4 + 1.6)
    levels = np.add.outer(b * b - KAPPA * np.arange(6), (2 - w) / 2 - w * np.arange(6))
    within(fk.eigenvalues, np.sort(levels.ravel())[::-1][:8], fk.errors + 1e-11, 1e-8)
    points = np.stack([X / 2, X[::-1] / 3], axis=1)
    wanted = np.stack([-KAPPA * points[:, 0] + 2 * b, -w * points[:, 1]], axis=1)
    np.testing.assert_allclose(fk.doob_drift(points), wanted, atol=1e-4)


def test_cumulants_of_a_linear_rate():
    k = np.array([-2.0, -1.0, 0.0, 0.5, 3.0])
    found = cumulants(case_of(LINE, flow={"alpha": 0.8, "reaction": "x"}), k)
    factor = 1 / (0.8 * KAPPA**2)
    within(found.values, factor * k**2, found.errors, 1e-10)
    within(found.means, 2 * factor * k, found.mean_errors, 1e-10)
    within(found.variances, 2 * factor, found.variance_errors, 1e-10)
    assert found.warnings == ()


def test_cumulants_of_a_quadratic_rate():
    k = np.array([-0.4, 0.0, 0.5, 2.0])
    found = cumulants(case_of(LINE, flow={"reaction": "-x**2"}), k)
    w = np.sqrt(KAPPA**2 + 4 * k)
    within(found.values, (KAPPA - w) / 2, found.errors, 1e-10)
    within(found.means, -1 / w, found.mean_errors, 1e-10)
    within(found.variances, 2 / w**3, found.variance_errors, 1e-10)


def principal(k):
    """θ(k) of the well for U = tanh(3x), on sinc functions."""
    a, c = WELL["barrier"], WELL["tilt"]
    return -schroedinger_rates(
        lambda x: 4 * a * x * (x * x - 1) + c,
        lambda x: 4 * a * (3 * x * x - 1),
        2.4,
        1,
        lambda x: k * np.tanh(3 * x),
    )[0]


def test_cumulants_of_a_double_well():
    """θ, θ' and θ'' against another discretisation and its finite differences."""
    k = np.array([-1.0, 0.0, 0.05, 1.5])
    found = cumulants(case_of(WELL, flow={"reaction": "tanh(3*x)"}), k)
    step = 1e-3
    for i, tilt in enumerate(k):
        low, here, high = (principal(tilt + d) for d in (-step, 0.0, step))
        assert found.values[i] == pytest.approx(here, abs=1e-10)
        slope = (high - low) / (2 * step)
        assert found.means[i] == pytest.approx(slope, abs=3e-5 * max(1, found.variances[i]))
        curvature = (high - 2 * here + low) / step**2
        assert found.variances[i] == pytest.approx(curvature, rel=1e-3, abs=1e-4)
    assert (found.errors < 1e-9).all()
    assert (np.abs(found.values) <= np.abs(k)).all(), "θ lies within the range of kU"


@pytest.mark.parametrize("k", [0.5, 2.0])
def test_the_flow_grows_at_the_principal_eigenvalue(k):
    """log γ_t(1) of the linear flow over a late window, and θ(k), of a double well."""
    tables = {"flow": {"reaction": f"{k}*tanh(3*x)", "save": [15.0, 16.0]}}
    case = wfrpde.Case.model_validate(
        {"target": WELL, "initial": {"mean": [-1.0], "covariance": [[0.05]]}, **tables}
    )
    growth = wfrpde.solve(case).series["log_normalising_constant"]
    fk = wfrpde.feynman_kac(case)
    assert fk.principal_eigenvalue == pytest.approx(principal(k), abs=1e-10)
    assert np.exp(-15.0 * fk.gap) < 1e-5, "the window is late"
    assert growth[2] - growth[1] == pytest.approx(fk.principal_eigenvalue, abs=1e-5)


def test_a_constant_rate_shifts():
    """αL + 3: the spectrum of αL moved up, and a flat principal function."""
    fk = wfrpde.feynman_kac(case_of(WELL, flow={"reaction": "3 + 0*x"}))
    rates = wfrpde.spectrum(case_of(WELL)).rates
    np.testing.assert_allclose(fk.eigenvalues, 3 - rates, atol=1e-11)
    np.testing.assert_allclose(fk.right_eigenfunction([-1.0, 0.0, 1.2]), 1, atol=1e-8)


def test_a_rate_that_outgrows_the_potential_is_told():
    """The result would be that of the box, whatever the box."""
    outgrown = {"flow": {"reaction": "0.6*x**2"}}
    for tables in (outgrown, {**outgrown, "domain": {"box": [[-5.0, 5.0]]}}):
        fk = wfrpde.feynman_kac(case_of("x**2/2", **tables))
        assert any("at the walls" in text for text in fk.warnings), fk.warnings


def test_a_rate_close_to_the_limit_is_exact_or_told():
    """0.24 x² is below the limit of 0.25: φ²π is five times as wide as π."""
    fk = wfrpde.feynman_kac(case_of("x**2/2", flow={"reaction": "0.24*x**2"}))
    assert fk.principal_eigenvalue == pytest.approx(0.4, abs=1e-9)


@pytest.mark.parametrize(
    ("flow", "where"),
    [({}, "flow.reaction"), ({"reaction": "x", "alpha": 0.0}, "flow.alpha")],
)
def test_what_has_no_eigenvalues_is_refused(flow, where):
    for question in (wfrpde.feynman_kac, lambda case: cumulants(case, [0.5])):
        with pytest.raises(InputError) as caught:
            question(case_of(LINE, flow=flow))
        assert caught.value.where == where
