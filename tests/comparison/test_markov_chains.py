"""Points that are correlated: errors, levels and mixing of chains, by simulation."""

import numpy as np
import pytest

from wfrpde.comparison.autocorrelation import chain_error, chains_error, integrated_time
from wfrpde.comparison.mixing import bulk_ess, r_hat
from wfrpde.comparison.statistics import (
    chain_average,
    holm,
    p_value,
)


def autoregressive(phi, n, rng, chains=1):
    noise = rng.normal(size=(n, chains))
    x = np.empty((n, chains))
    x[0] = noise[0] / np.sqrt(1 - phi**2)
    for k in range(1, n):
        x[k] = phi * x[k - 1] + noise[k]
    return x * np.sqrt(1 - phi**2)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_integrated_time_of_an_autoregression(phi):
    """τ = (1 + φ)/(1 − φ)."""
    x = autoregressive(phi, 100_000, np.random.default_rng(6), 4)
    assert integrated_time(x).mean() == pytest.approx((1 + phi) / (1 - phi), rel=0.06)


def test_error_of_a_chain_is_honest():
    """Scores of 200 chains, (mean − truth)/error, have unit variance (± 4 standard errors)."""
    x = autoregressive(0.8, 5000, np.random.default_rng(7), 200)
    error, worth, _ = chain_error(x)
    assert np.var(x.mean(axis=0) / error) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 200))
    assert worth.mean() == pytest.approx(5000 / 9, rel=0.1)
    # if the correlation is ignored, the same scores have variance τ = 9
    assert np.var(x.mean(axis=0) / (x.std(axis=0) / np.sqrt(5000))) > 5


def test_constant_chain_and_weights():
    error, worth, _ = chain_error(np.ones((50, 1)))
    assert error[0] == 0.0
    assert worth[0] == 50
    rng = np.random.default_rng(8)
    x = rng.normal(size=(4000, 1))
    weights = rng.random(4000)
    weights /= weights.sum()
    error, _, _ = chain_error(x, weights)
    assert error[0] == pytest.approx(np.sqrt((weights**2).sum()), rel=0.1)


def test_chains_that_disagree_are_believed():
    """Between-chain errors count from four chains on: each alone is sure, and stuck."""
    found = chain_average(np.array([0.0, 1.0, 0.0, 1.0]), np.full(4, 1e-3), np.full(4, 1e4))
    assert found.standard_error == pytest.approx(np.std([0, 1, 0, 1], ddof=1) / 2)


def in_layout(x, layout):
    """Exact chains ``(n, C)`` as they are read: points behind one another, and how many chains."""
    n, chains = x.shape
    if layout == "right":
        return x.T.reshape(-1, 1), chains
    return x.reshape(-1, 1), {"steps first": n, "interleaved": 1}[layout]


@pytest.mark.parametrize("layout", ["right", "steps first", "interleaved"])
def test_chains_in_any_order_keep_their_error(layout):
    """32 chains of 2000 steps with τ = 37: the standard error is 0.0238, and 95 % are covered."""
    rng = np.random.default_rng(21)
    phi, errors, wrong, trials = 36 / 38, [], 0, 40
    for _ in range(trials):
        x, chains = in_layout(autoregressive(phi, 2000, rng, 32), layout)
        found = chains_error(x, np.full(len(x), 1 / len(x)), chains)
        errors.append(found.error[0])
        wrong += p_value(float(x.mean()), 0.0, found.error[0], found.freedom[0]) < 0.05
        assert bool(found.note) == (layout != "right")
        assert layout != "interleaved" or "32 chains" in found.note
    assert np.mean(errors) == pytest.approx(0.0238, rel=0.15)
    assert wrong / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


@pytest.mark.parametrize("chains", [2, 3, 4, 8])
def test_few_chains_keep_the_level(chains):
    """Chains that mix slowly, 20 times τ long: alarms at 5 %, and never much fewer points."""
    rng = np.random.default_rng(22)
    wrong, trials = 0, 150
    for _ in range(trials):
        x, _ = in_layout(autoregressive(36 / 38, 740, rng, chains), "right")
        found = chains_error(x, np.full(len(x), 1 / len(x)), chains)
        wrong += p_value(float(x.mean()), 0.0, found.error[0], found.freedom[0]) < 0.05
    assert wrong / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


def test_chains_mixed_up_are_one_series_of_few_points():
    """Of 400 such exact sets 10 % were called biased, by an error that 26 points tell."""
    x, chains = in_layout(autoregressive(0.9, 500, np.random.default_rng(24), 32), "steps first")
    found = chains_error(x, np.full(len(x), 1 / len(x)), chains)
    assert found.note.startswith("neighbouring chains are correlated")
    assert found.error[0] == pytest.approx(np.sqrt(19 / len(x)), rel=0.5)
    assert 2 < found.freedom[0] < 10


