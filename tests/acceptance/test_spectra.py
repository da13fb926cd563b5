"""Rates against closed forms and independent references, with the settings that are the default.

A gap of 1e-16 has to be as accurate as one of 1, and each error within its estimate.
"""

from __future__ import annotations

import numpy as np
import pytest
from spectrum_references import (
    case_of,
    coupled_rates,
    double_well_rates,
    gaussian,
    oscillator_rates,
    smallest_gap,
)

import wfrpde

CORRELATED = np.array([[1.0, 0.4], [0.4, 0.7]])

REFERENCE = 6e-13
"""Relative error of the references but the gaps, whose is 1e-14."""


def assert_exact(spectrum, wanted, tolerance, reference=1e-14):
    """Rates within a relative tolerance, residuals small, and errors within their estimates."""
    rates = spectrum.rates
    assert len(rates) == len(wanted)
    assert rates[0] == 0.0
    assert spectrum.warnings == ()
    np.testing.assert_allclose(rates[1:], wanted[1:], rtol=tolerance)
    off = np.abs(rates - wanted)[1:]
    beyond = off - reference * wanted[1:] - spectrum.errors[1:]
    assert (beyond <= 0).all(), (off, spectrum.errors)
    assert (spectrum.errors[1:] < 1e3 * tolerance * wanted[1:]).all(), "estimates are not absurd"
    assert (spectrum.residuals < 1e-6 * (1 + wanted)).all()


@pytest.mark.parametrize("covariance", [[[0.6]], CORRELATED, [[1.0, 0.0], [0.0, 1.0]]])
def test_ornstein_uhlenbeck(covariance):
    """The first ten rates but 0, simple and multiple."""
    spectrum = wfrpde.spectrum(gaussian(covariance, spectrum={"count": 11}))
    assert_exact(spectrum, oscillator_rates(covariance, 11), 1e-10)


@pytest.mark.slow
def test_ornstein_uhlenbeck_in_space():
    """Spectral elements of degree 8, which in 3-D have to be asked for."""
    covariance = np.array([[1.0, 0.2, 0.1], [0.2, 0.9, -0.1], [0.1, -0.1, 1.1]])
    reach = 6.9 * np.sqrt(np.diag(covariance))
    # the refinement squares what is left: the Krylov space need not converge far
    options = {"eps_tol": 1e-3, "eps_ncv": 34}
    case = gaussian(
        covariance,
        domain={"box": np.stack([-reach, reach], axis=1).tolist()},
        numerics={"degree": 8, "cells": [6, 6, 6], "certify": False, "petsc_options": options},
        spectrum={"count": 10},
    )
    rates = wfrpde.spectrum(case).rates
    np.testing.assert_allclose(rates, oscillator_rates(covariance, 10), rtol=1e-7, atol=1e-14)


@pytest.mark.parametrize("tilt", [0.0, 0.5])
@pytest.mark.parametrize("barrier", [3.0, 8.0, 20.0, 30.0, 40.0])
def test_double_wells(barrier, tilt):
    target = {"kind": "double_well", "barrier": barrier, "tilt": tilt}
    spectrum = wfrpde.spectrum(case_of(target))
    wanted = double_well_rates(barrier, tilt, 8)
    assert_exact(spectrum, wanted, 1e-11, REFERENCE)
    assert spectrum.gap == pytest.approx(wanted[1], rel=2e-13)


def test_the_gap_that_is_known():
    """The reference itself against a number computed elsewhere."""
    assert smallest_gap(lambda x: 20 * (x * x - 1) ** 2, -1.8, 1.8) == pytest.approx(
        7.277211399e-8, rel=1e-10
    )


def test_the_hundredth_decade():
    """At a = 100 the gap is 7e-42."""
    spectrum = wfrpde.spectrum(case_of({"kind": "double_well", "barrier": 100.0}))
    wanted = smallest_gap(lambda x: 100 * (x * x - 1) ** 2, -1.4, 1.4)
    assert spectrum.gap == pytest.approx(wanted, rel=1e-9)
    assert abs(spectrum.gap - wanted) <= spectrum.errors[1]


def test_a_gap_that_cannot_be_resolved_is_told():
    """At a = 300 it is 3e-128, which is beyond what the refinement can do: the user is warned."""
    spectrum = wfrpde.spectrum(case_of({"kind": "double_well", "barrier": 300.0}))
    wanted = smallest_gap(lambda x: 300 * (x * x - 1) ** 2, -1.3, 1.3)
    assert abs(spectrum.gap - wanted) <= spectrum.errors[1]
    if spectrum.errors[1] > 1e-2 * wanted:
        assert any("1 of 8 eigenvalues" in text for text in spectrum.warnings)


def test_a_coupled_double_well_in_the_plane():
    target = {
        "kind": "double_well", "dim": 2, "barrier": 20.0, "stiffness": 8.0, "coupling": 0.5,
    }  # fmt: skip
    spectrum = wfrpde.spectrum(case_of(target, 2, spectrum={"count": 6}))
    # the reference has half of the digits of its smallest singular value
    assert_exact(spectrum, coupled_rates(20.0, 8.0, 0.5, 6), 1e-9, 1e-9)


@pytest.mark.parametrize("power", [0.2, 0.5, 1.5])
def test_singular_ends_converge_slowly_and_the_bars_say_so(power):
    """V = x²/2 − a log x on the half line: Laguerre polynomials of x²/2, with rates 2k."""
    case = case_of({"potential": f"x**2/2 - {power}*log(x)"}, domain={"box": [[0.0, 12.0]]})
    spectrum = wfrpde.spectrum(case)
    gap = np.abs(spectrum.rates - 2 * np.arange(len(spectrum.rates)))
    assert (gap <= spectrum.errors).all()
    assert (spectrum.errors[1:] <= 5 * gap[1:]).all()


def test_soft_walls_that_are_oblique_to_the_mesh():
    """V = 40 max(0, |u| − 1) + v²/2 with turned axes: λ = 1 of the harmonic direction."""
    u, v = "(0.8*x + 0.6*y)", "(0.8*y - 0.6*x)"
    target = {"potential": f"40*max(0, abs({u}) - 1) + {v}**2/2"}
    spectrum = wfrpde.spectrum(case_of(target, 2, spectrum={"count": 2}))
    assert abs(spectrum.gap - 1) <= spectrum.errors[1] < 2e-3
