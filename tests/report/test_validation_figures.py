"""Figures of a validation: what is drawn under the particles of three dimensions."""

import numpy as np

from wfrpde.comparison.results import DensityPicture
from wfrpde.report.validation.particles import _marginal, _panels


def normal(x, variance):
    return np.exp(-(x**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def test_marginals_of_a_product_are_its_factors():
    axes = tuple(np.linspace(-r, r, n) for r, n in ((6.0, 40), (8.0, 36), (5.0, 44)))
    factors = [normal(x, v) for x, v in zip(axes, (1.0, 1.7, 0.6), strict=True)]
    values = factors[0][:, None, None] * factors[1][:, None] * factors[2]
    for pair in ((0, 1), (0, 2), (1, 2)):
        made = _marginal(DensityPicture("W", 1.0, axes, values), pair)
        expected = np.outer(factors[pair[0]], factors[pair[1]])
        np.testing.assert_allclose(made.values, expected, atol=1e-6)
        assert [len(axis) for axis in made.axes] == [len(axes[k]) for k in pair]


def test_three_dimensions_have_a_panel_for_each_pair_of_axes_at_the_last_time():
    assert _panels([0.1, 0.2], 3) == [(0.2, (0, 1)), (0.2, (0, 2)), (0.2, (1, 2))]
    assert _panels([0.1, 0.2, 0.3, 0.4, 0.5], 2) == [(0.1, (0, 1)), (0.3, (0, 1)), (0.5, (0, 1))]
    assert _panels([0.1], 1) == [(0.1, (0,))]
