"""Statistics of replicates: exact levels, powers and intervals, by simulation with fixed seeds."""

from dataclasses import replace

import numpy as np
import pytest

from wfrpde.comparison.assembly import witnesses_of
from wfrpde.comparison.autocorrelation import chain_error, chains_error, integrated_time
from wfrpde.comparison.bias import Measurement, split_bias
from wfrpde.comparison.fits import _rate_fit
from wfrpde.comparison.mixing import bulk_ess, r_hat
from wfrpde.comparison.observables import ReferenceValue
from wfrpde.comparison.statistics import (
    average,
    chain_average,
    detectable,
    holm,
    needed_replicates,
    p_value,
    poisson_p_value,
)
from wfrpde.comparison.verdicts import Comparison, Rules, judge


def test_intervals_hold_the_truth_at_their_rate():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        low, high = average(rng.normal(1.0, 2.0, 6)).interval(0.05)
        hits += low < 1.0 < high
    # binomial: 1900 ± 4·9.7
    assert abs(hits - 1900) < 39


def test_p_values_are_uniform_without_a_bias():
    rng = np.random.default_rng(1)
    p = []
    for _ in range(2000):
        mean = average(rng.normal(size=8))
        p.append(p_value(mean.value, 0.0, mean.standard_error, mean.freedom))
    assert np.abs(np.mean(p) - 0.5) < 4 * np.sqrt(1 / 12 / 2000)
    assert abs(np.mean(np.array(p) < 0.01) - 0.01) < 4 * np.sqrt(0.01 / 2000)


def test_error_of_the_reference_is_granted():
    assert p_value(0.1, 0.11, 0.001, 10) == 1.0
    assert p_value(0.1, 0.09, 0.001, 10) < 1e-5
    assert p_value(0.1, 0.0, 0.0, 10) == 0.0
    assert p_value(0.1, 0.0, np.inf, 1) == 1.0


def test_holm_by_hand():
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]), 0.05)
    assert found.tolist() == [True, False, False, True]
    assert holm(np.array([0.01, 0.02]), 0.05).all()
    assert not holm(np.array([0.9]), 0.05).any()


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_family_wise_error_rate(correlation):
    """Of 250 families of 30 correlated rows at most 5 % (+4 standard errors) err."""
    rng = np.random.default_rng(2)
    wrong = 0
    reference = ReferenceValue(0.0, 0.0, 1.0)
    for _ in range(250):
        common = rng.normal(size=(12, 1))
        rows = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * rng.normal(size=(12, 30))
        found = judge(
            [Comparison("s", str(k), 1.0, 12, average(rows[:, k]), reference) for k in range(30)],
            Rules(),
        )
        wrong += any(row.verdict == "biased" for row in found)
    assert wrong / 250 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 250)
    if correlation == 0.0:
        assert wrong > 0


def test_power_is_what_is_stated():
    """A bias as large as `detectable` is found in 80 % of 1000 trials (± 4 standard errors)."""
    rng = np.random.default_rng(3)
    level, count = 0.05 / 20, 16
    bias = detectable(1 / np.sqrt(count), count - 1, level, 0.8)
    found = 0
    for _ in range(1000):
        mean = average(rng.normal(bias, 1.0, count))
        found += p_value(mean.value, 0.0, mean.standard_error, mean.freedom) < level
    assert abs(found / 1000 - 0.8) < 0.06


def test_needed_replicates_suffice_and_no_fewer_do():
    def seen(count):
        return detectable(1 / np.sqrt(count), count - 1, 0.001, 0.8)

    needed = needed_replicates(1 / np.sqrt(5), 5, 0.3, 0.001, 0.8)
    assert seen(needed) <= 0.3 < seen(needed - 1)
    assert needed_replicates(np.inf, 1, 0.3, 0.001, 0.8) == 10**9


def test_three_verdicts():
    reference = ReferenceValue(0.0, 0.001, 1.0)
    rng = np.random.default_rng(4)
    noise = rng.normal(size=20)
    noise = (noise - noise.mean()) / noise.std(ddof=1)

    def verdict(bias, scale, **rules):
        row = Comparison("s", "o", 1.0, 20, average(bias + scale * noise), reference)
        return judge([row], Rules(**rules))[0]

    assert verdict(0.0, 0.1).verdict == "consistent"
    assert "would have seen" in verdict(0.0, 0.1).words
    biased = verdict(0.5, 0.1)
    assert biased.verdict == "biased"
    assert biased.words.startswith("biased by 0.5")
    open_ = verdict(0.0, 1.0)
    assert open_.verdict == "undecided"
    assert open_.needed_replicates > 100
    one_more = replace(open_, needed_replicates=1, doubt="")
    assert one_more.words == "undecided: needs about 1 more replicate"
    assert verdict(0.5, 0.1, tolerance=0.6, resolution=1.0).verdict == "consistent"


def test_one_replicate_decides_nothing():
    row = Comparison("s", "o", 1.0, 1, average(np.array([7.0])), ReferenceValue(0.0, 0.0, 1.0))
    (found,) = judge([row], Rules())
    assert found.verdict == "undecided"
    assert "no error bar" in found.words


