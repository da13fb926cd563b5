"""One ensemble on all ranks: global weights, resampling and densities, and the same flow.

Started by mpirun itself, the ranks share the ensemble; on a single process it holds them all.
"""

from __future__ import annotations

import numpy as np
import pytest

from wfrpde import Case
from wfrpde.flow.exact import gaussian_flow
from wfrpde.samplers import (
    Ensemble,
    KernelDensity,
    MeshDensity,
    Ranks,
    SamplerContext,
    make_sampler,
)
from wfrpde.samplers.lattice import Lattice
from wfrpde.samplers.resampling import offspring, redistributed
from wfrpde.targets import make_target

MPI = pytest.importorskip("mpi4py.MPI")

T, N, DT = 0.5, 40_000, 0.02
CASE = Case.model_validate(
    {
        "target": {"kind": "gaussian", "mean": [1.0, 0.0], "covariance": [[1.0, 0.3], [0.3, 0.5]]},
        "initial": {"mean": [0.0, 0.5], "covariance": [[0.5, 0.0], [0.0, 0.8]]},
        "flow": {"save": [T]},
    }
)


@pytest.fixture
def ranks():
    return Ranks(MPI.COMM_WORLD)


def own_weights(ranks, n=50):
    """Weights on this rank, whose sum over all is 1; they differ from rank to rank."""
    weights = np.random.default_rng(ranks.rank).random(n + ranks.rank) * (1 + ranks.rank)
    return weights / ranks.sum(weights.sum())


def test_weights_and_averages_are_those_of_the_whole(ranks):
    rng = np.random.default_rng(10 + ranks.rank)
    own = Ensemble(
        rng.standard_normal((30 + ranks.rank, 2)), 5 * rng.standard_normal(30 + ranks.rank)
    )
    whole = ranks.gathered(own)
    assert whole.size == ranks.count(own)
    assert ranks.ess(own) == pytest.approx(whole.ess, rel=1e-12)
    assert np.allclose(
        ranks.average(own, own.positions), whole.average(whole.positions), rtol=1e-12
    )
    assert ranks.sum(ranks.normalised(own).sum()) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("scheme", ["systematic", "stratified", "residual", "multinomial"])
def test_copies_of_all_ranks_are_unbiased(ranks, scheme):
    weights = own_weights(ranks)
    total = ranks.sum(len(weights))
    rng = np.random.default_rng(20 + ranks.rank)
    draws = np.array([offspring(scheme, weights, rng, ranks) for _ in range(1000)])
    assert {ranks.sum(int(d.sum())) for d in draws} == {total}
    error = np.sqrt(total * weights * (1 - weights) / len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - total * weights) < 5 * error)
    if scheme == "systematic":
        assert np.abs(draws - total * weights).max() < 1 + 1e-9
    if scheme == "stratified":
        assert np.abs(draws - total * weights).max() < 2


def test_copies_are_spread_evenly_and_none_is_lost(ranks):
    weights = own_weights(ranks)
    positions = (1000.0 * ranks.rank + np.arange(len(weights)))[:, None]
    copies = offspring("systematic", weights, np.random.default_rng(ranks.rank), ranks)
    kept = redistributed(positions, copies, ranks)
    assert kept.shape == positions.shape
    before = np.concatenate(ranks.every(np.repeat(positions, copies)))
    assert np.array_equal(np.sort(before), np.sort(np.concatenate(ranks.every(kept.ravel()))))


@pytest.mark.parametrize("source", [MeshDensity, KernelDensity])
def test_the_density_is_that_of_the_whole(ranks, source):
    target = make_target(kind="gaussian", parameters={"mean": [0.0], "covariance": [[1.0]]})
    x = np.random.default_rng(30 + ranks.rank).standard_normal((500 + ranks.rank, 1))
    every = np.concatenate(ranks.every(x))
    lattice = Lattice.over(np.array([[-8.0, 8.0]]), np.array([0.2]), 1000)
    settings = (lattice, 1.0) if source is MeshDensity else (None,)

    def log_relative(points, group):
        weights = np.full(len(points), 1 / len(every))
        return source(target, *settings, ranks=group).log_relative(points, weights, 0.0)

    start = sum(len(p) for p in ranks.every(x)[: ranks.rank])
    alone = log_relative(every, Ranks())[start : start + len(x)]
    assert np.allclose(log_relative(x, ranks), alone, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "langevin"},
        {"kind": "mala"},
        {"kind": "weighted", "ess_threshold": 0.95},
        {"kind": "birth_death"},
        {"kind": "smc_wfr", "ess_threshold": 0.95},
        {"kind": "fisher_rao"},
    ],
    ids=lambda table: table["kind"],
)
def test_a_split_ensemble_follows_the_flow(ranks, table):
    case = CASE.with_overrides({"sampler": [table]})
    run = make_sampler(case.samplers[0], SamplerContext.of(case, comm=MPI.COMM_WORLD))
    made = run.run(np.random.SeedSequence(3), N, DT, [T])
    own = made.ensembles[0]
    assert own.size == ranks.share(N)
    assert ranks.count(own) == N
    mean = ranks.average(own, own.positions)
    gap = own.positions - mean
    covariance = ranks.average(own, gap[:, :, None] * gap[:, None, :])
    start, target = case.initial.parameters, case.target.parameters
    m, c = gaussian_flow(
        start["mean"], start["covariance"], target["mean"], target["covariance"], T,
        alpha=run.claims.alpha, beta=run.claims.beta,
    )  # fmt: skip
    # four standard errors, more where the particles share ancestors, and the bias of the step
    tolerance = 4 * 1.5 / np.sqrt(ranks.ess(own))
    assert np.abs(mean - m).max() < tolerance + 0.3 * DT
    assert np.abs(covariance - c).max() < np.sqrt(2) * tolerance + 0.4 * DT
    if table["kind"] in ("weighted", "smc_wfr"):
        assert made.facts["resampled"] == pytest.approx(round(made.facts["resampled"]))
        assert made.facts["resampled"] >= 1


def test_the_ranks_have_random_numbers_of_their_own(ranks):
    case = CASE.with_overrides({"sampler": [{"kind": "langevin"}]})
    run = make_sampler(case.samplers[0], SamplerContext.of(case, comm=MPI.COMM_WORLD))
    own = run.run(np.random.SeedSequence(3), 20 * ranks.size, DT, [DT]).ensembles[0]
    every = np.concatenate(ranks.every(own.positions))
    assert len(np.unique(every[:, 0])) == 20 * ranks.size
