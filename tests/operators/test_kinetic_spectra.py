"""Kinetic Langevin: the harmonic well in closed form, and Kramers' turnover of a double well."""

from __future__ import annotations

import numpy as np
import pytest

import wfrpde
from wfrpde import Case
from wfrpde.engine.nonsymmetric import lowest
from wfrpde.errors import InputError
from wfrpde.operators.kinetic import matrix_of


def kinetic(potential, friction, count, **tables):
    return Case.from_dict(
        {
            "target": {"potential": potential},
            "initial": {"kind": "uniform"},
            "dynamics": {"kind": "kinetic", "friction": friction},
            "spectrum": {"count": count},
            **tables,
        }
    )


@pytest.mark.parametrize(
    ("stiffness", "friction"), [(4.0, 1.0), (1.0, 0.5), (1.0, 2.0), (1.0, 5.0)]
)
def test_the_harmonic_well(stiffness, friction):
    """nμ₊ + mμ₋, μ± = (γ ± √(γ² − 4ω²))/2: below, at and above critical damping."""
    spectrum = wfrpde.spectrum(kinetic(f"{stiffness}*x**2/2", friction, 6))
    root = np.sqrt(complex(friction**2 - 4 * stiffness))
    up, down = (friction + root) / 2, (friction - root) / 2
    every = [n * up + m * down for n in range(30) for m in range(30)]
    exact = sorted(every, key=lambda v: (round(v.real, 9), abs(v.imag), -v.imag))[:6]
    np.testing.assert_allclose(spectrum.eigenvalues, exact, rtol=1e-9, atol=1e-11)
    gap = np.abs(spectrum.eigenvalues - exact)
    assert (gap <= spectrum.errors + 1e-14).all()
    if friction == 2.0:  # eigenvalues have met
        assert spectrum.conditions[1:].min() > 1e6
        assert spectrum.errors.max() < 1e-6
    else:
        assert spectrum.conditions.max() < 2
    assert spectrum.warnings == ()


def test_left_vectors_follow_from_the_reversal_of_momenta():
    """Sᵀ = PSP: the same eigenvalues, conditions and left vectors as by a search of their own."""
    q, momenta = np.linspace(-2.2, 2.2, 30), 24
    matrix = matrix_of(12 * q * (q**2 - 1), q[1] - q[0], 2.0, momenta)
    signs = np.repeat((-1.0) ** np.arange(momenta), len(q))
    assert abs(matrix.T - matrix.multiply(np.outer(signs, signs))).max() < 1e-12
    common = {"scale": 0.01, "rotation": lambda _: 6.0, "ordering": "NATURAL"}
    one, other = (lowest(matrix, 6, mirror=mirror, **common) for mirror in (None, signs))
    np.testing.assert_allclose(other.values, one.values, atol=1e-9)
    np.testing.assert_allclose(other.conditions, one.conditions, rtol=1e-6)
    np.testing.assert_allclose(other.left.conj() @ other.right.T, np.eye(6), atol=1e-7)


def test_functions_are_averages_over_momenta():
    """ω = 1, γ = 5: the slow mode is linear, u ∝ q + p/(γ − μ₋), whose average is linear in q."""
    spectrum = wfrpde.spectrum(kinetic("x**2/2", 5.0, 3))
    slow = (5 - np.sqrt(21)) / 2
    norm = np.hypot(1, slow)  # L h = −μ h for h = q + μ p
    points = np.array([[0.5], [1.0], [-2.0]])
    values = spectrum.eigenfunction(1, points)
    np.testing.assert_allclose(np.abs(values), np.abs(points[:, 0]) / norm, atol=1e-9)
    assert values[0] * values[2] < 0


@pytest.mark.parametrize(
    ("friction", "rate"),
    [
        pytest.param(1.0, 5.14659724e-2, marks=pytest.mark.slow),
        (3.0, 4.9128863484e-2),
        pytest.param(10.0, 2.2405368083e-2, marks=pytest.mark.slow),
        (30.0, 7.9871224289e-3),
    ],
)
def test_turnover_of_a_double_well(friction, rate):
    spectrum = wfrpde.spectrum(kinetic("3*(x**2 - 1)**2", friction, 2))
    assert spectrum.rates[1] == pytest.approx(rate, rel=1e-8)
    assert abs(spectrum.rates[1] - rate) <= spectrum.errors[1] + 2e-9 * rate
    assert spectrum.errors[1] <= 1e-6 * rate
    positions, momenta = (
        [run[name] for run in spectrum.numerics["runs"]] for name in ("positions", "momenta")
    )
    assert min(np.diff(positions)) > 0  # the two resolutions differ in both directions
    assert min(np.diff(momenta)) > 0


@pytest.mark.slow
def test_low_friction():
    spectrum = wfrpde.spectrum(kinetic("3*(x**2 - 1)**2", 0.3, 4))
    assert spectrum.rates[1] == pytest.approx(2.650854e-2, rel=1e-6)
    assert spectrum.eigenvalues[2:4] == pytest.approx(
        [0.276029558, 0.42971616 + 4.5263544j], rel=1e-5
    )


@pytest.mark.slow
def test_the_overdamped_limit():
    """γλ₁ → the rate of overdamped dynamics, with a correction of order 1/γ²."""
    overdamped = Case.from_dict(
        {"target": {"potential": "3*(x**2 - 1)**2"}, "initial": {"kind": "uniform"}}
    )
    limit = wfrpde.spectrum(overdamped).rates[1]
    gaps = [
        g * wfrpde.spectrum(kinetic("3*(x**2 - 1)**2", g, 2)).rates[1] - limit for g in (30.0, 60.0)
    ]
    assert np.log2(gaps[0] / gaps[1]) == pytest.approx(2.0, abs=0.1)
    assert abs(gaps[1]) < 1e-3


def test_what_is_refused():
    several = Case.from_dict(
        {
            "target": {"potential": "x**2 + y**2"},
            "initial": {"kind": "uniform"},
            "dynamics": {"kind": "kinetic"},
        }
    )
    with pytest.raises(InputError, match="needed one to three dimensions, momenta counted"):
        wfrpde.spectrum(several)
