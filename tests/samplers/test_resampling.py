"""Resampling: N copies in all, unbiased, and as even as each scheme promises."""

import numpy as np
import pytest

from wfrpde.samplers import Ensemble
from wfrpde.samplers.resampling import Resampling, offspring

SCHEMES = ["systematic", "stratified", "residual", "multinomial"]
WEIGHTS = np.array([0.30, 0.02, 0.0, 0.17, 0.01, 0.25, 0.15, 0.10])


def drawn(scheme, draws=4000, weights=WEIGHTS):
    rng = np.random.default_rng(11)
    return np.array([offspring(scheme, weights, rng) for _ in range(draws)])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_copies_add_up_and_are_unbiased(scheme):
    copies = drawn(scheme)
    assert (copies.sum(axis=1) == len(WEIGHTS)).all()
    expected = len(WEIGHTS) * WEIGHTS
    # the variance of a multinomial is the largest of all
    error = np.sqrt(expected * (1 - WEIGHTS) / len(copies))
    assert np.all(np.abs(copies.mean(axis=0) - expected) <= 4 * error)


def test_a_biased_scheme_would_be_caught():
    expected = len(WEIGHTS) * WEIGHTS
    copies = drawn("systematic")
    lost = np.where(copies[:, 0:1] > 2, copies - np.eye(8, dtype=int)[0], copies)  # drops one
    error = np.sqrt(expected * (1 - WEIGHTS) / len(copies))
    assert not np.all(np.abs(lost.mean(axis=0) - expected) <= 4 * error)


def test_schemes_are_as_even_as_they_promise():
    expected = len(WEIGHTS) * WEIGHTS
    assert np.abs(drawn("systematic") - expected).max() < 1
    assert np.abs(drawn("stratified") - expected).max() < 2
    assert (drawn("residual") >= np.floor(expected + 1e-12)).all()
    spread = {scheme: drawn(scheme).var(axis=0).sum() for scheme in SCHEMES}
    assert spread["systematic"] <= spread["stratified"] < spread["multinomial"]
    assert spread["residual"] < spread["multinomial"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_equal_weights(scheme):
    copies = drawn(scheme, draws=20, weights=np.full(49, 1 / 49))
    assert (copies.sum(axis=1) == 49).all()
    if scheme != "multinomial":
        assert (copies == 1).all()


def test_it_is_triggered_by_the_effective_size():
    positions = np.arange(4.0)[:, None]
    even = Ensemble(positions, np.log([0.3, 0.3, 0.2, 0.2]))
    uneven = Ensemble(positions, np.array([0.0, -50.0, -50.0, -50.0]))
    rng = np.random.default_rng(0)
    assert Resampling()(even, rng) is even
    resampled = Resampling()(uneven, rng)
    assert resampled.positions.ravel().tolist() == [0.0] * 4
    assert resampled.ess == pytest.approx(4.0, rel=1e-14)
    assert resampled.counts["resampled"] == 1
    assert Resampling(threshold=0.0)(uneven, rng) is uneven
    assert Resampling(threshold=1.0)(even, rng) is not even
