"""Particles along a path of targets: laws of Gaussians, and the work done on them."""

import pickle

import numpy as np
import pytest

import wfrpde
from wfrpde.errors import InputError
from wfrpde.samplers import SamplerContext
from wfrpde.samplers.annealed import AnnealedImportance, TemperedSmc
from wfrpde.samplers.ensemble import Ensemble
from wfrpde.samplers.langevin import Langevin

SPEED, K = 0.8, 1.5


@pytest.fixture(scope="module")
def context():
    case = wfrpde.Case.model_validate({
        "target": {"potential": "0.75*(x - 0.8*t)**2"},
        "path": {"kind": "expression"},
        "domain": {"box": [[-7.5, 8.3]]},
        "flow": {"reaction": "annealed", "save": [1.0]},
    })  # fmt: skip
    return SamplerContext.of(case)


def run(sampler, n, dt, seed=1):
    rng = np.random.default_rng(seed)
    ensemble = sampler.init(rng.normal(0.0, K**-0.5, (n, 1)), rng)
    steps = round(1.0 / dt)
    for k in range(steps):
        ensemble = sampler.step(ensemble, k * dt, dt, rng)
    return ensemble


def test_work_on_particles_in_a_dragged_well(context):
    n = 200_000
    ensemble = run(AnnealedImportance.of(context, "ais"), n, 0.01)
    work = -ensemble.log_weights
    mean = SPEED**2 * (1 - (1 - np.exp(-K)) / K)
    assert abs(work.mean() - mean) < 3 * work.std() / n**0.5 + 0.01 * mean
    assert abs(work.var() - 2 * mean) < 3 * 2**0.5 * work.var() / n**0.5 + 0.02 * mean
    assert abs(ensemble.ess / n - np.exp(-2 * mean)) < 0.02
    x = ensemble.positions[:, 0]
    assert abs(ensemble.weights @ x - SPEED) < 0.01
    assert abs(x.mean() - SPEED) > 0.2  # without weights it lags behind


def test_a_drift_that_follows_the_well_needs_no_weights():
    case = wfrpde.Case.model_validate({
        "target": {"potential": "0.75*(x - 0.8*t)**2"},
        "path": {"kind": "expression"},
        "domain": {"box": [[-7.5, 8.3]]},
        "dynamics": {"drift": ["0.8"]},
        "flow": {"reaction": "annealed", "save": [1.0]},
    })  # fmt: skip
    n = 20_000
    ensemble = run(AnnealedImportance.of(SamplerContext.of(case), "ais"), n, 0.02)
    assert ensemble.ess / n > 0.999
    x = ensemble.positions[:, 0]
    assert abs(x.mean() - SPEED) < 3 * x.std() / n**0.5 + 0.01
    assert abs(x.var() - 1 / K) < 3 * 2**0.5 / K / n**0.5 + 0.02 / K


def test_smc_chooses_its_own_targets(context):
    sampler = TemperedSmc.of(context, "smc", ess_threshold=0.97)
    ensemble = run(sampler, 20_000, 0.5)
    mean = ensemble.weights @ ensemble.positions[:, 0]
    assert abs(mean - SPEED) < 0.03
    assert abs(ensemble.weights @ (ensemble.positions[:, 0] - mean) ** 2 - 1 / K) < 0.03
    assert ensemble.counts["targets"] > 4
    assert ensemble.ess / 20_000 > 0.9


def test_langevin_lags_behind(context):
    ensemble = run(Langevin.of(context, "langevin"), 50_000, 0.01)
    lag = SPEED * (1 - np.exp(-K)) / K
    assert abs(SPEED - ensemble.positions.mean() - lag) < 0.02


def test_a_path_goes_to_another_process(context):
    again = pickle.loads(pickle.dumps(context))
    x = np.linspace(-1, 2, 7)[:, None]
    ours, theirs = context.equation.path, again.equation.path
    assert np.array_equal(ours.potential(x, 0.3), theirs.potential(x, 0.3))
    assert np.allclose(theirs.gradient(x, 0.3)[:, 0], 1.5 * (x[:, 0] - 0.24), atol=1e-9)
    assert np.allclose(theirs.in_time(x, 0.3), -1.2 * (x[:, 0] - 0.24))
    gain = theirs.gain(x, 0.1, 0.7)
    assert np.allclose(gain, 0.75 * ((x[:, 0] - 0.08) ** 2 - (x[:, 0] - 0.56) ** 2))


def test_refusals():
    tables = {
        "target": {"potential": "x**2/2"},
        "initial": {"mean": [0.0], "covariance": [[0.5]]},
    }
    still = SamplerContext.of(wfrpde.Case.model_validate(tables))
    with pytest.raises(InputError, match="without a"):
        AnnealedImportance.of(still, "ais")
    table = {"kind": "mala", "name": "mala"}
    moving = {**tables, "path": {"kind": "temper"}, "sampler": [table]}
    case = wfrpde.Case.model_validate(moving)
    with pytest.raises(InputError, match="knows nothing of"):
        wfrpde.samplers.make_sampler(case.samplers[0], SamplerContext.of(case))
    assert Ensemble.equal(np.zeros((2, 1))).size == 2
