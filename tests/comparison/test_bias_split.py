"""What a bias is made of: steps, finitely many particles, the rest."""

import numpy as np
import pytest

from wfrpde.comparison.bias import Measurement, split_bias
from wfrpde.comparison.fits import _rate_fit


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
