"""Rates and times of exit, quasi-stationary densities and committors, against formulas.

In one dimension τ and q are integrals: τ(x) = ∫_x^b e^V ∫_{−∞}^y e^{−V}, q = ∫_a^x e^V / ∫_a^b e^V.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import hyp1f1
from spectrum_references import case_of

import wfrpde
from wfrpde.errors import InputError
from wfrpde.operators import committor, eigen, mean_exit_time

OSCILLATOR = "x**2/2"
FLAT = {"potential": "0*x", "dim": 1}


def rates_in(target, region, count=3, **tables):
    case = case_of(target, spectrum={"absorbing": region, "count": count}, **tables)
    return wfrpde.spectrum(case)


@pytest.mark.parametrize(
    ("region", "box", "wanted"),
    [
        ("x < -0.5 or x > 0.3", [-1.0, 1.0], (np.arange(1, 5) * np.pi / 0.8) ** 2),
        ("x <= 0 or x >= 2", [0.0, 2.0], (np.arange(1, 5) * np.pi / 2) ** 2),
        ("x >= 1", [0.0, 1.5], ((np.arange(4) + 0.5) * np.pi) ** 2),
    ],
)
def test_brownian_motion(region, box, wanted):
    """Between absorbing ends, and between one and a reflecting wall."""
    spectrum = rates_in(FLAT, region, 4, domain={"box": [box]})
    np.testing.assert_allclose(spectrum.rates, wanted, rtol=1e-12)
    assert (np.abs(spectrum.rates - wanted) <= spectrum.errors).all()
    assert spectrum.warnings == ()


def test_ornstein_uhlenbeck_between_the_zeros_of_a_hermite_polynomial():
    spectrum = rates_in(OSCILLATOR, "x < -1 or x > 1")
    assert spectrum.rates[0] == pytest.approx(2, abs=1e-12)
    x = np.linspace(-1, 1, 41)
    density = (1 - x**2) * np.exp(-(x**2) / 2)
    norm = quad(lambda s: (1 - s * s) * np.exp(-s * s / 2), -1, 1)[0]
    np.testing.assert_allclose(spectrum.quasi_stationary_density(x), density / norm, atol=1e-9)
    assert spectrum.quasi_stationary_density([-1.5, 2.0]) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(
    ("b", "tolerance"), [(0.5, 1e-12), (1.5, 1e-12), (3.0, 1e-10), (6.0, 1e-8)]
)
def test_ornstein_uhlenbeck_between_symmetric_ends(b, tolerance):
    """Even modes are 1F1(−λ/2, 1/2, x²/2): λ₀ is the first root at b, 7e-8 for b = 6."""
    spectrum = rates_in(OSCILLATOR, f"x < -{b} or x > {b}", 1)
    rate = spectrum.rates[0]
    wanted = brentq(
        lambda s: hyp1f1(-s / 2, 0.5, b * b / 2), rate / 1.1, rate * 1.1, xtol=1e-22, rtol=1e-14
    )
    assert rate == pytest.approx(wanted, rel=tolerance)
    assert abs(rate - wanted) <= spectrum.errors[0] + 1e-13 * wanted


def time_to_leave(x, b):
    """τ of V = x²/2 from x to ±b, by quadrature."""

    def inner(y):
        return np.exp(y * y / 2) * quad(lambda z: np.exp(-z * z / 2), 0, y, epsrel=1e-13)[0]

    return quad(inner, abs(x), b, epsabs=0, epsrel=1e-12)[0]


@pytest.mark.parametrize("b", [0.5, 1.5, 3.0])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_mean_exit_times(b, alpha):
    case = case_of(OSCILLATOR, flow={"alpha": alpha})
    found = mean_exit_time(case, f"abs(x) > {b}")
    x = np.array([-0.7, 0.0, 0.4]) * b
    wanted = np.array([time_to_leave(s, b) for s in x]) / alpha
    np.testing.assert_allclose(found.time_from(x), wanted, rtol=1e-9)
    average = quad(lambda s: np.exp(-s * s / 2) * time_to_leave(s, b), 0, b)[0] / alpha
    average /= quad(lambda s: np.exp(-s * s / 2), 0, b)[0]
    assert found.mean_time == pytest.approx(average, rel=1e-8)
    assert abs(found.mean_time - average) <= found.mean_time_error + 1e-8 * average
    assert found.mean_time_error < 1e-8 * average
    s, weight = leggauss(60)
    assert weight @ found.quasi_stationary_density(b * s) * b == pytest.approx(1, abs=1e-8)
    rate = rates_in(OSCILLATOR, f"abs(x) > {b}", 1).rates[0]
    assert found.rate == pytest.approx(alpha * rate, rel=1e-10)


def test_a_deep_well_is_left_at_the_reciprocal_of_its_time():
    """At a barrier of 30 kT rate times mean time from the bottom is 1 to within e^{−30}·…"""
    case = case_of({"kind": "double_well", "barrier": 30.0})
    found = mean_exit_time(case, "right")
    assert found.rate * found.time_from([-1.0])[0] == pytest.approx(1, abs=1e-8)
    spectrum = wfrpde.spectrum(case)
    # by symmetry the odd mode vanishes at 0, where the right well begins
    assert found.rate == pytest.approx(spectrum.gap, rel=1e-10)


@pytest.mark.parametrize(("a", "b"), [(-0.9, 0.9), (-1.0, 0.4)])
@pytest.mark.parametrize(("barrier", "tilt"), [(8.0, 0.0), (20.0, 0.5), (40.0, 0.0), (40.0, 0.5)])
def test_committors_and_fluxes(barrier, tilt, a, b):
    case = case_of({"kind": "double_well", "barrier": barrier, "tilt": tilt}, flow={"alpha": 0.5})
    found = committor(case, f"x < {a}", f"x > {b}")

    def potential(x):
        return barrier * (x * x - 1) ** 2 + tilt * x

    node, weight = leggauss(20)
    x = np.linspace(a, b, 41)
    half = np.diff(x)[:, None] / 2
    inside = (x[:-1, None] + x[1:, None]) / 2 + half * node
    pieces = (np.exp(potential(inside) - barrier) * half) @ weight
    wanted = np.append(0.0, np.cumsum(pieces)) / pieces.sum()
    np.testing.assert_allclose(found(x), wanted, atol=1e-11)
    np.testing.assert_allclose(found(x)[1:], wanted[1:], rtol=1e-7)
    assert np.abs(found(x) - wanted).max() <= 10 * found.error + 1e-13
    assert found([a - 0.1, b + 0.1]) == pytest.approx([0.0, 1.0], abs=1e-12)
    partition = quad(lambda s: np.exp(-potential(s)), -2.3, 2.3, points=[-1, 1], epsrel=1e-13)[0]
    flux = 0.5 * np.exp(-barrier) / (partition * pieces.sum())
    assert found.rate == pytest.approx(flux, rel=1e-10)
    # exchanging the regions turns q into 1 − q, and keeps the flux
    other = committor(case, f"x > {b}", f"x < {a}")
    np.testing.assert_allclose(other(x) + found(x), 1, atol=1e-11)
    assert other.rate == pytest.approx(found.rate, rel=1e-11)


def test_in_the_plane_the_transverse_direction_plays_no_part():
    well = {"kind": "double_well", "barrier": 6.0, "tilt": 0.3}
    plane = case_of({**well, "dim": 2, "stiffness": 3.0}, 2, numerics={"cells": [20, 8]})
    line = case_of(well)
    regions = "x < -0.8", "x > 0.7"
    found, wanted = committor(plane, *regions), committor(line, *regions)
    x = np.linspace(-0.75, 0.65, 9)
    points = np.stack([x, 0.4 * np.cos(5 * x)], axis=1)
    np.testing.assert_allclose(found(points), wanted(x), atol=1e-7)
    assert found.rate == pytest.approx(wanted.rate, rel=1e-7)
    times, reference = mean_exit_time(plane, regions[1]), mean_exit_time(line, regions[1])
    np.testing.assert_allclose(times.time_from(points), reference.time_from(x), rtol=1e-7)
    assert times.rate == pytest.approx(reference.rate, rel=1e-7)
    assert times.mean_time == pytest.approx(reference.mean_time, rel=1e-7)


def test_a_slanted_boundary_is_told():
    """Cells do not follow it: first order, with a warning, and right to that order."""
    target = {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [[1.0, 0.0], [0.0, 1.0]]}
    for cells in (16, 24):
        case = case_of(target, 2, numerics={"cells": [cells] * 2, "degree": 4})
        found = mean_exit_time(case, "x + y > 0")
        assert any("first order" in text for text in found.warnings)
        assert found.rate == pytest.approx(1, rel=0.1)
        assert abs(found.rate - 1) < found.rate_error


@pytest.mark.parametrize(
    ("regions", "text"),
    [
        (("x < 0.5", "x > 0"), "absorbing regions|meet"),
        (("-1.2 < x < 0.3", "0.1 < x < 1"), "meet"),
        (("x < -40", "x > 0"), "no node"),
        (("x > 0.5 and x < 0.50001", "x < 0"), "no node"),
        (("nowhere", "x > 0"), "one of the modes"),
        (("y > 0", "x > 0"), "y"),
    ],
)
def test_regions_that_cannot_be_used_are_refused(regions, text):
    case = case_of({"kind": "double_well", "barrier": 4.0})
    with pytest.raises(InputError, match=text):
        committor(case, *regions)


@pytest.mark.parametrize(("region", "text"), [("x > 50", "no node"), ("x < 50", "every node")])
def test_absorbing_nothing_or_everything_is_refused(region, text):
    case = case_of(OSCILLATOR)
    for question in (
        lambda: rates_in(OSCILLATOR, region),
        lambda: mean_exit_time(case, region),
    ):
        with pytest.raises(InputError, match=text):
            question()


def test_without_diffusion_nothing_is_reached():
    case = case_of(OSCILLATOR, flow={"alpha": 0.0})
    with pytest.raises(InputError, match=r"flow\.alpha"):
        committor(case, "x < -1", "x > 1")
    with pytest.raises(InputError, match=r"flow\.alpha"):
        mean_exit_time(case, "x > 1")


def test_a_disk_is_no_box():
    """Exit from r < 2 with V = r²/2: M(−λ/2, 1, 2) = 0. Few lines along the axes cross the disk."""
    exact = brentq(lambda rate: hyp1f1(-rate / 2, 1.0, 2.0), 0.3, 1.0)
    case = case_of("(x**2 + y**2)/2", 2, domain={"box": [[-9, 9], [-9, 9]]})
    found = mean_exit_time(case, "x**2 + y**2 > 4")
    assert abs(found.rate - exact) <= found.rate_error
    assert any("first order" in text for text in found.warnings)


def test_transitions_between_disks():
    """From r < 1/2 to r > 2 with V = r²/2: 1/∫ e^{r²/2}/r dr, which lines along axes miss."""
    case = case_of("(x**2 + y**2)/2", 2)
    found = committor(case, "x**2 + y**2 < 0.25", "x**2 + y**2 > 4")
    assert abs(found.rate - 0.31608345387) <= found.rate_error
    assert any("first order" in text for text in found.warnings)
    middle = float(found(np.array([[1.2 * np.cos(0.3), 1.2 * np.sin(0.3)]]))[0])
    assert abs(middle - 0.34914) < 0.05


def test_an_oblique_plane_behind_a_barrier():
    """3 kT, turned by 0.6: the rate of the line, and a warning."""
    c, s = float(np.cos(0.6)), float(np.sin(0.6))
    u, v = f"({c!r}*x + {s!r}*y)", f"({c!r}*y - {s!r}*x)"
    case = case_of(f"3*({u}**2 - 1)**2 + {v}**2/2", 2, numerics={"cells": [24, 20], "degree": 4})
    found = mean_exit_time(case, f"{u} > 0.5")
    right = mean_exit_time(case_of("3*(x**2 - 1)**2"), "x > 0.5").rate
    assert abs(found.rate - right) <= found.rate_error <= 0.1 * right
    assert any("first order" in text for text in found.warnings)


def test_oblique_planes_on_both_sides_of_twenty_kT():
    """The flux between them is e^{−ΔV} over two integrals along the line; it was 607 bars off."""
    c, s = float(np.cos(0.6)), float(np.sin(0.6))
    u, v = f"({c!r}*x + {s!r}*y)", f"({c!r}*y - {s!r}*x)"
    case = case_of(f"20*({u}**2 - 1)**2 + {v}**2/2", 2, numerics={"cells": [20, 20]})
    found = committor(case, f"{u} < -0.5", f"{u} > 0.5")
    across = quad(lambda x: np.exp(20 * (x * x - 1) ** 2 - 20), -0.5, 0.5)[0]
    partition = 2 * quad(lambda x: np.exp(-20 * (x * x - 1) ** 2), 0, 3, points=[1])[0]
    right = np.exp(-20) / across / partition
    assert abs(found.rate - right) <= found.rate_error <= 0.05 * right
    assert any("first order" in text for text in found.warnings)


def test_a_rectangle_is_bounded_by_planes():
    """Exit from |x| < 1, |y| < 2 without forces: (π/2)² + (π/4)², to the digits of the elements."""
    case = case_of("1e-9*(x + y)", 2, domain={"box": [[-3, 3], [-3, 3]]})
    found = mean_exit_time(case, "not (abs(x) < 1 and abs(y) < 2)")
    assert found.rate == pytest.approx((np.pi / 2) ** 2 + (np.pi / 4) ** 2, rel=1e-8)
    assert not any("first order" in text for text in found.warnings)


def test_a_steep_wall_within_the_box_is_left_out():
    """V rises to 2000 kT at one end: what lies above 80 kT holds nothing, and no digits.

    Right values by quadrature of the nested integrals and by bisection (validation/fuzz).
    """
    case = wfrpde.Case.from_dict(
        {
            "target": {"potential": "5*((1/x)**12 - 2*(1/x)**6) - 2*log(x)"},
            "initial": {"mean": [1.0], "covariance": [[0.01]]},
            "domain": {"box": [[0.6, 5.0]]},
        }
    )
    answer = mean_exit_time(case, "x > 2")
    assert abs(answer.rate - 0.2564323972) <= 1e-9
    assert abs(answer.mean_time - 3.7661903007) <= 1e-9
    reached = committor(case, "x < 0.9", "x > 2")
    assert 0 < reached.rate_error <= 1e-8 * reached.rate + 1e-12 or reached.rate_error < 1e-12


@pytest.mark.parametrize("question", ["committor", "mean_exit_time"])
def test_modes_and_answers_share_one_factorisation_a_level(question, monkeypatch):
    """What is solved for takes the factors that the eigenfunctions were found with."""
    entered = []
    enter = eigen.Inverse.__enter__

    def counted(self):
        entered.append(self)
        return enter(self)

    monkeypatch.setattr(eigen.Inverse, "__enter__", counted)
    case = wfrpde.Case.from_dict(
        {"target": {"potential": "4*(x**2 - 1)**2"}, "initial": {"mean": [-1.0], "covariance": 0.1}}
    )
    if question == "committor":
        found = committor(case, "x < -1", "x > 1")
        assert found(np.zeros((1, 1)))[0] == pytest.approx(0.5, abs=1e-10)
    else:
        found = mean_exit_time(case, "x > 1")
    assert len(entered) == len(found.numerics["runs"])
