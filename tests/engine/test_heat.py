"""Gaussian kernels on logarithms: exact where nothing else is, far out in steep tails."""

import numpy as np
import pytest

from wfrpde.engine import heat
from wfrpde.engine.heat import smoothed


@pytest.mark.parametrize("slope", [0.0, 3.0, -40.0])
def test_a_slope_is_exact_however_steep(slope):
    """log ρ may fall by 14 and more from node to node: e^{sx} becomes e^{sx + τs²}."""
    width, tau = 0.35, 0.04
    x = np.arange(-60, 61) * width
    found = smoothed(slope * x, 0, width, tau)
    inside = np.abs(x) < 9.0
    bound = 3 * np.exp(-4 * np.pi**2 * tau / width**2)  # Poisson's formula: 6e-6 here
    assert np.abs(found - slope * x - tau * slope**2)[inside].max() < bound


@pytest.mark.parametrize("axis", [0, 1])
def test_a_narrow_gaussian_far_out(axis):
    """At a distance of 40 its log is −800: 1e-9 of that, also beyond what products can hold."""
    width, tau, variance = 0.25, 0.05, 1.0
    x = np.arange(-200, 201) * width
    start = np.repeat(-(x**2)[:, None] / 2 / variance, 3, axis=1)
    found = smoothed(np.moveaxis(start, 0, axis), axis, width, tau)
    wide = variance + 2 * tau
    exact = -(x**2) / 2 / wide - np.log(wide / variance) / 2
    inside = np.abs(x) < 40.0
    assert np.abs(np.moveaxis(found, axis, 0)[:, 0] - exact)[inside].max() < 1e-8


def test_products_and_sums_one_by_one_are_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=(150, 4)), axis=0) * 3
    values[rng.uniform(size=values.shape) < 0.05] = -np.inf
    usual = smoothed(values, 0, 0.3, 0.05)
    monkeypatch.setattr(heat, "TOP", -1e4)  # too far down for products
    np.testing.assert_allclose(smoothed(values, 0, 0.3, 0.05), usual, atol=1e-11)


def test_nothing_stays_nothing():
    values = np.full((40, 2), -np.inf)
    assert (smoothed(values, 0, 0.3, 0.05) == -np.inf).all()


@pytest.mark.parametrize("tau", [0.05, 2.0, 40.0])
def test_kernels_of_all_lengths_are_sums(tau):
    """Of 20, 130 and all nodes: each log Σ K_{j−i} e^{a_j}, term by term, to 1e-9."""
    rng = np.random.default_rng(1)
    values, width = np.cumsum(rng.normal(size=(300, 3)), axis=0), 0.3
    values[50:60] = -np.inf
    values[:, 2] *= 20.0  # falls by thousands
    found = smoothed(values, 0, width, tau)
    k = np.arange(-299, 300) * width
    kernel = np.exp(-(k**2) / 4 / tau)
    apart = k[299:][np.abs(np.subtract.outer(np.arange(300), np.arange(300)))]
    logs = -(apart**2) / 4 / tau - np.log(kernel.sum())
    exact = np.logaddexp.reduce(logs[:, :, None] + values[None], axis=1)
    np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-9)
