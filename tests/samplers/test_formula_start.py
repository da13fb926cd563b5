"""Draws of initial densities that are formulas."""

import numpy as np
import pytest

from wfrpde import Case
from wfrpde.samplers import SamplerContext, make_sampler
from wfrpde.samplers.start import formula_sampler


@pytest.mark.parametrize("scale", [0.05, 1.0])
def test_moments_of_a_quartic_density(scale):
    n = 200_000
    draw = formula_sampler(lambda x: -((x[:, 0] / scale) ** 4), np.array([[-4.0, 4.0]]))
    x = draw(n, np.random.default_rng(1))[:, 0] / scale
    grid = np.linspace(-4, 4, 200_001)
    density = np.exp(-(grid**4))
    second, fourth = (float((density * grid**p).sum() / density.sum()) for p in (2, 4))
    assert abs(x.mean()) < 4 * np.sqrt(second / n)
    error = np.sqrt((fourth - second**2) / n)
    assert abs(np.mean(x**2) - second) < 4 * error
    assert abs(np.mean((1.02 * x) ** 2) - second) > 4 * error


def test_a_density_with_an_edge_in_the_plane():
    """The upper half of a disk: the mean of y is 4/(3π)."""
    n = 100_000

    def log_density(x):
        inside = (np.square(x).sum(axis=1) < 1) & (x[:, 1] > 0)
        return np.where(inside, 0.0, -np.inf)

    draw = formula_sampler(log_density, np.array([[-2.0, 2.0], [-2.0, 2.0]]))
    x = draw(n, np.random.default_rng(2))
    assert x.shape == (n, 2)
    assert np.isfinite(log_density(x)).all()
    assert abs(x[:, 1].mean() - 4 / (3 * np.pi)) < 4 * 0.265 / np.sqrt(n)


def test_a_case_that_starts_from_a_formula():
    case = Case.model_validate(
        {
            "target": {"potential": "x**2/2"},
            "initial": {"log_density": "-(x - 1)**2/0.5"},
            "flow": {"save": [0.1]},
            "sampler": [{"kind": "langevin", "alpha": 0.0}],
        }
    )
    context = SamplerContext.of(case)
    run = make_sampler(case.samplers[0], context)
    x = run.run(np.random.SeedSequence(1), 100_000, 0.1, [0.1]).ensembles[0].positions
    assert abs(x.mean() - 1.0) < 4 * 0.5 / np.sqrt(len(x))
    assert abs(x.var() - 0.25) < 4 * 0.25 * np.sqrt(2 / len(x))
