"""Births and deaths within a step: the branching process of frozen rates."""

import numpy as np
import pytest

from wfrpde.samplers import BirthDeathLangevin, Ensemble, PathReaction
from wfrpde.samplers.birth_death import MOST, branched
from wfrpde.targets import make_target

FLAT = make_target(kind="gaussian", parameters={"mean": [0.0], "covariance": [[1.0]]})


@pytest.mark.parametrize("growth", [-3.0, -0.4, 0.0, 0.4, 3.0])
def test_copies_have_the_mean_and_variance_of_the_branching_process(growth):
    n = 200_000
    copies = branched(np.full(n, growth), np.random.default_rng(1))
    mean = np.exp(growth)
    variance = mean * (1 - mean) if growth < 0 else mean * (mean - 1)
    assert abs(copies.mean() - mean) <= 4 * np.sqrt(variance / n)
    assert copies.var() == pytest.approx(variance, rel=0.05, abs=1e-12)
    if growth > 0.4:  # one birth at the most would be far from it
        assert copies.max() > 2


def test_a_growth_beyond_all_bounds():
    copies = branched(np.array([2 * MOST, -2 * MOST, 1e9, -np.inf]), np.random.default_rng(1))
    assert copies[1] == copies[3] == 0
    assert (copies[[0, 2]] > 1000).all()


def test_a_stiff_step_multiplies_as_it_should():
    """No moves, U = 4 on a tenth of the particles for a time 1: their share is e⁴/(e⁴ + 9)."""
    n = 100_000
    x = np.zeros((n, 1))
    x[: n // 10] = 1.0
    sampler = BirthDeathLangevin(FLAT, PathReaction(lambda t, p: 4.0 * p[:, 0]), alpha=0.0)
    shares = [
        sampler.step(Ensemble.equal(x), 0.0, 1.0, np.random.default_rng(k)).positions.mean()
        for k in range(10)
    ]
    exact = np.exp(4) / (np.exp(4) + 9)
    # the copies of n/10 particles vary by about as much as their mean
    assert abs(np.mean(shares) - exact) < 4 * exact * (1 - exact) / np.sqrt(n)
    assert np.std(shares) > 0


def test_without_growth_nothing_happens():
    x = np.random.default_rng(0).standard_normal((1000, 1))
    sampler = BirthDeathLangevin(FLAT, PathReaction(lambda t, p: np.full(len(p), 3.0)), alpha=0.0)
    after = sampler.step(Ensemble.equal(x), 0.0, 0.1, np.random.default_rng(1))
    assert np.array_equal(np.sort(after.positions, axis=0), np.sort(x, axis=0))
    assert after.counts["births"] == after.counts["deaths"] == 0
