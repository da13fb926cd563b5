"""Densities of probability flows along characteristics, in any dimension."""

import numpy as np
import pytest
from noised import mixture

from wfrpde.noising import NOISINGS, Mixture
from wfrpde.noising.characteristics import flow_log_density
from wfrpde.noising.scores import Exact, OfUser


@pytest.mark.parametrize("kind", ["ou", "vp", "ve"])
def test_on_the_line(kind):
    noising, data = NOISINGS[kind](), mixture()
    end, stop = (3.0, 0.01) if kind == "ou" else (1.0, 0.1)
    first, last = (data.noised(noising.scale(t), noising.variance(t)) for t in (end, stop))
    x = np.linspace(-2.5, 2.6, 200)[:, None]
    found = flow_log_density(noising, Exact(data, noising), end, stop, x, first.log_density)
    assert np.abs(found - last.log_density(x)).max() < 1e-6


def test_in_eight_dimensions_and_by_differences():
    rng, noising = np.random.default_rng(0), NOISINGS["ou"]()
    data = Mixture(
        np.array([0.4, 0.6]), rng.standard_normal((2, 8)), np.array([0.3 * np.eye(8)] * 2)
    )
    exact = Exact(data, noising)
    x = data.at(0.05).sample(20, rng)
    for score in (exact, OfUser(exact, "exact", noising)):
        found = flow_log_density(noising, score, 1.5, 0.05, x, data.at(1.5).log_density)
        assert np.abs(found - data.at(0.05).log_density(x)).max() < 2e-5
