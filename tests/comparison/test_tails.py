"""Tails of weights: their shape, and verdicts that are left undecided by heavy ones."""

import numpy as np
import pytest

from wfrpde.comparison.dimensions import compared
from wfrpde.comparison.observables import ReferenceValue
from wfrpde.comparison.statistics import Average
from wfrpde.comparison.tails import most_shape, pareto_shape
from wfrpde.comparison.verdicts import Comparison, Rules, judge
from wfrpde.comparison.weighed import Means, Weighed, distinct, normalised
from wfrpde.errors import InputError


@pytest.mark.parametrize("k", [0.15, 0.4, 0.9])
def test_the_shape_of_pareto_weights(k):
    u = np.random.default_rng(0).random(100_000)
    assert pareto_shape(-k * np.log(u)) == pytest.approx(k, abs=0.1)


def test_equal_and_bounded_weights_have_no_tail():
    rng = np.random.default_rng(1)
    assert pareto_shape(np.zeros(50)) == -np.inf
    assert pareto_shape(np.full(50, -np.inf)) == -np.inf
    assert pareto_shape(np.where(rng.random(200) < 0.5, 0.0, -np.inf)) < 0
    assert pareto_shape(np.log(rng.random(1000))) < 0
    assert most_shape(120) < most_shape(1e4) == most_shape(1e9)


def shifted(m, seed, resampled=False):
    """N(0, 1) weighed to N(m, 1): sixteen replicates of 120 points, judged by mean and variance."""
    rng, found = np.random.default_rng(seed), []
    for x in rng.standard_normal((16, 120)):
        logs = m * x
        if resampled:
            ends = np.cumsum(normalised(logs))[:-1]
            x = x[np.searchsorted(ends, (rng.random() + np.arange(120)) / 120)]
            logs = np.zeros(120)
        found.append(Weighed.of(x[:, None], np.array([x, (x - m) ** 2]), logs))
    truths = np.array([(m, 0.0), (1.0, 0.0)])
    return compared(["mean", "variance"], truths, Means.of(found), 0.01)


def test_heavy_weights_neither_accuse_nor_pass():
    heavy = [shifted(1.45, seed) for seed in range(12)]
    assert min(one.averages[0].p for one in heavy) < 0.005  # some would be accused
    for one in heavy:
        assert not one.passed
        assert not any(own.found for own in one.averages)
        assert str(one).startswith("undecided: the weights have too heavy a tail (Pareto k")
    light = [shifted(0.8, seed) for seed in range(12)]
    assert all(one.passed for one in light)


def test_resampling_hides_no_tail():
    """Right samplers whose copies were taken for points were accused by 21 of 100."""
    heavy = [shifted(1.45, seed, resampled=True) for seed in range(12)]
    assert min(one.averages[0].p for one in heavy) < 0.005
    words = "undecided: the weights have too heavy a tail"
    assert sum(str(one).startswith(words) for one in heavy) >= 11
    assert not any(own.found for one in heavy for own in one.averages)
    light = [shifted(0.8, seed, resampled=True) for seed in range(12)]
    assert all(one.passed for one in light)


@pytest.mark.parametrize(("n", "m"), [(120, 1.45), (1000, 1.0), (1000, 1.8)])
def test_copies_have_the_shape_of_the_weights_that_made_them(n, m):
    rng, found = np.random.default_rng(2), []
    for x in rng.standard_normal((32, n)):
        ends = np.cumsum(normalised(m * x))[:-1]
        copies = np.searchsorted(ends, (rng.random() + np.arange(n)) / n)
        drawn = x[copies, None]
        found.append((pareto_shape(m * x), pareto_shape(*distinct(drawn, np.zeros(n))[1:])))
    before, after = np.median(found, axis=0)
    assert after == pytest.approx(before, abs=0.1)


