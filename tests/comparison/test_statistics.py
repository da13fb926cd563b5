"""Statistics of replicates: exact levels, powers and intervals, by simulation with fixed seeds."""

from dataclasses import replace

import numpy as np
import pytest

from wfrpde.comparison.assembly import witnesses_of
from wfrpde.comparison.observables import ReferenceValue
from wfrpde.comparison.statistics import (
    average,
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


# --- bias split -----------------------------------------------------------------------------------
