"""Samples of Eulerian densities have the moments, the masses and the distribution of the density.

All seeds are fixed; the bounds are in standard errors of exact sampling.
"""

import numpy as np
import pytest

import wfrpde
from wfrpde.comparison.density import density_of
from wfrpde.comparison.exact_samples import exact_sampler
from wfrpde.comparison.observables import masses, moments, reference_values, values

N = 200_000


def scores(density, regions, n=N, seed=1):
    """Differences of sample averages from their Eulerian values, in standard errors."""
    x = exact_sampler(density).draw(n, np.random.default_rng(seed))
    observables = moments("xyz"[: density.dim]) + masses(regions)
    references = reference_values(observables, density, {})
    phi = values(observables, x, density).mean(axis=0)
    bars = np.array([r.spread for r in references]) / np.sqrt(n)
    return (phi - [r.value for r in references]) / bars


@pytest.mark.parametrize("t", [0.0, 0.2, np.inf])
def test_samples_on_a_line(line, t):
    assert np.abs(scores(density_of(line, t), line.target.regions)).max() < 3.5


@pytest.mark.parametrize("t", [0.0, 0.3, np.inf])
def test_samples_in_the_plane(plane, t):
    assert np.abs(scores(density_of(plane, t), plane.target.regions)).max() < 3.5


def test_samples_on_triangles():
    case = wfrpde.Case.model_validate(
        {
            "target": {"kind": "gaussian", "mean": [0.0, 0.0], "covariance": [1.0, 0.7]},
            "initial": {"mean": [-1.0, 0.5], "covariance": [0.3, 0.5]},
            "domain": {"box": [[-5.0, 5.0], [-5.0, 5.0]], "cell": "simplex"},
            "flow": {"save": [0.2]},
            "numerics": {"formulation": "edge-averaged", "cells": [24, 24], "dt": 0.05},
        }
    )
    assert np.abs(scores(density_of(wfrpde.solve(case), 0.2), {}, n=50_000)).max() < 3.5


def test_distribution_function_of_a_gaussian(start):
    from scipy.stats import kstest, norm

    x = exact_sampler(start).draw(N, np.random.default_rng(2))[:, 0]
    assert kstest(x, norm(0.5, 1.0).cdf).pvalue > 0.01
    # the same test finds a mean that is wrong by two hundredths
    assert kstest(x + 0.02, norm(0.5, 1.0).cdf).pvalue < 0.001


def test_a_planted_shift_is_seen(line):
    density = density_of(line, 0.2)
    x = exact_sampler(density).draw(N, np.random.default_rng(3))[:, 0]
    spread = np.sqrt(density.moments[1][0, 0])
    assert abs(x.mean() + 0.02 * spread - density.moments[0][0]) > 5 * spread / np.sqrt(N)
