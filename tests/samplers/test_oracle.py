"""The solved flow as density source: between its saved times, and with few particles."""

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.flow.exact import gaussian_flow, gaussian_log_density
from wfrpde.samplers import Oracle, SamplerContext, make_sampler, oracle_times

T = 1.0
CASE = wfrpde.Case.model_validate(
    {
        "target": {"kind": "gaussian", "mean": [0.0], "covariance": [[1.0]]},
        "initial": {"mean": [1.0], "covariance": [[0.25]]},
        "flow": {"save": [0.3, T]},
        "domain": {"box": [[-8.0, 8.0]]},
    }
)


@pytest.fixture(scope="module")
def solution():
    return wfrpde.solve(CASE.with_overrides({"flow.save": list(oracle_times(CASE, 24))}))


@pytest.fixture(scope="module")
def oracle(solution):
    return Oracle.of(solution)


def exact(t, x):
    mean, covariance = gaussian_flow([1.0], [[0.25]], [0.0], [[1.0]], t)
    return gaussian_log_density(x, mean, covariance) - gaussian_log_density(
        x, np.zeros(1), np.eye(1)
    )


def error(values, t, x):
    """Root mean square of the error under ρ, without its mean."""
    mean, covariance = gaussian_flow([1.0], [[0.25]], [0.0], [[1.0]], t)
    density = np.exp(gaussian_log_density(x, mean, covariance))
    density /= density.sum()
    gap = values - exact(t, x)
    return float(np.sqrt(density @ (gap - density @ gap) ** 2))


def test_times_are_those_of_the_case_and_a_ladder():
    times = oracle_times(CASE, 24)
    assert {0.3, T} <= set(times)
    assert times[0] == pytest.approx(T / 24**2)
    assert len(times) in (24, 25)
    assert np.diff(np.sqrt(times)).min() > 0.3 / 24


@pytest.mark.parametrize("t", [0.0, 0.001, 0.0123, 0.2, 0.55, T])
def test_between_the_saved_times_it_is_the_flow(oracle, t):
    x = np.linspace(-3, 4, 400)[:, None]
    assert error(oracle(t, x), t, x) < 2e-4
    assert error(oracle(t, x) * 1.01, t, x) > 2e-4


def test_its_own_error_estimate_bounds_the_error(oracle):
    x = np.linspace(-3, 4, 400)[:, None]
    times = oracle.times
    between = [
        error(oracle(t, x), t, x) - error(oracle(s, x), s, x)
        for s, t in zip(times[:-1], (times[1:] + times[:-1]) / 2, strict=True)
    ]
    assert max(between) < oracle.interpolation_error < 1e-2


def test_what_it_cannot_tell(oracle):
    with pytest.raises(InputError, match=r"t = 1\.5 with a flow solved up to 1"):
        oracle(1.5, np.zeros((1, 1)))
    # outside the mesh, that of its edge
    assert oracle(0.5, np.array([[100.0]])) == oracle(0.5, np.array([[8.0]]))


def test_a_sampler_that_asks_for_it_needs_a_solution():
    case = CASE.with_overrides({"sampler": [{"kind": "weighted", "density": "oracle"}]})
    with pytest.raises(InputError, match=r"sampler weighted: density: .*oracle_times"):
        make_sampler(case.samplers[0], SamplerContext.of(case))


def run_of(solution, **table):
    case = CASE.with_overrides({"sampler": [table]})
    return make_sampler(case.samplers[0], SamplerContext.of(case, solution))


def mean_square(run, n, replicates, dt=0.05, weigh=True):
    """Estimate of E x² by pooling replicates; with its standard error."""
    values = []
    for seed in np.random.SeedSequence(3).spawn(replicates):
        ensemble = run.run(seed, n, dt, [T]).ensembles[0]
        values.append(ensemble.average(ensemble.positions**2)[0])
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(replicates)


@pytest.mark.parametrize("kind", ["weighted", "birth_death"])
def test_it_follows_the_flow(solution, kind):
    mean, covariance = gaussian_flow([1.0], [[0.25]], [0.0], [[1.0]], T)
    truth = float(covariance[0, 0] + mean[0] ** 2)
    value, spread = mean_square(run_of(solution, kind=kind, density="oracle"), 20_000, 8)
    assert abs(value - truth) < 4 * spread + 0.4 * 0.05
    off, _ = mean_square(run_of(solution, kind=kind, density="oracle", beta=2.0), 20_000, 8)
    assert abs(off - truth) > 4 * spread + 0.4 * 0.05


def test_few_particles_have_no_bias_from_a_density_estimate(solution):
    """40 particles: with the oracle as good as many, with a kernel estimate far off."""
    settings = {"kind": "birth_death"}
    many, _ = mean_square(run_of(solution, **settings, density="oracle"), 40_000, 4)
    few, spread = mean_square(run_of(solution, **settings, density="oracle"), 40, 150)
    assert abs(few - many) < 4 * spread + 1 / 40
    estimated, spread = mean_square(
        run_of(solution, **settings, density="kde", bandwidth=0.1), 40, 150
    )
    assert abs(estimated - many) > 4 * spread + 1 / 40
