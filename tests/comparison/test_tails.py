"""Tails of weights: their shape, and verdicts that are left undecided by heavy ones."""

import numpy as np
import pytest

from wfrpde.comparison.dimensions import compared
from wfrpde.comparison.observables import ReferenceValue
from wfrpde.comparison.statistics import Average
from wfrpde.comparison.tails import most_shape, pareto_shape
from wfrpde.comparison.verdicts import Comparison, Rules, judge
from wfrpde.comparison.weighed import Means, Weighed


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


def shifted(m, seed):
    """N(0, 1) weighed to N(m, 1): sixteen replicates of 120 points, judged by mean and variance."""
    rng, found = np.random.default_rng(seed), []
    for x in rng.standard_normal((16, 120)):
        found.append(Weighed.of(np.array([x, (x - m) ** 2]), m * x))
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