def test_rare_events_are_not_normal():
    """Counts of a rare event: false alarms stay at their rate, where a t test alone errs often."""
    rng = np.random.default_rng(5)
    p, n, replicates = 1e-5, 1000, 20
    reference = ReferenceValue(p, 0.0, np.sqrt(p))
    wrong = naive = 0
    for _ in range(1000):
        shares = rng.binomial(n, p, replicates) / n
        trials = n * replicates
        mean = average(shares, np.sqrt(p / trials))
        row = Comparison("s", "o", 1.0, replicates, mean, reference, float(trials))
        wrong += judge([row], Rules(level=0.01))[0].verdict == "biased"
        plain = average(shares)
        naive += p_value(plain.value - p, 0.0, plain.standard_error, plain.freedom) < 0.01
    assert wrong <= 10 + 4 * np.sqrt(10)
    assert naive > 50
    assert poisson_p_value(0.0, 0.2) == 1.0
    assert poisson_p_value(6.0, 0.2) < 1e-6


def test_families_of_rare_particles():
    """One replicate in 20 is reached by a pioneer, whose descendants hold 20 times the mass."""
    rng = np.random.default_rng(8)
    p, n, replicates, trials = 1e-3, 1000, 120, 500
    reference = ReferenceValue(p, 0.0, np.sqrt(p))

    def share_biased(reached, factor=1.0):
        wrong = np.zeros(2)
        for _ in range(trials):
            masses = rng.binomial(1, reached, replicates) * factor * p / reached
            mean = average(masses, np.sqrt(p / (n * replicates)))
            for k, witnesses in enumerate((witnesses_of(p, masses, n), np.inf)):
                row = Comparison(
                    "s", "o", 1.0, replicates, mean, reference, float(n * replicates), witnesses
                )
                wrong[k] += judge([row], Rules(level=0.01))[0].verdict == "biased"
        return wrong / trials

    careful, naive = share_biased(0.05)
    assert careful <= 0.01 + 4 * np.sqrt(0.01 / trials)
    assert naive > 0.02
    careful, _ = share_biased(0.9, factor=0.5)  # seen by most, and half of it missing
    assert careful > 0.99


def test_a_mode_that_each_replicate_must_see():
    masses = np.zeros(20)
    assert witnesses_of(0.5, masses, 1000) == np.inf
    assert witnesses_of(1e-4, masses, 1000) == 0
    reference = ReferenceValue(1e-4, 0.0, 1e-2)
    row = Comparison("s", "o", 1.0, 20, average(masses, 1e-4), reference, 2e4, 0.0)
    (found,) = judge([row], Rules())
    assert found.verdict == "undecided"
    assert "no replicate has got there" in found.words


# --- Markov chains --------------------------------------------------------------------------------


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


# --- bias split -----------------------------------------------------------------------------------


def ladder(rng, noise, *, rest=0.05, step=0.2, finite=0.1, p=1.0, q=1.0):
    points = [(1, 1.0), (2, 1.0), (4, 1.0), (8, 1.0), (1, 0.5), (1, 0.25), (1, 0.125)]
    return [
        Measurement(
            0.01 * f,
            1000 * g,
            2.0 + rest + step * f**p + finite / g**q + rng.normal(0, noise),
            noise,
        )
        for f, g in points
    ]


def test_parts_of_a_bias_are_recovered():
    split = split_bias(ladder(np.random.default_rng(9), 1e-3), 2.0)
    assert split.total[0] == pytest.approx(0.35, abs=0.005)
    for found, exact in ((split.step, 0.2), (split.finite_n, 0.1), (split.rest, 0.05)):
        assert abs(found[0] - exact) < 4 * found[1]
        assert found[1] < 0.002
    assert split.order_dt.low < 1 < split.order_dt.high
    assert split.order_n.low < 1 < split.order_n.high
    assert split.order_dt.value == pytest.approx(1.0, abs=0.05)


def test_errors_of_the_parts_are_honest():
    rng = np.random.default_rng(10)
    z = []
    for _ in range(200):
        split = split_bias(ladder(rng, 0.02), 2.0)
        z.append([(split.step[0] - 0.2) / split.step[1], (split.rest[0] - 0.05) / split.rest[1]])
    assert np.var(z, axis=0) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 200))
    assert np.abs(np.mean(z, axis=0)).max() < 4 / np.sqrt(200)


def test_another_order_is_found():
    split = split_bias(ladder(np.random.default_rng(11), 1e-4, p=2.0, q=0.5), 2.0)
    assert split.order_dt.value == pytest.approx(2.0, abs=0.1)
    assert split.order_n.value == pytest.approx(0.5, abs=0.1)


def test_noise_has_no_order():
    rng = np.random.default_rng(12)
    split = split_bias(ladder(rng, 0.02, step=0.0, finite=0.0), 2.0)
    assert np.isnan(split.order_dt.value) or split.order_dt.low == 0.0
    assert abs(split.step[0]) < 4 * split.step[1]


@pytest.mark.filterwarnings("error")
def test_a_rate_that_the_path_says_nothing_of_has_an_interval_without_an_end():
    """And NumPy does not warn of an overflow."""
    found = _rate_fit(np.log(2.0), 2000.0)
    assert found.value == pytest.approx(2.0)
    assert (found.low, found.high) == (0.0, np.inf)
