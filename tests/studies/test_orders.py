"""Fitted orders: exact on exact powers, intervals that hold the truth as often as they say."""

import numpy as np
import pytest

from wfrpde.studies.convergence.orders import fit_order, fit_power, fit_rate, order_in_space


def test_a_power_is_found_to_round_off():
    size = np.array([0.4, 0.2, 0.1, 0.05])
    fit = fit_order(size, 3.7 * size**2.5)
    assert fit.order == pytest.approx(2.5, abs=1e-13)
    assert fit.high - fit.low <= 1e-12
    assert fit.local == pytest.approx([2.5] * 3, abs=1e-13)


def test_decades_for_each_unit():
    degree = np.array([2.0, 3.0, 5.0])
    assert fit_rate(degree, 7 * 10 ** (-1.5 * degree)).order == pytest.approx(1.5, abs=1e-13)


def test_two_points_have_no_interval_and_one_has_no_order():
    fit = fit_order([0.2, 0.1], [4.0, 1.0])
    assert fit.order == pytest.approx(2.0, abs=1e-14)
    assert (fit.low, fit.high) == (-np.inf, np.inf)
    with pytest.raises(ValueError, match="two points"):
        fit_order([0.1], [1.0])


def test_intervals_hold_the_order_in_19_of_20_fits():
    """Of 2000 scattered sequences; the standard error of the share is 0.005."""
    rng = np.random.default_rng(5)
    size = 2.0 ** -np.arange(5.0)
    fits = [fit_order(size, size**2 * np.exp(0.1 * rng.standard_normal(5))) for _ in range(2000)]
    held = np.mean([fit.low <= 2 <= fit.high for fit in fits])
    assert abs(held - 0.95) <= 3 * 0.005
    biased = np.mean([fit.low <= 2.3 <= fit.high for fit in fits])
    assert biased <= 0.6  # an order that is wrong by 0.3 is found out


@pytest.mark.parametrize(
    ("degree", "order"), [(1, 2.0), (2, 4.0), (3, 5.0), (4, 6.0), (5, 7.0), (6, 8.0)]
)
def test_theory_of_spectral_elements(degree, order):
    assert order_in_space("spectral", degree, extrapolated=False) == order


def test_theory_of_edge_averaged_fluxes():
    assert order_in_space("edge-averaged", 1, extrapolated=False) == 2.0
    assert order_in_space("edge-averaged", 1, extrapolated=True) == 4.0


def test_powers_with_error_bars_hold_the_order_as_often_as_they_say():
    """Of 400 sequences of either sign, some values of which are lost in their errors."""
    rng = np.random.default_rng(6)
    size = 2.0 ** -np.arange(4.0)
    fits = [
        fit_power(size, -size + 0.05 * rng.standard_normal(4), np.full(4, 0.05)) for _ in range(400)
    ]
    held = np.mean([fit.low <= 1 <= fit.high for fit in fits])
    assert abs(held - 0.95) <= 3 * 0.011
    assert np.median([fit.order for fit in fits]) == pytest.approx(1, abs=0.03)
    wrong = np.mean([fit.low <= 1.5 <= fit.high for fit in fits])
    assert wrong <= 0.4
    exact = fit_power(size, 3 * size**0.5, 0.01 * size)
    assert exact.order == pytest.approx(0.5, abs=1e-3)