@pytest.mark.parametrize("n", [1000, 10_000, 100_000])
@pytest.mark.parametrize("moved", [0.9, 0.95, 0.99, 0.999])
def test_few_copies_have_no_tail(n, moved):
    """Chains that hardly ever stand still had k of 1 to 3, and so all rows were undecided."""
    rng = np.random.default_rng(0)
    stood = np.append(0, np.where(rng.random(n - 1) < moved, np.arange(1, n), 0))
    x = rng.standard_normal(n)[np.maximum.accumulate(stood), None]
    assert pareto_shape(*distinct(x, np.zeros(n))[1:]) < 0.3


@pytest.mark.parametrize("n", [10_000, 100_000, 300_000])
def test_single_precision_has_no_tail(n):
    """Of 100,000 points 67 pairs coincide, which had k = 0.85."""
    x = np.random.default_rng(0).standard_normal((n, 1)).astype(np.float32).astype(float)
    assert pareto_shape(*distinct(x, np.zeros(n))[1:]) < 0.3


def test_points_that_coincide_are_one():
    x = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0], [4.0, 0.0]])
    some, logs, copies = distinct(x, np.log([1.0, 2.0, 3.0, 4.0]))
    assert x[some].tolist() == [[1.0, 2.0], [1.0, 3.0], [4.0, 0.0]]
    assert np.exp(logs) == pytest.approx([4.0, 2.0, 4.0])
    assert copies.tolist() == [2, 1, 1]
    weighed = Weighed.of(x, x.T)
    assert weighed.effective == pytest.approx(16 / 6)


@pytest.mark.parametrize("digits", [1, 2])
@pytest.mark.parametrize("off", [0.0, 0.05])
def test_numbers_that_are_written_with_few_digits_are_not_copies(digits, off):
    """Taken for copies they were worth 35 points of 10,000, whose averages tell next to nothing."""
    rng, found = np.random.default_rng(3), []
    for x in rng.standard_normal((16, 10_000)):
        x = np.round(x + off, digits)
        found.append(Weighed.of(x[:, None], np.array([x, x**2])))
    truths = np.array([(0.0, 0.0), (1.0 + off**2, 0.0)])
    assert found[0].effective == pytest.approx(10_000)
    judged = compared(["mean", "second moment"], truths, Means.of(found), 0.01)
    assert [one.found for one in judged.averages] == [off > 0, False]
    assert not judged.doubt


def test_copies_are_no_lattice():
    x = np.random.default_rng(4).standard_normal(40)
    drawn = np.random.default_rng(5).choice(x, 400)
    for values in (drawn, drawn.astype(np.float32), np.where(drawn < 0, -1.0, 1.0)):
        assert distinct(values[:, None].astype(float), np.zeros(400))[2].max() > 1


def test_rows_of_heavy_weights_are_undecided_and_distances_are_positive():
    right, off = ReferenceValue(0.0, 0.0, 1.0), Average(0.5, 0.01, 15.0)
    words = "the weights have too heavy a tail"
    rows = judge(
        [
            Comparison("s", "mean", 1.0, 16, off, right, weights=words),
            Comparison("s", "mean", 1.0, 16, off, right),
            Comparison("s", "energy distance", 1.0, 16, off, right, above=True),
            Comparison("s", "MMD²", 1.0, 16, Average(-0.5, 0.01, 15.0), right, above=True),
        ],
        Rules(),
    )
    verdicts = ["undecided", "biased", "biased", "consistent"]
    assert [row.verdict for row in rows] == verdicts
    assert rows[0].words == f"undecided: {words}"


def test_points_that_are_copies_of_few_are_refused_for_that():
    x = np.repeat([-1.0, 1.0], 500)
    found = [Weighed.of(x[:, None], x[None])] * 8
    with pytest.raises(InputError, match=r"2 effective points .* copies of one point"):
        compared(["mean"], np.zeros((1, 2)), Means.of(found), 0.01)


@pytest.mark.parametrize("resampled", [False, True])
def test_skewed_averages_are_not_accused(resampled):
    """By Student's t alone 10 and 12 of these 300 were, at 1 %."""
    every = [shifted(1.2, seed, resampled) for seed in range(300)]
    assert sum(any(own.found for own in one.averages) for one in every) <= 7  # with 98.8 %