def test_two_chains_that_are_stuck_know_nothing():
    """Two chains in one well and one in the other: a third ± a third, with two degrees."""
    rng = np.random.default_rng(23)
    side = np.repeat([0.0, 0.0, 1.0], 1000)
    x = np.stack([side, rng.normal(side, 0.01)], axis=1)
    found = chains_error(x, np.full(3000, 1 / 3000), 3)
    assert found.error == pytest.approx(1 / 3, rel=0.01)
    assert found.freedom.tolist() == [2, 2]
    assert found.r_hat[0] == np.inf
    assert found.r_hat[1] > 1.5


def test_copies_of_chains_are_one_chain():
    """Handed over four times, two chains had half the error; weights of copies add up."""
    x = autoregressive(0.9, 2000, np.random.default_rng(25), 2)
    own = np.array([0.3, 0.7])
    once, _ = in_layout(x, "right")
    four, _ = in_layout(np.tile(x, 4), "right")
    for share in (np.array([0.5, 0.5]), own):
        single = chains_error(once, np.repeat(share, 2000) / 2000, 2)
        copied = chains_error(four, np.repeat(np.tile(share, 4), 2000) / 8000, 8)
        for name in ("error", "freedom", "ess", "r_hat"):
            assert getattr(copied, name) == pytest.approx(getattr(single, name), rel=1e-12)
    # chains that stand still where others do are no copies
    still = np.repeat([0.0, 0.0, 1.0], 1000)[:, None]
    assert chains_error(still, np.full(3000, 1 / 3000), 3).freedom.tolist() == [2]


def slow_banana(rng, chains, n):
    """Exact draws ``(C, n)`` of y = x² + noise, x ~ N(0, 1) an autoregression with τ = 19."""
    x = autoregressive(0.9, n, rng, chains)
    return (x**2 + 0.1 * rng.normal(size=x.shape)).T


def test_chains_that_miss_a_tail_keep_the_level():
    """Second moments of a banana: skewed averages whose variance is small where they are."""
    rng, trials = np.random.default_rng(24), 80
    truth, spread = 1.0, np.sqrt(2 + 0.1**2)
    # Var (y − 1)² = E(y − 1)⁴ − (Var y)², with E(x² − 1)⁴ = 60
    second, wide = spread**2, np.sqrt(60 + 6 * 2 * 0.1**2 + 3 * 0.1**4 - spread**4)
    wrong = {"alone": 0, "told": 0}
    for _ in range(trials):
        y = slow_banana(rng, 4, 400).reshape(-1)
        phi = np.stack([y, (y - truth) ** 2], axis=1)
        weights = np.full(len(y), 1 / len(y))
        for name, spreads in (("alone", None), ("told", np.array([spread, wide]))):
            found = chains_error(phi, weights, 4, spreads)
            gap = phi.mean(axis=0) - [truth, second]
            p = [p_value(*row) for row in zip(gap, [0, 0], found.error, found.freedom, strict=True)]
            wrong[name] += holm(np.array(p), 0.05).any()
    assert wrong["told"] / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert wrong["alone"] / trials > 0.08  # what the chains' own variance makes of it
    # a mistake is still found: samples of a law that is a fifth too narrow
    y = slow_banana(rng, 4, 10_000).reshape(-1) * 0.8
    found = chains_error(y[:, None], np.full(len(y), 1 / len(y)), 4, np.array([spread]))
    assert p_value(float(y.mean()) - truth, 0.0, found.error[0], found.freedom[0]) < 0.01


def test_mixing_is_measured_as_arviz_does():
    """R̂ and ESS of ArviZ 0.21 for sequences that are given by formulas."""
    k = np.arange(200.0)
    waves = np.array([np.sin(0.1 * k * k + c) + 0.3 * np.sin(0.05 * k + 2 * c) for c in range(4)])
    odd = np.array([np.cos(1.7 * k[:51] ** 1.5 + c) + 0.2 * c for c in range(3)])
    binary = (np.array([np.sin(0.07 * k + c) for c in range(2)]) > 0).astype(float)
    for chains, ratio, points in (
        (waves, 1.0012756357397214, 161.3331688198167),
        (odd, 1.0023121780242443, 217.7491082685663),
        (binary, 0.9950376420887195, 19.510009188639827),
    ):
        assert r_hat(chains) == pytest.approx(ratio, rel=1e-9)
        assert bulk_ess(chains) == pytest.approx(points, rel=1e-9)
    single = np.sin(0.1 * k * k)[None] + np.sin(0.02 * k)
    assert bulk_ess(single) == pytest.approx(4.299926455599312, rel=1e-9)
    assert np.isnan(r_hat(np.ones((2, 100))))
